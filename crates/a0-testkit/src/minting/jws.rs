//! Compact JWS, assembled from JSON members or from raw bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::Error;

/// The changes that the caller wants to the default header, payload and signature. An edit without
/// a value removes the member.
#[derive(Clone, Default)]
pub(super) struct Edits {
    pub(super) header: Vec<(String, Option<Value>)>,
    pub(super) claims: Vec<(String, Option<Value>)>,
    pub(super) raw_header: Option<Vec<u8>>,
    pub(super) raw_payload: Option<Vec<u8>>,
    pub(super) signature: Option<Vec<u8>>,
}

impl Edits {
    pub(super) fn assemble(
        self,
        header: Map<String, Value>,
        claims: Map<String, Value>,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, Error>,
    ) -> Result<String, Error> {
        let header = segment(self.raw_header, header, self.header);
        let payload = segment(self.raw_payload, claims, self.claims);
        let mut text = format!("{header}.{payload}");
        let signature = match self.signature {
            Some(bytes) => bytes,
            None => sign(text.as_bytes())?,
        };
        text.push('.');
        text.push_str(&base64url(&signature));
        Ok(text)
    }
}

fn segment(
    raw: Option<Vec<u8>>,
    mut members: Map<String, Value>,
    edits: Vec<(String, Option<Value>)>,
) -> String {
    if let Some(raw) = raw {
        return base64url(&raw);
    }
    for (name, value) in edits {
        match value {
            Some(value) => members.insert(name, value),
            None => members.remove(&name),
        };
    }
    base64url(Value::Object(members).to_string().as_bytes())
}

/// The builder methods that access tokens and proofs share.
macro_rules! edit_methods {
    () => {
        /// Sets a claim, and replaces the default one of this name.
        pub fn claim(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
            self.edits
                .claims
                .push((name.to_owned(), Some(value.into())));
            self
        }

        /// Removes a claim.
        pub fn without_claim(mut self, name: &str) -> Self {
            self.edits.claims.push((name.to_owned(), None));
            self
        }

        /// Sets a header parameter. Setting `alg` here changes only the header: the signature is still
        /// made with the builder's algorithm.
        pub fn header(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
            self.edits
                .header
                .push((name.to_owned(), Some(value.into())));
            self
        }

        /// Removes a header parameter.
        pub fn without_header(mut self, name: &str) -> Self {
            self.edits.header.push((name.to_owned(), None));
            self
        }

        /// Uses these bytes as the header, valid JSON or not, and signs them. All other settings of
        /// the header are then ignored.
        pub fn raw_header(mut self, bytes: impl AsRef<[u8]>) -> Self {
            self.edits.raw_header = Some(bytes.as_ref().to_vec());
            self
        }

        /// Uses these bytes as the payload, valid JSON or not, and signs them: for example JSON with
        /// a duplicate member. All other settings of the payload are then ignored.
        pub fn raw_payload(mut self, bytes: impl AsRef<[u8]>) -> Self {
            self.edits.raw_payload = Some(bytes.as_ref().to_vec());
            self
        }

        /// Puts these bytes in place of the signature.
        pub fn with_signature(mut self, bytes: impl AsRef<[u8]>) -> Self {
            self.edits.signature = Some(bytes.as_ref().to_vec());
            self
        }

        /// Leaves the signature empty, and the header as it is.
        pub fn unsigned(self) -> Self {
            self.with_signature([])
        }
    };
}
pub(super) use edit_methods;

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the header (segment 0) or the payload (segment 1) of a JWS without verifying it.
pub(crate) fn decode_unverified(jws: &str, segment: usize) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(jws.split('.').nth(segment)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
