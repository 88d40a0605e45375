//! A header that was decoded before changes no outcome. The helpers of this suite decode most tokens with one too.

use std::sync::LazyLock;

use super::common::{MAX_SIZE, SigningKey, key_set, parse_set};
use a0_jose::{
    Algorithm, Compact, DecodedHeader, Header, HeaderError, HeaderRules, JwkSet, ParseError, Part,
    VerifyError, base64url_encode,
};
use proptest::prelude::*;

const HEADER: &str = r#"{"alg":"ES256","kid":"k"}"#;

fn compact(token: &str) -> Compact<'_> {
    Compact::parse(token, MAX_SIZE).unwrap()
}

fn decoded_header(token: &str) -> DecodedHeader {
    compact(token).decode().unwrap().decoded_header()
}

/// Whether two headers share one decoded document.
fn are_one(one: &Header, other: &Header) -> bool {
    let place = |header: &Header| header.key_id().unwrap().as_ptr();
    place(one) == place(other)
}

#[derive(Debug, PartialEq)]
enum Refusal {
    Parse(ParseError),
    Header(HeaderError),
    Verify(VerifyError),
}

/// Passes a token through every step. Returns the names in its header.
fn every_step(
    token: &(impl AsRef<[u8]> + ?Sized),
    known: Option<&DecodedHeader>,
    rules: &HeaderRules,
    keys: &JwkSet,
) -> Result<String, Refusal> {
    let token = Compact::parse(token, MAX_SIZE).map_err(Refusal::Parse)?;
    let token = token.decode_with_header(known).map_err(Refusal::Parse)?;
    let token = token.validate_header(rules).map_err(Refusal::Header)?;
    let token = token.verify(keys).map_err(Refusal::Verify)?;
    Ok(format!("{:?}", token.header()))
}

#[test]
fn a_header_with_the_same_segment_is_decoded_once() {
    let key = SigningKey::new(Algorithm::Es256);
    let [first, second] = ["1", "2"].map(|sub| key.sign(HEADER, &format!(r#"{{"sub":"{sub}"}}"#)));
    let other = key.sign(&HEADER.replace("ES256", "ES384"), "{}");
    let known = decoded_header(&first);
    assert_eq!(known.segment(), compact(&first).header_segment());

    let again = compact(&second).decode_with_header(Some(&known)).unwrap();
    assert!(are_one(again.header(), known.header()));
    assert_eq!(again.claims().subject(), Ok(Some("2")));

    let other = compact(&other).decode_with_header(Some(&known)).unwrap();
    assert!(!are_one(other.header(), known.header()));
    assert_eq!(other.header().get("alg").unwrap().as_str(), Some("ES384"));

    // The header of a verified token is the one that it was decoded with.
    let keys = parse_set(&key_set([key.public_jwk("k")]), &[Algorithm::Es256]).unwrap();
    let rules = HeaderRules::new([Algorithm::Es256]);
    let verifiable = again.validate_header(&rules).unwrap();
    let (verified, kept) = verifiable.verify_and_keep_header(&keys).unwrap();
    assert!(are_one(verified.header(), known.header()));
    assert!(are_one(kept.header(), known.header()));
    assert_eq!(kept.segment(), known.segment());
}

/// A known header skips no check: the rules for the header, the payload and the signature.
#[test]
fn a_known_header_changes_no_outcome() {
    use Refusal::{Parse, Verify};

    let key = SigningKey::new(Algorithm::Es256);
    let allowed = [Algorithm::Es256];
    let keys = parse_set(&key_set([key.public_jwk("k")]), &allowed).unwrap();
    let [all, none] = [allowed.to_vec(), vec![]].map(HeaderRules::new);
    let typed = HeaderRules::new(allowed).types(["at+jwt"]).require_type();
    let good = key.sign(HEADER, r#"{"sub":"x"}"#);
    let known = decoded_header(&good);
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let encode = |text: &str| base64url_encode(text);
    let header = |header: &str| format!("{}.{payload}.{signature}", encode(header));
    let invalid = || Err(Verify(VerifyError::InvalidSignature));
    for (case, rules, token, expected) in [
        ("the same token", &all, good.clone(), Ok(())),
        ("another payload", &all, key.sign(HEADER, "{}"), Ok(())),
        (
            "an algorithm that is not allowed",
            &none,
            good.clone(),
            Err(Refusal::Header(HeaderError::AlgorithmNotAllowed)),
        ),
        (
            "a type that is required",
            &typed,
            good.clone(),
            Err(Refusal::Header(HeaderError::Type)),
        ),
        (
            "another key",
            &all,
            SigningKey::new(Algorithm::Es256).sign(HEADER, "{}"),
            invalid(),
        ),
        (
            "no signature",
            &all,
            format!("{head}.{payload}."),
            invalid(),
        ),
        (
            "another payload with the same signature",
            &all,
            format!("{head}.{}.{signature}", encode("{}")),
            invalid(),
        ),
        (
            "a header with one space more",
            &all,
            header(&format!("{HEADER} ")),
            invalid(),
        ),
        (
            "a header with another member",
            &all,
            header(r#"{"alg":"ES256","kid":"k","crit":[]}"#),
            Err(Refusal::Header(HeaderError::Critical)),
        ),
        (
            "a header with another algorithm",
            &all,
            header(&HEADER.replace("ES256", "none")),
            Err(Refusal::Header(HeaderError::AlgorithmNotAllowed)),
        ),
        (
            "a header that is no base64url, before a payload that is none",
            &all,
            format!("{head}=.{payload}=.{signature}"),
            Err(Parse(ParseError::Encoding(Part::Header))),
        ),
        (
            "no header",
            &all,
            format!(".{payload}.{signature}"),
            Err(Parse(ParseError::NotAnObject(Part::Header))),
        ),
        (
            "a payload that is no base64url",
            &all,
            format!("{head}.{payload}=.{signature}"),
            Err(Parse(ParseError::Encoding(Part::Payload))),
        ),
        (
            "a payload that is no object",
            &all,
            key.sign(HEADER, "[]"),
            Err(Parse(ParseError::NotAnObject(Part::Payload))),
        ),
        (
            "a duplicate claim",
            &all,
            key.sign(HEADER, r#"{"a":1,"a":1}"#),
            Err(Parse(ParseError::DuplicateMember(Part::Payload))),
        ),
        (
            "a signature that is no base64url",
            &all,
            format!("{good}="),
            Err(Parse(ParseError::Encoding(Part::Signature))),
        ),
    ] {
        for known in [None, Some(&known)] {
            let outcome = every_step(&token, known, rules, &keys).map(|_| ());
            assert_eq!(outcome, expected, "{case}, known: {}", known.is_some());
        }
    }
}

/// A known header is used for an identical segment only, not for a prefix or for another case of a letter.
#[test]
fn a_known_header_is_compared_octet_for_octet() {
    let key = SigningKey::new(Algorithm::Es256);
    let keys = parse_set(&key_set([key.public_jwk("k")]), &[Algorithm::Es256]).unwrap();
    let rules = HeaderRules::new(Algorithm::all());
    let good = key.sign(HEADER, "{}");
    let known = decoded_header(&good);
    let (head, rest) = good.split_once('.').unwrap();
    let shorter = (0..head.len()).map(|length| head[..length].to_owned());
    let changed = (0..head.len()).flat_map(|place| {
        ["A", "z", "_"].map(|letter| {
            let mut changed = head.to_owned();
            changed.replace_range(place..=place, letter);
            changed
        })
    });
    let other_case = (0..head.len()).map(|place| {
        let mut changed = head.to_owned().into_bytes();
        changed[place] ^= 0x20;
        String::from_utf8(changed).unwrap()
    });
    let mut count = 0;
    for head in shorter.chain(changed).chain(other_case) {
        let token = format!("{head}.{rest}");
        if token == good || token.matches('.').count() != 2 {
            continue;
        }
        count += 1;
        let outcome = every_step(&token, None, &rules, &keys);
        assert!(outcome.is_err(), "{token}");
        assert_eq!(
            every_step(&token, Some(&known), &rules, &keys),
            outcome,
            "{token}"
        );
    }
    assert!(count > 100, "{count}");
}

proptest! {
    /// For any known header and any token, the outcome is the same as without the known header.
    #[test]
    fn any_known_header_changes_no_outcome(
        known in 0..HEADERS.len(),
        header in 0..HEADERS.len(),
        payload in prop::sample::select(vec!["{}", r#"{"a":"b"}"#, "[]", ""]),
        is_signed in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
    ) {
        static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::new(Algorithm::Es256));
        let keys = parse_set(&key_set([KEY.public_jwk("k")]), &[Algorithm::Es256]).unwrap();
        let rules = HeaderRules::new([Algorithm::Es256]).types(["JWT", "at+jwt"]);
        let known = decoded_header(&KEY.sign(HEADERS[known], "{}"));
        let mut token = KEY.sign(HEADERS[header], payload).into_bytes();
        if !is_signed {
            token.truncate(token.len() - 4);
        }
        for (place, octet) in edits {
            let place = place.index(token.len());
            token[place] = octet;
        }
        if Compact::parse(&token, MAX_SIZE).is_ok() {
            let anew = every_step(&token, None, &rules, &keys);
            prop_assert_eq!(every_step(&token, Some(&known), &rules, &keys), anew);
        }
    }
}

const HEADERS: [&str; 6] = [
    HEADER,
    r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#,
    r#"{"alg":"ES256","kid":"l"}"#,
    r#"{"alg":"none","kid":"k"}"#,
    r#"{"alg":"ES256","kid":"k","crit":["b64"],"b64":false}"#,
    "{}",
];
