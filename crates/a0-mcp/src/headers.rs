//! The header fields that repeat parts of the body (MCP 2026-07-28, Streamable HTTP, request metadata).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};

use crate::message::{HEADERS_SINCE, Message, Messages, name_member};

pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Why the fields do not fit the body. It repeats neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The field is there several times, or its octets are not allowed.
    Malformed(&'static str),
    Missing(&'static str),
    Differs(&'static str),
}

impl Mismatch {
    pub(crate) fn text(self) -> String {
        match self {
            Mismatch::Malformed(name) => {
                format!("Header mismatch: {name} is malformed or there twice")
            }
            Mismatch::Missing(name) => format!("Header mismatch: {name} is missing"),
            Mismatch::Differs(name) => format!("Header mismatch: {name} differs from the body"),
        }
    }
}

/// Whether the request is one of a revision that has neither sessions nor streams to resume. Of two versions,
/// `rmcp` would take the first, so two are refused for every method.
pub(crate) fn is_modern(headers: &HeaderMap) -> Result<bool, Mismatch> {
    let version = single(headers, &VERSION, "MCP-Protocol-Version")?;
    Ok(version.is_some_and(|version| version >= HEADERS_SINCE))
}

/// Compares the fields with the body. They are required from 2026-07-28 on, and compared wherever they are
/// present.
pub(crate) fn compare(headers: &HeaderMap, messages: &Messages) -> Result<(), Mismatch> {
    let version = single(headers, &VERSION, "MCP-Protocol-Version")?;
    let method = single(headers, &METHOD, "Mcp-Method")?;
    let name = single(headers, &NAME, "Mcp-Name")?;
    for message in messages.all() {
        if let Some(own) = message.version.as_deref() {
            match version {
                None => return Err(Mismatch::Missing("MCP-Protocol-Version")),
                Some(version) if version != own => {
                    return Err(Mismatch::Differs("MCP-Protocol-Version"));
                }
                Some(_) => {}
            }
        }
        compare_one(method, name, is_required(version, message), message)?;
    }
    Ok(())
}

/// The handshake is exempt: a client learns the revision by it.
fn is_required(version: Option<&str>, message: &Message) -> bool {
    let is_initialize = message.method.as_deref() == Some("initialize");
    version.is_some_and(|version| version >= HEADERS_SINCE) && !is_initialize
}

fn compare_one(
    method: Option<&str>,
    name: Option<&str>,
    is_required: bool,
    message: &Message,
) -> Result<(), Mismatch> {
    match (method, message.method.as_deref()) {
        (None, Some(_)) if is_required => return Err(Mismatch::Missing("Mcp-Method")),
        (Some(field), own) if Some(field) != own => return Err(Mismatch::Differs("Mcp-Method")),
        _ => {}
    }
    let needs_name = message.method.as_deref().and_then(name_member).is_some();
    match name {
        None if is_required && needs_name => Err(Mismatch::Missing("Mcp-Name")),
        None => Ok(()),
        Some(field) => {
            let field = decode(field).ok_or(Mismatch::Malformed("Mcp-Name"))?;
            match Some(&*field) == message.name.as_deref() {
                true => Ok(()),
                false => Err(Mismatch::Differs("Mcp-Name")),
            }
        }
    }
}

/// The only value of a field. Its octets are visible ASCII, spaces and tabs.
fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<&'h str>, Mismatch> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Mismatch::Malformed(shown));
    }
    let text = value.map(|value| value.to_str()).transpose();
    text.map_err(|_| Mismatch::Malformed(shown))
}

/// The value of a field without its encoding: `=?base64?...?=` (value encoding).
fn decode(value: &str) -> Option<std::borrow::Cow<'_, str>> {
    let inner = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match inner {
        None => Some(value.into()),
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?)
            .ok()
            .map(Into::into),
    }
}
