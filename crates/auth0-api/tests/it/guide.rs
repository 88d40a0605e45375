//! The tables of docs/testing.md. Each row is minted as its second column says, and the error must have
//! the description in its last column.

use std::error::Error;
use std::time::{Duration, UNIX_EPOCH};

use a0_testkit::{Algorithm, LocalTenant, ProofKey, SigningKey};
use auth0_api::{ApiClient, RequestContext};

const GUIDE: &str = include_str!("../../../../docs/testing.md");
const AUDIENCE: &str = "https://api.example/";
const URL: &str = "https://api.example/things";

/// Mints `$valid` with the calls of each row. Returns the text of the calls with each result.
macro_rules! mint_rows {
    ($valid:expr; $({ $($call:tt)* })*) => {
        vec![$((stringify!($($call)*), $valid $($call)*.mint()?)),*]
    };
}

/// The table whose first column has this title: the code in the second column, and the last column.
fn table(title: &str) -> Vec<(String, &'static str)> {
    let header = format!("| {title} |");
    let mut lines = GUIDE.lines().skip_while(|line| !line.starts_with(&header));
    assert!(lines.nth(1).is_some(), "{title}");
    let rows = lines.map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| {
        let [_, mint, description] = row.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        (mint.split('`').skip(1).step_by(2).collect(), description)
    })
    .collect()
}

fn assert_rows<T>(title: &str, rows: Vec<(&str, T)>, verify: impl Fn(T) -> auth0_api::Error) {
    let table = table(title);
    assert_eq!(table.len(), rows.len(), "{title}");
    let dense = |code: &str| code.replace(char::is_whitespace, "");
    for ((code, description), (call, sent)) in table.into_iter().zip(rows) {
        assert_eq!(dense(&code), dense(call));
        assert_eq!(verify(sent).error_description(), description, "{code}");
    }
}

fn world() -> Result<(LocalTenant, ApiClient), Box<dyn Error>> {
    let tenant = LocalTenant::new("tenant.example")?;
    tenant.set_now(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let client = ApiClient::builder()
        .audience(AUDIENCE)
        .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
        .build()?;
    Ok((tenant, client))
}

fn refusal(client: &ApiClient, authorization: String, proofs: &[String]) -> auth0_api::Error {
    let request = RequestContext::new().method("GET").url(URL);
    let request = request.header("Authorization", authorization);
    let request = proofs
        .iter()
        .fold(request, |request, proof| request.header("DPoP", proof));
    client.verify_request(request).unwrap_err()
}

#[track_caller]
fn assert_error(error: &auth0_api::Error, status: u16, code: &str) {
    let actual = (error.status_code().as_u16(), error.error_code());
    assert_eq!(actual, (status, code), "{error}");
}

#[test]
fn wrong_tokens_are_refused_as_the_guide_says() -> Result<(), Box<dyn Error>> {
    let (tenant, client) = world()?;
    let rows = mint_rows! { tenant.access_token().audience(AUDIENCE);
        { .expires_in(-60) }
        { .audience("https://other.example/") }
        { .claim("iss", "https://evil.example/") }
        { .claim("nbf", 4_000_000_000_u64) }
        { .claim("exp", "tomorrow") }
        { .without_claim("exp") }
        { .signed_with(&SigningKey::cached_rsa("attacker")?) }
        { .header("alg", "none").unsigned() }
        { .algorithm(Algorithm::Hs256).signed_with(&SigningKey::secret(tenant.signing_key().public_pem()?)?) }
        { .without_header("kid") }
        { .kid("unknown") }
        { .raw_payload(r#"{"iss":"a","iss":"b"}"#) }
        { .bound_to(&ProofKey::generate()?) }
        { .header("typ", "logout+jwt") }
    };
    assert_rows("the token", rows, |token| {
        let error = refusal(&client, format!("Bearer {token}"), &[]);
        assert_error(&error, 401, "invalid_token");
        error
    });
    Ok(())
}

#[test]
fn wrong_proofs_are_refused_as_the_guide_says() -> Result<(), Box<dyn Error>> {
    let (tenant, client) = world()?;
    let key = ProofKey::generate()?;
    let unbound = tenant.access_token().audience(AUDIENCE);
    let token = unbound.clone().bound_to(&key).mint()?;
    let unbound = unbound.mint()?;
    let proof_by = |key: &ProofKey| key.proof("GET", URL).for_token(&token).at(tenant.now());
    let valid = || proof_by(&key);
    let refused = |proofs: &[String]| refusal(&client, format!("DPoP {token}"), proofs);

    let rows = mint_rows! { valid();
        { .claim("htm", "POST") }
        { .claim("htu", "https://api.example/other") }
        { .for_token("another token") }
        { .at(tenant.now() - Duration::from_secs(301)) }
        { .at(tenant.now() + Duration::from_secs(31)) }
        { .without_claim("jti") }
        { .claim("iat", "now") }
        { .jti(" ") }
        { .with_signature([1; 64]) }
        { .header("alg", "none").unsigned() }
        { .header("typ", "JWT") }
        { .without_header("jwk") }
        { .raw_payload(r#"{"jti":"a","jti":"b"}"#) }
    };
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|(call, proof)| (call, vec![proof]))
        .collect();
    let rsa = ProofKey::new(SigningKey::cached_rsa("client")?, Algorithm::Rs256)?;
    let rsa_row = r#"ProofKey::new(SigningKey::cached_rsa("client")?, Algorithm::Rs256)?"#;
    rows.insert(10, (rsa_row, vec![proof_by(&rsa).mint()?]));
    let two = [valid().mint()?, valid().mint()?];
    let list = vec![two.join(",")];
    assert_eq!(refused(&two), refused(&list));
    rows.push((r#"DPoP format!("{proof},{proof}")"#, list));
    let used = vec![valid().mint()?];
    let request = RequestContext::new().method("GET").url(URL);
    let request = request.header("Authorization", format!("DPoP {token}"));
    client.verify_request(request.header("DPoP", &*used[0]))?;
    rows.push(("", used));
    assert_rows("the proof", rows, |proofs| {
        let error = refused(&proofs);
        assert_error(&error, 401, "invalid_dpop_proof");
        error
    });

    let other = ProofKey::generate()?;
    let rows = vec![
        (
            r#"ProofKey::generate()?.proof("GET", url)"#,
            (&token, proof_by(&other).mint()?),
        ),
        (
            ".bound_to(&key)",
            (&unbound, valid().for_token(&unbound).mint()?),
        ),
    ];
    assert_rows("the mistake", rows, |(token, proof)| {
        let error = refusal(&client, format!("DPoP {token}"), &[proof]);
        assert_error(&error, 401, "invalid_token");
        error
    });

    assert_error(&refused(&[]), 401, "invalid_dpop_proof");
    let proof = valid().for_token(&unbound).mint()?;
    let error = refusal(&client, format!("Bearer {unbound}"), &[proof]);
    assert_error(&error, 400, "invalid_request");
    Ok(())
}
