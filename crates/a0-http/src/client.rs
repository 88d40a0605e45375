//! The trait for blocking HTTP clients.

use std::sync::Arc;

use http::{Request, Response};

use crate::TransportError;

/// A blocking HTTP client: sends one request and returns its response.
///
/// Every closure `Fn(Request<Vec<u8>>) -> Result<Response<Vec<u8>>, E>` is a client if it is
/// `Send + Sync` and `E` converts into a [`TransportError`], as `std::io::Error` does. `Arc<T>` is a
/// client if `T` is one. References and boxes implement the trait only if they are closures
/// themselves, because a general implementation would conflict with the one for closures. Every
/// function of this crate takes a `&C where C: HttpClient + ?Sized`, so pass `&*boxed` or a
/// `&dyn HttpClient`.
#[doc = include_str!("contract.md")]
///
/// [`UreqClient`](crate::UreqClient) gives all of these guarantees.
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
    /// Sends `request` and returns the complete response, whatever its status.
    ///
    /// The request's URL is absolute. Its body, which may be empty, is sent unchanged.
    ///
    /// # Errors
    ///
    /// Returns a [`TransportError`] if there is no complete response.
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
