//! The options of the authorities whose certificates the built-in HTTP clients accept.

#[cfg(any(feature = "ureq", feature = "async"))]
use a0_http::{ClientOptionError, TrustRoots};

use crate::error::Error;

use super::builder::Builder;

impl Builder {
    /// Trusts the certificates in this PEM text for every request, beside the built-in Mozilla roots; or
    /// beside those of an earlier call of [`root_certificates_pem`](Builder::root_certificates_pem) or
    /// [`trust_roots`](Builder::trust_roots). Needs the feature `ureq` or `async`.
    ///
    /// A company whose proxy ends TLS with certificates of its own authority needs it. The option is for the
    /// HTTP clients that `build` and `build_async` make. A client given to
    /// [`http_client`](Builder::http_client) has its own roots, and both together are refused.
    ///
    /// `build` fails if the text contains a private key, is not valid PEM, or has no certificate that TLS
    /// can use.
    ///
    /// ```no_run
    /// use auth0_api::ApiClient;
    ///
    /// let client = ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .add_root_certificates_pem(std::fs::read("/etc/company/ca.pem")?)
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(any(feature = "ureq", feature = "async"))]
    pub fn add_root_certificates_pem(self, pem: impl AsRef<[u8]>) -> Self {
        let roots = self.trust_roots.clone().unwrap_or_default();
        self.try_trust_roots("add_root_certificates_pem", roots.add_pem(pem.as_ref()))
    }

    /// Trusts only the certificates in this PEM text for every request, in place of the built-in roots and
    /// of those of earlier calls. Otherwise as
    /// [`add_root_certificates_pem`](Builder::add_root_certificates_pem).
    #[cfg(any(feature = "ureq", feature = "async"))]
    pub fn root_certificates_pem(self, pem: impl AsRef<[u8]>) -> Self {
        self.try_trust_roots("root_certificates_pem", TrustRoots::from_pem(pem.as_ref()))
    }

    /// Trusts these roots for every request, in place of the built-in ones and of those of earlier calls.
    /// Otherwise as [`add_root_certificates_pem`](Builder::add_root_certificates_pem).
    ///
    /// [`TrustRoots`] can also be the file that `SSL_CERT_FILE` names and, with the feature
    /// `platform-verifier`, the roots of the platform.
    ///
    /// ```
    /// use auth0_api::{ApiClient, TrustRoots};
    ///
    /// let client = ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .trust_roots(TrustRoots::from_ssl_cert_file()?)
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(any(feature = "ureq", feature = "async"))]
    pub fn trust_roots(mut self, roots: TrustRoots) -> Self {
        self.trust_roots = Some(roots);
        self
    }

    #[cfg(any(feature = "ureq", feature = "async"))]
    fn try_trust_roots(
        mut self,
        option: &str,
        roots: Result<TrustRoots, ClientOptionError>,
    ) -> Self {
        match roots {
            Ok(roots) => self.trust_roots(roots),
            Err(error) => {
                self.refused.get_or_insert(format!("{option}: {error}"));
                self
            }
        }
    }

    #[cfg(any(feature = "ureq", feature = "async"))]
    pub(crate) fn trust_roots_or_default(&self) -> TrustRoots {
        self.trust_roots.clone().unwrap_or_default()
    }

    /// Refuses roots that would have no effect, because `option` is the HTTP client.
    pub(crate) fn refuse_trust_roots(&self, option: &str) -> Result<(), Error> {
        #[cfg(any(feature = "ureq", feature = "async"))]
        if self.trust_roots.is_some() {
            return Err(Error::configuration(format!(
                "root certificates have no effect on {option}: give them to that client"
            )));
        }
        let _ = option;
        Ok(())
    }
}
