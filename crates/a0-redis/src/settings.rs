//! How a connection is opened.

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, TlsCertificates,
};

use crate::address::Address;
use crate::error::InvalidOption;

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

/// A URL in its parts.
pub(crate) struct Url {
    pub(crate) address: Address,
    pub(crate) has_tls: bool,
    pub(crate) login: RedisConnectionInfo,
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Url, InvalidOption> {
        // The error of `redis` may hold parts of the URL, and with them a password.
        let info = url.into_connection_info().map_err(|_| InvalidOption::Url)?;
        let (address, has_tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (Address::Host(host.clone(), *port), false),
            // `#insecure` would accept every certificate, if another crate turned that on.
            ConnectionAddr::TcpTls { insecure: true, .. } => return Err(InvalidOption::Url),
            ConnectionAddr::TcpTls { host, port, .. } => (Address::Host(host.clone(), *port), true),
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
        let info = info.set_redis_settings(self.login.clone());
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
