//! A case without what only this SDK can be told: the options are taken back, and what they are for
//! is put right. A token that expired within the leeway has not expired, one of another audience is
//! of the one that is left, and so on. All else that is wrong stays wrong.
//!
//! What this SDK accepts with an option it has to accept like that too. So a row that lets more in
//! by an option cannot hide more than the option lets in.

use a0_testkit::{Algorithm, Error, SigningKey};
use serde_json::Value;

use crate::draft::{AUDIENCE, Draft, Keys, NOW};

/// The options that keep something out, and the one that lets in again what such a one keeps out.
/// They may stay, as no row can hide behind them. All others are taken back, a new one too.
const KEEP_OUT: [&str; 4] = [
    "token_profile",
    "dpop_nonces",
    "replay_store_fails",
    "replay_fail_open",
];

/// Whether the case is the same without.
pub(crate) fn is_plain(draft: &Draft) -> bool {
    let own = draft.options.get("own").and_then(Value::as_object);
    let mut options = own.into_iter().flat_map(|own| own.keys());
    options.all(|option| KEEP_OUT.contains(&option.as_str())) && !has_lies(draft)
}

pub(crate) fn make_plain(draft: &mut Draft, keys: &Keys) -> Result<(), Error> {
    if has_lies(draft) {
        draft.options.remove("store");
    }
    let own = draft.options.get("own").cloned().unwrap_or_default();
    if let Some(left) = draft.options.get_mut("own").and_then(Value::as_object_mut) {
        left.retain(|option, _| KEEP_OUT.contains(&option.as_str()));
    }
    audience(draft, &own["audiences"]);
    times(draft, own["leeway"].as_i64().unwrap_or_default());
    token_key(draft, &own["algorithms"], keys);
    if own["dpop_algorithms"].is_array() {
        proof_key(draft, keys)?;
    }
    Ok(())
}

/// What stands in the store counts for nothing here: the issuer is asked.
fn has_lies(draft: &Draft) -> bool {
    let store = draft.options.get("store");
    store.is_some_and(|store| store["is_taken"] != true)
}

fn audience(draft: &mut Draft, more: &Value) {
    let left = draft.options.get("audience").cloned();
    let left = left.unwrap_or_else(|| AUDIENCE.into());
    let is_more = |aud: &Value| more.as_array().is_some_and(|more| more.contains(aud));
    match draft.token.claims.get_mut("aud") {
        Some(Value::Array(audiences)) => {
            let named = audiences.iter_mut().filter(|aud| is_more(aud));
            named.for_each(|aud| *aud = left.clone());
        }
        Some(aud) if is_more(aud) => *aud = left,
        _ => {}
    }
}

fn times(draft: &mut Draft, leeway: i64) {
    let [now, leeway] = [NOW, leeway].map(|seconds| seconds as f64);
    let mut put_right = |claim: &str, is_let_in: &dyn Fn(f64) -> bool, right: i64| {
        let claim = draft.token.claims.get_mut(claim);
        if let Some(claim) = claim.filter(|claim| claim.as_f64().is_some_and(is_let_in)) {
            *claim = right.into();
        }
    };
    put_right("exp", &|exp| exp <= now && now < exp + leeway, NOW + 1);
    put_right("nbf", &|nbf| nbf > now && now >= nbf - leeway, NOW);
}

/// A token that says what it is signed with, where that is allowed, and the set: both for RS256.
fn token_key(draft: &mut Draft, allowed: &Value, keys: &Keys) {
    let algorithm = draft.token.algorithm;
    let name = Value::from(algorithm.name());
    let right = Algorithm::Rs256;
    let is_elliptic = draft.token.key.kid() == keys.elliptic.kid();
    let says_so = draft.token.header.get("alg") == Some(&name);
    let is_allowed = allowed
        .as_array()
        .is_some_and(|allowed| allowed.contains(&name));
    let is_of_tenant = is_elliptic || draft.token.key.kid() == keys.tenant.kid();
    if !says_so || !is_allowed || !is_of_tenant || algorithm == right {
        return;
    }
    for entry in draft.jwks["keys"].as_array_mut().into_iter().flatten() {
        if is_elliptic && is_of(entry, &keys.elliptic) {
            put_key(entry, &keys.tenant);
        }
        // The two names change places: a key for another algorithm than the token's stays one.
        if entry["alg"] == name {
            entry["alg"] = right.name().into();
        } else if entry["alg"] == right.name() {
            entry["alg"] = name.clone();
        }
    }
    if is_elliptic {
        draft.token.key = keys.tenant.clone();
    }
    draft.token.algorithm = right;
    let alg = right.name().into();
    draft.token.header.insert("alg".to_owned(), alg);
}

/// What the entry says of its use stays.
fn put_key(entry: &mut Value, key: &SigningKey) {
    if let (Some(entry), Value::Object(jwk)) = (entry.as_object_mut(), key.public_jwk()) {
        entry.retain(|member, _| !["crv", "x", "y"].contains(&member.as_str()));
        entry.extend(jwk);
    }
}

/// A proof by the key on P-384 that says so, and a token that is bound to that: both of the other.
fn proof_key(draft: &mut Draft, keys: &Keys) -> Result<(), Error> {
    let Some(proof) = &mut draft.proof else {
        return Ok(());
    };
    let [wrong, right] = [&keys.p384, &keys.proof];
    let name = Value::from(Algorithm::Es384.name());
    if proof.algorithm != Algorithm::Es384 || proof.header.get("alg") != Some(&name) {
        return Ok(());
    }
    let jwk = right.public_jwk();
    if let Some(named) = proof.header.get_mut("jwk").filter(|it| is_of(it, wrong)) {
        for member in ["crv", "x", "y"] {
            named[member] = jwk[member].clone();
        }
    }
    proof.key = right.clone();
    proof.algorithm = Algorithm::Es256;
    let alg = Algorithm::Es256.name().into();
    proof.header.insert("alg".to_owned(), alg);
    let bound = Value::from(a0_testkit::thumbprint(&wrong.public_jwk())?);
    if let Some(cnf) = draft.token.claims.get_mut("cnf")
        && cnf.get("jkt") == Some(&bound)
    {
        cnf["jkt"] = a0_testkit::thumbprint(&jwk)?.into();
    }
    Ok(())
}

/// Whether a JWK has the point of this key.
fn is_of(jwk: &Value, key: &SigningKey) -> bool {
    let of_key = key.public_jwk();
    ["crv", "x", "y"]
        .iter()
        .all(|member| jwk[member] == of_key[member] && jwk[member].is_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_option_is_taken_back_unless_it_is_known_to_keep_out() {
        let keys = Keys::generate().unwrap();
        let mut draft = Draft::new("verify_access_token", &keys);
        let keeps_out = json!({"token_profile": "rfc9068"});
        draft.options.insert("own".to_owned(), keeps_out.clone());
        assert!(is_plain(&draft));
        draft.options["own"]["a new one"] = true.into();
        assert!(!is_plain(&draft));
        make_plain(&mut draft, &keys).unwrap();
        assert_eq!(draft.options["own"], keeps_out);
    }

    #[test]
    fn what_is_wrong_about_the_key_of_a_token_stays_wrong() {
        let keys = Keys::generate().unwrap();
        let wrong = json!({"kid": "k", "use": "enc", "key_ops": ["sign"]});
        for (alg, plain) in [("ES256", "RS256"), ("RS256", "ES256"), ("ES384", "ES384")] {
            let with = |key: &SigningKey, alg: &str| {
                let mut entry = key.public_jwk();
                for (member, value) in wrong.as_object().into_iter().flatten() {
                    entry[member] = value.clone();
                }
                entry["alg"] = alg.into();
                json!({"keys": [entry, 5]})
            };
            let mut draft = Draft::new("verify_access_token", &keys);
            let own = json!({"algorithms": ["RS256", "ES256"]});
            draft.options.insert("own".to_owned(), own);
            draft.token.key = keys.elliptic.clone();
            draft.token.algorithm = Algorithm::Es256;
            let header = &mut draft.token.header;
            header.insert("alg".to_owned(), "ES256".into());
            draft.jwks = with(&keys.elliptic, alg);
            make_plain(&mut draft, &keys).unwrap();
            assert_eq!(draft.jwks, with(&keys.tenant, plain), "{alg}");
            assert_eq!(draft.token.header["alg"], "RS256");
        }
    }
}
