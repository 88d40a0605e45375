//! The text of a compact JWS, put together member by member or from raw bytes.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::Error;

/// What the caller wants to differ from the default header and payload.
#[derive(Clone, Default)]
pub(crate) struct Edits {
    pub(crate) header: Vec<(String, Option<Value>)>,
    pub(crate) claims: Vec<(String, Option<Value>)>,
    pub(crate) raw_header: Option<Vec<u8>>,
    pub(crate) raw_payload: Option<Vec<u8>>,
    pub(crate) signature: Option<Vec<u8>>,
}

impl Edits {
    pub(crate) fn assemble(
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

/// The builder methods that access tokens and proofs have in common.
macro_rules! edit_methods {
    () => {
        /// Sets a claim, in place of the default one or beside it.
        pub fn claim(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
            self.edits
                .claims
                .push((name.to_owned(), Some(value.into())));
            self
        }

        /// Leaves a claim out.
        pub fn without_claim(mut self, name: &str) -> Self {
            self.edits.claims.push((name.to_owned(), None));
            self
        }

        /// Sets a header parameter; `alg` here changes the text of the header, not the signature.
        pub fn header(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
            self.edits
                .header
                .push((name.to_owned(), Some(value.into())));
            self
        }

        /// Leaves a header parameter out.
        pub fn without_header(mut self, name: &str) -> Self {
            self.edits.header.push((name.to_owned(), None));
            self
        }

        /// The exact bytes of the header, valid JSON or not; every other setting of the header is
        /// then without effect. The signature covers them.
        pub fn raw_header(mut self, bytes: impl AsRef<[u8]>) -> Self {
            self.edits.raw_header = Some(bytes.as_ref().to_vec());
            self
        }

        /// The exact bytes of the payload, valid JSON or not, for example with a member twice;
        /// every other setting of the payload is then without effect. The signature covers them.
        pub fn raw_payload(mut self, bytes: impl AsRef<[u8]>) -> Self {
            self.edits.raw_payload = Some(bytes.as_ref().to_vec());
            self
        }

        /// These bytes in the third segment, in place of a signature.
        pub fn with_signature(mut self, bytes: impl AsRef<[u8]>) -> Self {
            self.edits.signature = Some(bytes.as_ref().to_vec());
            self
        }

        /// An empty third segment; the header stays as it is.
        pub fn unsigned(self) -> Self {
            self.with_signature([])
        }
    };
}
pub(crate) use edit_methods;

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Header or payload of somebody's JWS, unverified.
pub(crate) fn peek(jws: &str, segment: usize) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(jws.split('.').nth(segment)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Seconds since 1970, negative before it.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s),
    }
}
