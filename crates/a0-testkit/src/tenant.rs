use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use serde_json::{Map, Value, json};

use crate::fault::Faults;
use crate::gate::Waiting;
use crate::jws::unix_seconds;
use crate::keyring::{KeyName, Keyring, Lease};
use crate::reply::{self, Reply};
use crate::{
    AccessTokenBuilder, Algorithm, Endpoint, Error, Fault, RecordedRequest, SigningKey, oauth,
};

mod documents;

/// What Auth0 sends with its discovery documents and key sets.
const CACHE_CONTROL_OF_AUTH0: &str =
    "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400";

/// A tenant that lives in this process. Cloning it is cheap, and clones share everything.
///
/// It serves `/.well-known/openid-configuration`, `/.well-known/jwks.json` and `/oauth/token`
/// below its issuer `https://{domain}/`, in memory through [`handle`](Self::handle) and
/// [`client`](Self::client), or over HTTPS as a [`TenantServer`](crate::TenantServer).
///
/// A name stands for a tenant: within one process, tenants of the same domain begin with the same
/// RSA key (making one takes time); of different domains no two that live at once share any.
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
    clients: BTreeMap<String, String>,
    faults: Faults,
    requests: Vec<RecordedRequest>,
    refused: Vec<Uri>,
    held: Vec<Weak<Waiting>>,
    closing: bool,
}

impl LocalTenant {
    /// A tenant whose issuer is `https://{domain}/`; `domain` is a host, with a port if need be.
    ///
    /// # Errors
    ///
    /// [`Error::Domain`] if the domain has another form, [`Error::Crypto`] if no key can be made.
    pub fn new(domain: &str) -> Result<Self, Error> {
        Self::with_keys_of(domain, KeyName::Domain(domain.to_owned()))
    }

    /// A tenant on a port of this machine.
    pub(crate) fn on_port(port: u16) -> Result<Self, Error> {
        Self::with_keys_of(&format!("localhost:{port}"), KeyName::Lease(Lease::take()))
    }

    fn with_keys_of(domain: &str, name: KeyName) -> Result<Self, Error> {
        let authority: Authority = domain.parse().map_err(|_| Error::Domain)?;
        if authority.as_str().contains('@') {
            return Err(Error::Domain);
        }
        let issuer = format!("https://{domain}/");
        let state = State {
            now: None,
            keys: Keyring::new(name)?,
            metadata: oauth::metadata(&issuer),
            jwks_body: None,
            cache_control: Some(CACHE_CONTROL_OF_AUTH0.to_owned()),
            clients: BTreeMap::new(),
            faults: Faults::default(),
            requests: Vec::new(),
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

    /// The host, with the port if there is one: `tenant.example` or `localhost:4433`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.0.domain
    }

    /// The issuer, with its closing slash: `https://tenant.example/`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The address of an endpoint, as the untouched metadata has it.
    #[must_use]
    pub fn url(&self, endpoint: Endpoint) -> String {
        format!("https://{}{}", self.domain(), endpoint.path())
    }

    /// The time of this tenant: the system's, unless [`set_now`](Self::set_now) has set one.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.with(|state| state.now).unwrap_or_else(SystemTime::now)
    }

    /// Stops the tenant's clock at `now`; what it mints from then on is issued at that time.
    pub fn set_now(&self, now: SystemTime) {
        self.with(|state| state.now = Some(now));
    }

    /// Goes back to the clock of the system.
    pub fn use_system_clock(&self) {
        self.with(|state| state.now = None);
    }

    /// An access token of this tenant, to be changed as needed and then minted.
    pub fn access_token(&self) -> AccessTokenBuilder {
        AccessTokenBuilder::new(self.clone())
    }

    /// Lets a client use the token endpoint with this secret.
    pub fn register_client(&self, client_id: &str, client_secret: &str) {
        self.with(|state| {
            state
                .clients
                .insert(client_id.to_owned(), client_secret.to_owned())
        });
    }

    /// Answers a request, in memory.
    ///
    /// A path without host is taken as the tenant's own. Paths it does not know get 404, other
    /// methods than the endpoint's 405.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` if the request is for another origin; what a [`Fault`] says.
    pub fn handle(&self, request: Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> {
        self.reply(&request)?.in_memory()
    }

    /// [`handle`](Self::handle) as a closure that can be given away.
    pub fn client(
        &self,
    ) -> impl Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Clone + Send + Sync + 'static
    {
        let tenant = self.clone();
        move |request| tenant.handle(request)
    }

    /// Lets an endpoint misbehave until [`recover`](Self::recover).
    pub fn misbehave(&self, endpoint: Endpoint, fault: Fault) {
        self.with(|state| state.faults.plan(endpoint).lasting = Some(fault));
    }

    /// Lets an endpoint misbehave for the next `times` requests, after what is already scripted.
    pub fn misbehave_times(&self, endpoint: Endpoint, times: usize, fault: Fault) {
        self.misbehave_script(endpoint, std::iter::repeat_n(fault, times));
    }

    /// Gives each of the next requests to an endpoint a fault of its own, in this order, after
    /// what is already scripted. When the script is done, what [`misbehave`](Self::misbehave) has
    /// set is in force again.
    pub fn misbehave_script(&self, endpoint: Endpoint, faults: impl IntoIterator<Item = Fault>) {
        let faults: Vec<Fault> = faults.into_iter().collect();
        self.with(|state| state.faults.plan(endpoint).script.extend(faults));
    }

    /// Ends every misbehaviour of an endpoint, scripted or lasting. Requests held at a
    /// [`Gate`](crate::Gate) stay there.
    pub fn recover(&self, endpoint: Endpoint) {
        self.with(|state| *state.faults.plan(endpoint) = Default::default());
    }

    /// The requests received so far, oldest first. Those for another origin are not among them.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.with(|state| state.requests.clone())
    }

    /// How many requests an endpoint received, by whatever method.
    #[must_use]
    pub fn request_count(&self, endpoint: Endpoint) -> usize {
        let to_it = |request: &&RecordedRequest| request.endpoint() == Some(endpoint);
        self.with(|state| state.requests.iter().filter(to_it).count())
    }

    /// The addresses of other origins that were asked for and refused.
    #[must_use]
    pub fn refused(&self) -> Vec<Uri> {
        self.with(|state| state.refused.clone())
    }

    /// Forgets the requests received and refused so far.
    pub fn reset_requests(&self) {
        self.with(|state| {
            state.requests.clear();
            state.refused.clear();
        });
    }

    pub(crate) fn reply(&self, request: &Request<Vec<u8>>) -> io::Result<Reply> {
        let uri = request.uri();
        if uri.authority().is_some() && !self.serves(uri) {
            self.with(|state| state.refused.push(uri.clone()));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.with(|state| state.requests.push(RecordedRequest::of(request)));
        let Some(endpoint) = Endpoint::at(uri.path()) else {
            return Ok(Reply::Whole(reply::json(
                404,
                &json!({ "error": "not_found" }),
            )));
        };
        if *request.method() != endpoint.method() {
            let mut refusal = reply::json(405, &json!({ "error": "method_not_allowed" }));
            if let Ok(allowed) = HeaderValue::from_str(endpoint.method().as_str()) {
                refusal.headers_mut().insert(ALLOW, allowed);
            }
            return Ok(Reply::Whole(refusal));
        }
        let fault = self.with(|state| state.faults.next(endpoint));
        fault.apply(&|gate| self.hold(&gate), || self.answer(endpoint, request))
    }

    fn answer(&self, endpoint: Endpoint, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let body = match endpoint {
            Endpoint::Token => return oauth::answer(self, request),
            Endpoint::Discovery => self.metadata().to_string().into_bytes(),
            Endpoint::Jwks => self
                .with(|state| state.jwks_body.clone())
                .unwrap_or_else(|| self.jwks().to_string().into_bytes()),
        };
        let mut answer = reply::json_typed(reply::response(200, body));
        let cache_control = self.with(|state| state.cache_control.clone());
        if let Some(value) = cache_control.and_then(|value| value.parse().ok()) {
            answer.headers_mut().insert(CACHE_CONTROL, value);
        }
        answer
    }

    /// Whether an absolute address lies within this tenant's origin.
    pub(crate) fn serves(&self, uri: &Uri) -> bool {
        let bare = |authority: &str| {
            authority
                .strip_suffix(":443")
                .unwrap_or(authority)
                .to_ascii_lowercase()
        };
        let own = bare(self.domain());
        uri.scheme() == Some(&Scheme::HTTPS)
            && uri
                .authority()
                .is_some_and(|authority| bare(authority.as_str()) == own)
    }

    pub(crate) fn unix_now(&self) -> i64 {
        unix_seconds(self.now())
    }

    pub(crate) fn key_for(&self, algorithm: Algorithm) -> Option<SigningKey> {
        self.with(|state| state.keys.key_for(algorithm))
    }

    /// `None` for a client that is not registered.
    pub(crate) fn is_secret_of(&self, client_id: &str, client_secret: &str) -> Option<bool> {
        self.with(|state| {
            state
                .clients
                .get(client_id)
                .map(|secret| secret == client_secret)
        })
    }

    fn hold(&self, gate: &Arc<Waiting>) {
        self.with(|state| {
            state.held.retain(|gate| gate.strong_count() > 0);
            state.held.push(Arc::downgrade(gate));
            if state.closing {
                gate.open();
            }
        });
        gate.pass();
    }

    /// Lets go of every request that is or will be held, so that a server can stop.
    pub(crate) fn release_held(&self) {
        self.with(|state| {
            state.closing = true;
            state
                .held
                .iter()
                .filter_map(Weak::upgrade)
                .for_each(|gate| gate.open());
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
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
