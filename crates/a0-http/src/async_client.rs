//! The seam for async clients.

use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};

use crate::TransportError;

/// The exchange that [`AsyncHttpClient::exchange`] begins: a future of the answer.
///
/// It borrows the client. Dropped before it is ready it gives the exchange up.
pub type ResponseFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, TransportError>> + Send + 'a>>;

/// Carries one HTTP request and brings back its answer, without blocking.
///
/// Every closure of the form `Fn(Request<Vec<u8>>) -> Fut` is a client if it is `Send + Sync`, its
/// future is `Send + 'static` and gives a `Result<Response<Vec<u8>>, E>`, and the error converts
/// into a [`TransportError`], as `std::io::Error` does. `Arc<T>` is a client where `T` is one.
/// The trait can be made into an object: `Arc<dyn AsyncHttpClient>` is a client too.
///
#[doc = include_str!("contract.md")]
/// - A future that is dropped leaves nothing behind that goes on with the exchange.
///
/// [`ReqwestClient`](crate::ReqwestClient) keeps all of it.
///
/// # Example
///
/// ```
/// use a0_http::AsyncHttpClient;
///
/// type Request = http::Request<Vec<u8>>;
/// type Response = http::Response<Vec<u8>>;
///
/// async fn answer(request: Request) -> std::io::Result<Response> {
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
/// assert_eq!(hello(&answer).await?.body(), b"hello");
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait AsyncHttpClient: Send + Sync {
    /// Sends `request`, and gives the complete answer, whatever its status.
    ///
    /// The request's URL is absolute, and its body, possibly empty, is sent as it is.
    ///
    /// # Errors
    ///
    /// The future gives a [`TransportError`] if there is no complete answer.
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_>;
}

impl<F, Fut, E> AsyncHttpClient for F
where
    F: Fn(Request<Vec<u8>>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response<Vec<u8>>, E>> + Send + 'static,
    E: Into<TransportError>,
{
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        let answer = self(request);
        Box::pin(async { answer.await.map_err(Into::into) })
    }
}

impl<T: AsyncHttpClient + ?Sized> AsyncHttpClient for Arc<T> {
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        (**self).exchange(request)
    }
}
