//! The field `X-Forwarded-Client-Cert` of Envoy.
//!
//! Elements are separated by commas, and the pairs of an element by semicolons. A value that contains one of
//! these, or an equals sign, is in double quotes. Names are compared without case.

use std::borrow::Cow;

use auth0_api::jose::{constant_time_eq, sha256};

use super::field::from_escaped_pem;
use super::text::hash_of_hex;
use super::{ClientCertificate, UnknownCertificate};

const MALFORMED: UnknownCertificate = UnknownCertificate::Malformed;

/// Returns the certificate of the one element.
///
/// Envoy copies names out of the certificate (`URI`, `DNS`, `Subject`) and does not escape all of them, so a
/// name in a certificate may look like further pairs. A name twice is refused for that reason, and `Cert`
/// must be the certificate that `Hash`, which Envoy always writes, is the hash of.
pub(super) fn certificate(value: &[u8]) -> Result<ClientCertificate, UnknownCertificate> {
    let (mut hash, mut cert) = (None, None);
    let mut rest = value;
    loop {
        let (name, after) = split_where(rest, |octet| matches!(octet, b'=' | b';' | b',' | b'"'));
        let (value, after) = take_value(after.strip_prefix(b"=").ok_or(MALFORMED)?)?;
        let name = name.trim_ascii();
        let known = match name {
            _ if name.eq_ignore_ascii_case(b"hash") => Some(&mut hash),
            _ if name.eq_ignore_ascii_case(b"cert") => Some(&mut cert),
            [] => return Err(MALFORMED),
            _ => None,
        };
        if known.is_some_and(|known| known.replace(value).is_some()) {
            return Err(MALFORMED);
        }
        rest = match after.split_first() {
            None => break,
            Some((b';', rest)) => rest,
            Some((b',', _)) => return Err(UnknownCertificate::SeveralValues),
            Some(_) => return Err(MALFORMED),
        };
    }
    let hash = hash.map(|hash| hash_of_hex(&hash).ok_or(MALFORMED));
    let cert = cert.map(|cert| from_escaped_pem(&cert).ok_or(MALFORMED));
    match (hash.transpose()?, cert.transpose()?) {
        (Some(hash), Some(der)) if !constant_time_eq(&sha256(&der), &hash) => Err(MALFORMED),
        (_, Some(der)) => Ok(ClientCertificate::Der(der.into())),
        (Some(hash), None) => Ok(ClientCertificate::Sha256(hash)),
        (None, None) => Err(MALFORMED),
    }
}

/// Takes a value up to the separator, without its quotes and the backslashes before quotes in it.
fn take_value(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), UnknownCertificate> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let (value, rest) = split_where(text, |octet| matches!(octet, b';' | b',' | b'"'));
        return Ok((Cow::Borrowed(value), rest));
    };
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        let (plain, after) = split_where(rest, |octet| matches!(octet, b'"' | b'\\'));
        value.extend_from_slice(plain);
        rest = match after {
            [b'"', rest @ ..] => return Ok((Cow::Owned(value), rest)),
            [b'\\', escaped, rest @ ..] => {
                value.push(*escaped);
                rest
            }
            _ => return Err(MALFORMED),
        };
    }
}

fn split_where(text: &[u8], is_end: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|octet| is_end(*octet));
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, &[]))
}
