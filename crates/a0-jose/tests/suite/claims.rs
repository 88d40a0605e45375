//! The rules for claims, RFC 7519 section 4.1.

use std::time::{Duration, UNIX_EPOCH};

use super::common::MAX_SIZE;
use a0_jose::{
    ClaimError, ClaimRules, ClaimValidationError, Claims, Compact, NumericDate, base64url_encode,
};
use serde_json::Value;

const AUDIENCE: &str = "https://api.example/";
const NOW: i64 = 1_700_000_000;

fn claims(payload: &str) -> Claims {
    let token = format!("e30.{}.", base64url_encode(payload));
    let unverified = Compact::parse(&token, MAX_SIZE).unwrap().decode().unwrap();
    unverified.claims().clone()
}

/// An acceptable payload with one claim replaced, or removed if `value` is empty.
fn payload(name: &str, value: &str) -> String {
    let mut members = vec![
        ("aud", r#""https://api.example/""#),
        ("exp", "1700000001"),
        ("iat", "1700000000"),
        ("sub", r#""auth0|1""#),
    ];
    members.retain(|(present, _)| *present != name);
    if !value.is_empty() {
        members.push((name, value));
    }
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn validate(name: &str, value: &str, leeway: u64) -> Result<(), ClaimValidationError> {
    let rules = ClaimRules::new(["https://other.example/", AUDIENCE])
        .leeway(Duration::from_secs(leeway))
        .require(["sub"]);
    rules.validate(
        &claims(&payload(name, value)),
        NumericDate::from_unix_seconds(NOW),
    )
}

#[test]
fn rfc7519_4_1_3_aud_holds_one_of_the_audiences_exactly() {
    for (aud, accepted) in [
        (r#""https://api.example/""#, true),
        (r#"["https://api.example/"]"#, true),
        (r#"["x","https://other.example/"]"#, true),
        (r#""https:\/\/api.example\/""#, true),
        ("", false),
        ("[]", false),
        ("null", false),
        ("7", false),
        ("{}", false),
        (r#"["https://api.example/",7]"#, false),
        (r#"[["https://api.example/"]]"#, false),
        (r#""https://api.example""#, false),
        (r#""https://API.example/""#, false),
        (r#""https://api.example/x""#, false),
        (r#""https://api.example/ https://other.example/""#, false),
        (r#""*""#, false),
        (r#""""#, false),
    ] {
        let expected = accepted.then_some(()).ok_or(ClaimValidationError::Audience);
        assert_eq!(validate("aud", aud, 0), expected, "{aud}");
    }
}

fn wrong_type(claim: &'static str) -> Result<(), ClaimValidationError> {
    Err(ClaimValidationError::Type(ClaimError::new(
        claim, "a number",
    )))
}

#[test]
fn rfc7519_4_1_4_exp_is_a_number_after_now() {
    use ClaimValidationError::*;
    for (exp, leeway, expected) in [
        ("1700000001", 0, Ok(())),
        ("1700000000.5", 0, Ok(())),
        ("1.8e9", 0, Ok(())),
        ("1e300", 0, Ok(())),
        ("10000000000000000000", 0, Ok(())),
        ("9223372036854775808", 0, Ok(())),
        ("1700000000", 0, Err(Expired)),
        ("1700000000", 1, Ok(())),
        ("1699999990", 10, Err(Expired)),
        ("1699999991", 10, Ok(())),
        ("1", 300, Err(Expired)),
        ("0", 0, Err(Expired)),
        ("-1", 300, Err(Expired)),
        ("-9223372036854775808", 300, Err(Expired)),
        ("-1e300", 300, Err(Expired)),
        ("", 0, Err(MissingExpiry)),
        ("null", 0, wrong_type("exp")),
        (r#""1800000000""#, 0, wrong_type("exp")),
        ("true", 0, wrong_type("exp")),
        ("[1800000000]", 0, wrong_type("exp")),
        ("{}", 0, wrong_type("exp")),
        (
            r#"{"$serde_json::private::Number":"1800000000"}"#,
            0,
            wrong_type("exp"),
        ),
        (
            r#"{"\u0024serde_json::private::Number":"1800000000"}"#,
            0,
            wrong_type("exp"),
        ),
        (
            r#"{"$serde_json::private::RawValue":"1800000000"}"#,
            0,
            wrong_type("exp"),
        ),
    ] {
        assert_eq!(validate("exp", exp, leeway), expected, "{exp}, {leeway}");
    }
}

#[test]
fn rfc7519_4_1_5_and_6_nbf_and_iat_are_numbers_and_nbf_has_come() {
    use ClaimValidationError::*;
    for (name, value, leeway, expected) in [
        ("nbf", "", 0, Ok(())),
        ("nbf", "1700000000", 0, Ok(())),
        ("nbf", "1699999999.999", 0, Ok(())),
        ("nbf", "1700000000.001", 0, Err(NotYetValid)),
        ("nbf", "1700000010", 10, Ok(())),
        ("nbf", "1700000011", 10, Err(NotYetValid)),
        ("nbf", "1700000000000", 300, Err(NotYetValid)),
        ("nbf", "1e300", 300, Err(NotYetValid)),
        ("nbf", "null", 0, wrong_type("nbf")),
        ("nbf", r#""0""#, 0, wrong_type("nbf")),
        ("iat", "", 0, Err(MissingIssuedAt)),
        ("iat", "null", 0, wrong_type("iat")),
        ("iat", r#""1""#, 0, wrong_type("iat")),
        ("iat", "1e300", 0, Ok(())),
        ("iat", "-1e300", 0, Ok(())),
        ("iat", "1700000000000", 0, Ok(())),
    ] {
        assert_eq!(validate(name, value, leeway), expected, "{name} {value}");
    }
}

#[test]
fn rfc7519_4_1_2_sub_is_a_string_where_it_is_there() {
    let not_a_string = Err(ClaimValidationError::Type(ClaimError::new(
        "sub", "a string",
    )));
    for (sub, expected) in [
        (r#""""#, Ok(())),
        ("null", not_a_string.clone()),
        ("7", not_a_string.clone()),
        (r#"["x"]"#, not_a_string),
        ("", Err(ClaimValidationError::MissingClaim("sub".into()))),
    ] {
        assert_eq!(validate("sub", sub, 0), expected, "{sub}");
    }
}

#[test]
fn a_required_claim_may_have_any_value() {
    let claims = claims(r#"{"a":null,"b":0}"#);
    assert_eq!(claims.require(&["a", "b"]), Ok(()));
    assert_eq!(
        claims.require(&["a", "c", "d"]),
        Err(ClaimValidationError::MissingClaim("c".into()))
    );
}

#[test]
fn a_claim_of_a_wrong_type_is_an_error_and_never_absent() {
    let claims = claims(r#"{"iss":1,"sub":null,"aud":{},"exp":"","nbf":[],"iat":{},"jti":[]}"#);
    let outcomes = [
        claims.issuer().map(|_| ()),
        claims.subject().map(|_| ()),
        claims.audiences().map(|_| ()),
        claims.expires_at().map(|_| ()),
        claims.not_before().map(|_| ()),
        claims.issued_at().map(|_| ()),
        claims.token_id().map(|_| ()),
    ];
    for (outcome, claim) in outcomes
        .iter()
        .zip(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"])
    {
        assert_eq!(outcome.unwrap_err().claim, claim);
    }
}

#[test]
fn rfc7519_2_numeric_dates_neither_panic_nor_wrap() {
    for (text, whole_seconds) in [
        ("0", 0),
        ("-0.5", -1),
        ("1.9e9", 1_900_000_000),
        ("1900000000.0", 1_900_000_000),
        ("18446744073709551615", i64::MAX),
        ("9223372036854775808", i64::MAX),
        ("1e300", i64::MAX),
        ("-1e300", i64::MIN),
        ("-9223372036854775808", i64::MIN),
    ] {
        let claims = claims(&format!(r#"{{"n":{text}}}"#));
        let date = claims.numeric_date("n").unwrap().unwrap();
        assert_eq!(date.as_unix_seconds(), whole_seconds, "{text}");
        assert!(date.plus(Duration::MAX).as_seconds().is_finite());
        assert!(date.minus(Duration::MAX).as_seconds().is_finite());
    }
    let before_1970 = NumericDate::from(UNIX_EPOCH - Duration::from_millis(1500));
    assert_eq!(before_1970.as_seconds(), -1.5);
}

#[test]
fn the_whole_object_reads_back_as_json() {
    let payload = r#"{"a":[1,-2,3.5,1e3,true,null,"é\u00e9",{"b":{}}],"c":18446744073709551615}"#;
    let expected: Value = serde_json::from_str(payload).unwrap();
    let claims = claims(payload);
    // Compared by value: with serde_json's `arbitrary_precision`, numbers compare by their text.
    assert_eq!(claims.get("a").unwrap()[0], expected["a"][0]);
    assert_eq!(claims.get("a").unwrap()[2].as_f64(), Some(3.5));
    assert_eq!(claims.get("a").unwrap()[3].as_f64(), Some(1000.0));
    assert_eq!(claims.get("a").unwrap()[6], "éé");
    assert_eq!(claims.get("c").unwrap().as_u64(), Some(u64::MAX));
    assert_eq!(claims.as_object().len(), 2);
}
