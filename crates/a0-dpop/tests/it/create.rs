//! The proofs that this crate creates pass its own checks.

use a0_dpop::{CreateProofError, Htu, NewProof, NonceIssuer, ProofError, ProofRules, Target};
use a0_jose::{Algorithm, Jwk, NumericDate, Signer, SigningError, SigningKey};
use serde_json::{Map, Value};

fn now() -> NumericDate {
    NumericDate::from_unix_seconds(1_700_000_000)
}

fn url_of(text: &str) -> Htu {
    Htu::parse(text).unwrap()
}

#[test]
fn rfc9449_4_2_a_new_proof_has_every_member_and_passes() {
    let nonces = NonceIssuer::new([1; 32], std::time::Duration::from_secs(60));
    let nonce = nonces.issue(now());
    let key = SigningKey::generate_es256().unwrap();
    let new = NewProof::new("POST", "HTTPS://Api.Example:443/a/./b?c#d")
        .access_token("the token")
        .nonce(&nonce);
    let proof = new.sign(&key, now()).unwrap();

    let header = a0_jose::unverified_header(&proof, 10_000).unwrap();
    assert_eq!(header["typ"], "dpop+jwt");
    assert_eq!(header["alg"], "ES256");
    assert!(!a0_jose::has_private_member(
        header["jwk"].as_object().unwrap().keys()
    ));
    let claims = a0_jose::unverified_payload(&proof, 10_000).unwrap();
    assert_eq!(claims["htm"], "POST");
    assert_eq!(claims["htu"], "HTTPS://Api.Example:443/a/./b");
    assert_eq!(claims["iat"], 1_700_000_000);

    let request = Target::new("POST", url_of("https://api.example/a/b"), "the token");
    let unverified = ProofRules::new().validate(&proof, &request, Some(&nonces), now());
    let verified = unverified.unwrap().verify().unwrap();
    let own = Jwk::from_object(key.public_jwk()).unwrap().thumbprint();
    assert_eq!(*verified.thumbprint(), own);

    // Each proof has its own jti.
    let jti = |proof: &str| a0_jose::unverified_payload(proof, 10_000).unwrap()["jti"].clone();
    assert_ne!(jti(&proof), jti(&new.sign(&key, now()).unwrap()));

    let without = NewProof::new("POST", "https://api.example/a/b");
    let claims = a0_jose::unverified_payload(&without.sign(&key, now()).unwrap(), 10_000).unwrap();
    assert!(!claims.contains_key("ath") && !claims.contains_key("nonce"));
}

/// Some servers compare `htu` octet for octet.
#[test]
fn rfc9449_4_2_a_new_proof_names_the_url_as_it_is_sent_without_query_and_fragment() {
    let key = SigningKey::generate_es256().unwrap();
    for (url, htu) in [
        ("https://api.example/%7Eu", "https://api.example/%7Eu"),
        ("https://api.example/%c3%a9", "https://api.example/%c3%a9"),
        ("https://api.example/a%2fb", "https://api.example/a%2fb"),
        ("https://api.example/a|b", "https://api.example/a|b"),
        ("https://api.example/a\"b", "https://api.example/a\"b"),
        ("https://api.example/é", "https://api.example/é"),
        (
            "https://api.example/a/../b/.",
            "https://api.example/a/../b/.",
        ),
        ("https://API.example:443/A", "https://API.example:443/A"),
        ("HTTP://api.example:0080", "HTTP://api.example:0080"),
        ("https://api.example", "https://api.example"),
        ("https://api.example?a/b", "https://api.example"),
        ("https://api.example/a?b#c", "https://api.example/a"),
        ("https://api.example/a#b?c", "https://api.example/a"),
        ("https://api.example/a??b", "https://api.example/a"),
        ("https://api.example/a?", "https://api.example/a"),
        ("https://api.example/a;b=c?d", "https://api.example/a;b=c"),
        ("https://[::1]:8443/[a]?b", "https://[::1]:8443/[a]"),
    ] {
        let new = NewProof::new("GET", url).access_token("t");
        let proof = new.sign(&key, now()).unwrap();
        let claims = a0_jose::unverified_payload(&proof, 10_000).unwrap();
        assert_eq!(claims["htu"], htu, "{url}");
        // This crate accepts it for the URL as the client knows it.
        let request = Target::new("GET", url_of(url), "t");
        let unverified = ProofRules::new().validate(&proof, &request, None, now());
        assert!(unverified.unwrap().verify().is_ok(), "{url}");
    }
    for wrong in [
        "",
        "api.example",
        "//api.example/a",
        "/a",
        "ftp://api.example/",
        "https:/api.example/",
        "https://",
        "https:///a",
        "https://u:p@api.example/",
        "https://api.example/a b",
        " https://api.example/",
        "https://api.example/\n",
        "https://api.example\\a",
        "https://api.example/100%",
        "https://api.example:99999/",
        "https://é.example/",
    ] {
        let error = NewProof::new("GET", wrong).sign(&key, now()).unwrap_err();
        assert_eq!(error, CreateProofError::Url, "{wrong:?}");
    }
}

#[test]
fn rsa_keys_sign_where_they_are_allowed() {
    use a0_testkit::SigningKey as Made;
    let pem = |algorithm| {
        let key = match algorithm {
            a0_testkit::Algorithm::Rs256 => Made::cached_rsa("create").unwrap(),
            other => Made::generate(other).unwrap(),
        };
        key.private_pem().unwrap()
    };
    let rsa = pem(a0_testkit::Algorithm::Rs256);
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let key = SigningKey::from_pem(algorithm, &rsa).unwrap();
        let new = NewProof::new("GET", "https://api.example/").access_token("t");
        let proof = new.sign(&key, now()).unwrap();
        let request = Target::new("GET", url_of("https://api.example/"), "t");
        let rules = ProofRules::new();
        let refused = rules.validate(&proof, &request, None, now());
        assert_eq!(refused.unwrap_err(), ProofError::Algorithm);
        let rules = rules.algorithms([algorithm]);
        let unverified = rules.validate(&proof, &request, None, now()).unwrap();
        assert!(unverified.verify().is_ok(), "{algorithm}");
    }
    let ec = pem(a0_testkit::Algorithm::Es256);
    let from_pem = |algorithm, pem: &[u8]| SigningKey::from_pem(algorithm, pem).map(|_| ());
    assert_eq!(from_pem(Algorithm::Es256, &ec), Ok(()));
    for (algorithm, pem, error) in [
        (Algorithm::Es256, &rsa[..], SigningError::Unusable),
        (Algorithm::Rs256, &ec, SigningError::Unusable),
        (Algorithm::Es256, b"", SigningError::Unusable),
        (Algorithm::Rs512, &rsa, SigningError::Unsupported),
        (Algorithm::Es384, &ec, SigningError::Unsupported),
    ] {
        assert_eq!(from_pem(algorithm, pem), Err(error), "{algorithm}");
    }
    let key = SigningKey::from_pem(Algorithm::Es256, &ec).unwrap();
    assert_eq!(format!("{key:?}"), "SigningKey { algorithm: Es256, .. }");
}

/// A key held elsewhere that fails to sign.
struct Elsewhere(Map<String, Value>);

impl Signer for Elsewhere {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Es256
    }

    fn public_jwk(&self) -> &Map<String, Value> {
        &self.0
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SigningError> {
        Err(SigningError::Unusable)
    }
}

#[test]
fn signing_failures_are_errors() {
    let key = Elsewhere(Map::new());
    let sign = |url| NewProof::new("GET", url).sign(&key, now()).unwrap_err();
    assert_eq!(sign("https://u@api.example/"), CreateProofError::Url);
    assert_eq!(sign("/things"), CreateProofError::Url);
    let failed = CreateProofError::Signing(SigningError::Unusable);
    assert_eq!(sign("https://api.example/"), failed);
}

/// A key that returns its private part as its public one.
struct Careless(SigningKey, Map<String, Value>);

impl Signer for Careless {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_jwk(&self) -> &Map<String, Value> {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.0.sign(message)
    }
}

#[test]
fn no_proof_carries_a_private_key() {
    let key = SigningKey::generate_es256().unwrap();
    let public = key.public_jwk().clone();
    let mut private = public.clone();
    private.insert("d".into(), "AAAA".into());
    let new = NewProof::new("GET", "https://api.example/");
    assert!(new.sign(&Careless(key.clone(), public), now()).is_ok());
    let failed = CreateProofError::Signing(SigningError::Unusable);
    assert_eq!(
        new.sign(&Careless(key, private), now()).unwrap_err(),
        failed
    );
}
