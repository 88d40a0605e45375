//! Decodes a token, and says why an API would refuse it.
//!
//! This is advice for a developer, not a verifier to build on: it shares no code with one, and it
//! knows only this tenant's keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::signing::verify;
use crate::{Algorithm, LocalTenant};

/// The clock of an API may be off by this much, in seconds.
const LEEWAY: i64 = 30;

pub(super) struct Explanation {
    pub(super) header: Option<Value>,
    pub(super) claims: Option<Value>,
    /// In the order in which an API checks; empty if it would accept the token.
    pub(super) reasons: Vec<String>,
    /// What an API needs besides.
    pub(super) notes: Vec<String>,
}

/// `audience` is the identifier of the API.
pub(super) fn explain(tenant: &LocalTenant, token: &str, audience: &str) -> Explanation {
    let mut explanation = Explanation {
        header: None,
        claims: None,
        reasons: Vec::new(),
        notes: Vec::new(),
    };
    let segments: Vec<&str> = token.split('.').collect();
    let (header, claims, signature) = match segments.as_slice() {
        [header, claims, signature] => (*header, *claims, *signature),
        [_, _, _, _, _] => {
            let reason = "it is encrypted (five segments): the API needs the decryption key";
            explanation.reasons.push(reason.into());
            return explanation;
        }
        other => {
            let count = other.len();
            let reason = format!("it is not a signed JWT: {count} segments instead of three");
            explanation.reasons.push(reason);
            return explanation;
        }
    };
    let (header, claims) = (object(header), object(claims));
    explanation.header = header.clone().map(Value::Object);
    explanation.claims = claims.clone().map(Value::Object);
    let (Some(header), Some(claims)) = (header, claims) else {
        let reason = "header or payload is not a JSON object in base64url without padding";
        explanation.reasons.push(reason.into());
        return explanation;
    };
    let reasons = &mut explanation.reasons;
    check_header(&header, reasons);
    check_claims(tenant, &claims, audience, reasons);
    let message = token.rsplit_once('.').map_or("", |(message, _)| message);
    if let Err(reason) = check_signature(tenant, &header, message, signature) {
        reasons.push(reason);
    }
    if claims
        .get("cnf")
        .is_some_and(|cnf| cnf.get("jkt").is_some())
    {
        let note = "it is bound to a key: send it with the scheme DPoP and a proof of that key";
        explanation.notes.push(note.into());
    }
    explanation
}

fn object(segment: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

fn check_header(header: &Map<String, Value>, reasons: &mut Vec<String>) {
    match text(header, "alg") {
        Some("none") => reasons.push("alg is none: it is not signed".into()),
        Some(alg) if alg.starts_with("HS") => {
            reasons.push(format!("alg is {alg}: an API accepts no shared secrets"));
        }
        Some(alg) if algorithm(alg).is_none() => reasons.push(format!("alg {alg:?} is unknown")),
        Some(_) => {}
        None => reasons.push("the header has no alg".into()),
    }
    let typ = text(header, "typ").unwrap_or("JWT").to_ascii_lowercase();
    if !matches!(typ.as_str(), "jwt" | "at+jwt" | "application/at+jwt") {
        reasons.push(format!("typ {typ:?} is not that of an access token"));
    }
    if header.contains_key("crit") {
        reasons.push("the header has crit, an extension that an API does not know".into());
    }
}

fn check_claims(
    tenant: &LocalTenant,
    claims: &Map<String, Value>,
    audience: &str,
    reasons: &mut Vec<String>,
) {
    match text(claims, "iss") {
        Some(issuer) if issuer == tenant.issuer() => {}
        Some(issuer) => reasons.push(format!(
            "iss is {issuer:?}, and this tenant is {:?}",
            tenant.issuer()
        )),
        None => reasons.push("iss is missing or not a string".into()),
    }
    let named = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(all)) => all.iter().any(|one| one == audience),
        _ => false,
    };
    if !named {
        reasons.push(format!("aud does not have {audience:?}"));
    }
    let now = tenant.unix_now();
    let time = |name: &str| claims.get(name).map(|value| value.as_f64());
    #[allow(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are exact in a double for 285 million years"
    )]
    let (past, future) = (
        now.saturating_sub(LEEWAY) as f64,
        now.saturating_add(LEEWAY) as f64,
    );
    match time("exp") {
        Some(Some(exp)) if exp > past => {}
        Some(Some(exp)) => reasons.push(format!("it expired: exp is {exp}, now is {now}")),
        Some(None) => reasons.push("exp is not a number".into()),
        None => reasons.push("exp is missing".into()),
    }
    for (name, required) in [("iat", true), ("nbf", false)] {
        match time(name) {
            Some(Some(at)) if at <= future => {}
            Some(Some(at)) => reasons.push(format!("{name} is {at}, in the future: now is {now}")),
            Some(None) => reasons.push(format!("{name} is not a number")),
            None if required => reasons.push(format!("{name} is missing")),
            None => {}
        }
    }
}

fn check_signature(
    tenant: &LocalTenant,
    header: &Map<String, Value>,
    message: &str,
    signature: &str,
) -> Result<(), String> {
    let algorithm = text(header, "alg")
        .and_then(algorithm)
        .ok_or("the signature cannot be checked: see alg")?;
    let kid = text(header, "kid").ok_or("the header has no kid")?;
    let keys = tenant.jwks();
    let keys = keys.get("keys").and_then(Value::as_array);
    let jwk = keys
        .into_iter()
        .flatten()
        .find(|key| key.get("kid").and_then(Value::as_str) == Some(kid))
        .ok_or_else(|| format!("the key set of this tenant has no kid {kid:?}"))?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| "the signature is not base64url")?;
    match verify(algorithm, jwk, message.as_bytes(), &signature) {
        Ok(Some(true)) => Ok(()),
        Ok(None) => Err(format!("the key {kid:?} is not one for {algorithm}")),
        Ok(Some(false)) | Err(_) => Err("the signature is not that of the key".into()),
    }
}

fn algorithm(name: &str) -> Option<Algorithm> {
    Algorithm::ALL.into_iter().find(|it| it.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    #[test]
    fn each_mistake_is_named() {
        let tenant = LocalTenant::new("tenant.example").unwrap();
        tenant.publish_es256().unwrap();
        let audience = "https://api.example/";
        let stranger = SigningKey::cached_rsa("stranger").unwrap();
        let token = || tenant.access_token();
        let cases = [
            (token(), ""),
            (token().algorithm(Algorithm::Ps256), ""),
            (token().algorithm(Algorithm::Es256), ""),
            (token().audiences(["x", audience]), ""),
            (token().expires_in(-60), "it expired"),
            (
                token().audience("https://other.example/"),
                "aud does not have",
            ),
            (token().without_claim("aud"), "aud does not have"),
            (
                token().claim("iss", "https://evil.example/"),
                "iss is \"https://evil",
            ),
            (token().without_claim("iss"), "iss is missing"),
            (token().claim("exp", "x"), "exp is not a number"),
            (token().without_claim("exp"), "exp is missing"),
            (token().without_claim("iat"), "iat is missing"),
            (
                token().claim("nbf", 9_999_999_999_i64),
                "nbf is 9999999999, in the future",
            ),
            (token().header("alg", "none").unsigned(), "alg is none"),
            (token().header("alg", "HS256"), "alg is HS256"),
            (token().header("alg", "XX"), "alg \"XX\" is unknown"),
            (token().header("typ", "logout+jwt"), "typ \"logout+jwt\""),
            (token().header("crit", vec!["x"]), "crit"),
            (token().without_header("kid"), "no kid"),
            (token().kid("x"), "has no kid \"x\""),
            (
                token().signed_with(&stranger),
                "the signature is not that of the key",
            ),
            (
                token().with_signature([1; 256]),
                "the signature is not that of the key",
            ),
            (
                token().with_signature([]),
                "the signature is not that of the key",
            ),
            (token().header("alg", "ES256"), "is not one for ES256"),
            (token().raw_payload("[]"), "not a JSON object"),
        ];
        for (token, expected) in cases {
            let token = token.mint().unwrap();
            let reasons = explain(&tenant, &token, audience).reasons;
            if expected.is_empty() {
                assert_eq!(reasons, Vec::<String>::new());
            } else {
                assert!(reasons[0].contains(expected), "{expected}: {reasons:?}");
            }
        }
        for (token, expected) in [
            ("", "1 segments"),
            ("a.b", "2 segments"),
            ("a.b.c.d.e", "encrypted"),
            ("a.b.c", "not a JSON object"),
            ("..", "not a JSON object"),
        ] {
            assert!(explain(&tenant, token, audience).reasons[0].contains(expected));
        }
    }
}
