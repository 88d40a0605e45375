//! The HTTP clients that a builder makes for itself.

use std::sync::Arc;
#[cfg(any(feature = "ureq", feature = "async"))]
use std::time::Duration;

use a0_http::HttpClient;
#[cfg(feature = "async")]
use a0_http::{AsyncHttpClient, ResponseFuture};

use crate::error::Error;
use crate::options::builder::Builder;

impl Builder {
    /// The HTTP client of a blocking client.
    pub(super) fn blocking_http_client(&self) -> Result<Arc<dyn HttpClient>, Error> {
        if let Some(client) = &self.local_client {
            return Ok(Arc::clone(client));
        }
        match &self.http_client {
            Some(client) => {
                self.refuse_trust_roots("http_client")?;
                Ok(Arc::clone(client))
            }
            None => self.new_blocking_http_client(),
        }
    }

    #[cfg(feature = "ureq")]
    fn new_blocking_http_client(&self) -> Result<Arc<dyn HttpClient>, Error> {
        let builder = a0_http::UreqClient::builder().timeout(self.http_timeout());
        Ok(Arc::new(
            builder.trust_roots(self.trust_roots_or_default()).build(),
        ))
    }

    #[cfg(not(feature = "ureq"))]
    fn new_blocking_http_client(&self) -> Result<Arc<dyn HttpClient>, Error> {
        Err(Error::configuration(
            "no HTTP client: set http_client, or enable the feature `ureq`",
        ))
    }

    /// The HTTP client of an async client.
    #[cfg(feature = "async")]
    pub(super) fn new_async_http_client(&self) -> Result<Arc<dyn AsyncHttpClient>, Error> {
        if let Some(respond) = &self.local_client {
            return Ok(Arc::new(Immediate(Arc::clone(respond))));
        }
        if let Some(client) = &self.asynchronous.http_client {
            self.refuse_trust_roots("async_http_client")?;
            return Ok(Arc::clone(client));
        }
        let builder = a0_http::ReqwestClient::builder().timeout(self.http_timeout());
        Ok(Arc::new(
            builder.trust_roots(self.trust_roots_or_default()).build(),
        ))
    }

    #[cfg(any(feature = "ureq", feature = "async"))]
    fn http_timeout(&self) -> Duration {
        self.timeout.unwrap_or(a0_http::DEFAULT_TIMEOUT)
    }
}

/// A client that responds at once, such as a tenant in this process.
#[cfg(feature = "async")]
struct Immediate(Arc<dyn HttpClient>);

#[cfg(feature = "async")]
impl AsyncHttpClient for Immediate {
    fn exchange(&self, request: http::Request<Vec<u8>>) -> ResponseFuture<'_> {
        Box::pin(async move { self.0.exchange(request) })
    }
}
