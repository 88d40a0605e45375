use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response, Uri};

use crate::{Error, LocalTenant};

/// Several tenants behind one closure, each with its own domain. Clones are cheap and share all
/// state.
///
/// ```
/// use a0_testkit::LocalNetwork;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let network = LocalNetwork::new();
/// let one = network.tenant("one.example")?;
/// let two = network.tenant("two.example")?;
/// let client = network.client();
///
/// let request = http::Request::get("https://two.example/.well-known/jwks.json").body(vec![])?;
/// assert_eq!(client(request)?.status(), 200);
/// assert_eq!((one.requests().len(), two.requests().len()), (0, 1));
///
/// let request = http::Request::get("https://169.254.169.254/").body(vec![])?;
/// assert!(client(request).is_err());
/// assert_eq!(network.refused().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct LocalNetwork(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    tenants: Vec<LocalTenant>,
    refused: Vec<Uri>,
}

impl LocalNetwork {
    /// Makes a network without tenants.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a tenant and adds it.
    ///
    /// # Errors
    ///
    /// Those of [`LocalTenant::new`].
    pub fn tenant(&self, domain: &str) -> Result<LocalTenant, Error> {
        let tenant = LocalTenant::new(domain)?;
        self.add(&tenant);
        Ok(tenant)
    }

    /// Adds a tenant. It takes the place of an earlier one with the same domain.
    pub fn add(&self, tenant: &LocalTenant) {
        self.state().tenants.push(tenant.clone());
    }

    /// Passes the request to the tenant of its origin.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` if no tenant has the request's origin; otherwise those of
    /// [`LocalTenant::handle`].
    pub fn handle(&self, request: Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> {
        let tenant = {
            let mut state = self.state();
            let uri = request.uri();
            let found = state
                .tenants
                .iter()
                .rev()
                .find(|tenant| tenant.serves(uri))
                .cloned();
            if found.is_none() {
                state.refused.push(uri.clone());
            }
            found
        };
        tenant
            .ok_or(io::ErrorKind::ConnectionRefused)?
            .handle(request)
    }

    /// Returns [`handle`](Self::handle) as a closure.
    pub fn client(
        &self,
    ) -> impl Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Clone + Send + Sync + 'static
    {
        let network = self.clone();
        move |request| network.handle(request)
    }

    /// The URLs of requests that were refused because they were for no tenant.
    #[must_use]
    pub fn refused(&self) -> Vec<Uri> {
        self.state().refused.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
