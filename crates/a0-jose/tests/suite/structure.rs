//! The structure of a compact JWS, and the rules for its header.

use super::common::{MAX_SIZE, SigningKey, key_set, parse_set, verify};
use a0_jose::{
    Algorithm, Compact, HeaderError, HeaderRules, ParseError, Part, VerifyError, base64url_encode,
    is_digest, sha256, sha256_base64url,
};

fn encode(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!(
        "{}.{}.AAAA",
        base64url_encode(header),
        base64url_encode(payload)
    )
}

fn parse_error(token: &str) -> ParseError {
    Compact::parse(token, MAX_SIZE)
        .and_then(Compact::decode)
        .map(|_| ())
        .expect_err(token)
}

#[test]
fn rfc7515_7_1_a_token_has_exactly_three_segments() {
    let many_dots = ".".repeat(10_000);
    for token in [
        "",
        "opaque",
        "a.b",
        "a.b.c.d",
        // RFC 7516 section 7.1: a JWE has five.
        "eyJhbGciOiJSU0EtT0FFUCJ9.AA.AA.AA.AA",
        r#"{"payload":"e30","protected":"e30","signature":""}"#,
        r#"{"payload":"e30","signatures":[{"protected":"e30","signature":""}]}"#,
        &many_dots,
    ] {
        assert_eq!(parse_error(token), ParseError::SegmentCount, "{token}");
    }
}

#[test]
fn a_larger_text_is_refused_before_it_is_read() {
    let token = "é".repeat(MAX_SIZE);
    assert!(matches!(
        parse_error(&token),
        ParseError::TooLarge {
            max_size: MAX_SIZE,
            ..
        }
    ));
    let exactly = "a".repeat(MAX_SIZE);
    assert_eq!(parse_error(&exactly), ParseError::SegmentCount);
}

#[test]
fn rfc7515_2_a_segment_is_canonical_base64url() {
    // e30 is {}. A lax decoder may decode each of these to the same.
    for segment in [
        "e30=",
        "e30==",
        "e31",
        "e3 0",
        "e30\n",
        " e30",
        "e\u{0}30",
        "e3+",
        "e3/",
        "ｅ30",
        "e3",
        "\u{feff}e30",
        "\"e30\"",
    ] {
        assert_eq!(
            parse_error(&format!("{segment}.e30.AAAA")),
            ParseError::Encoding(Part::Header),
            "{segment:?}"
        );
        assert_eq!(
            parse_error(&format!("e30.{segment}.AAAA")),
            ParseError::Encoding(Part::Payload),
            "{segment:?}"
        );
    }
    for (token, part) in [
        (&b"e30\xff.e30.AAAA"[..], Part::Header),
        (b"e30.\xffe30.AAAA", Part::Payload),
        (b"e30.e30.AA\xc2\xa0", Part::Signature),
    ] {
        let error = Compact::parse(token, MAX_SIZE).and_then(Compact::decode);
        assert_eq!(error.map(|_| ()), Err(ParseError::Encoding(part)));
    }
}

/// A signature is decoded with the rest, so that nothing is fetched for a token that ends wrongly.
#[test]
fn rfc7515_2_the_signature_is_canonical_base64url_and_ends_the_token() {
    let key = SigningKey::new(Algorithm::Rs256);
    let token = key.sign(&key.header(), "{}");
    let (input, signature) = token.rsplit_once('.').unwrap();
    // 256 octets are 342 letters, with four spare bits in the last.
    let (start, last) = signature.split_at(signature.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    let error = |token: &str| {
        let whole = Compact::parse(token, MAX_SIZE).and_then(Compact::decode);
        let payload = Compact::parse(token, MAX_SIZE).and_then(|token| token.decode_payload());
        let errors = [whole.map(|_| ()), payload.map(|_| ())];
        assert_eq!(errors[0], errors[1], "{token}");
        errors[0].map_err(|error| error.to_string())
    };
    assert_eq!(error(&token), Ok(()));
    for wrong in [
        format!("{signature}="),
        format!("{signature}=="),
        format!("{signature}, x"),
        format!("{signature},"),
        format!("{signature} "),
        format!("{signature}\t"),
        format!("{signature}\r\n"),
        format!("{signature}\0"),
        format!("{signature}A A"),
        format!("{signature}AAA"),
        format!(" {signature}"),
        format!("{start}{next}"),
        format!("{start}+"),
        format!("{start}/"),
        format!("{start}é"),
        format!("{}!{}", &signature[..200], &signature[201..]),
        signature[..signature.len() - 1].to_owned(),
        "=".into(),
        "A".into(),
        "AB".into(),
        " ".into(),
        // Longer than any signature.
        format!("{}=", "A".repeat(4000)),
        format!("{}!AAA", "A".repeat(8000)),
        format!("{}B", "A".repeat(4001)),
    ] {
        assert_eq!(
            error(&format!("{input}.{wrong}")),
            Err("Failed to parse token: the signature is not base64url".into()),
            "{wrong:?}"
        );
    }
    // Any octets are a signature of this form, also none (RFC 7515 section 7.1). They verify
    // nothing.
    let keys = parse_set(&key_set([key.public_jwk("k")]), &[Algorithm::Rs256]).unwrap();
    for length in [
        0, 1, 2, 3, 255, 257, 1024, 1025, 1026, 1027, 2052, 2053, 10_000,
    ] {
        let token = format!("{input}.{}", base64url_encode(vec![7; length]));
        assert_eq!(error(&token), Ok(()), "{length}");
        let outcome = verify(&token, &keys);
        assert_eq!(outcome, Err(VerifyError::InvalidSignature), "{length}");
    }
}

/// Decodes with the table of RFC 4648 section 5, letter by letter. Returns `None` where the text is
/// not canonical.
fn letter_by_letter(text: &str) -> Option<Vec<u8>> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut octets, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.chars() {
        bits = bits << 6 | u32::try_from(alphabet.find(letter)?).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held).to_be_bytes()[3]);
            bits &= (1 << held) - 1;
        }
    }
    (held < 6 && bits == 0).then_some(octets)
}

/// The decoder reads long texts many letters at once, and their ends letter by letter.
#[test]
fn every_letter_is_checked_at_every_position() {
    let lengths = (0..20).chain(62..70).chain(94..101).chain(126..134);
    let others = (0..128_u8).map(|octet| char::from(octet).to_string());
    let others: Vec<String> = others.chain(["é", "\u{2028}"].map(String::from)).collect();
    let mut accepted = 0;
    for length in lengths {
        let good: String = ('A'..='Z').cycle().take(length).collect();
        for place in 0..length {
            for other in &others {
                let rest = good.get(place + other.len()..).unwrap_or_default();
                let text = format!("{}{other}{rest}", &good[..place]);
                let decoded = a0_jose::base64url_decode(&text);
                assert_eq!(decoded, letter_by_letter(&text), "{text:?}");
                if other != "." {
                    // A signature is checked without being decoded.
                    let token = format!("e30.e30.{text}");
                    let parsed = Compact::parse(&token, MAX_SIZE).unwrap().decode_payload();
                    assert_eq!(parsed.is_ok(), decoded.is_some(), "{text:?}");
                }
                accepted += usize::from(decoded.is_some());
            }
        }
    }
    assert!(accepted > 50_000, "{accepted}");
    let octets: Vec<u8> = (0..=u8::MAX).rev().cycle().take(600).collect();
    for length in 0..octets.len() {
        let text = a0_jose::base64url_encode(&octets[..length]);
        assert_eq!(letter_by_letter(&text).as_deref(), Some(&octets[..length]));
    }
}

#[test]
fn rfc7515_5_2_and_rfc7519_7_2_header_and_payload_are_one_utf8_json_object() {
    let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"{}\"".to_vec(),
        b"1".to_vec(),
        b"{}{}".to_vec(),
        b"{} x".to_vec(),
        b"{".to_vec(),
        b"{'a':1}".to_vec(),
        b"{\"a\":1,}".to_vec(),
        b"{\"a\":01}".to_vec(),
        b"{\"a\":0x10}".to_vec(),
        b"{\"a\":NaN}".to_vec(),
        b"{\"a\":Infinity}".to_vec(),
        b"{\"a\":1e999}".to_vec(),
        b"{\"a\n\":1}".to_vec(),
        b"{\"a\":\"\\ud800\"}".to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        b"{\"\xff\":1}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        utf16,
        deep.into_bytes(),
    ];
    for case in cases {
        let shown = String::from_utf8_lossy(&case).into_owned();
        assert_eq!(
            parse_error(&encode(&case, "{}")),
            ParseError::NotAnObject(Part::Header),
            "{shown}"
        );
        assert_eq!(
            parse_error(&encode("{}", &case)),
            ParseError::NotAnObject(Part::Payload),
            "{shown}"
        );
    }
}

#[test]
fn rfc7515_4_and_rfc7519_4_a_member_name_comes_once_at_any_depth() {
    for object in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"x":{"a":1,"a":1}}"#,
        r#"{"x":[[{"a":1,"b":2,"a":3}]]}"#,
        r#"{"cnf":{"jkt":"x"},"iss":"y","cnf":{}}"#,
    ] {
        assert_eq!(
            parse_error(&encode(object, "{}")),
            ParseError::DuplicateMember(Part::Header),
            "{object}"
        );
        assert_eq!(
            parse_error(&encode("{}", object)),
            ParseError::DuplicateMember(Part::Payload),
            "{object}"
        );
    }
}

#[test]
fn no_parse_error_holds_a_part_of_the_token() {
    for token in [
        "canary",
        "canary.canary",
        "canary.canary.canary",
        &encode("{\"canary\":", "{}"),
        &encode("{\"canary\":1,\"canary\":2}", "{}"),
        &"canary".repeat(MAX_SIZE),
    ] {
        let error = parse_error(token);
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert!(error.to_string().starts_with("Failed to parse token"));
    }
    let header = r#"{"alg":"ES256","kid":"canary"}"#;
    let token = SigningKey::new(Algorithm::Es256).sign(header, r#"{"a":"canary"}"#);
    let compact = Compact::parse(&token, MAX_SIZE).unwrap();
    let unverified = compact.decode().unwrap();
    let shown = format!(
        "{compact:?} {unverified:?} {:?} {:?}",
        unverified.header(),
        unverified.claims()
    );
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!shown.contains("eyJ"), "{shown}");
}

/// Validates a header with rules for RS256 and the lenient types.
fn validate(header: &str) -> Result<Algorithm, HeaderError> {
    let rules = HeaderRules::new([Algorithm::Rs256]).types(["JWT", "at+jwt"]);
    validate_with(&rules, header)
}

fn validate_with(rules: &HeaderRules, header: &str) -> Result<Algorithm, HeaderError> {
    let token = encode(header, "{}");
    let compact = Compact::parse(&token, MAX_SIZE).unwrap();
    let known = compact.decode().unwrap().decoded_header();
    let [new, again] = [None, Some(&known)].map(|known| {
        let outcome = compact.decode_with_header(known).unwrap();
        let outcome = outcome.validate_header(rules);
        outcome.map(|verifiable| verifiable.algorithm())
    });
    assert_eq!(new, again);
    new
}

#[test]
fn rfc7515_4_1_1_and_rfc8725_3_1_alg_is_in_the_allow_list() {
    use HeaderError::*;
    for (alg, expected) in [
        (r#""RS256""#, Ok(Algorithm::Rs256)),
        (r#""RS384""#, Err(AlgorithmNotAllowed)),
        (r#""PS256""#, Err(AlgorithmNotAllowed)),
        (r#""ES256""#, Err(AlgorithmNotAllowed)),
        (r#""EdDSA""#, Err(AlgorithmNotAllowed)),
        (r#""none""#, Err(AlgorithmNotAllowed)),
        (r#""nOnE""#, Err(AlgorithmNotAllowed)),
        (r#""NONE""#, Err(AlgorithmNotAllowed)),
        (r#""rs256""#, Err(AlgorithmNotAllowed)),
        (r#""RS256 ""#, Err(AlgorithmNotAllowed)),
        (r#""RSA-OAEP""#, Err(AlgorithmNotAllowed)),
        (r#""""#, Err(AlgorithmNotAllowed)),
        (r#""HS256""#, Err(Symmetric("HS256"))),
        (r#""HS384""#, Err(Symmetric("HS384"))),
        (r#""HS512""#, Err(Symmetric("HS512"))),
        (r#""HS999""#, Err(AlgorithmNotAllowed)),
        ("null", Err(MissingAlgorithm)),
        ("256", Err(MissingAlgorithm)),
        (r#"["RS256"]"#, Err(MissingAlgorithm)),
    ] {
        assert_eq!(validate(&format!(r#"{{"alg":{alg}}}"#)), expected, "{alg}");
    }
    assert_eq!(validate("{}"), Err(MissingAlgorithm));
    assert_eq!(
        Symmetric("HS256").to_string(),
        "Symmetric algorithm 'HS256' is not supported. \
         Only asymmetric algorithms (e.g., RS256) are allowed."
    );
}

#[test]
fn rfc7515_4_1_11_and_rfc7797_7_and_rfc7519_5_2_extensions_are_refused() {
    for (member, expected) in [
        (r#""crit":["exp"]"#, Err(HeaderError::Critical)),
        (r#""crit":[]"#, Err(HeaderError::Critical)),
        (r#""crit":null"#, Err(HeaderError::Critical)),
        (r#""crit":["b64"],"b64":true"#, Err(HeaderError::Critical)),
        (r#""b64":false"#, Err(HeaderError::UnencodedPayload)),
        (r#""b64":true"#, Err(HeaderError::UnencodedPayload)),
        (r#""cty":"JWT""#, Err(HeaderError::NestedToken)),
        (r#""cty":"jwt""#, Err(HeaderError::NestedToken)),
        (r#""cty":"application/jwt""#, Err(HeaderError::NestedToken)),
        (r#""cty":7"#, Err(HeaderError::NestedToken)),
        (r#""cty":"json""#, Ok(Algorithm::Rs256)),
        // RFC 7515 section 4: unknown members are ignored.
        (
            r#""x":1,"jku":"https://evil.example/","x5u":7"#,
            Ok(Algorithm::Rs256),
        ),
    ] {
        let header = format!(r#"{{"alg":"RS256",{member}}}"#);
        assert_eq!(validate(&header), expected, "{member}");
    }
}

#[test]
fn rfc7515_4_1_9_and_rfc9068_4_typ_is_a_media_type() {
    let strict = HeaderRules::new([Algorithm::Rs256])
        .types(["at+jwt"])
        .require_type();
    for (typ, lenient_accepts, strict_accepts) in [
        (None, true, false),
        (Some(r#""JWT""#), true, false),
        (Some(r#""jwt""#), true, false),
        (Some(r#""application/jwt""#), true, false),
        (Some(r#""at+jwt""#), true, true),
        (Some(r#""AT+JWT""#), true, true),
        (Some(r#""application/at+jwt""#), true, true),
        (Some(r#""APPLICATION/AT+JWT""#), true, true),
        (Some(r#""application/application/at+jwt""#), false, false),
        (Some(r#""text/at+jwt""#), false, false),
        (Some(r#""at+jwt ""#), false, false),
        (Some(r#""""#), false, false),
        (Some("null"), false, false),
        (Some("7"), false, false),
        // RFC 8725 section 3.12: tokens of other kinds.
        (Some(r#""dpop+jwt""#), false, false),
        (Some(r#""logout+jwt""#), false, false),
        (Some(r#""secevent+jwt""#), false, false),
    ] {
        let header = match typ {
            None => r#"{"alg":"RS256"}"#.to_owned(),
            Some(typ) => format!(r#"{{"alg":"RS256","typ":{typ}}}"#),
        };
        let expect = |accepted: bool| {
            let algorithm = accepted.then_some(Algorithm::Rs256);
            algorithm.ok_or(HeaderError::Type)
        };
        assert_eq!(validate(&header), expect(lenient_accepts), "{typ:?}");
        assert_eq!(
            validate_with(&strict, &header),
            expect(strict_accepts),
            "{typ:?}"
        );
    }
}

#[test]
fn rfc7515_4_1_4_kid_is_a_string_and_compared_exactly() {
    let key = SigningKey::new(Algorithm::Es256);
    let entries = key_set([key.public_jwk("key"), key.public_jwk("Other")]);
    let keys = parse_set(&entries, &[Algorithm::Es256]).unwrap();
    let missing = Err(VerifyError::Header(HeaderError::MissingKeyId));
    for (kid, expected) in [
        (r#","kid":"key""#, Ok(())),
        (r#","kid":"\u006bey""#, Ok(())),
        (r#","kid":"Other""#, Ok(())),
        (r#","kid":"other""#, Err(VerifyError::NoMatchingKey)),
        ("", missing),
        (r#","kid":null"#, missing),
        (r#","kid":7"#, missing),
        (r#","kid":["key"]"#, missing),
        (r#","kid":"KEY""#, Err(VerifyError::NoMatchingKey)),
        (r#","kid":"ke""#, Err(VerifyError::NoMatchingKey)),
        (r#","kid":"key2""#, Err(VerifyError::NoMatchingKey)),
        (r#","kid":"""#, Err(VerifyError::NoMatchingKey)),
        (r#","kid":"../../key""#, Err(VerifyError::NoMatchingKey)),
        (
            r#","kid":"key' OR '1'='1""#,
            Err(VerifyError::NoMatchingKey),
        ),
        (r#","kid":"key\u0000""#, Err(VerifyError::NoMatchingKey)),
    ] {
        let token = key.sign(&format!(r#"{{"alg":"ES256"{kid}}}"#), "{}");
        let verifiable = Compact::parse(&token, MAX_SIZE)
            .unwrap()
            .decode()
            .unwrap()
            .validate_header(&HeaderRules::new([Algorithm::Es256]))
            .unwrap();
        assert_eq!(verifiable.verify(&keys).map(|_| ()), expected, "{kid}");
    }
}

#[test]
fn only_the_whole_base64url_form_of_a_digest_matches_it() {
    let digest = sha256("a token");
    let text = sha256_base64url("a token");
    assert_eq!(text, base64url_encode(digest));
    assert!(is_digest(&text, &digest));
    for place in 0..text.len() {
        let mut other = text.clone().into_bytes();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert!(!is_digest(&other, &digest), "{place}");
        assert!(!is_digest(&text[..place], &digest), "{place}");
    }
    for other in [format!("{text}="), format!("{text}A"), format!(" {text}")] {
        assert!(!is_digest(&other, &digest), "{other}");
    }
}
