//! Lengths that OpenSSL would accept and the standards do not.

use a0_jose::jwe::JweError;

use super::sealed::*;

#[test]
fn rfc7518_5_3_a_tag_has_exactly_16_octets() {
    // The start of the right tag: OpenSSL compares only as many octets as it is given.
    for length in [0, 1, 4, 8, 12, 13, 14, 15] {
        let mut token = good();
        token.tag.truncate(length);
        assert_eq!(token.decrypt(), Err(JweError::Decryption), "{length}");
    }
    for length in [17, 32] {
        let mut token = good();
        token.tag.resize(length, 0);
        assert_eq!(token.decrypt(), Err(JweError::Decryption), "{length}");
    }
}

#[test]
fn rfc7518_5_3_an_initialization_vector_has_exactly_12_octets() {
    // Tokens that are right in all but this.
    for length in [1, 8, 11, 13, 16, 32] {
        let token = Sealer {
            iv: random(length),
            ..Sealer::default()
        };
        assert_eq!(
            token.seal().decrypt(),
            Err(JweError::Decryption),
            "{length}"
        );
    }
    for octets in [&[][..], &[0; 4]] {
        let mut token = good();
        token.iv.extend(octets);
        token.iv.truncate(12 + octets.len());
        assert_eq!(token.decrypt().is_ok(), octets.is_empty());
    }
    let mut token = good();
    token.iv.clear();
    assert_eq!(token.decrypt(), Err(JweError::Decryption));
}

#[test]
fn rfc8017_7_1_2_an_encrypted_key_has_the_length_of_the_modulus() {
    // A number of fewer octets that decrypts to the content key.
    let sealer = Sealer::default();
    let short = (0..20_000)
        .map(|_| sealer.encrypted_key())
        .find(|encrypted| encrypted[0] == 0)
        .unwrap();
    let token = sealer.seal_around(short);
    assert_eq!(token.decrypt().as_deref(), Ok(SIGNED));
    let mut stripped = token.clone();
    stripped.key.remove(0);
    assert_eq!(stripped.decrypt(), Err(JweError::Decryption));
    let mut longer = token;
    longer.key.insert(0, 0);
    assert_eq!(longer.decrypt(), Err(JweError::Decryption));
}
