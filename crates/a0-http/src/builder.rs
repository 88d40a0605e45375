//! The options of the clients: their defaults, their limits and how they are read, for each alike.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use http::Uri;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The time that a whole exchange may take unless the builder says otherwise: 10 seconds.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest timeout: 24 hours. A longer one counts as this; it keeps the deadline within what
/// the system's clock can express.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The bytes that an answer's body may have, decoded, unless the builder says otherwise: 1 MiB.
pub const DEFAULT_MAX_BODY_SIZE: usize = 1024 * 1024;

/// The bytes that an answer's status line and headers may have together: 64 KiB.
pub const MAX_HEADER_SIZE: usize = 64 * 1024;

pub(crate) const MAX_IDLE_PER_HOST: usize = 3;
pub(crate) const MAX_IDLE_AGE: Duration = Duration::from_secs(15);
pub(crate) const USER_AGENT: &str = concat!("a0-http/", env!("CARGO_PKG_VERSION"));

/// Builds a [`UreqClient`](crate::UreqClient) or a [`ReqwestClient`](crate::ReqwestClient); made by
/// their `builder`. The options, their defaults and their errors are the same for both.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "ureq")] {
/// use a0_http::UreqClient;
/// use std::time::Duration;
///
/// let client = UreqClient::builder()
///     .timeout(Duration::from_millis(2_500))
///     .max_body_size(64 * 1024)
///     .build();
/// # let _ = client;
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder<C: Buildable> {
    pub(crate) timeout: Duration,
    pub(crate) max_body_size: usize,
    pub(crate) roots: Option<Vec<CertificateDer<'static>>>,
    pub(crate) proxy: Option<C::Proxy>,
}

/// A client that a [`ClientBuilder`] builds: what its library needs of its own. For the clients of
/// this crate alone.
pub trait Buildable: Sized {
    /// A proxy, as the client's library has it.
    type Proxy: Clone;

    /// The proxy at `url`, which begins with `http://` or `https://`, for all but the
    /// `exceptions`, in the form of `NO_PROXY`. `None` if the library cannot use it.
    fn proxy(url: &str, exceptions: &str) -> Option<Self::Proxy>;

    /// The client with these options.
    fn with(options: ClientBuilder<Self>) -> Self;
}

impl<C: Buildable> ClientBuilder<C> {
    pub(crate) fn new() -> Self {
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

    /// The bytes that an answer's body may have, decoded; exactly so many pass.
    /// [`DEFAULT_MAX_BODY_SIZE`] unless set.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// Trusts the certificates in this PEM text, and no others: the built-in roots are replaced,
    /// and so are those of an earlier call.
    ///
    /// What is not a certificate in the text is passed over, and so is later a certificate that TLS
    /// cannot use: with none left every exchange fails with
    /// [`TransportErrorKind::Tls`](crate::TransportErrorKind::Tls).
    ///
    /// # Errors
    ///
    /// [`ClientOptionError`] if the text is not PEM or holds no certificate.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "ureq")] {
    /// use a0_http::{ClientOptionError, UreqClient};
    ///
    /// let refused = UreqClient::builder().root_certificates_pem(b"no certificate at all");
    /// assert_eq!(refused.err(), Some(ClientOptionError::NoRootCertificate));
    /// # }
    /// ```
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, ClientOptionError> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| ClientOptionError::RootsNotPem)?;
        if roots.is_empty() {
            return Err(ClientOptionError::NoRootCertificate);
        }
        self.roots = Some(roots);
        Ok(self)
    }

    /// Uses the proxy that the environment names now: the first value of `ALL_PROXY`, `HTTPS_PROXY`
    /// and `HTTP_PROXY`, each also in lower case, that is a proxy's URL. Without such a variable
    /// connections stay direct.
    ///
    /// `NO_PROXY` lists the exceptions, as the client's library reads it: `host.example` and
    /// `.host.example` are one name and the names below another for `ureq`, and for `reqwest` each
    /// is both; networks such as `10.0.0.0/8` are known to `reqwest` alone.
    ///
    /// # Errors
    ///
    /// [`ClientOptionError::UnusableProxy`] if the variables are set and none of them is a proxy's
    /// URL, or if the first that is names a SOCKS proxy: what was meant to go through a proxy must
    /// not go past it.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # #[cfg(feature = "ureq")] {
    /// let client = a0_http::UreqClient::builder().proxy_from_env()?.build();
    /// # let _ = client;
    /// # }
    /// # Ok::<(), a0_http::ClientOptionError>(())
    /// ```
    pub fn proxy_from_env(mut self) -> Result<Self, ClientOptionError> {
        let exceptions = env::var("NO_PROXY").or_else(|_| env::var("no_proxy"));
        self.proxy = match named_proxy()? {
            None => None,
            Some(url) => Some(
                C::proxy(&url, &exceptions.unwrap_or_default())
                    .ok_or(ClientOptionError::UnusableProxy)?,
            ),
        };
        Ok(self)
    }

    /// Builds the client. Nothing is looked up or connected before the first exchange.
    #[must_use]
    pub fn build(self) -> C {
        C::with(self)
    }
}

/// The proxy that the environment names, as `http://authority` or `https://authority`.
fn named_proxy() -> Result<Option<String>, ClientOptionError> {
    let values: Vec<OsString> = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"]
        .iter()
        .flat_map(|name| [name.to_string(), name.to_lowercase()])
        .filter_map(env::var_os)
        .filter(|value| !value.is_empty())
        .collect();
    let url = values.iter().find_map(|value| {
        let url: Uri = value.to_str()?.parse().ok()?;
        let scheme = url.scheme_str().unwrap_or("http").to_ascii_lowercase();
        let known = matches!(scheme.as_str(), "http" | "https") || scheme.starts_with("socks");
        known.then_some(format!("{scheme}://{}", url.authority()?))
    });
    match url {
        None if values.is_empty() => Ok(None),
        Some(url) if url.starts_with("http") => Ok(Some(url)),
        _ => Err(ClientOptionError::UnusableProxy),
    }
}

/// Names the limits only: a proxy's address may hold a password.
impl<C: Buildable> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.timeout)
            .field("max_body_size", &self.max_body_size)
            .finish_non_exhaustive()
    }
}

/// Why an option of a [`ClientBuilder`] is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ClientOptionError {
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
