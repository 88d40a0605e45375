//! Reading private keys, for signing and for decryption.

use openssl::bn::{BigNum, BigNumContext};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;

/// The longest PEM, in bytes. A key of 8192 bits takes 6.5 kB. The limit bounds the time that
/// OpenSSL's arithmetic can take.
pub(crate) const MAX_PEM: usize = 8 * 1024;

/// Reads a private key from PEM. OpenSSL reads it, because josekit's reader allocates any length
/// that the text states: a malformed text would abort the process.
pub(crate) fn from_pem(pem: &[u8]) -> Option<PKey<Private>> {
    if pem.len() > MAX_PEM || is_encrypted(pem) {
        return None;
    }
    // Without a callback, OpenSSL would prompt for a passphrase on the terminal.
    PKey::private_key_from_pem_callback(pem, |_| Ok(0)).ok()
}

/// Returns whether the text contains the word that both encrypted forms of PEM contain. OpenSSL
/// would try an empty passphrase, with as many rounds of key derivation as the text states.
fn is_encrypted(pem: &[u8]) -> bool {
    let word = b"ENCRYPTED";
    pem.windows(word.len()).any(|octets| octets == word)
}

/// Returns whether the key has two factors whose product is its modulus. OpenSSL's own check is not
/// used, because it tests factors of any length for primality.
pub(crate) fn has_two_factors(key: &Rsa<Private>) -> bool {
    let product = || -> Result<BigNum, ErrorStack> {
        let (mut product, mut context) = (BigNum::new()?, BigNumContext::new()?);
        if let (Some(p), Some(q)) = (key.p(), key.q()) {
            product.checked_mul(p, q, &mut context)?;
        }
        Ok(product)
    };
    product().is_ok_and(|product| product == *key.n())
}

/// Returns whether the exponents and the coefficient of the factors belong to the private exponent `d`
/// (RFC 8017 section 3.2). With others OpenSSL falls back to `d` alone, which takes ten times as long.
pub(crate) fn has_matching_exponents(key: &Rsa<Private>) -> bool {
    matching_exponents(key).is_ok_and(|matching| matching)
}

fn matching_exponents(key: &Rsa<Private>) -> Result<bool, ErrorStack> {
    let (Some(p), Some(q)) = (key.p(), key.q()) else {
        return Ok(false);
    };
    let (Some(dp), Some(dq), Some(coefficient)) = (key.dmp1(), key.dmq1(), key.iqmp()) else {
        return Ok(false);
    };
    let one = BigNum::from_u32(1)?;
    let mut context = BigNumContext::new_secure()?;
    // OpenSSL wipes secure numbers when they are dropped.
    let (mut order, mut result) = (BigNum::new_secure()?, BigNum::new_secure()?);
    for (factor, exponent) in [(p, dp), (q, dq)] {
        order.checked_sub(factor, &one)?;
        result.nnmod(key.d(), &order, &mut context)?;
        if result.as_ref() != exponent {
            return Ok(false);
        }
    }
    result.mod_mul(coefficient, q, p, &mut context)?;
    Ok(result == one)
}
