//! How a connection is opened.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, TlsCertificates,
};

use crate::address::Address;
use crate::error::InvalidOption;

/// The time without traffic after which TCP asks whether the other side is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What all connections of one kind of server have in common.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Credentials, and the number of the database.
    login: RedisConnectionInfo,
    tls: Option<Tls>,
}

/// The certificates for TLS, in PEM.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    pub(crate) roots: Option<Vec<u8>>,
    /// The chain and its private key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// Whether each text that should hold certificates holds one. `redis` takes a text without
    /// any, and trusts nobody then.
    fn has_certificates(&self) -> bool {
        let has_one = |pem: &Vec<u8>| {
            const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
            pem.windows(BEGIN.len()).any(|octets| octets == BEGIN)
        };
        self.roots.as_ref().is_none_or(has_one)
            && self.client.as_ref().is_none_or(|(chain, _)| has_one(chain))
    }
}

/// A URL in its parts.
pub(crate) struct Url {
    pub(crate) address: Address,
    pub(crate) has_tls: bool,
    pub(crate) login: RedisConnectionInfo,
}

impl Url {
    pub(crate) fn parse(url: &str, default_port: u16) -> Result<Url, InvalidOption> {
        // The error of `redis` may hold parts of the URL, and with them a password.
        let info = url.into_connection_info().map_err(|_| InvalidOption::Url)?;
        let of = |host: &str, port: u16| {
            let port = if has_port(url) { port } else { default_port };
            Address::Host(host.to_owned(), port)
        };
        let (address, has_tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (of(host, *port), false),
            // `#insecure` would accept every certificate, if another crate turned that on.
            ConnectionAddr::TcpTls { insecure: true, .. } => return Err(InvalidOption::Url),
            ConnectionAddr::TcpTls { host, port, .. } => (of(host, *port), true),
            ConnectionAddr::Unix(path) => (Address::Path(path.clone()), false),
            _ => return Err(InvalidOption::Url),
        };
        Ok(Url {
            address,
            has_tls,
            login: info.redis_settings().clone(),
        })
    }

    /// Whether the URL has neither credentials nor a database.
    pub(crate) fn is_bare(&self) -> bool {
        let login = &self.login;
        login.username().is_none() && login.password().is_none() && login.db() == 0
    }

    pub(crate) fn has_login_of(&self, other: &Url) -> bool {
        let parts = |url: &Url| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let login = &url.login;
            (owned(login.username()), owned(login.password()), login.db())
        };
        parts(self) == parts(other)
    }
}

/// Whether a valid URL names a port. `redis` does not tell it from the default one.
fn has_port(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let place = authority.rsplit('@').next().unwrap_or(authority);
    let after_address = place.rsplit(']').next().unwrap_or(place);
    let port = after_address.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.trim().is_empty())
}

impl Settings {
    /// # Errors
    ///
    /// The certificates cannot be used.
    pub(crate) fn new(
        login: RedisConnectionInfo,
        tls: Option<Tls>,
    ) -> Result<Settings, InvalidOption> {
        if tls.is_some() {
            // `redis` takes the provider of the process, and rustls panics if there is none and two
            // are compiled in. This has no effect if the program chose one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        if tls.as_ref().is_some_and(|tls| !tls.has_certificates()) {
            return Err(InvalidOption::Certificates);
        }
        // A user with few commands may not send `CLIENT SETINFO`, and Redis would log each
        // refusal. Without a password, it is the only sign at connecting that this is Redis.
        let login = match login.password() {
            Some(_) => login.set_skip_set_lib_name(),
            None => login,
        };
        let settings = Settings { login, tls };
        // Reads the certificates, so that an invalid one is reported now.
        let address = Address::Host("localhost".to_owned(), 6379);
        settings.client(&address)?;
        Ok(settings)
    }

    pub(crate) fn client(&self, address: &Address) -> Result<Client, InvalidOption> {
        let (address, tls) = match (address, &self.tls) {
            (Address::Path(path), _) => (ConnectionAddr::Unix(path.clone()), None),
            (Address::Host(host, port), None) => (ConnectionAddr::Tcp(host.clone(), *port), None),
            (Address::Host(host, port), Some(tls)) => {
                let address = ConnectionAddr::TcpTls {
                    host: host.clone(),
                    port: *port,
                    insecure: false,
                    tls_params: None,
                };
                (address, Some(tls))
            }
        };
        let info: ConnectionInfo = address
            .into_connection_info()
            .map_err(|_| InvalidOption::Url)?;
        // Keepalive finds connections that died while nobody used them, and keeps a router from
        // forgetting those that live.
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
        let info = info
            .set_redis_settings(self.login.clone())
            .set_tcp_settings(tcp);
        let Some(tls) = tls else {
            return Client::open(info).map_err(|_| InvalidOption::Url);
        };
        let client = tls.client.clone();
        let certificates = TlsCertificates {
            client_tls: client.map(|(client_cert, client_key)| ClientTlsConfig {
                client_cert,
                client_key,
            }),
            root_cert: tls.roots.clone(),
        };
        Client::build_with_tls(info, certificates).map_err(|_| InvalidOption::Certificates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_port_has_the_default_one() {
        for (url, expected) in [
            ("redis://a.example", 26379),
            ("redis://a.example:", 26379),
            ("redis://a.example/1", 26379),
            ("rediss://user:pass@a.example", 26379),
            ("redis://[::1]", 26379),
            ("redis://a.example:6379", 6379),
            ("rediss://user:pass@a.example:7000/1", 7000),
            ("redis://[::1]:7000", 7000),
        ] {
            let Address::Host(_, port) = Url::parse(url, 26379).unwrap().address else {
                panic!("{url}");
            };
            assert_eq!(port, expected, "{url}");
        }
    }

    #[test]
    fn connections_send_at_once_and_are_kept_alive() {
        let settings = Settings::new(RedisConnectionInfo::default(), None).unwrap();
        let client = settings.client(&Address::Host("a".to_owned(), 1)).unwrap();
        let tcp = client.get_connection_info().tcp_settings();
        assert!(tcp.nodelay() && tcp.keepalive().is_some());
    }

    /// A user may have few commands, and only a user has a password.
    #[test]
    fn a_login_is_followed_by_no_other_command() {
        let login = || RedisConnectionInfo::default();
        for (login, expected) in [(login(), false), (login().set_password("secret"), true)] {
            let settings = Settings::new(login, None).unwrap();
            let client = settings.client(&Address::Host("a".to_owned(), 1)).unwrap();
            let login = client.get_connection_info().redis_settings();
            assert_eq!(login.skip_set_lib_name(), expected);
        }
    }
}
