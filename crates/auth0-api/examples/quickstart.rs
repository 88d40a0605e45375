//! Verifies requests with tokens of a tenant on this machine, or a token of a real tenant.
//!
//! ```text
//! cargo run --example quickstart
//! cargo run --example quickstart -- --domain tenant.eu.auth0.com --audience https://api.example/
//! ```

use std::error::Error;
use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use a0_testkit::{Endpoint, HttpsServer, LocalTenant, ProofKey, TenantServer};
use auth0_api::{
    ApiClient, Builder, ErrorKind, HttpClient, OnBehalfOf, RequestContext, UreqClient,
    VerifiedToken,
};
use http::{Request, Response, StatusCode};

const HELP: &str = "\
Shows which requests auth0-api accepts and refuses.

  quickstart
      Starts a tenant with HTTPS on loopback and sends requests to an API that trusts it.

  quickstart --domain DOMAIN --audience AUDIENCE
      Verifies an access token of a real tenant. The token comes from the variable AUTH0_TOKEN, or
      from standard input if it is not set. Every user of a machine can see arguments.

  quickstart --help
      Prints this text.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [] => local_tenant(),
        ["--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["--domain", domain, "--audience", audience]
        | ["--audience", audience, "--domain", domain] => real_tenant(domain, audience),
        _ => {
            eprintln!("unknown arguments; see --help");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  caused by: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

const AUDIENCE: &str = "https://api.example/";

fn local_tenant() -> Result<(), Box<dyn Error>> {
    let server = TenantServer::start()?;
    let tenant = server.tenant();
    println!(
        "A tenant runs at {}, with a certificate of its own CA.",
        server.issuer()
    );

    // The local tenant has its own CA. A real tenant does not need this client.
    let http = UreqClient::builder()
        .root_certificates_pem(server.ca_pem().as_bytes())?
        .build();
    let api = ApiClient::builder()
        .domain(server.domain())
        .audience(AUDIENCE)
        .http_client(http)
        .build()?;
    println!("The API {AUDIENCE} trusts it.\n");

    let token = || {
        tenant
            .access_token()
            .audience(AUDIENCE)
            .scope("read:things")
    };
    for (case, request, expected) in [
        (
            "a request with a valid token",
            bearer(&token().mint()?),
            true,
        ),
        (
            "a request with an expired token",
            bearer(&token().expires_in(-60).mint()?),
            false,
        ),
        (
            "a request with a forged token: a published kid and another signature",
            bearer(&token().with_signature([7; 256]).mint()?),
            false,
        ),
        (
            "a request with a token for another API",
            bearer(&token().audience("https://other.example/").mint()?),
            false,
        ),
        (
            "a request with a token that is not a JWT",
            bearer("opaque"),
            false,
        ),
        ("a request without a token", RequestContext::new(), false),
    ] {
        report(case, api.verify_request(request), expected)?;
    }
    bound_requests(&api, tenant)?;
    println!(
        "\nRequests to the tenant so far: {} for metadata, {} for keys.",
        tenant.request_count(Endpoint::Discovery),
        tenant.request_count(Endpoint::Jwks),
    );
    delegated_request(&server)?;
    println!("Next: verify a token of your own tenant with --domain and --audience. See --help.");
    Ok(())
}

/// Requests with a token that is bound to a key of the client: DPoP, RFC 9449.
fn bound_requests(api: &ApiClient, tenant: &LocalTenant) -> Result<(), Box<dyn Error>> {
    let url = "https://api.example/things";
    let key = ProofKey::generate()?;
    let token = tenant
        .access_token()
        .audience(AUDIENCE)
        .bound_to(&key)
        .mint()?;
    let proof = |key: &ProofKey| key.proof("GET", url).for_token(&token).mint();
    let request = |proof: &str| {
        RequestContext::new()
            .method("GET")
            .url(url)
            .header("Authorization", format!("DPoP {token}"))
            .header("DPoP", proof.to_owned())
    };
    let valid = proof(&key)?;
    println!("\nRequests with a token that is bound to a key of its client:");
    for (case, request, expected) in [
        ("a proof by that key", request(&valid), true),
        ("the same proof again", request(&valid), false),
        (
            "a proof by another key",
            request(&proof(&ProofKey::generate()?)?),
            false,
        ),
        ("the scheme Bearer without a proof", bearer(&token), false),
    ] {
        report(case, api.verify_request(request), expected)?;
    }
    Ok(())
}

/// A user calls API A, and API A calls API B on behalf of that user.
fn delegated_request(tenant: &TenantServer) -> Result<(), Box<dyn Error>> {
    const A: &str = "https://a.example/";
    const B: &str = "https://b.example/";
    let api = |audience: &str| -> Result<Builder, Box<dyn Error>> {
        let http = UreqClient::builder()
            .root_certificates_pem(tenant.ca_pem().as_bytes())?
            .build();
        let builder = ApiClient::builder().domain(tenant.domain());
        Ok(builder.audience(audience).http_client(http))
    };

    // API B verifies the token and reads its user and its actors.
    let verifier = api(B)?.build()?;
    let b = HttpsServer::start(move |request| {
        respond(verifier.verify_request(&request).and_then(|token| {
            let user = token.subject()?.unwrap_or_default().to_owned();
            let actor = token.current_actor()?;
            let actor = actor.map_or("nobody", |actor| actor.sub()).to_owned();
            let chain = token.delegation_chain()?;
            let chain: Vec<&str> = chain.iter().map(|actor| actor.sub()).collect();
            Ok(format!(
                "response of B: user {user}, current actor {actor}, delegation chain {chain:?}"
            ))
        }))
    })?;

    // API A verifies the user's token, exchanges it for a token for B, and calls B.
    tenant
        .tenant()
        .register_client("api-a", "a secret of api-a");
    let client = api(A)?
        .client_id("api-a")
        .client_secret("a secret of api-a")
        .build()?;
    let to_b = UreqClient::builder()
        .root_certificates_pem(b.ca_pem().as_bytes())?
        .build();
    let url = format!("{}/reports", b.origin());
    let a = HttpsServer::start(move |request| {
        let token = client.verify_request(&request).and_then(|_| {
            let field = request.headers().get("authorization");
            let field = field
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let bearer = field.split(' ').next_back().unwrap_or_default();
            let exchange = OnBehalfOf::new(bearer, B).scope("read:reports");
            client.get_token_on_behalf_of(&exchange)
        });
        match token {
            Ok(token) if token.is_token_type("Bearer") => get(&to_b, &url, token.access_token()),
            Ok(_) => Err(io::Error::other("this API does not support the token type")),
            Err(error) => respond(Err(error)),
        }
    })?;

    println!(
        "\nAPI A at {} calls API B at {} on behalf of a user:",
        a.origin(),
        b.origin()
    );
    let user = UreqClient::builder()
        .root_certificates_pem(a.ca_pem().as_bytes())?
        .build();
    let token = tenant.tenant().access_token().subject("auth0|ada");
    let url = format!("{}/", a.origin());
    for (case, token, expected) in [
        (
            "a user with a token for A",
            token.clone().audience(A).mint()?,
            200,
        ),
        (
            "a user with a token for B, sent to A",
            token.audience(B).mint()?,
            401,
        ),
    ] {
        let response = get(&user, &url, &token)?;
        println!("{case}:");
        println!(
            "  {}: {}",
            response.status(),
            String::from_utf8_lossy(response.body())
        );
        if response.status() != expected {
            return Err(format!("{case}: expected status {expected}").into());
        }
    }
    Ok(())
}

/// The response of an API: a text, or the error with its challenges.
fn respond(outcome: Result<String, auth0_api::Error>) -> io::Result<Response<Vec<u8>>> {
    let mut response = Response::new(Vec::new());
    match outcome {
        Ok(text) => *response.body_mut() = text.into_bytes(),
        Err(error) => {
            // The caller is not to blame for an error between this API and the token endpoint.
            *response.status_mut() = match error.kind() {
                ErrorKind::Api(_)
                | ErrorKind::GetTokenByExchangeProfile(_)
                | ErrorKind::GetAccessTokenForConnection(_) => StatusCode::BAD_GATEWAY,
                _ => error.status_code(),
            };
            *response.headers_mut() = error.headers();
            *response.body_mut() = error.to_string().into_bytes();
        }
    }
    Ok(response)
}

fn get(client: &UreqClient, url: &str, token: &str) -> io::Result<Response<Vec<u8>>> {
    let request = Request::get(url).header("authorization", format!("Bearer {token}"));
    let request = request.body(Vec::new()).map_err(io::Error::other)?;
    client.exchange(request).map_err(io::Error::other)
}

fn report(
    case: &str,
    outcome: Result<VerifiedToken, auth0_api::Error>,
    expected: bool,
) -> Result<(), Box<dyn Error>> {
    println!("{case}:");
    let accepted = outcome.is_ok();
    match outcome {
        Ok(token) => println!("  accepted: {}", describe(&token)?),
        Err(error) => {
            println!("  refused with {}: {error}", error.status_code());
            for challenge in error.challenges() {
                println!("  WWW-Authenticate: {challenge}");
            }
        }
    }
    if accepted == expected {
        Ok(())
    } else {
        Err(format!("{case}: expected the opposite").into())
    }
}

fn bearer(token: &str) -> RequestContext<'static> {
    RequestContext::new().header("Authorization", format!("Bearer {token}"))
}

fn real_tenant(domain: &str, audience: &str) -> Result<(), Box<dyn Error>> {
    let api = ApiClient::builder()
        .domain(domain)
        .audience(audience)
        .build()?;
    let token = read_token()?;
    println!("verifying with the keys of {domain}");
    let verified = api.verify_access_token(token.trim())?;
    println!("accepted: {}", describe(&verified)?);
    Ok(())
}

fn read_token() -> Result<String, Box<dyn Error>> {
    if let Ok(token) = std::env::var("AUTH0_TOKEN") {
        return Ok(token);
    }
    if std::io::stdin().is_terminal() {
        println!("paste the access token, then end the input (Ctrl-D):");
    }
    let mut token = String::new();
    std::io::stdin().read_to_string(&mut token)?;
    Ok(token)
}

fn describe(token: &VerifiedToken) -> Result<String, auth0_api::Error> {
    Ok(format!(
        "{} {}, scopes {:?}, until {} (seconds since 1970)",
        if token.is_machine()? {
            "client"
        } else {
            "user"
        },
        token.subject()?.unwrap_or("without a subject"),
        token.scopes()?,
        token.expires_at()?.map_or(0, |time| time.as_unix_seconds()),
    ))
}
