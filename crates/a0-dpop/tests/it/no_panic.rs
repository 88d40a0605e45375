//! No proof causes a panic, and no proof without a valid signature passes.

use std::time::Duration;

use a0_dpop::{Htu, NonceIssuer, ProofError, ProofRules, Target, UnverifiedProof, one_proof};
use a0_jose::{Algorithm, NumericDate, base64url_encode, sha256_base64url};
use a0_testkit::{ProofKey, SigningKey};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const URL: &str = "https://api.example/orders";
const TOKEN: &str = "an.access.token";
const NOW: i64 = 1_700_000_000;

fn now() -> NumericDate {
    NumericDate::from_unix_seconds(NOW)
}

fn url_of(text: &str) -> Htu {
    Htu::parse(text).unwrap()
}

fn nonces() -> NonceIssuer {
    NonceIssuer::new([1; 32], Duration::from_secs(60))
}

/// Passes a proof through every step.
fn outcome(proof: &str, request: &Target<'_>, nonces: bool) -> Result<(), ProofError> {
    let issuer = nonces.then(self::nonces);
    let every = ProofRules::new().algorithms(Algorithm::all());
    let unverified = every.validate(proof, request, issuer.as_ref(), now());
    let outcome = unverified
        .and_then(UnverifiedProof::verify)
        .map(|verified| {
            let _ = (verified.replay_key(), verified.replay_until());
        });
    let _ = format!("{outcome:?}");
    // The default rules allow one algorithm only.
    let _ = ProofRules::new().validate(proof, request, issuer.as_ref(), now());
    outcome
}

fn request() -> Target<'static> {
    Target::new("GET", url_of(URL), TOKEN)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// An object with some of these names and any values.
fn object_of(names: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(prop::sample::select(names), any_json(), 0..names.len()).prop_map(
        |members| {
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        },
    )
}

const HEADER_NAMES: &[&str] = &["typ", "alg", "jwk", "crit", "b64", "cty", "kid"];
const CLAIM_NAMES: &[&str] = &["iat", "ath", "htm", "htu", "jti", "nonce", "exp", "nbf"];
const KEY_NAMES: &[&str] = &[
    "kty", "crv", "x", "y", "n", "e", "d", "k", "use", "key_ops", "alg",
];

fn compact(header: &Map<String, Value>, claims: &Map<String, Value>, signature: &[u8]) -> String {
    format!(
        "{}.{}.{}",
        base64url_encode(Value::Object(header.clone()).to_string()),
        base64url_encode(Value::Object(claims.clone()).to_string()),
        base64url_encode(signature),
    )
}

/// A header and claims that pass every check except the signature.
fn good() -> (Map<String, Value>, Map<String, Value>) {
    let key = ProofKey::generate().unwrap();
    let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk()});
    let claims = json!({
        "iat": NOW,
        "ath": sha256_base64url(TOKEN),
        "htm": "GET",
        "htu": URL,
        "jti": "j",
        "nonce": nonces().issue(now()),
    });
    [header, claims]
        .map(|object| object.as_object().unwrap().clone())
        .into()
}

proptest! {
    #[test]
    fn any_text(
        text in any::<String>(),
        dotted in "[A-Za-z0-9_.=,-]{0,80}",
        method in any::<String>(),
    ) {
        for text in [&text, &dotted] {
            let _ = one_proof([text]);
            let _ = one_proof([text, &method]);
            let request = Target::new(&method, url_of(URL), text);
            let _ = format!("{request:?}");
            prop_assert!(outcome(text, &request, false).is_err());
            let _ = nonces().accepts(text, now());
        }
    }

    #[test]
    fn any_header_and_claims(
        header in object_of(HEADER_NAMES),
        claims in object_of(CLAIM_NAMES),
        jwk in object_of(KEY_NAMES),
        signature in prop::collection::vec(any::<u8>(), 0..1100),
        algorithm in prop::sample::select(Algorithm::all().collect::<Vec<_>>()),
    ) {
        let (good_header, good_claims) = good();
        let over = |good: &Map<String, Value>, any: &Map<String, Value>| {
            let mut both = good.clone();
            both.extend(any.clone());
            both
        };
        let mut any_key = good_header.clone();
        any_key.insert("alg".into(), algorithm.name().into());
        any_key.insert("jwk".into(), Value::Object(jwk));
        for (header, claims) in [
            (&header, &claims),
            (&good_header, &claims),
            (&good_header, &over(&good_claims, &claims)),
            (&over(&good_header, &header), &good_claims),
            (&any_key, &good_claims),
            (&good_header, &good_claims),
        ] {
            let proof = compact(header, claims, &signature);
            prop_assert!(outcome(&proof, &request(), true).is_err(), "a forged proof: {}", proof);
        }
    }

    /// `htu` and the request's path may be any text. A proof passes if the request has the same
    /// URL.
    #[test]
    fn any_url(htu in "(https?://[a-z.:0-9@]{0,9})?[/a.%2eE?#]{0,9}", url in any::<String>()) {
        let key = ProofKey::generate().unwrap();
        let proof = key.proof("GET", &htu).for_token(TOKEN).issued_at(NOW).mint().unwrap();
        prop_assert_eq!(outcome(&proof, &request(), false), Err(ProofError::Url));
        for url in [&url, &htu] {
            let _ = url_of(URL).below(url);
        }
        if let Ok(url) = Htu::parse(&htu) {
            let request = Target::new("GET", url, TOKEN);
            prop_assert_eq!(outcome(&proof, &request, false), Ok(()));
        }
    }

    #[test]
    fn any_time(iat in any::<f64>(), now in any::<i64>(), offset in any::<u64>(), leeway in any::<u64>()) {
        let key = ProofKey::generate().unwrap();
        let proof = key.proof("GET", URL).for_token(TOKEN).claim("iat", iat).mint().unwrap();
        let rules = ProofRules::new()
            .iat_offset(Duration::from_secs(offset))
            .iat_leeway(Duration::from_secs(leeway));
        let issuer = nonces();
        let now = NumericDate::from_unix_seconds(now);
        for nonces in [None, Some(&issuer)] {
            if let Ok(unverified) = rules.validate(&proof, &request(), nonces, now) {
                let verified = unverified.verify().unwrap();
                prop_assert!(verified.replay_until() >= now);
            }
        }
    }
}

/// Checks the test above: its proofs pass once they are signed.
#[test]
fn forged_proofs_fail_only_their_signature() {
    let (mut header, claims) = good();
    let proof = compact(&header, &claims, &[1; 64]);
    assert_eq!(
        outcome(&proof, &request(), true),
        Err(ProofError::Signature)
    );

    let key = SigningKey::generate(a0_testkit::Algorithm::Es256).unwrap();
    header.insert("jwk".into(), key.public_jwk());
    let unsigned = compact(&header, &claims, &[]);
    let input = unsigned.strip_suffix('.').unwrap();
    let signature = key
        .sign(a0_testkit::Algorithm::Es256, input.as_bytes())
        .unwrap();
    let proof = compact(&header, &claims, &signature);
    assert_eq!(outcome(&proof, &request(), true), Ok(()));
}
