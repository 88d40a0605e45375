//! Verifies requests against a tenant on this machine, or a token of a real tenant.
//!
//! ```text
//! cargo run --example quickstart
//! cargo run --example quickstart -- --domain tenant.eu.auth0.com --audience https://api.example/
//! ```

use std::error::Error;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use a0_testkit::{Endpoint, LocalTenant, ProofKey, TenantServer};
use auth0_api::{ApiClient, RequestContext, UreqClient, VerifiedToken};

const HELP: &str = "\
Shows what auth0-api decides, and why.

  quickstart
      Starts a tenant on loopback, with real HTTPS, and sends requests to an API that trusts it.

  quickstart --domain DOMAIN --audience AUDIENCE
      Verifies an access token of a real tenant. The token is read from the variable AUTH0_TOKEN,
      or else from standard input, because arguments can be seen by every user of a machine.

  quickstart --help
      Prints this.
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
            eprintln!("these arguments are not understood; see --help");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
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

    // Only because of that CA: a real tenant needs no client of one's own.
    let http = UreqClient::builder()
        .root_certificates_pem(server.ca_pem().as_bytes())?
        .build();
    let api = ApiClient::builder()
        .domain(server.domain())
        .audience(AUDIENCE)
        .http_client(http)
        .build()?;
    println!("An API trusts it and calls itself {AUDIENCE}\n");

    let token = || {
        tenant
            .access_token()
            .audience(AUDIENCE)
            .scope("read:things")
    };
    for (what, request, expected) in [
        (
            "a request with a good token",
            bearer(&token().mint()?),
            true,
        ),
        (
            "the same with an expired token",
            bearer(&token().expires_in(-60).mint()?),
            false,
        ),
        (
            "with a forged token: the right key's name, somebody else's signature",
            bearer(&token().with_signature([7; 256]).mint()?),
            false,
        ),
        (
            "with a good token for another API",
            bearer(&token().audience("https://other.example/").mint()?),
            false,
        ),
        ("with a token that is no JWT", bearer("opaque"), false),
        ("with no token", RequestContext::new(), false),
    ] {
        report(what, api.verify_request(request), expected)?;
    }
    bound_requests(&api, tenant)?;
    println!(
        "\nThe tenant was asked {} time for its metadata and {} time for its keys.",
        tenant.request_count(Endpoint::Discovery),
        tenant.request_count(Endpoint::Jwks),
    );
    println!("Next: give --domain and --audience of a tenant of your own (--help says how).");
    Ok(())
}

/// Requests whose token is bound to a key of the client: DPoP, RFC 9449.
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
    let good = proof(&key)?;
    println!("\nThe same for a token that is bound to a key of its client:");
    for (what, request, expected) in [
        ("with a proof by that key", request(&good), true),
        ("with the same proof again", request(&good), false),
        (
            "with a proof by another key",
            request(&proof(&ProofKey::generate()?)?),
            false,
        ),
        ("as a bearer token, without a proof", bearer(&token), false),
    ] {
        report(what, api.verify_request(request), expected)?;
    }
    Ok(())
}

fn report(
    what: &str,
    outcome: Result<VerifiedToken, auth0_api::Error>,
    expected: bool,
) -> Result<(), Box<dyn Error>> {
    println!("{what}:");
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
    match accepted == expected {
        true => Ok(()),
        false => Err(format!("{what}: this should not have happened").into()),
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
    let token = token_of_the_caller()?;
    println!("asking {domain} for its keys and verifying");
    let verified = api.verify_access_token(token.trim())?;
    println!("accepted: {}", describe(&verified)?);
    Ok(())
}

fn token_of_the_caller() -> Result<String, Box<dyn Error>> {
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
        token.subject()?.unwrap_or("without a name"),
        token.scopes()?,
        token.expires_at()?.map_or(0, |time| time.as_unix_seconds()),
    ))
}
