//! The tenant, and the state that its parts share.

pub(crate) mod authorization;
mod client_document;
mod client_metadata;
mod cors;
mod directory;
mod documents;
mod endpoint;
mod fault;
pub(crate) mod form;
mod gate;
mod grant_types;
mod grants;
pub(crate) mod html;
mod keyring;
mod misbehavior;
mod network;
mod options;
mod redirect_uri;
mod registration;
mod registration_endpoint;
mod requests;
mod routes;
mod store;
mod target;
mod token_endpoint;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use http::uri::Authority;
use http::{Request, Response, Uri};
use serde_json::{Map, Value};

use crate::minting::unix_seconds;
use crate::{AccessTokenBuilder, Algorithm, Error, SigningKey};
use authorization::Logins;
use directory::Directory;
pub use directory::{Api, User};
#[cfg(feature = "cli")]
pub(crate) use endpoint::ALL as ENDPOINTS;
pub use endpoint::Endpoint;
pub use fault::Fault;
use gate::Barrier;
pub use gate::Gate;
use grants::Grants;
use keyring::{KeyOwner, Keyring, OwnerNumber};
use misbehavior::Faults;
pub use network::LocalNetwork;
use options::Options;
pub use options::{Feature, Login, RefreshTokens};
pub use registration::ClientRegistration;
pub use requests::RecordedRequest;
use store::Store;

/// The header that Auth0 sends with discovery documents and key sets.
const AUTH0_CACHE_CONTROL: &str =
    "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400";

/// An Auth0 tenant in this process. Clones are cheap and share all state.
///
/// It serves the [`Endpoint`]s of the issuer `https://{domain}/`: in memory through [`handle`](Self::handle) and
/// [`client`](Self::client), or over HTTPS with a [`TenantServer`](crate::TenantServer).
///
/// RSA keys take long to make, so the tenants that [`new`](Self::new) makes for one domain share
/// them within one process. Tenants of different domains share none while both exist.
///
/// ```
/// use a0_testkit::LocalTenant;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tenant = LocalTenant::new("tenant.example")?;
/// assert_eq!(tenant.issuer(), "https://tenant.example/");
///
/// let before = tenant.access_token().mint()?;
/// let new_kid = tenant.rotate_keys()?;
/// let after = tenant.access_token().mint()?;
/// assert_eq!(tenant.jwks()["keys"].as_array().map(Vec::len), Some(2));
/// # let _ = (before, new_kid, after);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LocalTenant(Arc<Inner>);

struct Inner {
    domain: String,
    issuer: String,
    state: Mutex<State>,
}

struct State {
    now: Option<SystemTime>,
    keys: Keyring,
    metadata: Map<String, Value>,
    jwks_body: Option<Vec<u8>>,
    cache_control: Option<String>,
    clients: BTreeMap<String, ClientRegistration>,
    /// Clients that registered themselves, or have a metadata document.
    dynamic_clients: Store<ClientRegistration>,
    directory: Directory,
    options: Options,
    logins: Logins,
    grants: Grants,
    /// The DPoP proofs that the token endpoint accepted.
    proofs: Store<()>,
    faults: Faults,
    requests: Vec<RecordedRequest>,
    request_limit: usize,
    refused: Vec<Uri>,
    held: Vec<Weak<Barrier>>,
    closing: bool,
}

impl LocalTenant {
    /// Makes a tenant with the issuer `https://{domain}/`. The domain is a host, or a host and a
    /// port.
    ///
    /// # Errors
    ///
    /// [`Error::Domain`] if the domain has another form, [`Error::Crypto`] if OpenSSL cannot make a
    /// key.
    pub fn new(domain: &str) -> Result<Self, Error> {
        Self::with_keys_of(KeyOwner::Domain(domain.to_owned()), domain)
    }

    pub(crate) fn on_port(port: u16) -> Result<Self, Error> {
        let owner = KeyOwner::Number(OwnerNumber::take());
        Self::with_keys_of(owner, &format!("localhost:{port}"))
    }

    fn with_keys_of(owner: KeyOwner, domain: &str) -> Result<Self, Error> {
        let authority: Authority = domain.parse().map_err(|_| Error::Domain)?;
        if authority.as_str().contains('@') {
            return Err(Error::Domain);
        }
        let issuer = format!("https://{domain}/");
        let state = State {
            now: None,
            keys: Keyring::new(owner)?,
            metadata: documents::default_metadata(&issuer),
            jwks_body: None,
            cache_control: Some(AUTH0_CACHE_CONTROL.to_owned()),
            clients: BTreeMap::new(),
            dynamic_clients: Store::new(1_000),
            directory: Directory::default(),
            options: Options::default(),
            logins: Logins::default(),
            grants: Grants::default(),
            proofs: Store::new(10_000),
            faults: Faults::default(),
            requests: Vec::new(),
            request_limit: usize::MAX,
            refused: Vec::new(),
            held: Vec::new(),
            closing: false,
        };
        let domain = domain.to_owned();
        Ok(Self(Arc::new(Inner {
            domain,
            issuer,
            state: Mutex::new(state),
        })))
    }

    /// The host, and the port if there is one: `tenant.example` or `localhost:4433`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.0.domain
    }

    /// The issuer, with its trailing slash: `https://tenant.example/`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The URL of an endpoint. [`set_metadata`](Self::set_metadata) does not change it.
    #[must_use]
    pub fn url(&self, endpoint: Endpoint) -> String {
        format!("https://{}{}", self.domain(), endpoint.path())
    }

    /// The tenant's time: the system's, unless [`set_now`](Self::set_now) has set another.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.with_state(|state| state.now)
            .unwrap_or_else(SystemTime::now)
    }

    /// Stops the tenant's clock at `now`. Tokens minted from then on are issued at that time.
    pub fn set_now(&self, now: SystemTime) {
        self.with_state(|state| state.now = Some(now));
    }

    /// Follows the system's clock again.
    pub fn use_system_clock(&self) {
        self.with_state(|state| state.now = None);
    }

    /// Returns [`now`](Self::now) as a closure, for code that takes a clock.
    pub fn clock(&self) -> impl Fn() -> SystemTime + Clone + Send + Sync + 'static {
        let tenant = self.clone();
        move || tenant.now()
    }

    /// Starts an access token of this tenant.
    pub fn access_token(&self) -> AccessTokenBuilder {
        AccessTokenBuilder::new(self.clone())
    }

    /// Responds to a request, in memory.
    ///
    /// A path without a host counts as one of this tenant. The status is 404 for an unknown path, and
    /// 405 if the endpoint does not allow the method.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` if the request is for another origin; otherwise the error of a [`Fault`].
    pub fn handle(&self, request: Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> {
        self.reply(&request)?.in_memory()
    }

    /// Returns [`handle`](Self::handle) as a closure, for code that takes an HTTP client.
    pub fn client(
        &self,
    ) -> impl Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Clone + Send + Sync + 'static
    {
        let tenant = self.clone();
        move |request| tenant.handle(request)
    }

    pub(crate) fn unix_now(&self) -> i64 {
        unix_seconds(self.now())
    }

    pub(crate) fn key_for(&self, algorithm: Algorithm) -> Option<SigningKey> {
        self.with_state(|state| state.keys.key_for(algorithm))
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for LocalTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTenant")
            .field("issuer", &self.0.issuer)
            .finish_non_exhaustive()
    }
}
