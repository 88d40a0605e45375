//! Options that only this SDK has, and what they let in or keep out. The reference is put through
//! the same case without them.

use a0_testkit::{Algorithm, SigningKey};
use auth0_api::NumericDate;
use auth0_api::proof::NonceIssuer;
use serde_json::{Value, json};

use super::List;
use crate::draft::{Draft, Keys, NONCE_PERIOD, NONCE_SECRET, NOW};

pub(super) fn add(list: &mut List, keys: &Keys) {
    of_tokens(list, keys);
    of_proofs(list, keys);
}

fn set(draft: &mut Draft, option: &str, value: Value) {
    let own = draft.options.entry("own").or_insert_with(|| json!({}));
    own[option] = value;
}

fn of_tokens(list: &mut List, keys: &Keys) {
    let other = "https://old.example/";
    for (and, aud) in [
        ("", None),
        (", and the token names it", Some(json!(other))),
        (", and the token names others", Some(json!(["x", other]))),
    ] {
        list.add(format!("own audiences=[{other:?}]{and}"), move |draft| {
            set(draft, "audiences", json!([other]));
            if let Some(aud) = &aud {
                draft.token.claims.insert("aud".to_owned(), aud.clone());
            }
        });
    }
    for seconds in [1, 60, 300] {
        list.add(format!("own leeway={seconds} s"), move |draft| {
            set(draft, "leeway", json!(seconds));
        });
        for past in [seconds - 1, seconds] {
            let name = format!("own leeway={seconds} s, and the token expired {past} s ago");
            list.add(name, move |draft| {
                set(draft, "leeway", json!(seconds));
                let exp = (NOW - past).into();
                draft.token.claims.insert("exp".to_owned(), exp);
            });
        }
    }
    for (algorithm, key) in [
        (Algorithm::Rs512, &keys.tenant),
        (Algorithm::Ps256, &keys.tenant),
        (Algorithm::Es256, &keys.elliptic),
    ] {
        let name = algorithm.name();
        let option = format!("own algorithms=[\"RS256\",{name:?}]");
        list.add(&option, move |draft| {
            set(draft, "algorithms", json!(["RS256", name]));
        });
        let key = key.clone();
        list.add(
            format!("{option}, and such a token and key"),
            move |draft| {
                set(draft, "algorithms", json!(["RS256", name]));
                sign_with(draft, &key, algorithm);
            },
        );
    }
    list.add("own token_profile=rfc9068", |draft| {
        set(draft, "token_profile", json!("rfc9068"));
    });
    list.add("own token_profile=rfc9068, and such a token", |draft| {
        set(draft, "token_profile", json!("rfc9068"));
        draft.token.header.insert("typ".to_owned(), "at+jwt".into());
        for claim in ["client_id", "jti"] {
            draft.token.claims.insert(claim.to_owned(), "x".into());
        }
    });
}

/// The tenant's only key is this one then.
fn sign_with(draft: &mut Draft, key: &SigningKey, algorithm: Algorithm) {
    draft.token.key = key.clone();
    draft.token.algorithm = algorithm;
    let header = &mut draft.token.header;
    header.insert("alg".to_owned(), algorithm.name().into());
    header.insert("kid".to_owned(), key.kid().into());
    draft.jwks = json!({"keys": [key.jwks_entry(algorithm)]});
}

fn of_proofs(list: &mut List, keys: &Keys) {
    let algorithms = r#"own-dpop algorithms=["ES256","ES384"]"#;
    let allow = |draft: &mut Draft| set(draft, "dpop_algorithms", json!(["ES256", "ES384"]));
    list.add(algorithms, allow);
    let key = keys.p384.clone();
    list.add(format!("{algorithms}, and such a proof"), move |draft| {
        allow(draft);
        if let Some(proof) = &mut draft.proof {
            let jwk = key.public_jwk();
            // The key is known, so that its thumbprint can be calculated.
            let jkt = a0_testkit::thumbprint(&jwk).unwrap_or_default();
            proof.key = key.clone();
            proof.algorithm = Algorithm::Es384;
            proof.header.insert("alg".to_owned(), "ES384".into());
            proof.header.insert("jwk".to_owned(), jwk);
            let cnf = json!({ "jkt": jkt });
            draft.token.claims.insert("cnf".to_owned(), cnf);
        }
    });
    for (and, made_at) in [
        ("", None),
        (", and the proof has one", Some(NOW)),
        (", and the proof has an old one", Some(NOW - 3000)),
    ] {
        list.add(format!("own-dpop nonces{and}"), move |draft| {
            set(draft, "dpop_nonces", json!(true));
            if let (Some(proof), Some(made_at)) = (&mut draft.proof, made_at) {
                let nonces = NonceIssuer::new(NONCE_SECRET, NONCE_PERIOD);
                let nonce = nonces.issue(NumericDate::from_unix_seconds(made_at));
                proof.claims.insert("nonce".to_owned(), nonce.into());
            }
        });
    }
    for (and, fail_open) in [("", false), (", and is passed over", true)] {
        let name = format!("own-dpop the replay store fails{and}");
        list.add(name, move |draft| {
            set(draft, "replay_store_fails", json!(true));
            set(draft, "replay_fail_open", json!(fail_open));
        });
    }
}
