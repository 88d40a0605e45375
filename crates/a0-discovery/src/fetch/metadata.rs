//! Issuer metadata, OpenID Connect Discovery 1.0 section 3 and RFC 8414 section 2.

use a0_jose::json;
use serde_json::{Map, Value};
use url::Url;

use super::origin::Origin;
use crate::error::FetchFailure;
use crate::issuer::Issuer;

/// The metadata of one issuer. `mtls_endpoint_aliases` are ignored.
#[derive(Debug, Clone)]
pub struct Metadata {
    object: Map<String, Value>,
}

impl Metadata {
    /// Accepts a document whose `issuer` is exactly `issuer` (RFC 8414 section 3.3).
    pub(crate) fn parse(text: &[u8], issuer: &Issuer) -> Result<Self, FetchFailure> {
        let metadata = Metadata::parse_with_optional_issuer(text, issuer)?;
        if metadata.object.contains_key("issuer") {
            Ok(metadata)
        } else {
            Err(FetchFailure::IssuerMissing)
        }
    }

    /// Accepts a document whose `issuer` is exactly `issuer` or absent.
    pub(crate) fn parse_with_optional_issuer(
        text: &[u8],
        issuer: &Issuer,
    ) -> Result<Self, FetchFailure> {
        let object = json::parse_object(text).map_err(|_| FetchFailure::NotAnObject)?;
        match object.get("issuer") {
            Some(found) if found != issuer.as_str() => Err(FetchFailure::IssuerMismatch),
            _ => Ok(Metadata { object }),
        }
    }

    /// Returns a member by name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.object.get(name)
    }

    /// The URL in `jwks_uri`, if keys of `issuer` may come from there.
    pub(crate) fn jwks_uri(
        &self,
        issuer: &Issuer,
        trusted: &[Origin],
    ) -> Result<Url, FetchFailure> {
        match self.endpoint("jwks_uri", issuer, trusted) {
            None => Err(FetchFailure::JwksUriMissing),
            Some(url) => url.ok_or(FetchFailure::JwksUriNotAllowed),
        }
    }

    /// The URL in a member: `None` if the member is absent, `Some(None)` if its value is not an
    /// https URL on the issuer's origin or a trusted one.
    pub(crate) fn endpoint(
        &self,
        name: &str,
        issuer: &Issuer,
        trusted: &[Origin],
    ) -> Option<Option<Url>> {
        let text = self.object.get(name).filter(|text| !text.is_null())?;
        let url = text.as_str().and_then(|text| Url::parse(text).ok());
        let allowed = |origin: &Origin| {
            Origin::of_issuer(issuer).as_ref() == Some(origin) || trusted.contains(origin)
        };
        Some(url.filter(|url| Origin::of(url).as_ref().is_some_and(allowed)))
    }
}
