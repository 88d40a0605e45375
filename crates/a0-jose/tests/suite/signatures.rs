//! Signatures: which key verifies which, and forged ones.

use a0_jose::{
    Algorithm, Backend, Compact, HeaderRules, Jwk, JwkError, VerifyError, base64url_encode, sha256,
};
use josekit::jwk::alg::ed::EdCurve;
use serde_json::json as value;

use super::common::{
    MAX_SIZE, SigningKey, all, parse, verify, verify_allowing, verifying_key, with,
};

/// Keys use OpenSSL if no backend is chosen, whichever features are enabled. Ed448 keys always do.
#[test]
fn keys_use_the_chosen_backend() {
    for algorithm in all() {
        let jwk = SigningKey::new(algorithm).public_jwk("k");
        let jwk = Jwk::from_object(&jwk).unwrap();
        let key = verifying_key(&jwk, &[algorithm]).unwrap();
        assert_eq!(key.backend(), crate::BACKEND, "{algorithm}");
        let key = a0_jose::VerifyingKey::new(&jwk, &[algorithm]).unwrap();
        assert_eq!(key.backend(), Backend::OpenSsl, "{algorithm}");
    }
    let jwk = josekit::jwk::Jwk::generate_ed_key(josekit::jwk::alg::ed::EdCurve::Ed448).unwrap();
    let key = SigningKey {
        algorithm: Algorithm::EdDsa,
        jwk,
    };
    let jwk = Jwk::from_object(&key.public_jwk("k")).unwrap();
    let key = verifying_key(&jwk, &all()).unwrap();
    assert_eq!(key.backend(), Backend::OpenSsl);
}

#[test]
fn every_algorithm_verifies_its_own_signature_and_no_flipped_bit() {
    for algorithm in all() {
        let key = SigningKey::new(algorithm);
        let jwk = with(key.public_jwk("k"), "alg", algorithm.name().into());
        let keys = parse([jwk], &all());
        let token = key.sign(&key.header(), r#"{"sub":"x"}"#);
        assert_eq!(verify(&token, &keys), Ok(()), "{algorithm}");
        // Contexts are reused, also after a bad signature.
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = a0_jose::base64url_decode(signature).unwrap();
        for position in 0..signature.len() {
            let mut flipped = signature.clone();
            flipped[position] ^= 1;
            let forged = format!("{input}.{}", base64url_encode(flipped));
            assert_eq!(
                verify(&forged, &keys),
                Err(VerifyError::InvalidSignature),
                "{algorithm}, octet {position}"
            );
        }
        assert_eq!(verify(&token, &keys), Ok(()), "{algorithm}");
    }
}

#[test]
fn a_changed_octet_of_the_signed_text_never_passes() {
    let key = SigningKey::new(Algorithm::Es256);
    let keys = parse([key.public_jwk("k")], &[Algorithm::Es256]);
    let token = key.sign(&key.header(), r#"{"sub":"x"}"#);
    for position in 0..token.rfind('.').unwrap() {
        for replacement in ["A", "Q", "_"] {
            let mut altered = token.clone();
            altered.replace_range(position..=position, replacement);
            if altered == token {
                continue;
            }
            let outcome = Compact::parse(&altered, MAX_SIZE)
                .ok()
                .and_then(|compact| compact.decode().ok())
                .and_then(|token| token.validate_header(&HeaderRules::new(all())).ok())
                .and_then(|mut token| {
                    assert_eq!(token.sha256(), sha256(&altered));
                    token.verify(&keys).ok()
                });
            assert!(outcome.is_none(), "{position} {replacement}");
        }
    }
}

#[test]
fn rfc8725_3_1_one_key_serves_one_algorithm() {
    let rsa = SigningKey::new(Algorithm::Rs256);
    let signed = |algorithm: Algorithm| {
        let input = format!(
            "{}.e30",
            base64url_encode(format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#))
        );
        let signature = base64url_encode(rsa.signature_by(algorithm, &input));
        format!("{input}.{signature}")
    };
    let two = [Algorithm::Ps256, Algorithm::Rs256];
    // (the key's alg, the allowed algorithms, the token's alg, accepted)
    for (alg, allowed, algorithm, accepted) in [
        (Some("RS256"), &all()[..], Algorithm::Rs256, true),
        (Some("RS256"), &all(), Algorithm::Rs384, false),
        (Some("RS256"), &all(), Algorithm::Rs512, false),
        (Some("RS256"), &all(), Algorithm::Ps256, false),
        (Some("PS256"), &all(), Algorithm::Ps256, true),
        // Without `alg`, the order of the allow-list decides, not the header.
        (None, &all(), Algorithm::Rs256, true),
        (None, &all(), Algorithm::Ps256, false),
        (None, &two, Algorithm::Ps256, true),
        (None, &two, Algorithm::Rs256, false),
    ] {
        let jwk = match alg {
            Some(alg) => with(rsa.public_jwk("k"), "alg", alg.into()),
            None => rsa.public_jwk("k"),
        };
        let keys = parse([jwk], allowed);
        let expected = accepted.then_some(()).ok_or(VerifyError::NoMatchingKey);
        let outcome = verify_allowing(&signed(algorithm), &keys, allowed);
        assert_eq!(outcome, expected, "{alg:?} {algorithm}");
    }
}

#[test]
fn rfc7515_4_1_2_to_8_the_header_never_brings_its_own_key() {
    let tenant = SigningKey::new(Algorithm::Es256);
    let attacker = SigningKey::new(Algorithm::Es256);
    let keys = parse([tenant.public_jwk("k")], &[Algorithm::Es256]);
    let header = value!({
        "alg": "ES256", "kid": "k", "jwk": attacker.public_jwk("k"),
        "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5u", "x5c": ["AAAA"],
    });
    let token = attacker.sign(&header.to_string(), "{}");
    assert_eq!(verify(&token, &keys), Err(VerifyError::InvalidSignature));
}

#[test]
fn a_chosen_key_verifies_only_its_own_algorithm() {
    let key = SigningKey::new(Algorithm::Es256);
    let keys = parse([key.public_jwk("k")], &all());
    let chosen = keys.candidates("k", Algorithm::Es256).next().unwrap();
    for (alg, expected) in [
        ("ES256", Ok(())),
        ("ES384", Err(VerifyError::NoMatchingKey)),
        ("RS256", Err(VerifyError::NoMatchingKey)),
    ] {
        let token = key.sign(&format!(r#"{{"alg":"{alg}"}}"#), "{}");
        let verifiable = Compact::parse(&token, MAX_SIZE)
            .unwrap()
            .decode()
            .unwrap()
            .validate_header(&HeaderRules::new(all()))
            .unwrap();
        assert_eq!(
            verifiable.verify_with(chosen).map(|_| ()),
            expected,
            "{alg}"
        );
    }
}

/// DER encodes numbers with leading zeros, or with the first bit set, in another length. Among 2
/// 000 signatures, every curve has some of both.
#[test]
fn ecdsa_signatures_verify_with_any_first_octets() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let key = SigningKey::new(algorithm);
        let keys = parse([key.public_jwk("k")], &[algorithm]);
        let verifying = keys.candidates("k", algorithm).next().unwrap();
        let header = base64url_encode(key.header());
        let (mut with_zeros, mut with_first_bit) = (0, 0);
        for number in 0..2_000 {
            let input = format!("{header}.{}", base64url_encode(number.to_string()));
            let signature = key.signature(&input);
            let first = [signature[0], signature[signature.len() / 2]];
            with_zeros += usize::from(first.contains(&0));
            // The first seven bits of a P-521 number are always zero.
            let is_set = |octet: &u8| {
                *octet
                    >= if algorithm == Algorithm::Es512 {
                        1
                    } else {
                        0x80
                    }
            };
            with_first_bit += usize::from(first.iter().any(is_set));
            let token = format!("{input}.{}", base64url_encode(&signature));
            let compact = Compact::parse(&token, MAX_SIZE).unwrap();
            assert!(verifying.verify(&compact).is_ok(), "{algorithm} {token}");
            if with_zeros > 0 && with_first_bit > 0 {
                break;
            }
        }
        assert!(with_zeros > 0 && with_first_bit > 0, "{algorithm}");
    }
}

#[test]
fn rfc7518_3_4_an_ecdsa_signature_is_r_and_s_of_full_length() {
    let key = SigningKey::new(Algorithm::Es256);
    let keys = parse([key.public_jwk("k")], &[Algorithm::Es256]);
    let input = format!("{}.e30", base64url_encode(key.header()));
    let good = key.signature(&input);
    // The order of P-256's group.
    let order = [
        &[0xff; 4][..],
        &[0; 4],
        &[0xff; 8],
        b"\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51",
    ]
    .concat();
    let (r, s) = good.split_at(32);
    let integers = [integer(r), integer(s)].concat();
    let der = [&[0x30, integers.len() as u8], &integers[..]].concat();
    let with_s = |s: &[u8]| [r, s].concat();
    for (what, signature, accepted) in [
        ("as made", good.clone(), true),
        ("DER", der, false),
        ("63 octets", good[..63].to_vec(), false),
        ("65 octets", [&good[..], &[0]].concat(), false),
        ("65 octets, leading zero", [&[0], &good[..]].concat(), false),
        ("r, zero, s", [r, &[0], s].concat(), false),
        ("r, s, zero", [r, s, &[0]].concat(), false),
        ("96 octets", [&good[..], &[0; 32]].concat(), false),
        ("none", vec![], false),
        ("r = s = 0", vec![0; 64], false),
        ("s = 0", with_s(&[0; 32]), false),
        ("r = 0", [&[0; 32], s].concat(), false),
        ("r = s = n", [&order[..], &order].concat(), false),
        ("s = n", with_s(&order), false),
        (
            "r = s = 1",
            [&[0; 31][..], &[1], &[0; 31], &[1]].concat(),
            false,
        ),
        ("r = s = 2^256 - 1", vec![0xff; 64], false),
        ("8193 bits", vec![1; 1025], false),
        ("200 kB, cut", vec![1; 12_000], false),
    ] {
        let token = format!("{input}.{}", base64url_encode(signature));
        let compact = Compact::parse(&token, 300_000).unwrap();
        let key = keys.candidates("k", Algorithm::Es256).next().unwrap();
        assert_eq!(key.verify(&compact).is_ok(), accepted, "{what}");
    }
}

/// An ASN.1 INTEGER.
fn integer(number: &[u8]) -> Vec<u8> {
    let sign = if number[0] & 0x80 == 0 { &[][..] } else { &[0] };
    [&[2, (number.len() + sign.len()) as u8], sign, number].concat()
}

#[test]
fn rfc8037_3_1_eddsa_is_over_either_edwards_curve() {
    use josekit::jwk::Jwk as PrivateJwk;

    for curve in [EdCurve::Ed25519, EdCurve::Ed448] {
        let key = SigningKey {
            algorithm: Algorithm::EdDsa,
            jwk: PrivateJwk::generate_ed_key(curve).unwrap(),
        };
        let keys = parse([key.public_jwk("k")], &[Algorithm::EdDsa]);
        let token = key.sign(&key.header(), "{}");
        assert_eq!(verify(&token, &keys), Ok(()), "{curve:?}");

        let (input, signature) = token.rsplit_once('.').unwrap();
        let good = a0_jose::base64url_decode(signature).unwrap();
        for forged in [
            good[..good.len() - 1].to_vec(),
            [&good[..], &[0]].concat(),
            vec![0; good.len()],
            vec![0xff; good.len()],
        ] {
            let token = format!("{input}.{}", base64url_encode(forged));
            assert_eq!(verify(&token, &keys), Err(VerifyError::InvalidSignature));
        }
        let short = with(key.public_jwk("k"), "x", base64url_encode([1; 31]).into());
        assert_eq!(
            Jwk::from_object(&short).unwrap_err(),
            JwkError::CoordinateLength
        );
    }
}

#[test]
fn rfc7518_3_5_the_salt_of_pss_is_as_long_as_the_hash() {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::rsa::Padding;
    use openssl::sign::{RsaPssSaltlen, Signer};

    let key = SigningKey::new(Algorithm::Ps256);
    let keys = parse([key.public_jwk("k")], &[Algorithm::Ps256]);
    let pair = josekit::jwk::alg::rsa::RsaKeyPair::from_jwk(&key.jwk).unwrap();
    let private =
        PKey::private_key_from_der(&josekit::jwk::KeyPair::to_der_private_key(&pair)).unwrap();
    let input = format!("{}.e30", base64url_encode(key.header()));
    for (length, accepted) in [
        (32, true),
        (0, false),
        (20, false),
        (31, false),
        (33, false),
    ] {
        let mut signer = Signer::new(MessageDigest::sha256(), &private).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer
            .set_rsa_pss_saltlen(RsaPssSaltlen::custom(length))
            .unwrap();
        let signature = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
        let token = format!("{input}.{}", base64url_encode(signature));
        assert_eq!(verify(&token, &keys).is_ok(), accepted, "{length}");
    }
}

/// RFC 8017 sections 8.1.2 and 8.2.2, step 1. Without its leading zero, a signature would have a
/// second text.
#[test]
fn rfc8017_8_1_2_an_rsa_signature_has_the_length_of_its_key() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let key = SigningKey::new(algorithm);
        let keys = parse([key.public_jwk("k")], &[algorithm]);
        let begins_with_zero = |number: u32| {
            let payload = base64url_encode(format!(r#"{{"n":{number}}}"#));
            let input = format!("{}.{payload}", base64url_encode(key.header()));
            let signature = key.signature(&input);
            (signature[0] == 0).then_some((input, signature))
        };
        let (input, signature) = (0..).find_map(begins_with_zero).unwrap();
        let longer = [&[0][..], &signature].concat();
        for (octets, expected) in [
            (&signature[..], Ok(())),
            (&signature[1..], Err(VerifyError::InvalidSignature)),
            (&longer, Err(VerifyError::InvalidSignature)),
            (&[], Err(VerifyError::InvalidSignature)),
        ] {
            let token = format!("{input}.{}", base64url_encode(octets));
            assert_eq!(
                verify(&token, &keys),
                expected,
                "{algorithm} {}",
                octets.len()
            );
        }
    }
}

#[test]
fn longer_rsa_keys_verify() {
    for bits in [3072, 4096] {
        let key = SigningKey {
            algorithm: Algorithm::Rs256,
            jwk: josekit::jwk::Jwk::generate_rsa_key(bits).unwrap(),
        };
        let keys = parse([key.public_jwk("k")], &[Algorithm::Rs256]);
        assert_eq!(
            verify(&key.sign(&key.header(), "{}"), &keys),
            Ok(()),
            "{bits}"
        );
    }
}

/// All code on a thread shares OpenSSL's error queue.
#[test]
fn a_refused_signature_leaves_no_error_in_openssls_queue() {
    let queue = || openssl::error::ErrorStack::get().errors().len();
    for algorithm in all() {
        let key = SigningKey::new(algorithm);
        let jwk = with(key.public_jwk("k"), "alg", algorithm.name().into());
        let keys = parse([jwk], &all());
        let input = format!("{}.e30", base64url_encode(key.header()));
        let length = key.signature(&input).len();
        queue();
        for signature in [
            vec![],
            vec![0],
            vec![0; length],
            vec![1; length],
            vec![0xff; length],
            vec![0; length + 1],
        ] {
            let token = format!("{input}.{}", base64url_encode(signature));
            assert!(verify(&token, &keys).is_err());
            assert_eq!(queue(), 0, "{algorithm}");
        }
    }
    let off_curve = value!({
        "kty": "EC", "crv": "P-256",
        "x": base64url_encode([1; 32]), "y": base64url_encode([1; 32]),
    });
    let jwk = Jwk::from_object(off_curve.as_object().unwrap()).unwrap();
    assert!(verifying_key(&jwk, &all()).is_err());
    assert_eq!(queue(), 0);
}
