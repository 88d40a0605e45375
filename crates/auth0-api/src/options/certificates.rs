//! The option of certificate-bound tokens.

use super::builder::Builder;

impl Builder {
    /// Accepts access tokens that are bound to a client certificate, by `x5t#S256` in `cnf` (RFC 8705 section
    /// 3.1). Off by default: such tokens are then refused.
    ///
    /// The request must come with that certificate:
    /// [`RequestContext::client_certificate`](crate::RequestContext::client_certificate). The token may have
    /// the scheme `Bearer`, as in RFC 8705, or the scheme `DPoP` without a proof, as Auth0 tells clients to
    /// send it; with [`DpopMode::Disabled`](crate::DpopMode::Disabled), only `Bearer`. A token that is bound to a key too (`jkt`) needs both: the certificate, and a proof. With
    /// [`DpopMode::Required`](crate::DpopMode::Required), every request needs a proof.
    ///
    /// Other tokens are accepted as before, whether there is a certificate or not.
    ///
    /// ```
    /// use auth0_api::{ApiClient, RequestContext};
    ///
    /// let client = ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .certificate_bound_tokens()
    ///     .build()?;
    ///
    /// # let request = http::Request::new(());
    /// # let der = [0x30, 0x00];
    /// // `der` is the client's certificate from the TLS connection of this request.
    /// let context = RequestContext::from(&request).client_certificate(&der[..]);
    /// let refused = client.verify_request(context).is_err();
    /// # assert!(refused);
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn certificate_bound_tokens(mut self) -> Self {
        self.certificate_bound_tokens = true;
        self
    }
}
