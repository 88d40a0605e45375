//! Where a server is.

use std::path::PathBuf;

/// The place of one server. Two of them may name the same server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Host(String, u16),
    Path(PathBuf),
}

impl Address {
    /// Reads the `host:port` of a redirection. An empty host is the one that was asked.
    pub(crate) fn parse(place: &str, asked: &Address) -> Option<Address> {
        let (host, port) = place.rsplit_once(':')?;
        Address::of(host, port.parse().ok()?, asked)
    }

    /// An empty host is the one that was asked, and `?` is a host that the server does not know.
    pub(crate) fn of(host: &str, port: u16, asked: &Address) -> Option<Address> {
        let host = match (host, asked) {
            ("", Address::Host(host, _)) => host.clone(),
            ("" | "?", _) => return None,
            (host, _) => host.to_owned(),
        };
        (port != 0).then_some(Address::Host(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_names_a_host_and_a_port() {
        let asked = Address::Host("a".to_owned(), 1);
        for (place, expected) in [
            ("10.0.0.1:7000", Some(("10.0.0.1", 7000))),
            ("::1:7000", Some(("::1", 7000))),
            ("node.example:7000", Some(("node.example", 7000))),
            (":7000", Some(("a", 7000))),
            ("?:7000", None),
            ("b:0", None),
            ("b:65536", None),
            ("b:", None),
            ("b", None),
            ("", None),
        ] {
            let expected = expected.map(|(host, port)| Address::Host(host.to_owned(), port));
            assert_eq!(Address::parse(place, &asked), expected, "{place}");
        }
        let path = Address::Path("/run/redis".into());
        assert_eq!(Address::parse(":7000", &path), None);
    }
}
