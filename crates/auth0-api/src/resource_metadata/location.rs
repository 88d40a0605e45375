//! The identifier of a resource, and the URL of its metadata.

use a0_dpop::Htu;

use crate::error::challenge::is_value;

/// RFC 9728 section 3.1.
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The hosts of this machine, to which `http` is allowed for development.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whether the text is an absolute https URL without credentials and fragment, or http to this machine.
pub(crate) fn is_secure_url(url: &str) -> bool {
    let is_text = url.chars().all(|c| is_value(c) && c != ' ' && c != '#');
    is_text
        && Htu::parse(url).is_ok_and(|url| {
            let url = url.as_str();
            let host_follows = |rest: &str| {
                LOCAL.iter().any(|host| {
                    rest.strip_prefix(host)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
                })
            };
            url.starts_with("https://") || url.strip_prefix("http://").is_some_and(host_follows)
        })
}

/// Where the metadata of a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) url: String,
    pub(crate) path: String,
    pub(crate) origin: String,
}

impl Location {
    /// Inserts the well-known path between the host and the path (RFC 9728 section 3.1). Returns `None` for a
    /// text that is no resource identifier, or one in another spelling than the normal one: two spellings of
    /// one resource would be two audiences.
    pub(crate) fn of(resource: &str) -> Option<Self> {
        if !is_secure_url(resource) || resource.contains('?') {
            return None;
        }
        let normal = Htu::parse(resource).ok()?;
        let normal = normal.as_str();
        if normal != resource && normal.strip_suffix('/') != Some(resource) {
            return None;
        }
        let host = resource.split_once("://")?.1;
        let path = host.find('/').and_then(|slash| host.get(slash..));
        // A slash after the host is removed; one after a path stays.
        let path = path.filter(|path| *path != "/").unwrap_or_default();
        let origin = resource.strip_suffix(path)?;
        let origin = origin.strip_suffix('/').unwrap_or(origin).to_owned();
        let path = format!("{WELL_KNOWN}{path}");
        Some(Location {
            url: format!("{origin}{path}"),
            path,
            origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn the_path_is_inserted_between_host_and_path() {
        for (resource, url) in [
            ("https://api.example", "https://api.example/.well-known/oauth-protected-resource"),
            ("https://api.example/", "https://api.example/.well-known/oauth-protected-resource"),
            ("https://api.example:8443/", "https://api.example:8443/.well-known/oauth-protected-resource"),
            ("https://api.example/mcp", "https://api.example/.well-known/oauth-protected-resource/mcp"),
            ("https://api.example/mcp/", "https://api.example/.well-known/oauth-protected-resource/mcp/"),
            ("https://api.example/a/b", "https://api.example/.well-known/oauth-protected-resource/a/b"),
            ("http://localhost:3000/mcp", "http://localhost:3000/.well-known/oauth-protected-resource/mcp"),
            ("http://[::1]:3000", "http://[::1]:3000/.well-known/oauth-protected-resource"),
        ] {
            let location = Location::of(resource).map(|it| it.url);
            assert_eq!(location.as_deref(), Some(url), "{resource}");
        }
    }

    #[test]
    fn every_other_text_is_refused() {
        for resource in [
            "",
            "/mcp",
            "api.example/mcp",
            "http://api.example/mcp",
            "https://api.example/mcp#tools",
            "https://api.example/mcp?tenant=1",
            "https://user@api.example/mcp",
            "https://API.example/mcp",
            "HTTPS://api.example/mcp",
            "https://api.example:443/mcp",
            "https://api.example/a/../mcp",
            "https://api.example/%6dcp",
            "https://api.example/m cp",
            "https://api.example/\"mcp",
            "https://api.example/mcp\r\n",
            "http://localhost.example/mcp",
            "ftp://api.example/mcp",
        ] {
            assert_eq!(Location::of(resource), None, "{resource:?}");
        }
    }
}
