//! Which authorities the clients trust.

use std::env;
use std::fmt;
use std::fs;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::ClientOptionError;

/// The authorities whose certificates a client accepts. Needs the feature `ureq` or the feature
/// `reqwest`.
///
/// The default is Mozilla's set, as it was when the program was built. A server whose certificate
/// leads to none of them is refused with [`TransportErrorKind::Tls`](crate::TransportErrorKind::Tls),
/// and the error's source names the options that add an authority.
///
/// # Example
///
/// ```no_run
/// # #[cfg(feature = "ureq")] {
/// use a0_http::{TrustRoots, UreqClient};
///
/// // The proxy of the company ends TLS with certificates of its own authority.
/// let company = std::fs::read("/etc/company/ca.pem")?;
/// let roots = TrustRoots::built_in().add_pem(&company)?;
/// let client = UreqClient::builder().trust_roots(roots).build();
/// # let _ = client;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct TrustRoots {
    pub(crate) base: Base,
    /// Trusted beside `base`. TLS can use each of them.
    pub(crate) added: Vec<CertificateDer<'static>>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Base {
    #[default]
    BuiltIn,
    Nothing,
    #[cfg(feature = "platform-verifier")]
    Platform,
}

impl TrustRoots {
    /// Trusts the built-in Mozilla set. This is the default.
    #[must_use]
    pub fn built_in() -> Self {
        Self::default()
    }

    /// Trusts only the certificates in this PEM text, and not the built-in ones.
    ///
    /// Comments and sections other than `CERTIFICATE` are skipped, and so are certificates that
    /// TLS cannot use, as long as one is left.
    ///
    /// # Errors
    ///
    /// Returns a [`ClientOptionError`] if the text contains a private key, is not valid PEM, or has
    /// no certificate that TLS can use.
    ///
    /// # Example
    ///
    /// ```
    /// use a0_http::{ClientOptionError, TrustRoots};
    ///
    /// let result = TrustRoots::from_pem(b"no certificate at all");
    /// assert_eq!(result.err(), Some(ClientOptionError::NoRootCertificate));
    /// ```
    pub fn from_pem(pem: &[u8]) -> Result<Self, ClientOptionError> {
        let nothing = Self {
            base: Base::Nothing,
            added: Vec::new(),
        };
        nothing.add_pem(pem)
    }

    /// Trusts only the certificates in the PEM file that the environment variable `SSL_CERT_FILE`
    /// names now, or the built-in set if the variable is unset or empty. Nothing else in this crate
    /// reads the variable, except [`platform`](Self::platform) on systems that keep their roots in
    /// files. `SSL_CERT_DIR` is not read.
    ///
    /// # Errors
    ///
    /// The errors of [`from_pem`](Self::from_pem), and [`ClientOptionError::UnreadableRoots`] if the
    /// file cannot be read: a client that was meant to trust this file must not trust others.
    pub fn from_ssl_cert_file() -> Result<Self, ClientOptionError> {
        match env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
            None => Ok(Self::built_in()),
            Some(path) => {
                Self::from_pem(&fs::read(path).map_err(|_| ClientOptionError::UnreadableRoots)?)
            }
        }
    }

    /// Lets the platform decide: its verifier on Windows, macOS, iOS and Android, and its root
    /// certificates elsewhere. Needs the feature `platform-verifier`.
    ///
    /// Where the roots are files, such as on Linux, they are read when the client is built. The
    /// variables `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them there. If no root can be read,
    /// every exchange fails with [`TransportErrorKind::Tls`](crate::TransportErrorKind::Tls).
    /// On Android the program must initialise the crate `rustls-platform-verifier` first, and
    /// no certificates can be added.
    #[cfg(feature = "platform-verifier")]
    #[must_use]
    pub fn platform() -> Self {
        Self {
            base: Base::Platform,
            added: Vec::new(),
        }
    }

    /// Trusts the certificates in this PEM text beside those trusted so far.
    ///
    /// # Errors
    ///
    /// The errors of [`from_pem`](Self::from_pem).
    pub fn add_pem(mut self, pem: &[u8]) -> Result<Self, ClientOptionError> {
        self.added.extend(usable_certificates(pem)?);
        Ok(self)
    }
}

fn usable_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClientOptionError> {
    // Also finds keys that are encrypted, or of a kind that the PEM parser does not know.
    const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";
    if pem
        .windows(PRIVATE_KEY.len())
        .any(|text| text == PRIVATE_KEY)
    {
        return Err(ClientOptionError::PrivateKeyInRoots);
    }
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| ClientOptionError::RootsNotPem)?;
    if all.is_empty() {
        return Err(ClientOptionError::NoRootCertificate);
    }
    let is_usable =
        |root: &CertificateDer<'static>| RootCertStore::empty().add(root.clone()).is_ok();
    let usable: Vec<_> = all.into_iter().filter(is_usable).collect();
    if usable.is_empty() {
        return Err(ClientOptionError::UnusableRoots);
    }
    Ok(usable)
}

impl fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustRoots")
            .field("base", &self.base)
            .field("added", &self.added.len())
            .finish()
    }
}
