//! A server of hyper, tokio-rustls and axum that ends TLS itself and asks clients for a certificate.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{builder, tenant, token};
use a0_testkit::{Certificate, CertificateAuthority};
use a0_tower::certificate::{CertificateSource, PeerCertificate};
use a0_tower::{Auth, Verified};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use ureq::tls::{ClientCert, PrivateKey, RootCerts, TlsConfig};

type Failure = Box<dyn Error + Send + Sync>;

/// Asks clients for a certificate of `clients`, and takes clients without one too: the token decides.
fn tls(own: &Certificate, clients: &CertificateAuthority) -> Result<TlsAcceptor, Failure> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(clients.der()))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let chain = vec![CertificateDer::from_pem_slice(own.pem().as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes())?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, app: Router) -> Result<(), Failure> {
    loop {
        let (socket, _) = listener.accept().await?;
        // A slow handshake must not keep other clients waiting.
        tokio::spawn(connection(socket, tls.clone(), app.clone()));
    }
}

async fn connection(socket: TcpStream, tls: TlsAcceptor, app: Router) -> Result<(), Failure> {
    let limit = Duration::from_secs(10);
    let stream = tokio::time::timeout(limit, tls.accept(socket)).await??;
    let peer = PeerCertificate::of_chain(stream.get_ref().1.peer_certificates());
    // Outside of the layer of `Auth`, so that it finds the certificate.
    let app = app.layer(Extension(peer));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
        .await?;
    Ok(())
}

fn agent(roots: &CertificateAuthority, certificate: Option<&Certificate>) -> ureq::Agent {
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
        .root_certs(RootCerts::new_with_certs(&[parse(roots.pem())]))
        .client_cert(identity)
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}

#[test]
fn rfc8705_3_the_certificate_of_the_connection_is_that_of_the_token() {
    let (servers, clients) = (
        CertificateAuthority::generate().unwrap(),
        CertificateAuthority::generate().unwrap(),
    );
    let tenant = tenant();
    let client = builder(&tenant).certificate_bound_tokens();
    let auth = Auth::new(client.build_async().unwrap());
    let app = Router::new()
        .route(
            "/orders",
            get(async |token: Verified| format!("{:?}", token.confirmed_by())),
        )
        .layer(auth.client_certificate(CertificateSource::tls()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tls(&servers.loopback_server().unwrap(), &clients).unwrap();
    runtime.spawn(serve(listener, acceptor, app));

    let own = clients.intermediate().unwrap().client("app").unwrap();
    let other = clients.client("other").unwrap();
    let same_key = clients.client_with_key_of(&own).unwrap();
    let bound = token(&tenant).bound_to_certificate(own.der());
    let bound = bound.mint().unwrap();
    let free = token(&tenant).mint().unwrap();
    let send = |agent: &ureq::Agent, scheme: &str, token: &str, injected: &[(&str, &str)]| {
        let url = format!("https://localhost:{port}/orders");
        let mut request = agent
            .get(url)
            .header("Authorization", format!("{scheme} {token}"));
        for (name, value) in injected {
            request = request.header(*name, *value);
        }
        let mut answer = request.call()?;
        let text = answer.body_mut().read_to_string()?;
        Ok::<_, ureq::Error>((answer.status().as_u16(), text))
    };
    let hash: String = auth0_api::jose::sha256(own.der())
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let hash = format!("Hash={hash}");
    // A client that writes the fields of a proxy.
    let injected = [("X-Forwarded-Client-Cert", hash.as_str())];
    let confirmed = format!("Some(Certificate({:?}))", own.thumbprint());
    for (certificate, token, fields, expected) in [
        (Some(&own), &bound, &[][..], Some(&*confirmed)),
        (Some(&own), &bound, &injected, Some(&*confirmed)),
        (Some(&own), &free, &[], Some("None")),
        (None, &free, &[], Some("None")),
        (None, &bound, &[], None),
        (None, &bound, &injected, None),
        (Some(&other), &bound, &[], None),
        (Some(&other), &bound, &injected, None),
        (Some(&same_key), &bound, &[], None),
    ] {
        let agent = agent(&servers, certificate);
        // The second request uses the same connection.
        for scheme in ["Bearer", "DPoP", "Bearer"] {
            if token == &free && scheme == "DPoP" {
                continue;
            }
            let (status, text) = send(&agent, scheme, token, fields).unwrap();
            let case = format!("{certificate:?} {scheme}: {status} {text}");
            match expected {
                Some(expected) => assert_eq!((status, &*text), (200, expected), "{case}"),
                None => assert_eq!(status, 401, "{case}"),
            }
        }
    }
    // A certificate of another authority ends the handshake.
    let stranger = CertificateAuthority::generate()
        .unwrap()
        .client("app")
        .unwrap();
    assert!(send(&agent(&servers, Some(&stranger)), "Bearer", &free, &[]).is_err());
}
