//! A case without the options that only this SDK has, and without what such an option lets in. Every
//! other fault of the case stays, so this SDK has to accept it too if it accepts the case.

use a0_testkit::{Algorithm, SigningKey};
use serde_json::Value;

use crate::draft::Draft;
use crate::tenant::{AUDIENCE, Failure, Keys, NOW};

/// Options that only refuse more, and the one that takes such a refusal back. They may stay, since they
/// let in nothing that the reference refuses. All others are removed, new ones too.
const KEEP_OUT: [&str; 4] = [
    "token_profile",
    "dpop_nonces",
    "replay_store_fails",
    "replay_fail_open",
];

/// Returns the plain case, or `None` if there is nothing to remove.
pub(crate) fn plain(draft: &Draft, keys: &Keys) -> Result<Option<Draft>, Failure> {
    let mut plain = draft.clone();
    let Draft(draft) = &mut plain;
    let Some(options) = draft["options"].as_object_mut() else {
        return Ok(None);
    };
    // A store that fails, or has documents that the checks refuse.
    let has_bad_store = options
        .get("store")
        .is_some_and(|it| it["is_taken"] != true);
    if has_bad_store {
        options.remove("store");
    }
    let own = options["own"].clone();
    if let Some(left) = options["own"].as_object_mut() {
        left.retain(|option, _| KEEP_OUT.contains(&option.as_str()));
    }
    if options["own"] == own && !has_bad_store {
        return Ok(None);
    }
    audience(draft, &own["audiences"]);
    times(draft, own["leeway"].as_i64().unwrap_or_default());
    token_key(draft, &own["algorithms"], keys)?;
    if own["dpop_algorithms"].is_array() {
        proof_key(draft, keys)?;
    }
    Ok(Some(plain))
}

fn audience(draft: &mut Value, more: &Value) {
    let left = draft["options"]["audience"].as_str();
    let left = Value::from(left.unwrap_or(AUDIENCE));
    let is_more = |aud: &Value| more.as_array().is_some_and(|more| more.contains(aud));
    match draft["token"]["claims"].get_mut("aud") {
        Some(Value::Array(audiences)) => {
            let named = audiences.iter_mut().filter(|aud| is_more(aud));
            named.for_each(|aud| *aud = left.clone());
        }
        Some(aud) if is_more(aud) => *aud = left,
        _ => {}
    }
}

fn times(draft: &mut Value, leeway: i64) {
    let [now, leeway] = [NOW, leeway].map(|seconds| seconds as f64);
    let mut put_right = |claim: &str, is_let_in: &dyn Fn(f64) -> bool, right: i64| {
        let claim = draft["token"]["claims"].get_mut(claim);
        if let Some(claim) = claim.filter(|claim| claim.as_f64().is_some_and(is_let_in)) {
            *claim = right.into();
        }
    };
    put_right("exp", &|exp| exp <= now && now < exp + leeway, NOW + 1);
    put_right("nbf", &|nbf| nbf > now && now >= nbf - leeway, NOW);
}

/// Turns a token with an allowed algorithm, which its header names, and the key set to RS256.
fn token_key(draft: &mut Value, allowed: &Value, keys: &Keys) -> Result<(), Failure> {
    const RIGHT: &str = "RS256";
    let token = &draft["token"];
    let name = token["algorithm"].clone();
    let is_elliptic = token["key"] == "elliptic";
    let allowed = allowed.as_array();
    if token["header"].get("alg") != Some(&name)
        || !allowed.is_some_and(|allowed| allowed.contains(&name))
        || !(is_elliptic || token["key"] == "tenant")
        || name == RIGHT
    {
        return Ok(());
    }
    let [wrong, right] = [keys.get("elliptic")?, keys.get("tenant")?].map(SigningKey::public_jwk);
    for entry in draft["keys"]["keys"].as_array_mut().into_iter().flatten() {
        if is_elliptic && is_of(entry, &wrong) {
            put_key(entry, &right);
        }
        // The two names are swapped: a key for another algorithm than the token's stays one.
        if entry["alg"] == name {
            entry["alg"] = RIGHT.into();
        } else if entry["alg"] == RIGHT {
            entry["alg"] = name.clone();
        }
    }
    draft["token"]["key"] = "tenant".into();
    draft["token"]["algorithm"] = RIGHT.into();
    draft["token"]["header"]["alg"] = RIGHT.into();
    Ok(())
}

/// Puts another key into an entry, whose `use`, `key_ops` and `alg` stay.
fn put_key(entry: &mut Value, key: &Value) {
    if let (Some(entry), Value::Object(jwk)) = (entry.as_object_mut(), key) {
        entry.retain(|member, _| !["crv", "x", "y"].contains(&member.as_str()));
        entry.extend(jwk.clone());
    }
}

/// Turns a proof with ES384, which its header names, and a token bound to its key to ES256.
fn proof_key(draft: &mut Value, keys: &Keys) -> Result<(), Failure> {
    let (name, proof) = (Algorithm::Es384.name(), &mut draft["proof"]);
    if proof["algorithm"] != name || proof["header"]["alg"] != name {
        return Ok(());
    }
    let [wrong, right] = [keys.get("P-384")?, keys.get("proof")?].map(SigningKey::public_jwk);
    let header = &mut proof["header"];
    if is_of(&header["jwk"], &wrong) {
        for member in ["crv", "x", "y"] {
            header["jwk"][member] = right[member].clone();
        }
    }
    header["alg"] = Algorithm::Es256.name().into();
    proof["algorithm"] = Algorithm::Es256.name().into();
    proof["key"] = "proof".into();
    let bound = Value::from(a0_testkit::thumbprint(&wrong)?);
    if let Some(cnf) = draft["token"]["claims"].get_mut("cnf")
        && cnf.get("jkt") == Some(&bound)
    {
        cnf["jkt"] = a0_testkit::thumbprint(&right)?.into();
    }
    Ok(())
}

/// Returns whether a JWK has the point of this key.
fn is_of(jwk: &Value, key: &Value) -> bool {
    let mut members = ["crv", "x", "y"].into_iter();
    members.all(|member| jwk[member] == key[member] && jwk[member].is_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft(keys: &Keys, own: &Value) -> Draft {
        let mut draft = Draft::new("verify_access_token", keys).unwrap();
        draft.0["options"]["own"] = own.clone();
        draft
    }

    #[test]
    fn an_option_is_removed_unless_it_is_known_to_only_refuse_more() {
        let keys = Keys::generate().unwrap();
        let keeps_out = json!({"token_profile": "rfc9068"});
        let mut draft = draft(&keys, &keeps_out);
        assert!(plain(&draft, &keys).unwrap().is_none());
        draft.0["options"]["own"]["a new one"] = true.into();
        let plain = plain(&draft, &keys).unwrap().unwrap();
        assert_eq!(plain.0["options"]["own"], keeps_out);
    }

    #[test]
    fn what_is_wrong_about_the_key_of_a_token_stays_wrong() {
        let keys = Keys::generate().unwrap();
        let wrong = json!({"kid": "k", "use": "enc", "key_ops": ["sign"]});
        for (alg, plain_alg) in [("ES256", "RS256"), ("RS256", "ES256"), ("ES384", "ES384")] {
            let with = |key: &str, alg: &str| {
                let mut entry = keys.get(key).unwrap().public_jwk();
                for (member, value) in wrong.as_object().into_iter().flatten() {
                    entry[member] = value.clone();
                }
                entry["alg"] = alg.into();
                json!({"keys": [entry, 5]})
            };
            let mut draft = draft(&keys, &json!({"algorithms": ["RS256", "ES256"]}));
            draft.0["token"]["key"] = "elliptic".into();
            draft.0["token"]["algorithm"] = "ES256".into();
            draft.0["token"]["header"]["alg"] = "ES256".into();
            draft.0["keys"] = with("elliptic", alg);
            let plain = plain(&draft, &keys).unwrap().unwrap();
            assert_eq!(plain.0["keys"], with("tenant", plain_alg), "{alg}");
            assert_eq!(plain.0["token"]["header"]["alg"], "RS256");
        }
    }
}
