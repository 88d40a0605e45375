//! Other Rust libraries, with their keys in memory. Each checks as much as it can.

use std::hint::black_box;

use serde::Deserialize;
use serde_json::Value;

use crate::fixture::{AUDIENCE, Failure, Fixture};

pub(crate) type Check = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Deserialize)]
#[allow(
    dead_code,
    reason = "deserializing them is part of the work that is measured; nothing reads them"
)]
struct Claims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    iat: u64,
    exp: u64,
    scope: String,
    azp: String,
    permissions: Vec<String>,
}

pub(crate) fn all(fixture: &Fixture) -> Result<Vec<(&'static str, Check)>, Failure> {
    Ok(vec![
        ("jsonwebtoken 11 (aws-lc)", jsonwebtoken(fixture)?),
        ("josekit decode", josekit(fixture)?),
    ])
}

fn jsonwebtoken(fixture: &Fixture) -> Result<Check, Failure> {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    let jwk = fixture.jwk();
    let key = DecodingKey::from_rsa_components(text(&jwk, "n")?, text(&jwk, "e")?)?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[AUDIENCE]);
    rules.set_issuer(&[fixture.tenant.issuer()]);
    rules.validate_nbf = true;
    Ok(Box::new(move |token| {
        let token = decode::<Claims>(token, &key, &rules);
        black_box(token.expect("a good token"));
    }))
}

/// The decoder of josekit and its validator, which leaves much unchecked.
fn josekit(fixture: &Fixture) -> Result<Check, Failure> {
    use josekit::jws::RS256;
    use josekit::jwt::{JwtPayloadValidator, decode_with_verifier};
    let jwk = josekit::jwk::Jwk::from_bytes(fixture.jwk().to_string())?;
    let verifier = RS256.verifier_from_jwk(&jwk)?;
    let issuer = fixture.tenant.issuer().to_owned();
    Ok(Box::new(move |token| {
        let (payload, _) = decode_with_verifier(token, &verifier).expect("a good token");
        let mut rules = JwtPayloadValidator::new();
        rules.set_base_time(std::time::SystemTime::now());
        rules.set_audience(AUDIENCE);
        rules.set_issuer(issuer.as_str());
        rules.validate(&payload).expect("good claims");
        black_box(payload);
    }))
}

fn text<'j>(jwk: &'j Value, name: &str) -> Result<&'j str, Failure> {
    jwk[name]
        .as_str()
        .ok_or_else(|| "a member is missing".into())
}
