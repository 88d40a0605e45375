//! The options of client flows: how this API authenticates as a client at its `domain`.

use std::sync::Arc;

use a0_jose::Signer;
use a0_token_exchange::{ClientAuth, ClientInfo};
use zeroize::Zeroizing;

use super::builder::Builder;

/// The options of client flows that a builder holds.
#[derive(Clone, Default)]
pub(crate) struct FlowOptions {
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Arc<Zeroizing<String>>>,
    pub(crate) client_auth: Option<Arc<ClientAuth>>,
    pub(crate) dpop_key: Option<Arc<dyn Signer>>,
    pub(crate) obo_cache: usize,
    pub(crate) same_tenant: Vec<String>,
    pub(crate) client_info: Option<ClientInfo>,
}

impl Builder {
    /// The identifier of this API's own client at the `domain`, for client flows: exchanges and Token
    /// Vault. The client authenticates by HTTP Basic, with [`client_secret`](Builder::client_secret).
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.flows.client_id = Some(client_id.into());
        self
    }

    /// The secret of [`client_id`](Builder::client_id). It is wiped from memory when the builder and the
    /// client are dropped.
    pub fn client_secret(mut self, client_secret: impl Into<String>) -> Self {
        self.flows.client_secret = Some(Arc::new(Zeroizing::new(client_secret.into())));
        self
    }

    /// Another client authentication, in place of `client_id` and `client_secret`: credentials in the
    /// form, or an assertion (feature `private-key-jwt`).
    pub fn client_auth(mut self, auth: ClientAuth) -> Self {
        self.flows.client_auth = Some(Arc::new(auth));
        self
    }

    /// The key to bind exchanged tokens to. Each exchange then sends a DPoP proof signed by this key (RFC
    /// 9449 section 5), and a response with a token that is not bound is an error. To use such a token,
    /// sign a [`NewProof`](a0_dpop::NewProof) with the same key for each request.
    pub fn exchange_dpop_key(mut self, key: impl Signer + 'static) -> Self {
        self.flows.dpop_key = Some(Arc::new(key));
        self
    }

    /// Names this software to the tenant, in the header `Auth0-Client` of the requests of client flows: its
    /// name and its version, of 1 to 64 visible ASCII characters each, and nothing else. Nothing is sent
    /// without this option.
    ///
    /// Auth0's SDKs send the header unasked, with their own name: `auth0-api` and
    /// [`VERSION`](crate::VERSION) would say the same of this one. As in Auth0's own SDK for APIs, requests
    /// for keys never have it.
    ///
    /// ```
    /// let client = auth0_api::ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .client_info("auth0-api", auth0_api::VERSION)
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn client_info(mut self, name: &str, version: &str) -> Self {
        match ClientInfo::new(name, version) {
            Ok(info) => self.flows.client_info = Some(info),
            Err(error) => {
                self.refused.get_or_insert(format!("client_info: {error}"));
            }
        }
        self
    }

    /// Further domains of the tenant of [`domain`](Builder::domain), such as its canonical domain if `domain`
    /// is a custom one. Access tokens of these issuers may be exchanged at `domain` too.
    ///
    /// On-behalf-of and Token Vault send the user's access token to the token endpoint of `domain`. A token
    /// of any other issuer is refused before anything is sent, because it would be handed to another tenant.
    pub fn same_tenant<S: Into<String>>(mut self, domains: impl IntoIterator<Item = S>) -> Self {
        self.flows.same_tenant = domains.into_iter().map(Into::into).collect();
        self
    }
}
