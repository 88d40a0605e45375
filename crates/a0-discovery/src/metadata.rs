//! OpenID Provider metadata, OpenID Connect Discovery 1.0 section 3 and RFC 8414 section 2.

use a0_jose::json;
use serde_json::{Map, Value};
use url::Url;

use crate::error::FetchFailure;
use crate::issuer::Issuer;
use crate::origin::Origin;

/// The metadata of one issuer, which names that issuer. `mtls_endpoint_aliases` play no part.
#[derive(Debug, Clone)]
pub struct Metadata {
    object: Map<String, Value>,
}

impl Metadata {
    /// Takes a document that names exactly `issuer` (RFC 8414 section 3.3).
    pub(crate) fn parse(text: &[u8], issuer: &Issuer) -> Result<Self, FetchFailure> {
        let object = json::parse_object(text).map_err(|_| FetchFailure::NotAnObject)?;
        match object.get("issuer") {
            None => Err(FetchFailure::IssuerMissing),
            Some(Value::String(named)) if named == issuer.as_str() => Ok(Metadata { object }),
            Some(_) => Err(FetchFailure::IssuerMismatch),
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
        let text = match self.object.get("jwks_uri") {
            None | Some(Value::Null) => return Err(FetchFailure::JwksUriMissing),
            Some(text) => text.as_str().ok_or(FetchFailure::JwksUriNotAllowed)?,
        };
        let url = Url::parse(text).map_err(|_| FetchFailure::JwksUriNotAllowed)?;
        let origin = Origin::of(&url).ok_or(FetchFailure::JwksUriNotAllowed)?;
        if Origin::of_issuer(issuer).as_ref() == Some(&origin) || trusted.contains(&origin) {
            Ok(url)
        } else {
            Err(FetchFailure::JwksUriNotAllowed)
        }
    }
}
