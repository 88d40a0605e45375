//! The options of both clients, with their defaults and limits.

use std::env;
use std::fmt;
use std::time::Duration;

use crate::TrustRoots;
use http::Uri;

/// The default time limit for a whole exchange: 10 seconds.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum timeout: 24 hours. [`ClientBuilder::timeout`] lowers a longer one to this, so that
/// the deadline stays within the range of the system's clock.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The default limit for a response's decoded body, in bytes: 1 MiB.
pub const DEFAULT_MAX_BODY_SIZE: usize = 1024 * 1024;

/// The limit for a response's status line and headers together, in bytes: 64 KiB.
pub const MAX_HEADER_SIZE: usize = 64 * 1024;

pub(crate) const MAX_IDLE_PER_HOST: usize = 3;
pub(crate) const MAX_IDLE_AGE: Duration = Duration::from_secs(15);
pub(crate) const USER_AGENT: &str = concat!("a0-http/", env!("CARGO_PKG_VERSION"));

/// Builds a [`UreqClient`](crate::UreqClient) or a [`ReqwestClient`](crate::ReqwestClient). Needs the
/// feature `ureq` or the feature `reqwest`.
///
/// Each client's `builder` function creates one. The options, their defaults and their errors are
/// the same for both.
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
    pub(crate) roots: TrustRoots,
    pub(crate) proxy: Option<C::Proxy>,
}

/// A client that a [`ClientBuilder`] can build. Only the clients of this crate implement it.
///
/// It holds the parts that differ with the client's HTTP library.
pub trait Buildable: Sized {
    /// The library's type of a proxy.
    type Proxy: Clone;

    /// Returns the proxy at `url` for all hosts that `no_proxy` does not list, or `None` if the
    /// library cannot use it. `url` begins with `http://` or `https://`.
    fn proxy(url: &str, no_proxy: &[&str]) -> Option<Self::Proxy>;

    /// Returns a client with the options of `builder`.
    fn from_builder(builder: ClientBuilder<Self>) -> Self;
}

impl<C: Buildable> ClientBuilder<C> {
    pub(crate) fn new() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            max_body_size: DEFAULT_MAX_BODY_SIZE,
            roots: TrustRoots::default(),
            proxy: None,
        }
    }

    /// Sets the time limit for a whole exchange: name lookup, connection, TLS, request, response
    /// head and body. Defaults to [`DEFAULT_TIMEOUT`], and is at most [`MAX_TIMEOUT`]. With zero
    /// every exchange times out.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets the limit for a response's decoded body, in bytes. A body of exactly this size passes.
    /// Defaults to [`DEFAULT_MAX_BODY_SIZE`].
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// Trusts only the certificates in this PEM text, as [`TrustRoots::from_pem`] does. They replace
    /// the built-in roots and those of all earlier calls.
    ///
    /// # Errors
    ///
    /// The errors of [`TrustRoots::from_pem`].
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "ureq")] {
    /// use a0_http::{ClientOptionError, UreqClient};
    ///
    /// let result = UreqClient::builder().root_certificates_pem(b"no certificate at all");
    /// assert_eq!(result.err(), Some(ClientOptionError::NoRootCertificate));
    /// # }
    /// ```
    pub fn root_certificates_pem(self, pem: &[u8]) -> Result<Self, ClientOptionError> {
        Ok(self.trust_roots(TrustRoots::from_pem(pem)?))
    }

    /// Trusts the certificates in this PEM text beside those trusted so far: the built-in roots,
    /// unless an earlier call replaced them.
    ///
    /// # Errors
    ///
    /// The errors of [`TrustRoots::from_pem`].
    pub fn add_root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, ClientOptionError> {
        self.roots = self.roots.add_pem(pem)?;
        Ok(self)
    }

    /// Trusts these roots. They replace the built-in ones and those of all earlier calls.
    pub fn trust_roots(mut self, roots: TrustRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Uses the proxy that the environment names now: the first of `ALL_PROXY`, `HTTPS_PROXY` and
    /// `HTTP_PROXY`, each also in lower case, whose value is a proxy's URL. If none of them is set,
    /// connections stay direct.
    ///
    /// `NO_PROXY` lists the hosts to connect to directly, separated by commas or white space; `*`
    /// means all. For `ureq`, `host.example` means this host and `.host.example` the hosts below it; for `reqwest`
    /// each form means both. Only `reqwest` reads networks, such as `10.0.0.0/8`.
    ///
    /// # Errors
    ///
    /// Returns [`ClientOptionError::UnusableProxy`] if a variable is set but none is a proxy's URL,
    /// or if the first such URL names a SOCKS proxy. Requests that were meant for a proxy must not
    /// bypass it.
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
        let no_proxy = env::var("NO_PROXY").or_else(|_| env::var("no_proxy"));
        let no_proxy = no_proxy.unwrap_or_default();
        let hosts = no_proxy.split(|character: char| character == ',' || character.is_whitespace());
        let hosts: Vec<&str> = hosts.filter(|host| !host.is_empty()).collect();
        let url = proxy_url_from_env()?.filter(|_| !hosts.contains(&"*"));
        let proxy = url.map(|url| C::proxy(&url, &hosts).ok_or(ClientOptionError::UnusableProxy));
        self.proxy = proxy.transpose()?;
        Ok(self)
    }

    /// Builds the client. It looks up and connects nothing before the first exchange.
    #[must_use]
    pub fn build(self) -> C {
        C::from_builder(self)
    }
}

/// Returns the environment's proxy as `http://authority` or `https://authority`.
fn proxy_url_from_env() -> Result<Option<String>, ClientOptionError> {
    let values: Vec<String> = ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"]
        .iter()
        .flat_map(|name| [name.to_string(), name.to_lowercase()])
        .filter_map(env::var_os)
        // A value that is not UTF-8 is not a URL, but must not count as unset.
        .map(|value| value.to_string_lossy().trim().to_owned())
        .filter(|value| !value.is_empty())
        .collect();
    let url = values.iter().find_map(|value| {
        let url: Uri = value.parse().ok()?;
        let scheme = url.scheme_str().unwrap_or("http").to_ascii_lowercase();
        let is_proxy = matches!(scheme.as_str(), "http" | "https") || scheme.starts_with("socks");
        is_proxy.then_some(format!("{scheme}://{}", url.authority()?))
    });
    match url {
        None if values.is_empty() => Ok(None),
        Some(url) if url.starts_with("http") => Ok(Some(url)),
        _ => Err(ClientOptionError::UnusableProxy),
    }
}

/// Shows only the limits, because a proxy's URL may contain a password.
impl<C: Buildable> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.timeout)
            .field("max_body_size", &self.max_body_size)
            .finish_non_exhaustive()
    }
}

/// Why a [`ClientBuilder`] rejected an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ClientOptionError {
    /// The root certificates' text has a malformed PEM section.
    #[error("the root certificates are not valid PEM text")]
    RootsNotPem,
    /// The root certificates' text contains no certificate.
    #[error("the root certificates' PEM text has no BEGIN CERTIFICATE section")]
    NoRootCertificate,
    /// The root certificates' text contains a private key. Only the certificates belong there.
    #[error("the root certificates' text contains a private key; give it the certificates alone")]
    PrivateKeyInRoots,
    /// TLS can use none of the root certificates.
    #[error(
        "none of the root certificates can be used for TLS; each must be one in DER within PEM"
    )]
    UnusableRoots,
    /// The file that `SSL_CERT_FILE` names cannot be read.
    #[error("the file that SSL_CERT_FILE names cannot be read")]
    UnreadableRoots,
    /// The environment names a proxy that this client cannot use.
    #[error(
        "the environment's proxy variables name no usable proxy; a proxy's URL must begin with http:// or https://"
    )]
    UnusableProxy,
}
