//! Issuer metadata, OpenID Connect Discovery 1.0 section 3 and RFC 8414 section 2.

use std::collections::BTreeMap;
use std::fmt;

use a0_jose::json;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::origin::Origin;
use crate::error::FetchFailure;
use crate::issuer::Issuer;

/// The metadata of one issuer. `mtls_endpoint_aliases` are ignored.
#[derive(Debug, Clone)]
pub struct Metadata {
    members: Members,
}

/// `None` for a member without a single value, which is ambiguous or cannot be read.
type Members = BTreeMap<String, Option<Value>>;

/// Why metadata gives no URL for an endpoint.
#[derive(Debug)]
pub(crate) enum EndpointFault {
    Missing,
    Unreadable,
    /// Not an https URL on the issuer's origin or a trusted one.
    NotAllowed,
}

impl Metadata {
    /// Accepts a document whose `issuer` is exactly `issuer` (RFC 8414 section 3.3).
    pub(crate) fn parse(text: &[u8], issuer: &Issuer) -> Result<Self, FetchFailure> {
        let metadata = Metadata::parse_with_optional_issuer(text, issuer)?;
        if metadata.members.contains_key("issuer") {
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
        let document = serde_json::from_slice(text);
        let Document(members) = document.map_err(|_| FetchFailure::NotAnObject)?;
        match members.get("issuer") {
            Some(None) => Err(FetchFailure::UnreadableMember("issuer")),
            Some(Some(found)) if found != issuer.as_str() => Err(FetchFailure::IssuerMismatch),
            _ => Ok(Metadata { members }),
        }
    }

    /// Returns a member by name. `None` also if the name comes twice, in the document or in an
    /// object within the member, or if the member has a number out of the range of an `f64` or a
    /// text that is not Unicode: such a member has no single value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)?.as_ref()
    }

    /// The URL in `jwks_uri`, if keys of `issuer` may come from there.
    pub(crate) fn jwks_uri(
        &self,
        issuer: &Issuer,
        trusted: &[Origin],
    ) -> Result<Url, FetchFailure> {
        let url = self.endpoint("jwks_uri", issuer, trusted);
        url.map_err(|fault| match fault {
            EndpointFault::Missing => FetchFailure::JwksUriMissing,
            EndpointFault::Unreadable => FetchFailure::UnreadableMember("jwks_uri"),
            EndpointFault::NotAllowed => FetchFailure::JwksUriNotAllowed,
        })
    }

    /// The URL in a member.
    pub(crate) fn endpoint(
        &self,
        name: &str,
        issuer: &Issuer,
        trusted: &[Origin],
    ) -> Result<Url, EndpointFault> {
        let value = match self.members.get(name) {
            None | Some(Some(Value::Null)) => return Err(EndpointFault::Missing),
            Some(None) => return Err(EndpointFault::Unreadable),
            Some(Some(value)) => value,
        };
        let is_allowed = |origin: &Origin| {
            Origin::of_issuer(issuer).as_ref() == Some(origin) || trusted.contains(origin)
        };
        let url = value.as_str().and_then(|text| Url::parse(text).ok());
        url.filter(|url| Origin::of(url).as_ref().is_some_and(is_allowed))
            .ok_or(EndpointFault::NotAllowed)
    }
}

/// A document that is not checked yet.
struct Document(Members);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Document, A::Error> {
        let mut members = Members::new();
        while let Some((name, value)) = access.next_entry::<String, &RawValue>()? {
            members
                .entry(name)
                .and_modify(|value| *value = None)
                .or_insert_with(|| read(value));
        }
        Ok(Document(members))
    }
}

/// Reads one value as strictly as a token, so that a member has one meaning or none.
fn read(value: &RawValue) -> Option<Value> {
    let object = format!(r#"{{"value":{}}}"#, value.get());
    json::parse_object(object.as_bytes()).ok()?.remove("value")
}
