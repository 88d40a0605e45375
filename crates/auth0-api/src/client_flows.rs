//! What client flows need, and keep from one to the next.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use a0_discovery::Issuer;
use a0_dpop::NewProof;
use a0_jose::{NumericDate, Signer, sha256_base64url};
use a0_token_exchange::{Call, ClientAuth, IssuedToken, OnBehalfOf, ProofRequest};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::single_flight::SingleFlight;

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

    pub(crate) fn add<T>(&self, call: Call<T>, endpoint: &str) -> Call<T> {
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

    pub(crate) fn remember(&self, endpoint: &str, nonce: Option<&str>) {
        if let Some(nonce) = nonce {
            let nonce = (endpoint.to_owned(), nonce.to_owned());
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
        }
    }
}

/// Tokens of exchanges on behalf of a user, until shortly before they expire.
pub(crate) struct OboCache(SingleFlight<Result<IssuedToken, Error>>);

/// A token that is about to expire is of no use to the API downstream, in seconds.
const OBO_MARGIN: f64 = 10.0;

impl OboCache {
    pub(crate) fn new(max_entries: NonZeroUsize) -> Self {
        OboCache(SingleFlight::new(max_entries))
    }

    pub(crate) fn get(
        &self,
        key: &str,
        subject_expires_at: NumericDate,
        now: NumericDate,
        exchange: impl FnOnce() -> Result<IssuedToken, Error>,
    ) -> Result<IssuedToken, Error> {
        let is_good = |outcome: &Result<IssuedToken, Error>| {
            outcome.as_ref().is_ok_and(|token| {
                !token.is_expiry_assumed()
                    && now < subject_expires_at
                    && now.as_seconds() + OBO_MARGIN < token.expires_at() as f64
            })
        };
        self.0.get(key, is_good, exchange)
    }
}

/// What an exchange depends on, as one text: hashes of full length, so that no two ways to cut them
/// give the same, and none of the tokens.
pub(crate) fn obo_key(issuer: &Issuer, request: &OnBehalfOf<'_>) -> String {
    let parts = [
        issuer.as_str(),
        request.access_token(),
        request.requested_audience(),
        request.requested_scope(),
    ];
    sha256_base64url(parts.map(sha256_base64url).concat())
}
