//! One request to a token endpoint, and how its response is read.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use zeroize::Zeroizing;

use crate::dpop::{DPOP, ProofRequest, Prover, response_nonce};
use crate::endpoint::Endpoint;
use crate::form::Form;
use crate::response::{RequestKind, ResponseBody};
use crate::{
    ClientInfo, ErrorResponse, ExchangeError, InvalidResponse, IssuedToken, MAX_BODY_SIZE,
};

type ReadToken<T> = fn(&ResponseBody<'_>, IssuedToken) -> Result<T, InvalidResponse>;

/// A request to a token endpoint, with valid parameters. Its response becomes a `T`.
///
/// `Debug` shows the endpoint and the client's identifier, and nothing of the form. The form is
/// wiped from memory on drop.
#[must_use = "a token request does nothing until it is sent"]
pub struct TokenRequest<T> {
    endpoint: Arc<Endpoint>,
    kind: RequestKind,
    form: Form,
    read_token: ReadToken<T>,
    prover: Option<Arc<Prover>>,
    nonce: Option<String>,
}

impl<T> TokenRequest<T> {
    pub(crate) fn new(
        endpoint: Arc<Endpoint>,
        kind: RequestKind,
        form: Form,
        read_token: ReadToken<T>,
    ) -> Self {
        TokenRequest {
            endpoint,
            kind,
            form,
            read_token,
            prover: None,
            nonce: None,
        }
    }

    /// Adds a DPoP proof, so that the token is bound to the proof's key (RFC 9449 section 5).
    ///
    /// `prover` makes a new proof for each request, and returns the value of the `DPoP` header. If
    /// the issued token is not bound, [`accept`](Self::accept) returns an error.
    ///
    /// ```
    /// use a0_token_exchange::{ClientAuth, OnBehalfOf, TokenClient};
    ///
    /// let auth = ClientAuth::basic("my-client", "my-secret")?;
    /// let client = TokenClient::new("https://tenant.example/oauth/token", auth)?;
    /// let request = client
    ///     .on_behalf_of(&OnBehalfOf::new("the.access.token", "https://downstream.example/"))?
    ///     .with_proof(|proof| {
    ///         assert_eq!((proof.method, proof.nonce), ("POST", None));
    ///         Ok::<_, std::io::Error>("a proof for proof.url at proof.now".to_owned())
    ///     });
    /// let http_request = request.prepare(std::time::SystemTime::now())?;
    /// assert!(http_request.headers().contains_key("dpop"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_proof<F, E>(mut self, prover: F) -> Self
    where
        F: Fn(&ProofRequest<'_>) -> Result<String, E> + Send + Sync + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.prover = Some(Arc::new(move |request| prover(request).map_err(Into::into)));
        self
    }

    /// Sets the nonce for the proof: the last one that this endpoint sent.
    pub fn with_nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Returns the HTTP request: a POST of the form, with the client's authentication. Each call
    /// makes a new proof and a new assertion. Prepare a new request every time you send one.
    ///
    /// The body contains the tokens, and the secret if the client authenticates in the form. This
    /// crate cannot wipe it, and `Debug` of an `http::Request` shows it.
    ///
    /// # Errors
    ///
    /// Returns [`ExchangeError::Signing`] if no proof or assertion could be made.
    pub fn prepare(&self, now: SystemTime) -> Result<Request<Vec<u8>>, ExchangeError> {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(info) = &self.endpoint.client_info {
            headers.insert(ClientInfo::header_name(), info.header_value().clone());
        }
        if let Some(prover) = &self.prover {
            headers.insert(DPOP, self.proof(prover.as_ref(), now)?);
        }
        let auth = &self.endpoint.auth;
        let body = auth.apply(&self.form, &mut headers, now)?;

        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn proof(&self, prover: &Prover, now: SystemTime) -> Result<HeaderValue, ExchangeError> {
        let failure = |cause| ExchangeError::signing("DPoP proof", cause);
        let proof = prover(&ProofRequest {
            method: Method::POST.as_str(),
            url: &self.endpoint.url,
            nonce: self.nonce.as_deref(),
            now,
        });
        let mut value = HeaderValue::try_from(proof.map_err(failure)?)
            .map_err(|invalid| failure(invalid.into()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Reads the response to this request. [`IssuedToken::expires_at`] counts from `now`: pass the
    /// time before the request was sent, so that the computed expiry is never too late.
    ///
    /// # Errors
    ///
    /// Returns an [`ExchangeError`] if the response is not a token. If it is an [`ErrorResponse`]
    /// with the error `use_dpop_nonce` and a [`dpop_nonce`](ErrorResponse::dpop_nonce), another
    /// request [with this nonce](Self::with_nonce) may succeed.
    pub fn accept(&self, response: Response<Vec<u8>>, now: SystemTime) -> Result<T, ExchangeError> {
        let (parts, body) = response.into_parts();
        let body = Zeroizing::new(body);
        if parts.status.is_redirection() {
            return Err(InvalidResponse::Redirect(parts.status.as_u16()).into());
        }
        let fits = body.len() <= MAX_BODY_SIZE;
        // Servers and proxies in front of them send JSON with any media type, or with none.
        let body = fits.then(|| ResponseBody::parse(&body)).flatten();
        if parts.status != StatusCode::OK {
            let error = ErrorResponse::read(self.kind, &parts, body.as_ref(), now);
            return Err(ExchangeError::Refused(error));
        }
        if !fits {
            return Err(InvalidResponse::TooLarge.into());
        }
        let body = body.ok_or(ExchangeError::InvalidJson)?;
        if body.access_token().is_err() {
            let error = ErrorResponse::read(self.kind, &parts, Some(&body), now);
            return match error.error() {
                Some(_) => Err(ExchangeError::Refused(error)),
                None => Err(InvalidResponse::AccessToken.into()),
            };
        }
        // An accepted nonce stays valid until the endpoint sends another one.
        let nonce = response_nonce(&parts.headers).or_else(|| self.nonce.clone());
        let issued = IssuedToken::read(&body, nonce, now)?;
        if self.has_proof() && !issued.is_token_type("DPoP") {
            return Err(InvalidResponse::NotBound.into());
        }
        Ok((self.read_token)(&body, issued)?)
    }

    pub(crate) fn has_proof(&self) -> bool {
        self.prover.is_some()
    }
}

impl<T> fmt::Debug for TokenRequest<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenRequest")
            .field("token_endpoint", &self.endpoint.url)
            .field("auth", &self.endpoint.auth)
            .finish_non_exhaustive()
    }
}
