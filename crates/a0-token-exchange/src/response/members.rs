//! The further members of an error response.

use std::collections::BTreeMap;

use super::body::ResponseBody;
use crate::secret::Secret;

/// The maximum size in bytes of the members that an
/// [`ErrorResponse`](crate::ErrorResponse::member) keeps, names and JSON text together: 64 KiB.
pub const MAX_MEMBERS_SIZE: usize = 64 * 1024;

/// The members of an object other than `error` and `error_description`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Members(BTreeMap<String, Member>);

#[derive(Clone, PartialEq, Eq)]
struct Member {
    json: Secret,
    /// The value, if it is a string.
    string: Option<Secret>,
}

impl Members {
    /// Keeps the members that fit.
    pub(crate) fn read(body: &ResponseBody<'_>) -> Self {
        let mut remaining = MAX_MEMBERS_SIZE;
        let mut members = BTreeMap::new();
        for (name, json) in body.members() {
            let size = name.len().saturating_add(json.len());
            if matches!(name, "error" | "error_description") || size > remaining {
                continue;
            }
            remaining = remaining.saturating_sub(size);
            let string = body.string(name).map(Secret::new);
            let json = Secret::new(json);
            members.insert(name.to_owned(), Member { json, string });
        }
        Members(members)
    }

    pub(crate) fn string(&self, name: &str) -> Option<&str> {
        Some(self.0.get(name)?.string.as_ref()?.expose())
    }

    pub(crate) fn json(&self, name: &str) -> Option<&str> {
        Some(self.0.get(name)?.json.expose())
    }
}
