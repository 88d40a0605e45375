//! Certificate-bound tokens over mutual TLS on loopback: the client uses rustls, the server OpenSSL, and the
//! keys of the tenant come over HTTPS too.

use a0_testkit::{
    Certificate, CertificateAuthority, HttpsServer, PeerCertificate, ProofKey, TenantServer,
};
use auth0_api::{ApiClient, Builder, Error, RequestContext, TrustRoots, VerifiedToken};
use http::Response;
use ureq::tls::{ClientCert, PrivateKey, RootCerts, TlsConfig};

const AUDIENCE: &str = "https://api.example/";

fn builder(tenant: &TenantServer) -> Builder {
    let roots = TrustRoots::from_pem(tenant.ca_pem().as_bytes()).unwrap();
    ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .public_url("https://api.example")
        .trust_roots(roots)
        .certificate_bound_tokens()
}

/// An API that says who sent the token.
fn api<V>(clients: &CertificateAuthority, verify: V) -> HttpsServer
where
    V: Fn(RequestContext<'_>) -> Result<VerifiedToken, Error> + Send + Sync + 'static,
{
    HttpsServer::start_mutual(clients, move |request| {
        let mut context = RequestContext::from(&request);
        if let Some(PeerCertificate(der)) = request.extensions().get() {
            context = context.client_certificate(&der[..]);
        }
        Ok(match verify(context) {
            Ok(token) => Response::new(format!("{:?}", token.confirmed_by()).into_bytes()),
            Err(error) => error.response().map(String::into_bytes),
        })
    })
    .unwrap()
}

/// An HTTP client with a certificate.
fn agent(api: &HttpsServer, certificate: Option<&Certificate>) -> ureq::Agent {
    let parse = |pem: &str| ureq::tls::Certificate::from_pem(pem.as_bytes()).unwrap();
    let identity = certificate.map(|own| {
        let mut chain = vec![parse(own.pem())];
        if !own.chain_pem().is_empty() {
            chain.push(parse(own.chain_pem()));
        }
        let key = PrivateKey::from_pem(own.key_pem().as_bytes()).unwrap();
        ClientCert::new_with_certs(&chain, key)
    });
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[parse(api.ca_pem())]))
        .client_cert(identity)
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}

fn check(tenant: &TenantServer, clients: &CertificateAuthority, api: &HttpsServer) {
    let intermediate = clients.intermediate().unwrap();
    let own = intermediate.client("app").unwrap();
    let tokens = || tenant.tenant().access_token().audience(AUDIENCE);
    let bound = tokens().bound_to_certificate(own.der()).mint().unwrap();
    let free = tokens().mint().unwrap();
    let key = ProofKey::generate().unwrap();
    let both = tokens()
        .bound_to(&key)
        .bound_to_certificate(own.der())
        .mint()
        .unwrap();
    let of_intermediate = tokens().bound_to_certificate(intermediate.der());
    let of_intermediate = of_intermediate.mint().unwrap();

    let send = |certificate, scheme: &str, token: &str, with_proof: bool| {
        let mut request = agent(api, certificate)
            .get(format!("{}/orders", api.origin()))
            .header("Authorization", format!("{scheme} {token}"));
        if with_proof {
            let proof = key.proof("GET", "https://api.example/orders");
            let proof = proof.for_token(token).mint().unwrap();
            request = request.header("DPoP", proof);
        }
        let mut answer = request.call()?;
        let text = answer.body_mut().read_to_string()?;
        Ok::<_, ureq::Error>((answer.status().as_u16(), text))
    };
    let confirmed = format!("Some(Certificate({:?}))", own.thumbprint());
    let by_both = format!(
        "Some(DpopKeyAndCertificate {{ jkt: {:?}, x5t: {:?} }})",
        key.thumbprint(),
        own.thumbprint()
    );
    let same_key = intermediate.client_with_key_of(&own).unwrap();
    let other = clients.client("other").unwrap();
    for (certificate, scheme, token, with_proof, expected) in [
        (Some(&own), "Bearer", &bound, false, Some(&*confirmed)),
        (Some(&own), "DPoP", &bound, false, Some(&*confirmed)),
        (Some(&own), "DPoP", &both, true, Some(&*by_both)),
        (Some(&own), "Bearer", &free, false, Some("None")),
        (None, "Bearer", &free, false, Some("None")),
        (None, "Bearer", &bound, false, None),
        (None, "DPoP", &bound, false, None),
        (None, "DPoP", &both, true, None),
        (Some(&other), "Bearer", &bound, false, None),
        (Some(&other), "DPoP", &bound, false, None),
        (Some(&other), "DPoP", &both, true, None),
        (Some(&same_key), "Bearer", &bound, false, None),
        (Some(&own), "DPoP", &both, false, None),
        (Some(&own), "Bearer", &both, false, None),
        (Some(&own), "Bearer", &of_intermediate, false, None),
    ] {
        let (status, text) = send(certificate, scheme, token, with_proof).unwrap();
        let case = format!("{certificate:?} {scheme} {with_proof}: {status} {text}");
        match expected {
            Some(expected) => assert_eq!((status, &*text), (200, expected), "{case}"),
            None => assert_eq!(status, 401, "{case}"),
        }
    }
    // A certificate of another authority ends the handshake.
    let stranger = CertificateAuthority::generate()
        .unwrap()
        .client("app")
        .unwrap();
    assert!(send(Some(&stranger), "Bearer", &free, false).is_err());
}

#[test]
fn rfc8705_3_a_token_is_accepted_on_connections_of_its_certificate_alone() {
    let tenant = TenantServer::start().unwrap();
    let clients = CertificateAuthority::generate().unwrap();
    let client = builder(&tenant).build().unwrap();
    let api = api(&clients, move |context| client.verify_request(context));
    check(&tenant, &clients, &api);
}

#[cfg(feature = "async")]
#[test]
fn rfc8705_3_the_async_client_accepts_a_token_on_connections_of_its_certificate_alone() {
    let tenant = TenantServer::start().unwrap();
    let clients = CertificateAuthority::generate().unwrap();
    let client = builder(&tenant).build_async().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let api = api(&clients, move |context| {
        handle.block_on(client.verify_request(context))
    });
    check(&tenant, &clients, &api);
}
