//! One call: its request, its answer, and the conversation of the two.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use a0_http::{Conversation, Step, TransportError};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use zeroize::Zeroizing;

use crate::answer::{MAX_BODY, Members};
use crate::error::{ErrorResponse, Kind};
use crate::form::Form;
use crate::response::IssuedToken;
use crate::{ExchangeError, InvalidResponse, TokenClient};

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: &str = "dpop-nonce";
const USE_DPOP_NONCE: &str = "use_dpop_nonce";

/// The longest texts of a server that are kept, in characters.
const MAX_CODE: usize = 128;
const MAX_DESCRIPTION: usize = 1024;
const MAX_NONCE: usize = 1024;

/// What a proof is to be made for (RFC 9449 section 4.2).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ProofRequest<'a> {
    /// `POST`: what goes into `htm`.
    pub method: &'a str,
    /// The URL of the endpoint as it was given, for `htu`, which leaves out its query.
    pub url: &'a str,
    /// What goes into `nonce`, if there is one.
    pub nonce: Option<&'a str>,
    /// The time of the call, for `iat`.
    pub now: SystemTime,
}

type Prove =
    dyn Fn(&ProofRequest<'_>) -> Result<String, Box<dyn Error + Send + Sync>> + Send + Sync;

type Read<T> = fn(&Members<'_>, IssuedToken) -> Result<T, InvalidResponse>;

/// A call of a token endpoint that is fit to be sent, and will give a `T`.
///
/// `Debug` shows the client and nothing of the form, which is wiped when the call is dropped.
#[must_use = "a call does nothing until its request is sent"]
pub struct TokenRequest<T> {
    client: TokenClient,
    kind: Kind,
    form: Form,
    read: Read<T>,
    prove: Option<Arc<Prove>>,
    nonce: Option<String>,
}

impl<T> TokenRequest<T> {
    pub(crate) fn new(client: &TokenClient, kind: Kind, form: Form, read: Read<T>) -> Self {
        TokenRequest {
            client: client.clone(),
            kind,
            form,
            read,
            prove: None,
            nonce: None,
        }
    }

    /// Sends a DPoP proof along, so that the token is bound to the proof's key (RFC 9449 section 5).
    /// `prove` makes one for each request and gives the value of the field `DPoP`. An answer whose
    /// token is not bound is then an error.
    ///
    /// ```
    /// use a0_token_exchange::{ClientAuth, OnBehalfOf, TokenClient};
    ///
    /// let auth = ClientAuth::basic("my-client", "my-secret")?;
    /// let client = TokenClient::new("https://tenant.example/oauth/token", auth)?;
    /// let call = client
    ///     .on_behalf_of(&OnBehalfOf::new("the.access.token", "https://downstream.example/"))?
    ///     .with_proof(|proof| {
    ///         assert_eq!((proof.method, proof.nonce), ("POST", None));
    ///         Ok::<_, std::io::Error>("a proof for proof.url at proof.now".to_owned())
    ///     });
    /// let request = call.prepare(std::time::SystemTime::now())?;
    /// assert!(request.headers().contains_key("dpop"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_proof<F, E>(mut self, prove: F) -> Self
    where
        F: Fn(&ProofRequest<'_>) -> Result<String, E> + Send + Sync + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.prove = Some(Arc::new(move |request| prove(request).map_err(Into::into)));
        self
    }

    /// The nonce for the proof: the last one that this endpoint gave out.
    pub fn with_nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// The request: POST, a form, and what authenticates the client. Proof and assertion are fresh
    /// each time, so every request that is sent wants one of its own.
    ///
    /// The body holds the tokens, and maybe the secret. It is wiped by nobody once it is out of this
    /// crate's hands, and `Debug` of an `http::Request` shows it.
    ///
    /// # Errors
    ///
    /// [`ExchangeError::Signing`].
    pub fn prepare(&self, now: SystemTime) -> Result<Request<Vec<u8>>, ExchangeError> {
        let client = &self.client.0;
        let mut fields = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        fields.insert(CONTENT_TYPE, form);
        fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(prove) = &self.prove {
            fields.insert(DPOP, self.proof(prove.as_ref(), now)?);
        }
        let body = client.auth.apply(&self.form, &mut fields, now)?;

        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = client.uri.clone();
        *request.headers_mut() = fields;
        Ok(request)
    }

    fn proof(&self, prove: &Prove, now: SystemTime) -> Result<HeaderValue, ExchangeError> {
        let failure = |cause| ExchangeError::signing("DPoP proof", cause);
        let proof = prove(&ProofRequest {
            method: Method::POST.as_str(),
            url: &self.client.0.url,
            nonce: self.nonce.as_deref(),
            now,
        });
        let mut value = HeaderValue::try_from(proof.map_err(failure)?)
            .map_err(|invalid| failure(invalid.into()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Reads the answer to the request. [`IssuedToken::expires_at`] counts from `now`: take the time
    /// before the request was sent, so that it is never too late.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`]. Where it is a [`ErrorResponse`] with the error `use_dpop_nonce` and a
    /// [`dpop_nonce`](ErrorResponse::dpop_nonce), one more request [with it](Self::with_nonce) may go well.
    pub fn accept(&self, answer: Response<Vec<u8>>, now: SystemTime) -> Result<T, ExchangeError> {
        let (parts, body) = answer.into_parts();
        let body = Zeroizing::new(body);
        if parts.status.is_redirection() {
            return Err(InvalidResponse::Redirect(parts.status.as_u16()).into());
        }
        let nonce = nonce(&parts.headers);
        let fits = body.len() <= MAX_BODY;
        if parts.status != StatusCode::OK {
            let readable = fits && is_json(&parts.headers);
            let members = readable.then(|| Members::parse(&body)).flatten();
            return Err(ExchangeError::Refused(self.refusal(
                parts.status,
                members,
                nonce,
            )));
        }
        if !fits {
            return Err(InvalidResponse::TooLarge.into());
        }
        let members = Members::parse(&body).ok_or(ExchangeError::InvalidJson)?;
        // A nonce that served is good until the endpoint gives another.
        let nonce = nonce.or_else(|| self.nonce.clone());
        let issued = IssuedToken::read(&members, nonce, now)?;
        if self.prove.is_some() && !issued.is_token_type("DPoP") {
            return Err(InvalidResponse::NotBound.into());
        }
        Ok((self.read)(&members, issued)?)
    }

    fn refusal(
        &self,
        status: StatusCode,
        members: Option<Members<'_>>,
        dpop_nonce: Option<String>,
    ) -> ErrorResponse {
        let said = |name, most| {
            let text = members.as_ref()?.text(name)?;
            let text: String = text
                .chars()
                .filter(|it| is_allowed(*it))
                .take(most)
                .collect();
            (!text.is_empty()).then_some(text)
        };
        ErrorResponse {
            call: self.kind,
            status,
            error: said("error", MAX_CODE),
            description: said("error_description", MAX_DESCRIPTION),
            dpop_nonce,
        }
    }

    /// Begins the conversation: this request, and one more if there is a proof and the endpoint asks
    /// for a nonce in it.
    ///
    /// # Errors
    ///
    /// [`ExchangeError::Signing`].
    pub fn start(self, now: SystemTime) -> Result<Step<Pending<T>>, ExchangeError> {
        self.fetch(now, false)
    }

    fn fetch(self, now: SystemTime, is_retry: bool) -> Result<Step<Pending<T>>, ExchangeError> {
        let request = self.prepare(now)?;
        let pending = Pending {
            call: self,
            now,
            is_retry,
        };
        Ok(Step::Fetch(request, pending))
    }
}

impl<T> fmt::Debug for TokenRequest<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenRequest")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// A call that waits for its answer.
#[derive(Debug)]
pub struct Pending<T> {
    call: TokenRequest<T>,
    now: SystemTime,
    is_retry: bool,
}

impl<T> Conversation for Pending<T> {
    type Output = T;
    type Error = ExchangeError;

    fn resume(
        self,
        answer: Result<Response<Vec<u8>>, TransportError>,
    ) -> Result<Step<Self>, ExchangeError> {
        let error = match self.call.accept(answer?, self.now) {
            Ok(output) => return Ok(Step::Done(output)),
            Err(error) => error,
        };
        match nonce_wanted(&error) {
            Some(nonce) if self.call.prove.is_some() && !self.is_retry => {
                self.call.with_nonce(nonce).fetch(self.now, true)
            }
            _ => Err(error),
        }
    }
}

fn nonce_wanted(error: &ExchangeError) -> Option<String> {
    match error {
        ExchangeError::Refused(refusal) if refusal.error() == Some(USE_DPOP_NONCE) => {
            refusal.dpop_nonce().map(str::to_owned)
        }
        _ => None,
    }
}

/// The one `DPoP-Nonce`, if it is of the characters that RFC 9449 section 8.1 allows.
fn nonce(fields: &HeaderMap) -> Option<String> {
    let mut values = fields.get_all(DPOP_NONCE).iter();
    let nonce = values.next()?.to_str().ok()?;
    let good = values.next().is_none()
        && (1..=MAX_NONCE).contains(&nonce.len())
        && nonce.chars().all(|it| it != ' ' && is_allowed(it));
    good.then(|| nonce.to_owned())
}

fn is_json(fields: &HeaderMap) -> bool {
    let media_type = fields.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    media_type.is_some_and(|it| it.to_ascii_lowercase().contains("json"))
}

/// RFC 6749 section 5.2: what `error` and `error_description` may hold.
fn is_allowed(character: char) -> bool {
    matches!(character, ' ' | '!' | '#'..='[' | ']'..='~')
}
