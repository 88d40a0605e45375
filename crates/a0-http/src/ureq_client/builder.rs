//! The options of the blocking client.

use std::env;
use std::fmt;
use std::time::Duration;

use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Proxy, ProxyProtocol};

use super::UreqClient;

/// The time that a whole exchange may take unless the builder says otherwise: 10 seconds.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest timeout: 24 hours. A longer one counts as this; it keeps the deadline within what
/// the system's clock can express.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The bytes that an answer's body may have unless the builder says otherwise: 1 MiB.
pub const DEFAULT_MAX_BODY_SIZE: usize = 1024 * 1024;

/// The bytes that an answer's status line and headers may have together: 64 KiB.
pub const MAX_HEADER_SIZE: usize = 64 * 1024;

const USER_AGENT: &str = concat!("a0-http/", env!("CARGO_PKG_VERSION"));

/// Builds a [`UreqClient`]; made by [`UreqClient::builder`].
///
/// # Example
///
/// ```
/// use a0_http::UreqClient;
/// use std::time::Duration;
///
/// let client = UreqClient::builder()
///     .timeout(Duration::from_millis(2_500))
///     .max_body_size(64 * 1024)
///     .build();
/// # let _ = client;
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct UreqClientBuilder {
    timeout: Duration,
    max_body_size: usize,
    roots: Option<RootCerts>,
    proxy: Option<Proxy>,
}

impl UreqClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            max_body_size: DEFAULT_MAX_BODY_SIZE,
            roots: None,
            proxy: None,
        }
    }

    /// The time that one exchange may take as a whole: name lookup, connection, TLS, request,
    /// answer and body. [`DEFAULT_TIMEOUT`] unless set, at most [`MAX_TIMEOUT`]. With zero every
    /// exchange times out.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// The bytes that an answer's body may have; exactly so many pass. [`DEFAULT_MAX_BODY_SIZE`]
    /// unless set.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// Trusts the certificates in this PEM text, and no others: the built-in roots are replaced,
    /// and so are those of an earlier call.
    ///
    /// What is not a certificate in the text is passed over, and so is at the first exchange a
    /// certificate that TLS cannot use: with none left every exchange fails with
    /// [`TransportErrorKind::Tls`](crate::TransportErrorKind::Tls).
    ///
    /// # Errors
    ///
    /// [`UreqOptionError`] if the text is not PEM or holds no certificate.
    ///
    /// # Example
    ///
    /// ```
    /// use a0_http::{UreqOptionError, UreqClient};
    ///
    /// let refused = UreqClient::builder().root_certificates_pem(b"no certificate at all");
    /// assert_eq!(refused.err(), Some(UreqOptionError::NoRootCertificate));
    /// ```
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, UreqOptionError> {
        let mut roots = Vec::new();
        for item in ureq::tls::parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
                Ok(_) => {}
                Err(_) => return Err(UreqOptionError::RootsNotPem),
            }
        }
        if roots.is_empty() {
            return Err(UreqOptionError::NoRootCertificate);
        }
        self.roots = Some(RootCerts::from(roots));
        Ok(self)
    }

    /// Uses the proxy that the environment names now: the first value of `ALL_PROXY`, `HTTPS_PROXY`
    /// and `HTTP_PROXY`, each also in lower case, that is a proxy's URL. `NO_PROXY` lists the
    /// exceptions. Without such a variable connections stay direct.
    ///
    /// # Errors
    ///
    /// [`UreqOptionError::UnusableProxy`] if the variables are set and none of them is a proxy's
    /// URL, or if the first that is names a SOCKS proxy: what was meant to go through a proxy must
    /// not go past it.
    ///
    /// # Example
    ///
    /// ```no_run
    /// let client = a0_http::UreqClient::builder().proxy_from_env()?.build();
    /// # let _ = client;
    /// # Ok::<(), a0_http::UreqOptionError>(())
    /// ```
    pub fn proxy_from_env(mut self) -> Result<Self, UreqOptionError> {
        self.proxy = match Proxy::try_from_env() {
            Some(proxy) => match proxy.protocol() {
                ProxyProtocol::Http | ProxyProtocol::Https => Some(proxy),
                // ureq would log a warning and connect directly.
                _ => return Err(UreqOptionError::UnusableProxy),
            },
            None if names_a_proxy() => return Err(UreqOptionError::UnusableProxy),
            None => None,
        };
        Ok(self)
    }

    /// Builds the client. Nothing is looked up or connected before the first exchange.
    #[must_use]
    pub fn build(self) -> UreqClient {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(self.roots.unwrap_or(RootCerts::WebPki))
            .build();
        // Defaults that matter are written out, so that none can change under this client.
        let config = Agent::config_builder()
            .https_only(true)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(self.timeout))
            .max_response_header_size(MAX_HEADER_SIZE)
            .proxy(self.proxy)
            .accept_encoding("")
            .user_agent(USER_AGENT)
            .max_idle_connections(10)
            .max_idle_connections_per_host(3)
            .max_idle_age(Duration::from_secs(15))
            .tls_config(tls)
            .build();
        UreqClient {
            agent: Agent::new_with_config(config),
            timeout: self.timeout,
            max_body_size: self.max_body_size,
        }
    }
}

fn names_a_proxy() -> bool {
    ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"]
        .iter()
        .flat_map(|name| [name.to_string(), name.to_lowercase()])
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Names the limits only: a proxy's address may hold a password.
impl fmt::Debug for UreqClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqClientBuilder")
            .field("timeout", &self.timeout)
            .field("max_body_size", &self.max_body_size)
            .finish_non_exhaustive()
    }
}

/// Why an option of [`UreqClientBuilder`] is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UreqOptionError {
    /// The root certificates' text has a damaged section.
    #[error("the root certificates are not valid PEM text")]
    RootsNotPem,
    /// The root certificates' text holds no certificate.
    #[error("the root certificates' PEM text holds no section BEGIN CERTIFICATE")]
    NoRootCertificate,
    /// The environment names a proxy that this client cannot use.
    #[error(
        "the environment's proxy variables name no usable proxy; its URL must begin with http:// or https://"
    )]
    UnusableProxy,
}
