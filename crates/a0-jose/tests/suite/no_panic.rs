//! No input causes a panic, and the strict JSON parser agrees with serde_json.

use std::sync::OnceLock;

use super::common::{MAX_SIZE, SigningKey, any_json, key_set, parse_set};
use a0_jose::{
    Algorithm, ClaimRules, Compact, HeaderRules, Jwk, JwkSet, NumericDate, Signer, Thumbprint,
    base64url_decode, base64url_encode, json,
};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Passes a token through every step.
fn every_step(token: &str, keys: &JwkSet) {
    let Ok(unverified) = Compact::parse(token, MAX_SIZE).and_then(Compact::decode) else {
        return;
    };
    let rules = ClaimRules::new(["a"]);
    let _ = rules.validate(unverified.claims(), NumericDate::from_unix_seconds(0));
    if let Ok(verifiable) = unverified.validate_header(&HeaderRules::new(Algorithm::all())) {
        assert!(verifiable.verify(keys).is_err(), "a forged token: {token}");
    }
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

const HEADER_NAMES: &[&str] = &["alg", "kid", "typ", "cty", "crit", "b64", "jwk", "x"];
const CLAIM_NAMES: &[&str] = &[
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "act",
];
const KEY_NAMES: &[&str] = &[
    "kty", "crv", "x", "y", "n", "e", "kid", "use", "key_ops", "alg",
];

/// Private keys in every form, as DER.
fn private_keys() -> &'static [(&'static str, Vec<u8>)] {
    static KEYS: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let ec = EcKey::generate(&curve).unwrap();
        let rsa = Rsa::generate(2048).unwrap();
        let traditional = [
            ("EC PRIVATE KEY", ec.private_key_to_der().unwrap()),
            ("RSA PRIVATE KEY", rsa.private_key_to_der().unwrap()),
        ];
        let modern = [PKey::from_ec_key(ec).unwrap(), PKey::from_rsa(rsa).unwrap()]
            .map(|key| ("PRIVATE KEY", key.private_key_to_pkcs8().unwrap()));
        traditional.into_iter().chain(modern).collect()
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = openssl::base64::encode_block(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// Reads a PEM for each algorithm and signs with it. Returns how many could sign.
fn read_and_sign(pem: &str) -> usize {
    let algorithms = [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256];
    let keys = algorithms.map(|algorithm| a0_jose::SigningKey::from_pem(algorithm, pem.as_bytes()));
    let readable = keys.iter().flatten();
    readable
        .map(|key| key.sign(b"message"))
        .filter(Result::is_ok)
        .count()
}

#[test]
fn a_malformed_pem_is_refused() {
    for (label, der) in private_keys() {
        let readable = if der.len() < 200 { 1 } else { 2 };
        assert_eq!(read_and_sign(&pem(label, der)), readable, "{label}");
        assert_eq!(read_and_sign(&pem("PUBLIC KEY", der)), 0, "{label}");
    }
    // False lengths: some parsers allocate them, or overflow.
    for der in [
        &b"\x04\x88\x00\xff\xff\xff\xff\xff\xff\xff"[..],
        b"\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x30\x84\xff\xff\xff\xff\x02\x01\x00",
        b"\x30\x80\x00\x00",
        b"\x30\xff",
        b"\x02\x00",
        b"",
    ] {
        for label in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
            assert_eq!(read_and_sign(&pem(label, der)), 0, "{label} {der:x?}");
        }
    }
}

proptest! {
    // Fewer cases than the default, because checking RSA keys takes time.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_pem(
        which in 0..4_usize,
        place in any::<prop::sample::Index>(),
        octets in prop::collection::vec(any::<u8>(), 0..12),
        length in any::<prop::sample::Index>(),
        text in any::<String>(),
    ) {
        let (label, der) = &private_keys()[which];
        let _ = read_and_sign(&pem(label, &octets));
        let _ = read_and_sign(&text);
        let mut changed = der.clone();
        // Often near the start, where the lengths are.
        let start = place.index(if octets.len() % 2 == 0 { 40 } else { der.len() });
        for (place, octet) in changed.iter_mut().skip(start).zip(&octets) {
            *place = *octet;
        }
        let _ = read_and_sign(&pem(label, &changed));
        changed.truncate(length.index(der.len()));
        let _ = read_and_sign(&pem(label, &changed));
    }
}

proptest! {
    #[test]
    fn any_text(text in any::<String>(), dotted in "[A-Za-z0-9_.=-]{0,80}") {
        let keys = JwkSet::default();
        every_step(&text, &keys);
        every_step(&dotted, &keys);
        let _ = base64url_decode(&text);
        let _ = text.parse::<Thumbprint>();
        let _ = text.parse::<Algorithm>();
        let _ = parse_set(text.as_bytes(), &[Algorithm::Rs256]);
    }

    #[test]
    fn any_header_and_claims(
        mut header in object_of(HEADER_NAMES),
        claims in object_of(CLAIM_NAMES),
        algorithm in prop::sample::select(Algorithm::all().collect::<Vec<_>>()),
        signature in prop::collection::vec(any::<u8>(), 0..1100),
    ) {
        let key = SigningKey::new(Algorithm::Es256);
        let allowed: Vec<Algorithm> = Algorithm::all().collect();
        let keys = parse_set(&key_set([key.public_jwk("k")]), &allowed).unwrap();
        for keep_going in [false, true] {
            if keep_going {
                for name in ["crit", "b64", "cty", "typ"] {
                    header.remove(name);
                }
                header.insert("alg".into(), algorithm.name().into());
                header.insert("kid".into(), "k".into());
            }
            every_step(
                &format!(
                    "{}.{}.{}",
                    base64url_encode(Value::Object(header.clone()).to_string()),
                    base64url_encode(Value::Object(claims.clone()).to_string()),
                    base64url_encode(&signature),
                ),
                &keys,
            );
        }
    }

    #[test]
    fn any_key(mut key in object_of(KEY_NAMES), octets in prop::collection::vec(any::<u8>(), 0..70)) {
        let _ = Jwk::from_object(&key);
        for (kty, curve) in [("RSA", ""), ("EC", "P-256"), ("EC", "P-521"), ("OKP", "Ed448")] {
            key.insert("kty".into(), kty.into());
            key.insert("crv".into(), curve.into());
            for name in ["x", "y", "n", "e"] {
                key.insert(name.into(), base64url_encode(&octets).into());
            }
            let _ = Jwk::from_object(&key);
            let _ = parse_set(&key_set([key.clone()]), &[Algorithm::Es256, Algorithm::EdDsa]);
        }
    }

    #[test]
    fn json_without_duplicates_reads_as_serde_json_reads_it(value in any_json()) {
        let mut object = Map::new();
        object.insert("value".into(), value);
        let object = Value::Object(object);
        // Both sides parse the same text, so that floats are equal.
        let text = object.to_string();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let strict = json::parse_object(text.as_bytes()).unwrap();
        prop_assert_eq!(Value::Object(strict).to_string(), expected.to_string());
    }

    #[test]
    fn base64url_has_one_text_for_each_octet_string(octets in prop::collection::vec(any::<u8>(), 0..99)) {
        let text = base64url_encode(&octets);
        prop_assert_eq!(base64url_decode(&text), Some(octets));
        prop_assert_eq!(base64url_decode(format!("{text}=")), None);
    }
}
