//! Keys and tokens for the tests, made with josekit, so by another implementation than the tested
//! one.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part of this module"
)]

use std::sync::OnceLock;

use a0_jose::{
    Algorithm, Compact, HeaderRules, JwkError, JwkSet, JwkSetError, VerifyError, VerifyingKey,
    base64url_encode, sha256,
};
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use josekit::jwk::alg::ed::EdCurve;
use josekit::jws::{self, JwsSigner};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Larger than every token, except in tests of the size limit.
pub const MAX_SIZE: usize = 16 * 1024;

/// A private key and its algorithm.
pub struct SigningKey {
    pub algorithm: Algorithm,
    pub jwk: Jwk,
}

impl SigningKey {
    /// Creates a key for `algorithm`. All RSA keys of a process are the same.
    pub fn new(algorithm: Algorithm) -> Self {
        static RSA: OnceLock<Jwk> = OnceLock::new();
        let jwk = match algorithm {
            Algorithm::Es256 => Jwk::generate_ec_key(EcCurve::P256).unwrap(),
            Algorithm::Es384 => Jwk::generate_ec_key(EcCurve::P384).unwrap(),
            Algorithm::Es512 => Jwk::generate_ec_key(EcCurve::P521).unwrap(),
            Algorithm::EdDsa | Algorithm::Ed25519 => {
                Jwk::generate_ed_key(EdCurve::Ed25519).unwrap()
            }
            Algorithm::Ed448 => Jwk::generate_ed_key(EdCurve::Ed448).unwrap(),
            _ => RSA
                .get_or_init(|| Jwk::generate_rsa_key(2048).unwrap())
                .clone(),
        };
        SigningKey { algorithm, jwk }
    }

    pub fn signature(&self, message: &str) -> Vec<u8> {
        self.signature_by(self.algorithm, message)
    }

    /// A signature with another algorithm than the key's own.
    pub fn signature_by(&self, algorithm: Algorithm, message: &str) -> Vec<u8> {
        let signer: Box<dyn JwsSigner> = match algorithm {
            Algorithm::Rs256 => Box::new(jws::RS256.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::Rs384 => Box::new(jws::RS384.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::Rs512 => Box::new(jws::RS512.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::Ps256 => Box::new(jws::PS256.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::Ps384 => Box::new(jws::PS384.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::Ps512 => Box::new(jws::PS512.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::Es256 => Box::new(jws::ES256.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::Es384 => Box::new(jws::ES384.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::Es512 => Box::new(jws::ES512.signer_from_jwk(&self.jwk).unwrap()),
            Algorithm::EdDsa | Algorithm::Ed25519 | Algorithm::Ed448 => {
                Box::new(jws::EdDSA.signer_from_jwk(&self.jwk).unwrap())
            }
            other => panic!("no signer for {other}"),
        };
        signer.sign(message.as_bytes()).unwrap()
    }

    /// A compact JWS with exactly this header and payload text.
    pub fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", base64url_encode(header), base64url_encode(payload));
        let signature = base64url_encode(self.signature(&input));
        format!("{input}.{signature}")
    }

    pub fn header(&self) -> String {
        json!({ "alg": self.algorithm.name(), "kid": "k" }).to_string()
    }

    pub fn public_jwk(&self, key_id: &str) -> Map<String, Value> {
        let mut jwk: Map<String, Value> =
            serde_json::from_str(&self.jwk.to_public_key().unwrap().to_string()).unwrap();
        jwk.insert("kid".into(), key_id.into());
        jwk.remove("alg");
        jwk
    }
}

/// A JWK Set of these entries, as text.
pub fn key_set(entries: impl IntoIterator<Item = Map<String, Value>>) -> Vec<u8> {
    let entries: Vec<Value> = entries.into_iter().map(Value::Object).collect();
    json!({ "keys": entries }).to_string().into_bytes()
}

/// `object` with one member set.
pub fn with(mut object: Map<String, Value>, name: &str, value: Value) -> Map<String, Value> {
    object.insert(name.into(), value);
    object
}

/// Parses a set with keys of the backend under test.
pub fn parse_set(text: &[u8], allowed: &[Algorithm]) -> Result<JwkSet, JwkSetError> {
    JwkSet::parse_with_backend(text, allowed, crate::BACKEND)
}

/// Builds a key of the backend under test.
pub fn verifying_key(jwk: &a0_jose::Jwk, allowed: &[Algorithm]) -> Result<VerifyingKey, JwkError> {
    VerifyingKey::with_backend(jwk, allowed, crate::BACKEND)
}

/// Every algorithm.
pub fn all() -> Vec<Algorithm> {
    Algorithm::all().collect()
}

/// Verifies a token of any algorithm.
pub fn verify(token: &str, keys: &JwkSet) -> Result<(), VerifyError> {
    verify_allowing(token, keys, &all())
}

/// Verifies a token of an allowed algorithm, without and with the token's hash computed before, and
/// with its header decoded before. All must have the same outcome.
pub fn verify_allowing(
    token: &str,
    keys: &JwkSet,
    allowed: &[Algorithm],
) -> Result<(), VerifyError> {
    let rules = HeaderRules::new(allowed.iter().copied());
    let mut compact = Compact::parse(token, MAX_SIZE).unwrap();
    let [plain, hashed] = [false, true].map(|hashed| {
        if hashed {
            assert_eq!(compact.sha256(), sha256(token));
        }
        let verifiable = compact.decode().unwrap().validate_header(&rules).unwrap();
        verifiable.verify(keys).map(|_| ())
    });
    assert_eq!(plain, hashed);
    let known = compact.decode().unwrap().decoded_header();
    let again = compact.decode_with_header(Some(&known)).unwrap();
    let again = again.validate_header(&rules).unwrap();
    assert_eq!(again.verify_and_keep_header(keys).map(|_| ()), plain);
    plain
}

/// Parses a set of these entries, with keys of the backend under test.
pub fn parse(
    entries: impl IntoIterator<Item = Map<String, Value>>,
    allowed: &[Algorithm],
) -> JwkSet {
    parse_set(&key_set(entries), allowed).unwrap()
}

/// Any JSON value. Its objects have few or many members.
pub fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..24)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
