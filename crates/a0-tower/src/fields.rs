//! The header fields of DPoP (RFC 9449 sections 4.1 and 8).

use http::HeaderName;

pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
