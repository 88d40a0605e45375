//! RFC 9449 section 4.3, checks 3, 11 and 12: the claims of a proof, except `htm`, `htu` and
//! `nonce`.

use std::time::Duration;

use a0_dpop::{MAX_JTI, ProofError, ProofRules};
use a0_jose::{NumericDate, ParseError, Part, base64url_decode, sha256_base64url};
use serde_json::{Value, json};

use super::common::{
    METHOD, NOW, TOKEN, URL, good, outcome, payload_with, target, verified, wrong_type,
};

#[test]
fn rfc9449_4_3_3_every_member_is_there_in_its_type() {
    for (name, error) in [
        ("typ", ProofError::Type),
        ("alg", ProofError::Algorithm),
        ("jwk", ProofError::MissingJwk),
    ] {
        assert_eq!(
            outcome(good().without_header(name)),
            Err(error.clone()),
            "{name}"
        );
        for value in [
            Value::Null,
            json!(1),
            json!(true),
            json!([]),
            json!(["ES256"]),
        ] {
            let changed = outcome(good().header(name, value.clone()));
            assert_eq!(changed, Err(error.clone()), "{name} {value}");
        }
    }
    for name in ["iat", "ath", "htm", "htu", "jti"] {
        let missing = Err(ProofError::MissingClaim(name));
        assert_eq!(outcome(good().without_claim(name)), missing);
        for value in [
            Value::Null,
            json!(true),
            json!([]),
            json!([METHOD]),
            json!({}),
        ] {
            let changed = outcome(good().claim(name, value.clone()));
            assert_eq!(changed, wrong_type(name), "{name} {value}");
        }
        let other_scalar = match name {
            "iat" => json!("1700000000"),
            _ => json!(1_700_000_000),
        };
        assert_eq!(outcome(good().claim(name, other_scalar)), wrong_type(name));
    }
    assert_eq!(outcome(good()), Ok(()));
}

#[test]
fn rfc9449_4_3_11_iat_lies_in_the_window() {
    let outcome = |iat: &str| outcome(good().raw_payload(payload_with("", iat)));
    let old = || Err(ProofError::TooOld);
    let early = || Err(ProofError::FromTheFuture);
    for (iat, expected) in [
        ("1700000000", Ok(())),
        ("1699999990", Ok(())),
        ("1700000010", Ok(())),
        ("1699999700", Ok(())),
        ("1699999699.999999", old()),
        ("1699999699", old()),
        ("1700000030", Ok(())),
        ("1700000030.000001", early()),
        ("1700000031", early()),
        ("1700000000.123456", Ok(())),
        ("1.7e9", Ok(())),
        ("17E+8", Ok(())),
        ("1.6999997e9", Ok(())),
        ("1.70000003e9", Ok(())),
        ("1.6999996e9", old()),
        ("1.70000004e9", early()),
        // An hour off, as with a wrong time zone, and milliseconds.
        ("1699996400", old()),
        ("1700003600", early()),
        ("1700000000000", early()),
        ("0", old()),
        ("-0.0", old()),
        ("-1700000000", old()),
        ("-9223372036854775808", old()),
        ("9223372036854775807", early()),
        ("9223372036854775808", early()),
        ("18446744073709551615", early()),
        ("18446744073709551616", early()),
        ("1e300", early()),
        ("-1e300", old()),
        ("1e-300", old()),
        (r#""1700000000""#, wrong_type("iat")),
        (r#""""#, wrong_type("iat")),
        ("null", wrong_type("iat")),
        ("true", wrong_type("iat")),
        ("[1700000000]", wrong_type("iat")),
        ("{}", wrong_type("iat")),
        (
            r#"{"$serde_json::private::Number":"1700000000"}"#,
            wrong_type("iat"),
        ),
        (
            r#"{"\u0024serde_json::private::Number":"1700000000"}"#,
            wrong_type("iat"),
        ),
        (
            "1e999",
            Err(ProofError::Parse(ParseError::NotAnObject(Part::Payload))),
        ),
    ] {
        assert_eq!(outcome(iat), expected, "{iat}");
    }
}

#[test]
fn iat_offset_and_leeway_set_the_window() {
    let of = |offset, leeway| {
        let rules = ProofRules::new().iat_offset(offset).iat_leeway(leeway);
        rules.window()
    };
    assert_eq!(ProofRules::new().window(), Duration::from_secs(330));
    assert_eq!(of(Duration::MAX, Duration::MAX), Duration::MAX);
    let second = Duration::from_secs(1);
    let zero = Duration::ZERO;
    let old = || Err(ProofError::TooOld);
    let early = || Err(ProofError::FromTheFuture);
    for (offset, leeway, now, iat, expected) in [
        (zero, zero, NOW, NOW, Ok(())),
        (zero, zero, NOW, NOW - 1, old()),
        (zero, zero, NOW, NOW + 1, early()),
        (second, zero, NOW, NOW - 1, Ok(())),
        (second, zero, NOW, NOW - 2, old()),
        (zero, second, NOW, NOW + 1, Ok(())),
        (zero, second, NOW, NOW + 2, early()),
        (Duration::MAX, zero, NOW, i64::MIN, Ok(())),
        (zero, Duration::MAX, NOW, i64::MAX, Ok(())),
        // Clocks at the limits of their range.
        (second, second, 0, 0, Ok(())),
        (second, second, -100, -101, Ok(())),
        (second, second, -100, -102, old()),
        (second, second, i64::MAX, NOW, old()),
        (second, second, i64::MIN, NOW, early()),
        (second, second, i64::MIN, i64::MIN, Ok(())),
        (Duration::MAX, Duration::MAX, i64::MAX, i64::MIN, Ok(())),
    ] {
        let rules = ProofRules::new().iat_offset(offset).iat_leeway(leeway);
        let proof = good().issued_at(iat).mint().unwrap();
        let now = NumericDate::from_unix_seconds(now);
        let outcome = rules.validate(&proof, &target(), None, now).map(|_| ());
        assert_eq!(outcome, expected, "{offset:?} {leeway:?} {now:?} {iat}");
    }
}

#[test]
fn rfc9449_4_3_12_ath_is_the_hash_of_the_token() {
    let ath = sha256_base64url(TOKEN);
    assert!(ath.contains('-') && ath.contains('_'));
    let octets = base64url_decode(&ath).unwrap();
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let refused = || Err(ProofError::AccessToken);
    let swapped: String = ath
        .chars()
        .map(|letter| {
            if letter.is_ascii_lowercase() {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            }
        })
        .collect();
    for (value, expected) in [
        (ath.clone(), Ok(())),
        (sha256_base64url("another.access.token"), refused()),
        (sha256_base64url(""), refused()),
        (sha256_base64url(format!("DPoP {TOKEN}")), refused()),
        (sha256_base64url(format!("{TOKEN} ")), refused()),
        (sha256_base64url(TOKEN.to_uppercase()), refused()),
        (TOKEN.to_owned(), refused()),
        (format!("{ath}="), refused()),
        (format!(" {ath}"), refused()),
        (hex.to_uppercase(), refused()),
        (hex, refused()),
        (ath.replace('-', "+").replace('_', "/"), refused()),
        (ath.to_lowercase(), refused()),
        (swapped, refused()),
        (ath[..42].to_owned(), refused()),
        (format!("{ath}A"), refused()),
        (String::new(), refused()),
    ] {
        assert_eq!(
            outcome(good().claim("ath", value.as_str())),
            expected,
            "{value}"
        );
    }
    assert_eq!(
        outcome(good().without_claim("ath")),
        Err(ProofError::MissingClaim("ath"))
    );
    for value in [Value::Null, json!([ath]), json!(1)] {
        assert_eq!(outcome(good().claim("ath", value)), wrong_type("ath"));
    }
}

#[test]
fn rfc9449_11_1_jti_is_not_blank_and_bounded() {
    let blank = || Err(ProofError::BlankJti);
    let long = || Err(ProofError::LongJti);
    for (jti, expected) in [
        (json!("j"), Ok(())),
        (json!(" j\t"), Ok(())),
        (json!("\u{43a}\u{43b}\u{44e}\u{447} \u{1f511}"), Ok(())),
        (json!("\u{0}"), Ok(())),
        (json!("a".repeat(256)), Ok(())),
        (json!("\u{e9}".repeat(128)), Ok(())),
        (json!("\u{1f511}".repeat(64)), Ok(())),
        (json!(""), blank()),
        (json!(" "), blank()),
        (json!(" \t"), blank()),
        (json!("\r\n"), blank()),
        (json!("\u{1c}"), blank()),
        (json!("\u{1d}\u{1e}\u{1f}\u{b}\u{c}"), blank()),
        (json!("\u{85}\u{a0}\u{2003}\u{3000}"), blank()),
        (json!(" ".repeat(257)), blank()),
        (json!("a".repeat(257)), long()),
        (json!(format!("{}\u{e9}", "a".repeat(255))), long()),
        (json!("\u{e9}".repeat(129)), long()),
        (json!(7), wrong_type("jti")),
        (Value::Null, wrong_type("jti")),
        (json!(["j"]), wrong_type("jti")),
        (json!({}), wrong_type("jti")),
    ] {
        assert_eq!(outcome(good().claim("jti", jti.clone())), expected, "{jti}");
    }
    assert_eq!(MAX_JTI, 256);
    assert_eq!(
        outcome(good().without_claim("jti")),
        Err(ProofError::MissingClaim("jti"))
    );
}

#[test]
fn rfc9449_4_2_further_members_are_ignored() {
    for proof in [
        good().header("kid", "a").header("x", json!({"y": [1]})),
        good().header("jku", "https://evil.example/jwks.json"),
        good()
            .header("x5u", "https://evil.example/")
            .header("x5c", json!(["AA"])),
        good().claim("iss", "x").claim("a", json!({"b": [null]})),
        good().claim("nonce", "unasked"),
        good().claim("nonce", 7),
        // `nbf` and `exp` of other JWTs mean nothing in a proof.
        good().claim("nbf", NOW).claim("exp", NOW + 300),
        good().claim("exp", 1),
        good().claim("exp", "x").claim("nbf", Value::Null),
        good().claim("nbf", 9_999_999_999_u64),
    ] {
        assert_eq!(outcome(proof.clone()), Ok(()), "{proof:?}");
    }
    let verified = verified(good().claim("a", json!({"b": 1}))).unwrap();
    assert_eq!(verified.claims().get("a"), Some(&json!({"b": 1})));
    assert_eq!(verified.claims().string("htu"), Ok(Some(URL)));
}
