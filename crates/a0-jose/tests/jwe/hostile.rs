//! Forms, headers and contents that are refused.

use a0_jose::base64url_encode;
use a0_jose::jwe::{CompactJwe, JweError, JwePart};
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use serde_json::{Value, json};

use super::sealed::*;

#[test]
fn rfc7516_7_1_a_token_is_five_canonical_segments_within_the_size_limit() {
    let token = good().compact();
    assert_eq!(decrypt(&token).as_deref(), Ok(SIGNED));
    let parts: Vec<&str> = token.split('.').collect();
    let changed = |at: usize, part: &str| {
        let mut parts = parts.clone();
        parts[at] = part;
        parts.join(".")
    };
    let with_suffix = |at: usize, suffix: &str| changed(at, &format!("{}{suffix}", parts[at]));
    // The letter after the last one differs in spare bits only.
    let with_spare_bits = |at: usize| {
        let last = parts[at].chars().next_back().unwrap();
        let next = char::from(last as u8 + 1);
        changed(at, &format!("{}{next}", &parts[at][..parts[at].len() - 1]))
    };
    let all = [
        JwePart::Header,
        JwePart::EncryptedKey,
        JwePart::InitializationVector,
        JwePart::Ciphertext,
        JwePart::Tag,
    ];
    for (at, part) in all.into_iter().enumerate() {
        for suffix in ["=", "\n", " ", "+", "/", "\u{e4}", "%3D"] {
            assert_eq!(
                decrypt(&with_suffix(at, suffix)),
                Err(JweError::Encoding(part)),
                "{part} {suffix:?}"
            );
        }
    }
    // 256 octets of encrypted key and 16 of tag leave spare bits.
    for (at, part) in [(1, JwePart::EncryptedKey), (4, JwePart::Tag)] {
        assert_eq!(decrypt(&with_spare_bits(at)), Err(JweError::Encoding(part)));
    }
    for text in [
        String::new(),
        SIGNED.to_owned(),
        parts[..4].join("."),
        format!("{token}."),
        format!("{token}.AAAA"),
        format!(".{token}"),
        json!({"protected": parts[0], "encrypted_key": parts[1], "iv": parts[2],
            "ciphertext": parts[3], "tag": parts[4]})
        .to_string(),
    ] {
        assert_eq!(decrypt(&text), Err(JweError::SegmentCount), "{text}");
    }
    let parse = |max_size| CompactJwe::parse(&token, max_size).map(|_| ());
    assert_eq!(parse(token.len()), Ok(()));
    assert!(matches!(
        parse(token.len() - 1),
        Err(JweError::TooLarge { .. })
    ));
}

#[test]
fn rfc7516_4_a_header_is_one_object_without_duplicates() {
    let duplicate = |member: &str| {
        header()
            .to_string()
            .replacen('{', &format!("{{{member},"), 1)
    };
    for (header, expected) in [
        (String::new(), JweError::NotAnObject),
        ("[]".to_owned(), JweError::NotAnObject),
        ("null".to_owned(), JweError::NotAnObject),
        (format!("{}{}", header(), header()), JweError::NotAnObject),
        (format!("\u{feff}{}", header()), JweError::NotAnObject),
        ("{}".to_owned(), JweError::Algorithm),
        (
            duplicate(r#""alg":"RSA-OAEP-256""#),
            JweError::DuplicateMember,
        ),
        (duplicate(r#""enc":"A256GCM""#), JweError::DuplicateMember),
        (duplicate(r#""\u0063ty":"JWT""#), JweError::DuplicateMember),
        (duplicate(r#""x":{"y":1,"y":1}"#), JweError::DuplicateMember),
    ] {
        assert_eq!(with_header(&header).decrypt(), Err(expected), "{header}");
    }
    let mut not_utf8 = good();
    not_utf8.header = "x".into();
    let text = not_utf8.compact();
    let text = text.replacen(
        &base64url_encode("x"),
        &base64url_encode(b"{\"\xff\":1}"),
        1,
    );
    assert_eq!(decrypt(&text), Err(JweError::NotAnObject));
}

#[test]
fn rfc7518_4_1_and_5_1_only_rsa_oaep_with_sha2_and_a256gcm_are_used() {
    let no = JweError::Algorithm;
    for alg in [
        "RSA1_5",
        "RSA-OAEP",
        "rsa-oaep-256",
        "RSA-OAEP-256 ",
        "RSA-OAEP-1",
        "dir",
        "A256KW",
        "A256GCMKW",
        "ECDH-ES",
        "ECDH-ES+A256KW",
        "PBES2-HS256+A128KW",
        "PBES2-HS512+A256KW",
        "none",
        "RS256",
        "",
    ] {
        let header = header_with("alg", alg.into());
        assert_eq!(with_header(header).decrypt(), Err(no), "{alg}");
    }
    for alg in [Value::Null, json!(1), json!(["RSA-OAEP-256"]), json!({})] {
        let header = header_with("alg", alg);
        assert_eq!(with_header(header).decrypt(), Err(no));
    }
    assert_eq!(with_header(header_without("alg")).decrypt(), Err(no));
    let no = JweError::ContentEncryption;
    for enc in [
        "A128GCM",
        "A192GCM",
        "a256gcm",
        "A128CBC-HS256",
        "A192CBC-HS384",
        "A256CBC-HS512",
        "RSA-OAEP-256",
        "",
    ] {
        let header = header_with("enc", enc.into());
        assert_eq!(with_header(header).decrypt(), Err(no), "{enc}");
    }
    for enc in [Value::Null, json!(256), json!(["A256GCM"])] {
        let header = header_with("enc", enc);
        assert_eq!(with_header(header).decrypt(), Err(no));
    }
    assert_eq!(with_header(header_without("enc")).decrypt(), Err(no));
}

#[test]
fn rfc7516_4_1_parameters_that_ask_for_more_are_refused_whatever_their_value() {
    for name in [
        "zip", "crit", "b64", "epk", "apu", "apv", "p2s", "p2c", "iv", "tag", "d", "p", "q", "dp",
        "dq", "qi", "oth", "k",
    ] {
        for value in [json!("DEF"), json!(2_000_000_000), Value::Null, json!([])] {
            let outcome = with_header(header_with(name, value)).decrypt();
            assert_eq!(outcome, Err(JweError::UnsupportedParameter(name)));
        }
    }
    for jwk in [
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"}),
        json!({"kty": "oct", "k": null}),
        json!("AQAB"),
        Value::Null,
    ] {
        let outcome = with_header(header_with("jwk", jwk)).decrypt();
        assert_eq!(outcome, Err(JweError::UnsupportedParameter("jwk")));
    }
    for name in ["kid", "typ"] {
        for value in [Value::Null, json!(1), json!(["k"]), json!({})] {
            let outcome = with_header(header_with(name, value)).decrypt();
            assert_eq!(outcome, Err(JweError::InvalidParameter(name)));
        }
    }
    // Names of the recipient's public key, and members that nobody knows, do no harm.
    for (name, value) in [
        ("typ", json!("at+jwt")),
        ("x5t", json!("AQAB")),
        ("x5t#S256", json!("AQAB")),
        ("jwk", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
        ("jku", json!("https://attacker.example/")),
        ("unknown", json!({"a": [1]})),
    ] {
        let outcome = with_header(header_with(name, value)).decrypt();
        assert_eq!(outcome.as_deref(), Ok(SIGNED), "{name}");
    }
}

#[test]
fn rfc7519_5_2_the_content_type_is_jwt_in_any_case() {
    for cty in ["JWT", "jwt", "Jwt", "application/JWT", "Application/jwt"] {
        let outcome = with_header(header_with("cty", cty.into())).decrypt();
        assert_eq!(outcome.as_deref(), Ok(SIGNED), "{cty}");
    }
    let no = Err(JweError::ContentType);
    for cty in [
        json!("JOSE"),
        json!("JWE"),
        json!("json"),
        json!("text/JWT"),
        json!("application/x/JWT"),
        json!("JWT "),
        json!(""),
        Value::Null,
        json!(["JWT"]),
    ] {
        assert_eq!(
            with_header(header_with("cty", cty.clone())).decrypt(),
            no,
            "{cty}"
        );
    }
    assert_eq!(with_header(header_without("cty")).decrypt(), no);
}

#[test]
fn rfc7519_5_2_the_content_is_one_signed_token() {
    let nested = good().compact();
    for content in [
        &b""[..],
        b"{}",
        br#"{"iss":"a","sub":"b"}"#,
        b"opaque",
        b"e30.e30",
        b"e30.e30.",
        b"e30.e30.AAAA.AAAA",
        nested.as_bytes(),
        b"e30.e30.AAAA\xff",
    ] {
        let outcome = with_content(content).decrypt();
        assert_eq!(outcome, Err(JweError::NotSigned), "{content:?}");
    }
    // No longer content is accepted than the outer text has room for: nothing is inflated.
    let long = format!("e30.e30.{}", "A".repeat(8000));
    assert_eq!(with_content(long.as_bytes()).decrypt().as_ref(), Ok(&long));
}

#[test]
fn rfc7519_5_3_claims_in_the_header_are_those_of_the_signed_token() {
    for (name, value, expected) in [
        ("iss", json!("a"), Ok(SIGNED)),
        ("sub", json!("b"), Ok(SIGNED)),
        ("iss", json!("c"), Err(JweError::ReplicatedClaim("iss"))),
        ("iss", Value::Null, Err(JweError::ReplicatedClaim("iss"))),
        ("sub", json!(["b"]), Err(JweError::ReplicatedClaim("sub"))),
        ("aud", json!("a"), Err(JweError::ReplicatedClaim("aud"))),
    ] {
        let outcome = with_header(header_with(name, value)).decrypt();
        assert_eq!(
            outcome.as_deref().map_err(|error| *error),
            expected,
            "{name}"
        );
    }
    let content = b"e30.bm90IGpzb24.AAAA";
    let header = header_with("iss", "a".into()).to_string();
    let unreadable = Sealer {
        header,
        content,
        ..Sealer::default()
    };
    assert_eq!(unreadable.seal().decrypt(), Err(JweError::NotSigned));
}

#[test]
fn rfc7516_11_5_every_way_to_fail_is_one_error() {
    let good = good();
    let change = |change: &dyn Fn(&mut Sealed)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    fn flip(octets: &mut [u8], at: usize) {
        octets[at] ^= 1;
    }
    let other_header = header_with("typ", "JWT".into()).to_string();
    let sealed = |sealer: Sealer<'_>| sealer.seal();
    let with_key = |length: usize| {
        sealed(Sealer {
            content_key: random(length),
            ..Sealer::default()
        })
    };
    let hashes = |oaep, mgf1| {
        sealed(Sealer {
            hashes: [oaep, mgf1],
            ..Sealer::default()
        })
    };
    let (sha1, sha256) = (MessageDigest::sha1(), MessageDigest::sha256());
    // The modulus itself is out of range, as is everything above it.
    let modulus = key().rsa().unwrap().n().to_vec();
    for (what, token) in [
        ("first octet of the key", change(&|t| flip(&mut t.key, 0))),
        ("last octet of the key", change(&|t| flip(&mut t.key, 255))),
        ("key of zeros", change(&|t| t.key.fill(0))),
        ("key of ones", change(&|t| t.key.fill(0xff))),
        (
            "key that is the modulus",
            change(&|t| t.key = modulus.clone()),
        ),
        ("random key", change(&|t| t.key = random(256))),
        (
            "key of another token",
            change(&|t| t.key = Sealer::default().encrypted_key()),
        ),
        ("no key", change(&|t| t.key.clear())),
        ("key too short", change(&|t| t.key.truncate(255))),
        ("key too long", change(&|t| t.key.insert(0, 0))),
        ("key followed by an octet", change(&|t| t.key.push(0))),
        ("vector", change(&|t| flip(&mut t.iv, 11))),
        ("ciphertext", change(&|t| flip(&mut t.ciphertext, 0))),
        ("no ciphertext", change(&|t| t.ciphertext.clear())),
        (
            "ciphertext too short",
            change(&|t| t.ciphertext.truncate(20)),
        ),
        ("first octet of the tag", change(&|t| flip(&mut t.tag, 0))),
        ("last octet of the tag", change(&|t| flip(&mut t.tag, 15))),
        ("tag of zeros", change(&|t| t.tag.fill(0))),
        (
            "another header",
            change(&|t| t.header = other_header.clone()),
        ),
        (
            "the same header, spelled otherwise",
            change(&|t| t.header.push(' ')),
        ),
        ("a content key of 16 octets", with_key(16)),
        ("a content key of 24 octets", with_key(24)),
        ("a content key of 31 octets", with_key(31)),
        ("a content key of 33 octets", with_key(33)),
        ("a content key of 64 octets", with_key(64)),
        ("a content key of no octets", with_key(0)),
        ("SHA-1", hashes(sha1, sha1)),
        ("MGF1 with SHA-1", hashes(sha256, sha1)),
        ("OAEP with SHA-384", hashes(MessageDigest::sha384(), sha256)),
        (
            "PKCS #1 v1.5",
            sealed(Sealer {
                padding: Padding::PKCS1,
                ..Sealer::default()
            }),
        ),
    ] {
        assert_eq!(token.decrypt(), Err(JweError::Decryption), "{what}");
    }
    assert_eq!(JweError::Decryption.to_string(), "Token decryption failed");
}
