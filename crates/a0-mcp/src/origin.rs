//! The field `Origin` (MCP, Streamable HTTP, security): browsers add it, and a page of a stranger's origin must
//! not reach the server.

use std::fmt;

use auth0_api::proof::Htu;
use http::HeaderMap;
use http::header::ORIGIN;

/// An origin that may call the server, in the form in which browsers send it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl Origin {
    /// `scheme://host[:port]`, without the default port and in lower case. A slash at the end is dropped.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.contains(['?', '#']) {
            return None;
        }
        let url = Htu::parse(text).ok()?;
        let origin = url.as_str().strip_suffix('/')?;
        let host = origin.split_once("://")?.1;
        (!host.contains('/')).then(|| Origin(origin.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Whether the request comes from no browser, or from a page of one of these origins. `null` is no origin: any
/// page can send it.
pub(crate) fn is_allowed(headers: &HeaderMap, allowed: &[Origin]) -> bool {
    let mut values = headers.get_all(ORIGIN).iter();
    let Some(value) = values.next() else {
        return true;
    };
    let origin = value.to_str().ok().and_then(Origin::parse);
    values.next().is_none() && origin.is_some_and(|origin| allowed.contains(&origin))
}
