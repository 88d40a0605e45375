//! The parts of a client flow that both clients share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use a0_discovery::{Issuer, TokenEndpointError};
use a0_dpop::NewProof;
use a0_http::Step;
use a0_jose::{NumericDate, Signer, unverified_payload};
use a0_token_exchange::{
    ClientAuth, ClientInfo, ExchangeError, IssuedToken, OnBehalfOf, Pending, ProofRequest,
    RequestError, TokenClient, TokenRequest,
};

use serde_json::Value;

use crate::error::api_error::{ApiError, ClientFlowError};
use crate::error::{ArgumentSource, Error, ErrorKind};
use crate::observer::event::issuer_host;

use super::obo_cache::{OboCache, OboEntry};

/// The configuration of client flows.
pub(crate) struct ClientFlows {
    /// The issuer of `domain`, and the client authentication at its token endpoint.
    pub(crate) credentials: Option<(Issuer, Arc<ClientAuth>)>,
    /// The key to bind exchanged tokens to.
    pub(crate) dpop_key: Option<DpopKey>,
    pub(crate) obo_cache: Option<OboCache>,
    /// The other issuers of the tenant of `domain`.
    pub(crate) same_tenant: HashSet<Issuer>,
    pub(crate) client_info: Option<ClientInfo>,
}

/// Converts a flow's own error into the flow's kind of error.
pub(crate) type IntoErrorKind = fn(ClientFlowError) -> ErrorKind;

/// A token endpoint and the client that makes requests to it.
pub(crate) struct Endpoint {
    url: String,
    pub(crate) client: TokenClient,
}

impl ClientFlows {
    /// The issuer whose token endpoint the flows use.
    pub(crate) fn issuer(&self, kind: IntoErrorKind) -> Result<&Issuer, Error> {
        self.credentials(kind).map(|(issuer, _)| issuer)
    }

    /// Returns the cache entry of a request, or `None` if the cache is off or the access token does not
    /// say when it expires.
    pub(crate) fn obo_entry(
        &self,
        request: &OnBehalfOf<'_>,
        max_token_size: usize,
        now: NumericDate,
        kind: IntoErrorKind,
    ) -> Result<Option<OboEntry<'_>>, Error> {
        let issuer = self.issuer(kind)?;
        let cache = self.obo_cache.as_ref();
        Ok(cache.and_then(|cache| OboEntry::new(cache, issuer, request, max_token_size, now)))
    }

    pub(crate) fn issuer_host(&self) -> Option<&str> {
        let credentials = self.credentials.as_ref();
        credentials.map(|(issuer, _)| issuer_host(issuer))
    }

    fn credentials(&self, kind: IntoErrorKind) -> Result<&(Issuer, Arc<ClientAuth>), Error> {
        let credentials = self.credentials.as_ref();
        credentials.ok_or_else(|| Error::without_challenges(kind(ClientFlowError::NoCredentials)))
    }

    /// Refuses an access token of another tenant. Only an opaque or an encrypted token may have no readable
    /// `iss`; a signed one, with three segments, whose `iss` cannot be read is refused too.
    pub(crate) fn check_issuer(
        &self,
        access_token: &str,
        kind: IntoErrorKind,
    ) -> Result<(), Error> {
        let domain = self.issuer(kind)?;
        let other_issuer = || Error::without_challenges(kind(ClientFlowError::OtherIssuer));
        // A token of any size that can be read is read: it must not pass as an opaque one.
        let claims = unverified_payload(access_token, access_token.len()).ok();
        let Some(iss) = claims
            .as_ref()
            .and_then(|claims| claims.get("iss")?.as_str())
        else {
            return match access_token.split('.').count() {
                3 => Err(other_issuer()),
                _ => Ok(()),
            };
        };
        if domain.as_str() == iss || self.same_tenant.contains(iss) {
            return Ok(());
        }
        Err(other_issuer())
    }

    /// Refuses a worker's token that is meant for another tenant, which could be used there, and anything
    /// else that is no such token: an access token has the API as its audience.
    pub(crate) fn check_audience(
        &self,
        subject_token: &str,
        kind: IntoErrorKind,
    ) -> Result<(), Error> {
        let domain = self.issuer(kind)?;
        let claims = unverified_payload(subject_token, subject_token.len()).ok();
        let audience = claims.as_ref().and_then(|claims| claims.get("aud"));
        let only = match audience.and_then(Value::as_array).map(Vec::as_slice) {
            Some([only]) => only.as_str(),
            Some(_) => None,
            None => audience.and_then(Value::as_str),
        };
        match only {
            Some(only) if domain.as_str() == only || self.same_tenant.contains(only) => Ok(()),
            _ => Err(Error::without_challenges(kind(
                ClientFlowError::OtherAudience,
            ))),
        }
    }

    pub(crate) fn endpoint(
        &self,
        url: Result<String, TokenEndpointError>,
        kind: IntoErrorKind,
    ) -> Result<Endpoint, Error> {
        let url = url.map_err(|error| {
            Error::without_challenges(match error {
                TokenEndpointError::Unavailable(error) => {
                    ErrorKind::Api(ApiError::Discovery(error))
                }
                error => kind(ClientFlowError::Endpoint(error)),
            })
        })?;
        let (_, auth) = self.credentials(kind)?;
        let mut client = request_error(TokenClient::new(&url, Arc::clone(auth)), kind)?;
        if let Some(info) = &self.client_info {
            client = client.with_client_info(info.clone());
        }
        Ok(Endpoint { url, client })
    }

    /// Begins a request whose token is to be bound to the key of this client, if it has one.
    pub(crate) fn start_bound<T>(
        &self,
        endpoint: &Endpoint,
        request: TokenRequest<T>,
        now: SystemTime,
    ) -> Result<Step<Pending<T>>, ExchangeError> {
        match &self.dpop_key {
            Some(key) => key.add_proof(request, &endpoint.url).start(now),
            None => request.start(now),
        }
    }

    pub(crate) fn store_nonce(&self, endpoint: &Endpoint, token: &IssuedToken) {
        if let Some(key) = &self.dpop_key {
            key.store_nonce(&endpoint.url, token.dpop_nonce());
        }
    }
}

/// Signs the proofs of token requests (RFC 9449 section 5), and keeps the endpoint's last nonce.
pub(crate) struct DpopKey {
    key: Arc<dyn Signer>,
    /// The endpoint and its last nonce. A nonce is sent only to the endpoint that issued it.
    nonce: Mutex<Option<(String, String)>>,
}

impl DpopKey {
    pub(crate) fn new(key: Arc<dyn Signer>) -> Self {
        let nonce = Mutex::new(None);
        DpopKey { key, nonce }
    }

    fn add_proof<T>(&self, request: TokenRequest<T>, endpoint: &str) -> TokenRequest<T> {
        let key = Arc::clone(&self.key);
        let request = request.with_proof(move |request: &ProofRequest<'_>| {
            let proof = NewProof::new(request.method, request.url);
            let proof = match request.nonce {
                Some(nonce) => proof.nonce(nonce),
                None => proof,
            };
            proof.sign(&*key, NumericDate::from(request.now))
        });
        let nonce = self.nonce.lock().unwrap_or_else(PoisonError::into_inner);
        match &*nonce {
            Some((issued_by, nonce)) if issued_by == endpoint => request.with_nonce(nonce),
            _ => request,
        }
    }

    fn store_nonce(&self, endpoint: &str, nonce: Option<&str>) {
        if let Some(nonce) = nonce {
            let nonce = (endpoint.to_owned(), nonce.to_owned());
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
        }
    }
}

/// Converts the error of a request that cannot be sent.
pub(crate) fn request_error<T>(
    result: Result<T, RequestError>,
    kind: IntoErrorKind,
) -> Result<T, Error> {
    result.map_err(|error| {
        Error::without_challenges(match error {
            RequestError::MissingArgument(argument) => ErrorKind::MissingRequiredArgument {
                argument,
                source: ArgumentSource::Call,
            },
            error => kind(ClientFlowError::Request(error)),
        })
    })
}

/// Converts the error of a request that was sent, or whose proof or assertion could not be signed.
pub(crate) fn api_error<T>(result: Result<T, ExchangeError>) -> Result<T, Error> {
    result.map_err(|error| Error::without_challenges(ErrorKind::Api(ApiError::Exchange(error))))
}
