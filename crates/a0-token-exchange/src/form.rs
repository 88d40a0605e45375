//! Encodes `application/x-www-form-urlencoded`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// The parameters of a request without the client's authentication, encoded once.
pub(crate) struct Form(Zeroizing<String>);

impl Form {
    pub(crate) fn new(parameters: &[(&str, &str)]) -> Self {
        let mut body = with_capacity_for(parameters, 0);
        append(&mut body, parameters);
        Form(body)
    }

    /// Returns a body with these parameters and then `more`. It goes out with the request, so this
    /// crate cannot wipe it.
    pub(crate) fn body(&self, more: &[(&str, &str)]) -> Vec<u8> {
        let mut body = with_capacity_for(more, self.0.len());
        body.push_str(&self.0);
        append(&mut body, more);
        std::mem::take(&mut *body).into_bytes()
    }
}

/// Encodes a text as RFC 6749 appendix B says.
pub(crate) fn encode(text: &str) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::with_capacity(text.len().saturating_mul(3)));
    append_encoded(&mut encoded, text);
    encoded
}

/// Returns a buffer that never has to grow, because growing would leave a copy of a secret behind.
/// An encoded byte takes at most three.
fn with_capacity_for(parameters: &[(&str, &str)], prefix: usize) -> Zeroizing<String> {
    let capacity = parameters.iter().fold(prefix, |sum, (name, value)| {
        let parameter = name.len().saturating_add(value.len()).saturating_mul(3);
        sum.saturating_add(parameter).saturating_add(2)
    });
    Zeroizing::new(String::with_capacity(capacity))
}

fn append(body: &mut String, parameters: &[(&str, &str)]) {
    for (name, value) in parameters {
        if !body.is_empty() {
            body.push('&');
        }
        // Names need no encoding: `ExtraParameters::validate` refuses all others.
        body.push_str(name);
        body.push('=');
        append_encoded(body, value);
    }
}

/// The bytes that are encoded: those that Python's `urllib.parse.quote_plus` encodes.
/// `form_urlencoded` differs, because it leaves `*` and encodes `~`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn append_encoded(body: &mut String, text: &str) {
    for piece in utf8_percent_encode(text, ENCODED) {
        body.push_str(if piece == "%20" { "+" } else { piece });
    }
}
