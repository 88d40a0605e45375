//! Points a client of either kind at a tenant in the same process.

use std::sync::Arc;
use std::time::SystemTime;

use a0_http::HttpClient;

use super::builder::Builder;
use super::key_sources::KeySources;

impl Builder {
    /// Verifies the tokens of a tenant in this process, for tests. Both [`build`](Builder::build) and
    /// `build_async` accept this option, so a test can start from the options that the API has in
    /// production and change only these:
    ///
    /// - `domain` becomes [`domain`](Builder::domain), and the only accepted issuer. It replaces `domains`
    ///   and a domains resolver, and what the options say about other issuers is dropped: `initial_keys`,
    ///   `static_keys`, `metadata_url` and `jwks_url`, and the authorization servers of `protected_resource`.
    /// - `respond` becomes the HTTP client. It replaces `http_client` and `async_http_client`, and `trust_roots`
    ///   has no effect. An async client calls it on the thread that polls the call, so `respond` must not
    ///   wait.
    /// - `now` becomes the [`clock`](Builder::clock).
    ///
    /// Later calls of the methods that set these options count instead. All other options stay.
    ///
    /// ```
    /// use a0_testkit::LocalTenant;
    /// use auth0_api::{ApiClient, Builder};
    ///
    /// /// The options of the API, in its own code.
    /// fn options() -> Builder {
    ///     ApiClient::builder().domains(["a.example", "b.example"]).audience("https://api.example/")
    /// }
    ///
    /// let tenant = LocalTenant::new("tenant.example")?;
    /// let client = options()
    ///     .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
    ///     .build()?;
    /// let token = tenant.access_token().audience("https://api.example/").mint()?;
    /// assert!(client.verify_access_token(&token).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn local_tenant(
        self,
        domain: impl Into<String>,
        respond: impl HttpClient + 'static,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        let mut builder = self.domain(domain).clock(now);
        builder.domains = None;
        builder.domains_resolver = None;
        builder.http_client = None;
        builder.initial_keys.clear();
        builder.key_sources = KeySources::default();
        if let Some(resource) = &mut builder.authorization.protected_resource {
            resource.forget_servers();
        }
        #[cfg(feature = "async")]
        {
            builder.asynchronous.domains_resolver = None;
            builder.asynchronous.http_client = None;
        }
        builder.local_client = Some(Arc::new(respond));
        builder
    }
}
