//! Which keys decrypt, and which key a token is for.

use a0_jose::jwe::{
    DecryptionKey, DecryptionKeyError, DecryptionKeys, JweError, KeyEncryptionAlgorithm,
    MAX_DECRYPTION_KEYS,
};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use serde_json::{Value, json};

use super::sealed::*;

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

/// A key that may only sign.
fn pss() -> PKey<Private> {
    let mut context = PkeyCtx::new_id(Id::RSA_PSS).unwrap();
    context.keygen_init().unwrap();
    context.set_rsa_keygen_bits(2048).unwrap();
    context.keygen().unwrap()
}

/// Keys of three primes: one says that the product of two of them is a factor, one leaves out a factor.
fn of_three_primes() -> [PKey<Private>; 2] {
    let prime = |bits| {
        let mut prime = BigNum::new().unwrap();
        prime.generate_prime(bits, false, None, None).unwrap();
        prime
    };
    let one = BigNum::from_u32(1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let mut key = |n: BigNum, order: &BigNumRef, p: &BigNumRef, q: &BigNumRef| {
        let own = |number: &BigNumRef| number.to_owned().unwrap();
        let e = BigNum::from_u32(65537).unwrap();
        let (mut d, mut qi) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        d.mod_inverse(&e, order, &mut context).ok()?;
        qi.mod_inverse(q, p, &mut context).ok()?;
        let (dp, dq) = (&d % &(p - &*one), &d % &(q - &*one));
        let key = Rsa::from_private_components(n, e, d, own(p), own(q), dp, dq, qi);
        PKey::from_rsa(key.ok()?).ok()
    };
    loop {
        let (a, b, c) = (prime(700), prime(700), prime(700));
        let (ab, n) = (&a * &b, &(&a * &b) * &c);
        let order = &(&a - &one) * &(&b - &one);
        let order = &order * &(&c - &one);
        let composite = key(&ab * &c, &(&(&ab - &one) * &(&c - &one)), &ab, &c);
        if let (Some(composite), Some(missing)) = (composite, key(n, &order, &a, &b)) {
            return [composite, missing];
        }
    }
}

fn jwk(key: &PKey<Private>) -> Value {
    let key = key.rsa().unwrap();
    let number = |number: &BigNumRef| a0_jose::base64url_encode(number.to_vec());
    json!({
        "kty": "RSA", "n": number(key.n()), "e": number(key.e()), "d": number(key.d()),
        "p": number(key.p().unwrap()), "q": number(key.q().unwrap()),
        "dp": number(key.dmp1().unwrap()), "dq": number(key.dmq1().unwrap()),
        "qi": number(key.iqmp().unwrap()),
    })
}

fn jwk_with(name: &str, value: Value) -> Value {
    let mut jwk = jwk(key());
    jwk[name] = value;
    jwk
}

fn from_jwk(jwk: &Value) -> Result<DecryptionKey, DecryptionKeyError> {
    let outcome = DecryptionKey::from_jwk(jwk.to_string().as_bytes());
    let queue = openssl::error::ErrorStack::get();
    assert!(queue.errors().is_empty(), "{queue}");
    outcome
}

/// The parts of the process's key, with another exponent.
fn with_exponent(e: BigNum) -> PKey<Private> {
    let key = key().rsa().unwrap();
    let own = |number: &BigNumRef| number.to_owned().unwrap();
    let rsa = Rsa::from_private_components(
        own(key.n()),
        e,
        own(key.d()),
        own(key.p().unwrap()),
        own(key.q().unwrap()),
        own(key.dmp1().unwrap()),
        own(key.dmq1().unwrap()),
        own(key.iqmp().unwrap()),
    );
    PKey::from_rsa(rsa.unwrap()).unwrap()
}

#[test]
fn rfc7518_4_3_a_pem_is_a_private_rsa_key_of_2048_to_8192_bits_without_encryption() {
    let pkcs1 = key().rsa().unwrap().private_key_to_pem().unwrap();
    let encrypted = key()
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"")
        .unwrap();
    let p256 = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let ec = PKey::from_ec_key(EcKey::generate(&p256).unwrap()).unwrap();
    let behind = |length: usize| [vec![b'\n'; length], pem(key())].concat();
    let power = |bits: i32, more: u32| {
        let mut number = BigNum::from_u32(more).unwrap();
        number.set_bit(bits).unwrap();
        number
    };
    let unusable = Err(DecryptionKeyError::Unusable);
    let size = Err(DecryptionKeyError::ModulusSize);
    let exponent = Err(DecryptionKeyError::Exponent);
    for (what, pem, expected) in [
        ("PKCS #8", pem(key()), Ok(())),
        ("PKCS #1", pkcs1, Ok(())),
        ("8 KiB", behind(8 * 1024 - pem(key()).len()), Ok(())),
        (
            "over 8 KiB",
            behind(8 * 1024 + 1 - pem(key()).len()),
            unusable,
        ),
        ("2047 bits", pem(&rsa(2047)), size),
        ("1024 bits", pem(&rsa(1024)), size),
        ("3072 bits", pem(&rsa(3072)), Ok(())),
        ("encrypted", encrypted, unusable),
        ("EC", pem(&ec), unusable),
        ("RSASSA-PSS", pem(&pss()), unusable),
        ("public", key().public_key_to_pem().unwrap(), unusable),
        ("nothing", Vec::new(), unusable),
        ("exponent 1", pem(&with_exponent(power(0, 0))), exponent),
        ("even exponent", pem(&with_exponent(power(16, 0))), exponent),
        ("long exponent", pem(&with_exponent(power(33, 1))), exponent),
        (
            "longer exponent",
            pem(&with_exponent(power(100, 1))),
            exponent,
        ),
        (
            "exponent of another key",
            pem(&with_exponent(power(4, 1))),
            unusable,
        ),
    ] {
        let outcome = DecryptionKey::from_pem(&pem).map(|_| ());
        assert_eq!(outcome, expected, "{what}");
        let queue = openssl::error::ErrorStack::get();
        assert!(queue.errors().is_empty(), "{what}: {queue}");
    }
}

#[test]
fn rfc7518_6_3_2_a_jwk_is_a_private_rsa_key_for_decryption() {
    let good = from_jwk(&jwk(key())).unwrap();
    assert_eq!((good.key_id(), good.algorithm()), (None, None));
    let token = with_header(header_without("kid")).compact();
    let keys = DecryptionKeys::new([good]).unwrap();
    assert_eq!(decrypt_with(&token, &keys).as_deref(), Ok(SIGNED));

    let named = from_jwk(&jwk_with("kid", "\u{e4}\n".into())).unwrap();
    assert_eq!(named.key_id(), Some("\u{e4}\n"));
    let bound = from_jwk(&jwk_with("alg", "RSA-OAEP-512".into())).unwrap();
    assert_eq!(bound.algorithm(), Some(KeyEncryptionAlgorithm::RsaOaep512));

    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["decrypt"])),
        ("key_ops", json!(["wrapKey", "unwrapKey"])),
        ("unknown", json!({"a": 1})),
        ("x5c", json!(["AQAB"])),
    ] {
        assert!(from_jwk(&jwk_with(name, value)).is_ok(), "{name}");
    }
    let other = jwk(&rsa(2048));
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi", "kty"] {
        let mut incomplete = jwk(key());
        incomplete.as_object_mut().unwrap().remove(name);
        assert_eq!(
            from_jwk(&incomplete).err(),
            Some(DecryptionKeyError::Unusable),
            "{name}"
        );
    }
    for (name, value, expected) in [
        ("kty", json!("EC"), DecryptionKeyError::Unusable),
        ("oth", json!([]), DecryptionKeyError::Unusable),
        ("n", other["n"].clone(), DecryptionKeyError::Unusable),
        ("p", other["p"].clone(), DecryptionKeyError::Unusable),
        ("d", other["d"].clone(), DecryptionKeyError::Unusable),
        ("d", json!("AQ"), DecryptionKeyError::Unusable),
        ("dp", json!("AQ"), DecryptionKeyError::Unusable),
        ("dp", json!("_".repeat(8000)), DecryptionKeyError::Unusable),
        ("dq", json!(""), DecryptionKeyError::Unusable),
        ("dq", other["dq"].clone(), DecryptionKeyError::Unusable),
        ("qi", json!("AQ"), DecryptionKeyError::Unusable),
        ("n", json!("AQAB"), DecryptionKeyError::ModulusSize),
        ("n", json!(""), DecryptionKeyError::ModulusSize),
        // 8193 bits.
        (
            "n",
            json!(a0_jose::base64url_encode([1; 1025])),
            DecryptionKeyError::ModulusSize,
        ),
        ("n", json!("AQAB="), DecryptionKeyError::Unusable),
        ("d", Value::Null, DecryptionKeyError::Unusable),
        ("d", json!(7), DecryptionKeyError::Unusable),
        ("e", json!("Ag"), DecryptionKeyError::Exponent),
        ("e", json!("AQ"), DecryptionKeyError::Exponent),
        ("e", json!(""), DecryptionKeyError::Exponent),
        ("alg", json!("RSA-OAEP"), DecryptionKeyError::Algorithm),
        ("alg", json!("RSA1_5"), DecryptionKeyError::Algorithm),
        ("alg", json!("RS256"), DecryptionKeyError::Algorithm),
        ("use", json!("sig"), DecryptionKeyError::NotForEncryption),
        (
            "key_ops",
            json!(["encrypt"]),
            DecryptionKeyError::NotForEncryption,
        ),
        ("key_ops", json!([]), DecryptionKeyError::NotForEncryption),
        ("kid", json!(1), DecryptionKeyError::Unusable),
        (
            "x",
            json!("A".repeat(16 * 1024)),
            DecryptionKeyError::Unusable,
        ),
    ] {
        assert_eq!(
            from_jwk(&jwk_with(name, value)).err(),
            Some(expected),
            "{name}"
        );
    }
    for text in [
        &b""[..],
        b"{}",
        b"[]",
        b"\xff",
        b"-----BEGIN PRIVATE KEY-----",
    ] {
        assert!(DecryptionKey::from_jwk(text).is_err());
    }
    // One factor alone, and two of which one is no prime.
    let mut single = jwk(key());
    single["p"] = single["n"].clone();
    (single["q"], single["dq"], single["qi"]) = (json!("AQ"), json!("AA"), json!("AQ"));
    single["dp"] = single["d"].clone();
    let [composite, missing] = of_three_primes();
    for unusable in [single, jwk(&composite), jwk(&missing)] {
        assert_eq!(
            from_jwk(&unusable).err(),
            Some(DecryptionKeyError::Unusable)
        );
    }
    let twice = jwk(key()).to_string().replacen('{', r#"{"kty":"RSA","#, 1);
    assert!(DecryptionKey::from_jwk(twice.as_bytes()).is_err());
}

#[test]
fn rfc7516_4_1_6_the_kid_chooses_the_key() {
    let (first, second, third) = (key(), &rsa(2048), &rsa(2048));
    let load = |key: &PKey<Private>| DecryptionKey::from_pem(&pem(key)).unwrap();
    let named = |key: &PKey<Private>, key_id: &str| load(key).with_key_id(key_id);
    let token = |key: &PKey<Private>, key_id: Option<&str>| {
        let header = match key_id {
            Some(key_id) => header_with("kid", key_id.into()),
            None => header_without("kid"),
        };
        let sealer = Sealer {
            header: header.to_string(),
            key,
            ..Sealer::default()
        };
        sealer.seal().compact()
    };
    let (ok, failed, no_key) = (
        Ok(SIGNED),
        Err(JweError::Decryption),
        Err(JweError::NoMatchingKey),
    );
    let abc = [named(first, "a"), named(second, "b"), named(third, "c")];
    let ab_none = [named(first, "a"), named(second, "b"), load(third)];
    for (what, keys, token, expected) in [
        ("named", &abc, token(second, Some("b")), ok),
        ("named, third", &abc, token(third, Some("c")), ok),
        (
            "the name of another",
            &abc,
            token(second, Some("a")),
            failed,
        ),
        ("an unknown name", &abc, token(second, Some("x")), no_key),
        ("compared exactly", &abc, token(second, Some("B")), no_key),
        ("an empty name", &abc, token(second, Some("")), no_key),
        ("no name, first", &abc, token(first, None), ok),
        ("no name, second", &abc, token(second, None), ok),
        // Two keys are tried, and no third one.
        ("no name, third", &abc, token(third, None), failed),
        (
            "an unknown name, a key without",
            &ab_none,
            token(third, Some("x")),
            ok,
        ),
        (
            "a known name, a key without",
            &ab_none,
            token(third, Some("a")),
            failed,
        ),
        (
            "an unknown name, a named key",
            &ab_none,
            token(first, Some("x")),
            failed,
        ),
    ] {
        let keys = DecryptionKeys::new(keys.clone()).unwrap();
        let outcome = decrypt_with(&token, &keys);
        assert_eq!(
            outcome.as_deref().map_err(|error| *error),
            expected,
            "{what}"
        );
    }
    // Keys of another length or another algorithm are not tried, so they use up no trial.
    let long = rsa(3072);
    let other = KeyEncryptionAlgorithm::RsaOaep512;
    let keys = DecryptionKeys::new([
        named(&long, "a"),
        named(second, "b").with_algorithm(other),
        named(third, "c"),
        named(first, "d"),
    ]);
    let outcome = decrypt_with(&token(first, None), &keys.unwrap());
    assert_eq!(outcome.as_deref(), Ok(SIGNED));
}

#[test]
fn a_key_with_an_algorithm_serves_no_other() {
    use KeyEncryptionAlgorithm::{RsaOaep256, RsaOaep384, RsaOaep512};
    let algorithms = [
        (RsaOaep256, MessageDigest::sha256()),
        (RsaOaep384, MessageDigest::sha384()),
        (RsaOaep512, MessageDigest::sha512()),
    ];
    let key = DecryptionKey::from_pem(&pem(key()))
        .unwrap()
        .with_key_id("k");
    for (algorithm, hash) in algorithms {
        let sealer = Sealer {
            header: header_with("alg", algorithm.name().into()).to_string(),
            hashes: [hash; 2],
            ..Sealer::default()
        };
        let token = sealer.seal().compact();
        let any = DecryptionKeys::new([key.clone()]).unwrap();
        assert_eq!(decrypt_with(&token, &any).as_deref(), Ok(SIGNED));
        for (only, _) in algorithms {
            let keys = DecryptionKeys::new([key.clone().with_algorithm(only)]).unwrap();
            let outcome = decrypt_with(&token, &keys);
            match only == algorithm {
                true => assert_eq!(outcome.as_deref(), Ok(SIGNED)),
                false => assert_eq!(outcome, Err(JweError::NoMatchingKey)),
            }
        }
    }
}

#[test]
fn a_list_of_keys_has_a_bound_and_no_key_that_is_never_tried() {
    let key = DecryptionKey::from_pem(&pem(key())).unwrap();
    let list = |names: &[Option<&str>]| {
        let keys = names.iter().map(|name| match name {
            Some(name) => key.clone().with_key_id(*name),
            None => key.clone(),
        });
        DecryptionKeys::new(keys.collect::<Vec<_>>()).map(|_| ())
    };
    let numbered = |count: usize| {
        let keys = (0..count).map(|number| key.clone().with_key_id(number.to_string()));
        DecryptionKeys::new(keys).map(|_| ())
    };
    assert_eq!(list(&[]), Err(DecryptionKeyError::Count));
    assert_eq!(numbered(MAX_DECRYPTION_KEYS), Ok(()));
    assert_eq!(
        numbered(MAX_DECRYPTION_KEYS + 1),
        Err(DecryptionKeyError::Count)
    );
    let (a, none) = (Some("a"), None);
    assert_eq!(list(&[a, a, none, none]), Ok(()));
    assert_eq!(list(&[a, a, a]), Err(DecryptionKeyError::SharedKeyId));
    assert_eq!(list(&[none; 3]), Err(DecryptionKeyError::SharedKeyId));
}
