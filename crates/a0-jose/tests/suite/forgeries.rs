//! RSA signatures that a lax reader of their padding would accept.

use a0_jose::{Algorithm, VerifyError, base64url_encode, sha256};
use openssl::bn::{BigNum, BigNumContext};
use openssl::pkey::Private;
use openssl::rsa::{Padding, Rsa};
use serde_json::{Map, Value, json as value};

use super::common::{parse, verify};

/// The octets of the key's modulus.
const LENGTH: usize = 256;

/// The DigestInfo of SHA-256 up to the digest, RFC 8017 section 9.2, note 1.
const SHA256_PREFIX: &[u8] =
    b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// A key whose exponent is 3. With it, forging needs no private key where the reader is lax.
fn key_with_exponent_3() -> Rsa<Private> {
    Rsa::generate_with_e(2048, &BigNum::from_u32(3).unwrap()).unwrap()
}

fn public_jwk(key: &Rsa<Private>) -> Map<String, Value> {
    let number = |number: &openssl::bn::BigNumRef| base64url_encode(number.to_vec());
    let jwk = value!({"kty": "RSA", "kid": "k", "n": number(key.n()), "e": number(key.e())});
    jwk.as_object().unwrap().clone()
}

/// The text to sign, and its digest.
fn input() -> (String, [u8; 32]) {
    let header = base64url_encode(r#"{"alg":"RS256","kid":"k"}"#);
    let input = format!("{header}.{}", base64url_encode(r#"{"sub":"x"}"#));
    let digest = sha256(&input);
    (input, digest)
}

/// `00 01 ff..ff 00` and `rest`, RFC 8017 section 9.2.
fn padded(rest: &[u8]) -> Vec<u8> {
    let filler = vec![0xff; LENGTH - 3 - rest.len()];
    [&[0, 1], &filler[..], &[0], rest].concat()
}

#[test]
fn rfc8017_8_2_2_the_padding_and_the_digest_info_are_exact() {
    let key = key_with_exponent_3();
    let keys = parse([public_jwk(&key)], &[Algorithm::Rs256]);
    let (input, digest) = input();
    let info = [SHA256_PREFIX, &digest].concat();
    let with_prefix = |prefix: &[u8]| padded(&[prefix, &digest].concat());
    let changed = |at: usize, octet: u8| {
        let mut encoded = padded(&info);
        encoded[at] = octet;
        encoded
    };
    let short_filler = |filler: usize| {
        let start = [&[0, 1], &vec![0xff; filler][..], &[0], &info].concat();
        [&start[..], &vec![0x5a; LENGTH - start.len()]].concat()
    };
    for (what, encoded, accepted) in [
        ("as it must be", padded(&info), true),
        ("garbage behind, 8 octets of filler", short_filler(8), false),
        ("garbage behind, no filler", short_filler(0), false),
        (
            "garbage behind, filler of one octet less",
            short_filler(LENGTH - 55),
            false,
        ),
        (
            "zeros behind",
            padded(&[&info[..], &[0; 8]].concat()),
            false,
        ),
        // The parameters of the hash: absent, of another type, and with garbage inside.
        (
            "no parameters",
            with_prefix(b"\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20"),
            false,
        ),
        (
            "parameters that hold garbage",
            with_prefix(
                b"\x30\x35\x30\x11\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x04gggg\x04\x20",
            ),
            false,
        ),
        (
            "NULL that holds garbage",
            with_prefix(
                b"\x30\x35\x30\x11\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x04gggg\x04\x20",
            ),
            false,
        ),
        // BER, not DER.
        (
            "a length in two octets",
            with_prefix(
                b"\x30\x81\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            ),
            false,
        ),
        (
            "an indefinite length",
            padded(
                &[
                    b"\x30\x80\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
                    &digest[..],
                    &[0, 0],
                ]
                .concat(),
            ),
            false,
        ),
        (
            "SHA-512 named",
            with_prefix(
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x20",
            ),
            false,
        ),
        ("the digest alone", padded(&digest), false),
        (
            "a digest of 31 octets",
            padded(&info[..info.len() - 1]),
            false,
        ),
        ("block type 2", changed(1, 2), false),
        ("block type 0", changed(1, 0), false),
        ("filler that is not ff", changed(100, 0xfe), false),
        ("zero in the filler", changed(100, 0), false),
        (
            "no zero before DigestInfo",
            changed(LENGTH - 52, 0xff),
            false,
        ),
        ("first octet 1", changed(0, 1), false),
    ] {
        let mut signature = vec![0; LENGTH];
        key.private_encrypt(&encoded, &mut signature, Padding::NONE)
            .unwrap();
        let token = format!("{input}.{}", base64url_encode(signature));
        let expected = accepted.then_some(()).ok_or(VerifyError::InvalidSignature);
        assert_eq!(verify(&token, &keys), expected, "{what}");
    }
}

/// Bleichenbacher's forgery of 2006: a cube that begins as a padded DigestInfo. It needs no private
/// key.
#[test]
fn a_cube_root_is_no_signature() {
    let key = key_with_exponent_3();
    let keys = parse([public_jwk(&key)], &[Algorithm::Rs256]);
    let (input, digest) = input();
    for filler in [0, 1, 8] {
        let start = [
            &[0, 1],
            &vec![0xff; filler][..],
            &[0],
            SHA256_PREFIX,
            &digest,
        ]
        .concat();
        let target = [&start[..], &vec![0xff; LENGTH - start.len()]].concat();
        let root = cube_root(&target);
        let mut cube = BigNum::new().unwrap();
        let mut context = BigNumContext::new().unwrap();
        let three = BigNum::from_u32(3).unwrap();
        cube.mod_exp(&root, &three, key.n(), &mut context).unwrap();
        let cube = cube.to_vec_padded(LENGTH as i32).unwrap();
        assert!(cube.starts_with(&start), "the forgery is as meant");

        let signature = root.to_vec_padded(LENGTH as i32).unwrap();
        let token = format!("{input}.{}", base64url_encode(signature));
        assert_eq!(verify(&token, &keys), Err(VerifyError::InvalidSignature));
    }
}

/// The largest number whose cube is not above `target`.
fn cube_root(target: &[u8]) -> BigNum {
    let target = BigNum::from_slice(target).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let mut root = BigNum::new().unwrap();
    for bit in (0..LENGTH as i32 * 8 / 3 + 1).rev() {
        root.set_bit(bit).unwrap();
        let (mut square, mut cube) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        square.sqr(&root, &mut context).unwrap();
        cube.checked_mul(&square, &root, &mut context).unwrap();
        if cube > target {
            root.clear_bit(bit).unwrap();
        }
    }
    root
}
