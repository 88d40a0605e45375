//! The traits for HTTP clients, blocking and async.

#[cfg(feature = "async")]
use std::pin::Pin;
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

/// The future that [`AsyncHttpClient::exchange`] returns. Needs the feature `async`.
///
/// It borrows the client. Dropping it cancels the exchange.
#[cfg(feature = "async")]
pub type ResponseFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, TransportError>> + Send + 'a>>;

/// An async HTTP client: sends one request and returns its response, without blocking. Needs the
/// feature `async`.
///
/// Every closure `Fn(Request<Vec<u8>>) -> Fut` is a client if it is `Send + Sync`, `Fut` is
/// `Send + 'static` and resolves to a `Result<Response<Vec<u8>>, E>`, and `E` converts into a
/// [`TransportError`], as `std::io::Error` does. `Arc<T>` is a client if `T` is one. The trait is
/// dyn-compatible: `Arc<dyn AsyncHttpClient>` is a client too.
///
#[doc = include_str!("contract.md")]
/// - Dropping the future ends the exchange: nothing continues it in the background.
///
/// [`ReqwestClient`](crate::ReqwestClient) gives all of these guarantees.
///
/// # Example
///
/// ```
/// use a0_http::AsyncHttpClient;
///
/// type Request = http::Request<Vec<u8>>;
/// type Response = http::Response<Vec<u8>>;
///
/// async fn respond(request: Request) -> std::io::Result<Response> {
///     match request.uri().path() {
///         "/hello" => Ok(Response::new(b"hello".to_vec())),
///         _ => Err(std::io::ErrorKind::TimedOut.into()),
///     }
/// }
///
/// async fn hello(client: &dyn AsyncHttpClient) -> Result<Response, Box<dyn std::error::Error>> {
///     let request = http::Request::get("https://server.example/hello").body(Vec::new())?;
///     Ok(client.exchange(request).await?)
/// }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// assert_eq!(hello(&respond).await?.body(), b"hello");
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "async")]
pub trait AsyncHttpClient: Send + Sync {
    /// Sends `request` and resolves to the complete response, whatever its status.
    ///
    /// The request's URL is absolute. Its body, which may be empty, is sent unchanged.
    ///
    /// # Errors
    ///
    /// The future resolves to a [`TransportError`] if there is no complete response.
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_>;
}

#[cfg(feature = "async")]
impl<F, Fut, E> AsyncHttpClient for F
where
    F: Fn(Request<Vec<u8>>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response<Vec<u8>>, E>> + Send + 'static,
    E: Into<TransportError>,
{
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        let response = self(request);
        Box::pin(async { response.await.map_err(Into::into) })
    }
}

#[cfg(feature = "async")]
impl<T: AsyncHttpClient + ?Sized> AsyncHttpClient for Arc<T> {
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        (**self).exchange(request)
    }
}
