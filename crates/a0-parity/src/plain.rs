//! A case without what only this SDK can be told: the options are taken back, and what they are for
//! is put right. A token that expired within the leeway has not expired, one of another audience is
//! of the one that is left, and so on. All else that is wrong stays wrong.
//!
//! What this SDK accepts with an option it has to accept like that too. So a row that lets more in
//! by an option cannot hide more than the option lets in.

use a0_testkit::{Algorithm, Error, SigningKey};
use serde_json::Value;

use crate::draft::{AUDIENCE, Draft, Keys, NOW};

/// The options that let something in. What keeps something out may stay: no row can hide behind it.
const LET_IN: [&str; 4] = ["audiences", "algorithms", "leeway", "dpop_algorithms"];

/// Whether the case is the same without.
pub(crate) fn is_plain(draft: &Draft) -> bool {
    let own = draft.options.get("own");
    let lets_in = |own: &Value| LET_IN.iter().any(|option| own.get(option).is_some());
    !own.is_some_and(lets_in) && !has_lies(draft)
}

pub(crate) fn make_plain(draft: &mut Draft, keys: &Keys) -> Result<(), Error> {
    if has_lies(draft) {
        draft.options.remove("store");
    }
    let own = draft.options.get("own").cloned().unwrap_or_default();
    if let Some(left) = draft.options.get_mut("own").and_then(Value::as_object_mut) {
        left.retain(|option, _| !LET_IN.contains(&option.as_str()));
    }
    audience(draft, &own["audiences"]);
    times(draft, own["leeway"].as_i64().unwrap_or_default());
    if own["algorithms"].is_array() {
        token_key(draft, keys);
    }
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

/// A token that says what it is signed with, and a set that has that key for it: both for RS256.
fn token_key(draft: &mut Draft, keys: &Keys) {
    let algorithm = draft.token.algorithm;
    let name = Value::from(algorithm.name());
    let right = Algorithm::Rs256;
    let is_elliptic = draft.token.key.kid() == keys.elliptic.kid();
    let says_so = draft.token.header.get("alg") == Some(&name);
    let is_of_tenant = is_elliptic || draft.token.key.kid() == keys.tenant.kid();
    if !says_so || !is_of_tenant || algorithm == right {
        return;
    }
    for entry in draft.jwks["keys"].as_array_mut().into_iter().flatten() {
        if is_elliptic && is_of(entry, &keys.elliptic) {
            let kid = entry["kid"].take();
            *entry = keys.tenant.jwks_entry(right);
            entry["kid"] = kid;
        } else if entry["alg"] == name {
            entry["alg"] = right.name().into();
        }
    }
    if is_elliptic {
        draft.token.key = keys.tenant.clone();
    }
    draft.token.algorithm = right;
    let alg = right.name().into();
    draft.token.header.insert("alg".to_owned(), alg);
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
