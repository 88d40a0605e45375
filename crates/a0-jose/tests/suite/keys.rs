//! Public keys: which are usable.

use a0_jose::{Algorithm, Jwk, JwkError, base64url_encode, has_private_member};
use serde_json::{Map, Value, json as value};

use super::common::{SigningKey, all, verifying_key, with};

#[test]
fn rfc7518_6_3_1_and_3_3_an_rsa_key_is_of_sane_size() {
    let modulus = |bits: usize| {
        let mut octets = vec![0xff; bits.div_ceil(8)];
        if !bits.is_multiple_of(8) {
            octets[0] = (1 << (bits % 8)) - 1;
        }
        base64url_encode(octets)
    };
    let exponent = |octets: &[u8]| base64url_encode(octets);
    let usual = exponent(&[1, 0, 1]);
    for (n, e, expected) in [
        (modulus(2048), usual.clone(), Ok(())),
        (modulus(8192), usual.clone(), Ok(())),
        (modulus(1024), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(2047), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(2041), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(8193), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(16384), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(2048), exponent(&[3]), Ok(())),
        (
            modulus(2048),
            exponent(&[1, 0xff, 0xff, 0xff, 0xff]),
            Ok(()),
        ),
        (modulus(2048), exponent(&[1]), Err(JwkError::Exponent)),
        (modulus(2048), exponent(&[2]), Err(JwkError::Exponent)),
        (modulus(2048), exponent(&[1, 0, 0]), Err(JwkError::Exponent)),
        (
            modulus(2048),
            exponent(&[2, 0, 0, 0, 1]),
            Err(JwkError::Exponent),
        ),
        (modulus(2048), exponent(&[0xff; 8]), Err(JwkError::Exponent)),
        (
            modulus(2048),
            exponent(&[0xff; 384]),
            Err(JwkError::Exponent),
        ),
        (modulus(2048), exponent(&[0]), Err(JwkError::Member("e"))),
        (
            modulus(2048),
            exponent(&[0, 1, 0, 1]),
            Err(JwkError::Member("e")),
        ),
        (modulus(2048), exponent(&[]), Err(JwkError::Member("e"))),
        ("".into(), usual.clone(), Err(JwkError::Member("n"))),
        (
            format!("AA{}", modulus(2048)),
            usual.clone(),
            Err(JwkError::Member("n")),
        ),
        (
            format!("{}=", modulus(2048)),
            usual,
            Err(JwkError::Member("n")),
        ),
    ] {
        let jwk = value!({"kty": "RSA", "n": n, "e": e});
        let outcome = Jwk::from_object(jwk.as_object().unwrap()).map(|_| ());
        assert_eq!(outcome, expected, "{} {e}", n.len());
    }
}

#[test]
fn rfc7518_6_2_1_an_ec_key_is_a_point_of_its_curve_in_full_length() {
    let key = SigningKey::new(Algorithm::Es256).public_jwk("k");
    let octets = |name: &str| a0_jose::base64url_decode(key[name].as_str().unwrap()).unwrap();
    let (x, y) = (octets("x"), octets("y"));
    let point = [&x[..], &y].concat();
    let off_curve = {
        let mut y = y.clone();
        y[31] ^= 1;
        y
    };
    for (what, x, y, expected) in [
        ("as made", &x[..], &y[..], Ok(())),
        (
            "31 + 33",
            &point[..31],
            &point[31..],
            Err(JwkError::CoordinateLength),
        ),
        ("64 + 0", &point[..], &[], Err(JwkError::CoordinateLength)),
        ("off the curve", &x, &off_curve, Err(JwkError::InvalidKey)),
        ("zero", &[0; 32], &[0; 32], Err(JwkError::InvalidKey)),
        (
            "beyond the field",
            &[0xff; 32],
            &y,
            Err(JwkError::InvalidKey),
        ),
    ] {
        let jwk = with(key.clone(), "x", base64url_encode(x).into());
        let jwk = with(jwk, "y", base64url_encode(y).into());
        let outcome = Jwk::from_object(&jwk)
            .and_then(|jwk| verifying_key(&jwk, &all()))
            .map(|_| ());
        assert_eq!(outcome, expected, "{what}");
    }
    for (curve, expected) in [
        ("P-384", JwkError::CoordinateLength),
        ("secp256k1", JwkError::Curve),
        ("p-256", JwkError::Curve),
        ("Ed25519", JwkError::Curve),
    ] {
        let jwk = with(key.clone(), "crv", curve.into());
        assert_eq!(Jwk::from_object(&jwk).unwrap_err(), expected, "{curve}");
    }
}

#[test]
fn rfc8032_a_point_of_small_order_or_of_two_spellings_is_no_key() {
    let sign = |mut key: Vec<u8>| {
        *key.last_mut().unwrap() |= 0x80;
        key
    };
    let number = |length: usize, low: u8, rest: u8, high: u8| {
        let mut key = vec![rest; length];
        key[0] = low;
        key[length - 1] = high;
        key
    };
    let order_8 = "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU";
    let p448 = |low: u8| {
        let mut key = number(57, low, 0xff, 0);
        key[28] = 0xfe;
        key
    };
    for (curve, key) in [
        ("Ed25519", number(32, 0, 0, 0)),
        ("Ed25519", number(32, 1, 0, 0)),
        ("Ed25519", number(32, 0xec, 0xff, 0x7f)),
        ("Ed25519", number(32, 0xed, 0xff, 0x7f)),
        ("Ed25519", number(32, 0xee, 0xff, 0x7f)),
        ("Ed25519", number(32, 0xff, 0xff, 0x7f)),
        ("Ed25519", a0_jose::base64url_decode(order_8).unwrap()),
        ("Ed448", number(57, 0, 0, 0)),
        ("Ed448", number(57, 1, 0, 0)),
        ("Ed448", p448(0xfe)),
        ("Ed448", p448(0xff)),
        ("Ed448", number(57, 0xff, 0xff, 0)),
        ("Ed448", number(57, 9, 9, 1)),
    ] {
        for key in [key.clone(), sign(key)] {
            let jwk = value!({"kty": "OKP", "crv": curve, "x": base64url_encode(&key)});
            let outcome = Jwk::from_object(jwk.as_object().unwrap()).map(|_| ());
            assert_eq!(outcome, Err(JwkError::InvalidKey), "{curve} {key:?}");
        }
    }
}

#[test]
fn rfc9449_4_3_7_private_members_are_seen_empty_or_null_too() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [value!("x"), value!(""), Value::Null] {
            let jwk = with(Map::new(), name, value);
            assert!(has_private_member(jwk.keys()), "{name}");
        }
    }
    let public = SigningKey::new(Algorithm::Es256).public_jwk("k");
    assert!(!has_private_member(public.keys()));
}
