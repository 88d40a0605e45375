//! What client flows need, and keep from one to the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use a0_discovery::{Issuer, TokenEndpointError};
use a0_dpop::NewProof;
use a0_http::{Step, TransportError, TransportErrorKind};
use a0_jose::{NumericDate, Signer, sha256_base64url, unverified_payload};
use a0_token_exchange::{
    ClientAuth, ExchangeError, IssuedToken, OnBehalfOf, Pending, ProofRequest, RequestError,
    TokenClient, TokenRequest,
};
use zeroize::Zeroizing;

use crate::api_error::{ApiError, ClientFlowError};
use crate::error::{Error, ErrorKind};
use crate::single_flight::{SingleFlight, Stranded};

/// The options of an exchange that a builder holds.
#[derive(Clone, Default)]
pub(crate) struct FlowOptions {
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Arc<Zeroizing<String>>>,
    pub(crate) client_auth: Option<Arc<ClientAuth>>,
    pub(crate) dpop_key: Option<Arc<dyn Signer>>,
    pub(crate) obo_cache: usize,
}

/// What client flows are configured with.
pub(crate) struct ClientFlows {
    /// The domain's issuer, and how to authenticate at its token endpoint.
    pub(crate) credentials: Option<(Issuer, Arc<ClientAuth>)>,
    /// The key that exchanged tokens are to be bound to.
    pub(crate) proofs: Option<Proofs>,
    pub(crate) obo_cache: Option<OboCache>,
}

/// Makes the proofs of exchanges (RFC 9449 section 5), and keeps the endpoint's nonce.
pub(crate) struct Proofs {
    key: Arc<dyn Signer>,
    /// The last nonce, and the endpoint that gave it: it is for that one alone.
    nonce: Mutex<Option<(String, String)>>,
}

impl Proofs {
    pub(crate) fn new(key: Arc<dyn Signer>) -> Self {
        let nonce = Mutex::new(None);
        Proofs { key, nonce }
    }

    fn add<T>(&self, call: TokenRequest<T>, endpoint: &str) -> TokenRequest<T> {
        let key = Arc::clone(&self.key);
        let call = call.with_proof(move |request: &ProofRequest<'_>| {
            let proof = NewProof::new(request.method, request.url);
            let proof = match request.nonce {
                Some(nonce) => proof.nonce(nonce),
                None => proof,
            };
            proof.sign(&*key, NumericDate::from(request.now))
        });
        let nonce = self.nonce.lock().unwrap_or_else(PoisonError::into_inner);
        match &*nonce {
            Some((of, nonce)) if of == endpoint => call.with_nonce(nonce),
            _ => call,
        }
    }

    fn remember(&self, endpoint: &str, nonce: Option<&str>) {
        if let Some(nonce) = nonce {
            let nonce = (endpoint.to_owned(), nonce.to_owned());
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
        }
    }
}

/// Tokens of exchanges on behalf of a user, until shortly before they expire.
pub(crate) type OboCache = SingleFlight<IssuedToken, Error>;

/// A token that is about to expire is of no use to the API downstream, in seconds.
const OBO_MARGIN: f64 = 10.0;

/// Where a token on behalf of a user is kept, and for how long.
pub(crate) struct Kept<'f> {
    pub(crate) cache: &'f OboCache,
    pub(crate) key: String,
    subject_expires_at: NumericDate,
    now: NumericDate,
}

impl Kept<'_> {
    pub(crate) fn is_good(&self) -> impl Fn(&IssuedToken) -> bool + use<> {
        let (now, subject_expires_at) = (self.now, self.subject_expires_at);
        move |token| {
            !token.is_expiry_assumed()
                && now < subject_expires_at
                && now.as_seconds() + OBO_MARGIN < token.expires_at() as f64
        }
    }
}

impl From<Stranded> for Error {
    fn from(stranded: Stranded) -> Self {
        let kind = match stranded {
            Stranded::WaitedTooLong => TransportErrorKind::Timeout,
            Stranded::Abandoned => TransportErrorKind::Other,
        };
        let error = ExchangeError::Transport(TransportError::new(kind, stranded));
        Error::of_client_flow(ErrorKind::Api(ApiError::Exchange(error)))
    }
}

/// Which of the flows' own errors stands for a refused request.
pub(crate) type Refuse = fn(ClientFlowError) -> ErrorKind;

/// A token endpoint, and this client at it.
pub(crate) struct Endpoint {
    url: String,
    pub(crate) client: TokenClient,
}

impl ClientFlows {
    /// Whose token endpoint the flows go to.
    pub(crate) fn issuer(&self, refuse: Refuse) -> Result<&Issuer, Error> {
        self.credentials(refuse).map(|(issuer, _)| issuer)
    }

    fn credentials(&self, refuse: Refuse) -> Result<&(Issuer, Arc<ClientAuth>), Error> {
        let credentials = self.credentials.as_ref();
        credentials.ok_or_else(|| Error::of_client_flow(refuse(ClientFlowError::NoCredentials)))
    }

    pub(crate) fn endpoint(
        &self,
        url: Result<String, TokenEndpointError>,
        refuse: Refuse,
    ) -> Result<Endpoint, Error> {
        let url = url.map_err(|error| {
            Error::of_client_flow(match error {
                TokenEndpointError::Unavailable(error) => {
                    ErrorKind::Api(ApiError::Discovery(error))
                }
                error => refuse(ClientFlowError::Endpoint(error)),
            })
        })?;
        let (_, auth) = self.credentials(refuse)?;
        let client = judged(TokenClient::new(&url, Arc::clone(auth)), refuse)?;
        Ok(Endpoint { url, client })
    }

    /// Begins a call whose token is to be bound to this client's key, if it has one.
    pub(crate) fn start_bound<T>(
        &self,
        endpoint: &Endpoint,
        call: TokenRequest<T>,
        now: SystemTime,
    ) -> Result<Step<Pending<T>>, ExchangeError> {
        match &self.proofs {
            Some(proofs) => proofs.add(call, &endpoint.url).start(now),
            None => call.start(now),
        }
    }

    pub(crate) fn remember_nonce(&self, endpoint: &Endpoint, token: &IssuedToken) {
        if let Some(proofs) = &self.proofs {
            proofs.remember(&endpoint.url, token.dpop_nonce());
        }
    }

    /// Where the token for this request is kept; `None` where none is, and for a token of which
    /// nobody can tell how long it lives.
    pub(crate) fn kept(
        &self,
        request: &OnBehalfOf<'_>,
        max_token_size: usize,
        now: NumericDate,
        refuse: Refuse,
    ) -> Result<Option<Kept<'_>>, Error> {
        let issuer = self.issuer(refuse)?;
        let Some(cache) = &self.obo_cache else {
            return Ok(None);
        };
        let expiry = expiry(request.access_token(), max_token_size);
        Ok(expiry.map(|subject_expires_at| Kept {
            cache,
            key: obo_key(issuer, request),
            subject_expires_at,
            now,
        }))
    }
}

/// What an exchange depends on, as one text: hashes of full length, so that no two ways to cut them
/// give the same, and none of the tokens.
fn obo_key(issuer: &Issuer, request: &OnBehalfOf<'_>) -> String {
    let parts = [
        issuer.as_str(),
        request.access_token(),
        request.requested_audience(),
        request.requested_scope(),
    ];
    sha256_base64url(parts.map(sha256_base64url).concat())
}

/// When a token says that it expires; nobody vouches for it here.
fn expiry(token: &str, max_token_size: usize) -> Option<NumericDate> {
    let claims = unverified_payload(token, max_token_size).ok()?;
    NumericDate::from_json(claims.get("exp")?)
}

pub(crate) fn judged<T>(outcome: Result<T, RequestError>, refuse: Refuse) -> Result<T, Error> {
    outcome.map_err(|error| {
        Error::of_client_flow(match error {
            RequestError::MissingArgument(argument) => {
                ErrorKind::MissingRequiredArgument { argument }
            }
            error => refuse(ClientFlowError::Request(error)),
        })
    })
}

pub(crate) fn ended<T>(outcome: Result<T, ExchangeError>) -> Result<T, Error> {
    outcome.map_err(|error| Error::of_client_flow(ErrorKind::Api(ApiError::Exchange(error))))
}
