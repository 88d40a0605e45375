//! The options of DPoP (RFC 9449).

use std::sync::Arc;
use std::time::Duration;

use a0_dpop::{NonceIssuer, ReplayStore};

use crate::verification::request::DpopMode;

use super::builder::{Builder, Replay};

impl Builder {
    /// Whether requests may or must prove possession of the key that their token is bound to (RFC 9449);
    /// allowed by default. Environment variables can make this stricter: see
    /// [`from_env`](Builder::from_env).
    pub fn dpop(mut self, mode: DpopMode) -> Self {
        self.dpop = mode;
        self
    }

    /// How far in the future a proof's `iat` may be; 30 seconds by default. Together with
    /// [`dpop_iat_offset`](Builder::dpop_iat_offset) at most 3600 seconds.
    pub fn dpop_iat_leeway(mut self, leeway: Duration) -> Self {
        self.proof_rules = self.proof_rules.iat_leeway(leeway);
        self
    }

    /// How far in the past a proof's `iat` may be; 300 seconds by default. The replay store records a
    /// proof for that long and one minute more.
    pub fn dpop_iat_offset(mut self, offset: Duration) -> Self {
        self.proof_rules = self.proof_rules.iat_offset(offset);
        self
    }

    /// The allowed algorithms of proofs by their registered names; ES256 by default.
    pub fn dpop_algorithms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.dpop_algorithms = names.into_iter().map(Into::into).collect();
        self
    }

    /// The scheme, authority and path prefix under which clients reach this API, such as
    /// `https://api.example/v1`.
    ///
    /// A proof names the URL that its client used, and an [`http::Request`] does not contain that URL.
    /// Without this option, a request of the scheme DPoP needs
    /// [`RequestContext::url`](crate::RequestContext::url). If it has no URL either, no proof can be
    /// verified: the API then does not advertise the scheme DPoP, and answers such a request 401.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Declares that every request brings its URL, by [`RequestContext::url`](crate::RequestContext::url).
    /// With [`DpopMode::Required`], either this or [`public_url`](Builder::public_url) must be set.
    pub fn url_in_requests(mut self) -> Self {
        self.url_in_requests = true;
        self
    }

    /// The store that records used proofs. By default each client has its own, in memory. All clients
    /// and processes behind one URL need the same store. An `Arc` of a store is a store too.
    pub fn replay_store(mut self, store: impl ReplayStore + 'static) -> Self {
        self.replay_store = Replay::In(Arc::new(store));
        self
    }

    /// Turns replay protection off: anyone who obtains a proof can use it again until it is too old.
    pub fn without_replay_protection(mut self) -> Self {
        self.replay_store = Replay::Off;
        self
    }

    /// Accepts proofs while the replay store fails, instead of answering 503.
    pub fn replay_fail_open(mut self) -> Self {
        self.replay_fail_open = true;
        self
    }

    /// Requires a nonce of this API in every proof (RFC 9449 section 9); off by default.
    pub fn dpop_nonces(mut self, nonces: NonceIssuer) -> Self {
        self.nonces = Some(nonces);
        self
    }
}
