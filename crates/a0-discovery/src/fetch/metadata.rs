//! OpenID Provider metadata, OpenID Connect Discovery 1.0 section 3 and RFC 8414 section 2.

use a0_jose::json;
use serde_json::{Map, Value};
use url::Url;

use super::origin::Origin;
use crate::error::FetchFailure;
use crate::issuer::Issuer;

/// The metadata of one issuer, which names that issuer, or nobody where it was read for its token
/// endpoint alone. `mtls_endpoint_aliases` play no part.
#[derive(Debug, Clone)]
pub struct Metadata {
    object: Map<String, Value>,
}

impl Metadata {
    /// Takes a document that names exactly `issuer` (RFC 8414 section 3.3).
    pub(crate) fn parse(text: &[u8], issuer: &Issuer) -> Result<Self, FetchFailure> {
        let metadata = Metadata::parse_unnamed(text, issuer)?;
        match metadata.object.contains_key("issuer") {
            true => Ok(metadata),
            false => Err(FetchFailure::IssuerMissing),
        }
    }

    /// Takes a document that names `issuer`, or nobody.
    pub(crate) fn parse_unnamed(text: &[u8], issuer: &Issuer) -> Result<Self, FetchFailure> {
        let object = json::parse_object(text).map_err(|_| FetchFailure::NotAnObject)?;
        match object.get("issuer") {
            Some(Value::String(named)) if named == issuer.as_str() => Ok(Metadata { object }),
            Some(_) => Err(FetchFailure::IssuerMismatch),
            None => Ok(Metadata { object }),
        }
    }

    /// A member by name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.object.get(name)
    }

    /// The URL in `jwks_uri`, if it is one that keys of `issuer` may come from.
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

    /// The URL in a member, `None` where there is none, and `Some(None)` where it is not https or not
    /// of the issuer's origin or a trusted one.
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
