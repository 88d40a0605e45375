//! The seam between protocol code and whatever carries its requests.

use std::sync::Arc;

use http::{Request, Response};

use crate::TransportError;

/// Carries one HTTP request and brings back its answer, blocking.
///
/// Every closure of the form `Fn(Request<Vec<u8>>) -> Result<Response<Vec<u8>>, E>` is a client if
/// it is `Send + Sync` and its error converts into a [`TransportError`], as `std::io::Error` does.
/// `Arc<T>` is a client where `T` is one. References and boxes of a client are not clients
/// themselves (that place is taken by closures), but every function of this crate takes a
/// `&C where C: HttpClient + ?Sized`, so `&*boxed` and `&dyn HttpClient` go wherever a client goes.
#[doc = include_str!("contract.md")]
///
/// [`UreqClient`](crate::UreqClient) keeps all of it.
///
/// # Example
///
/// ```
/// use a0_http::{HttpClient, TransportError};
///
/// let client = |request: http::Request<Vec<u8>>| -> std::io::Result<http::Response<Vec<u8>>> {
///     match request.uri().path() {
///         "/hello" => Ok(http::Response::new(b"hello".to_vec())),
///         _ => Err(std::io::ErrorKind::TimedOut.into()),
///     }
/// };
///
/// let request = http::Request::get("https://server.example/hello").body(Vec::new())?;
/// assert_eq!(client.exchange(request)?.body(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait HttpClient: Send + Sync {
    /// Sends `request` and returns the complete answer, whatever its status.
    ///
    /// The request's URL is absolute, and its body, possibly empty, is sent as it is.
    ///
    /// # Errors
    ///
    /// A [`TransportError`] if there is no complete answer.
    fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError>;
}

impl<F, E> HttpClient for F
where
    F: Fn(Request<Vec<u8>>) -> Result<Response<Vec<u8>>, E> + Send + Sync,
    E: Into<TransportError>,
{
    fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        self(request).map_err(Into::into)
    }
}

impl<T: HttpClient + ?Sized> HttpClient for Arc<T> {
    fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        (**self).exchange(request)
    }
}
