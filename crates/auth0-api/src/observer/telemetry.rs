//! The one place that every client tells what happened: it counts, and passes the event on.

use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "async")]
use std::pin::pin;
use std::sync::Arc;

use a0_jose::Claims;

use crate::authorization::policy::Policy;
use crate::error::{Error, ErrorKind, Outage};
use crate::verification::request::Scheme;
use crate::verification::token::VerifiedToken;

use super::counters::{Counters, Counts};
use super::event::{
    Denial, Event, ExchangeResult, ExchangedToken, Flow, Outcome, RefreshResult, Replay, Subject,
    TokenCacheLookup, Verification, Work, issuer_host,
};
use super::watch::Watch;
use super::{Observer, Span};

/// The counters and the observers of a client.
#[derive(Default)]
pub(crate) struct Telemetry {
    counters: Counters,
    observers: Vec<Arc<dyn Observer>>,
    /// The names of the claims that observers may see.
    claims: Vec<String>,
}

/// What a verification accepted.
pub(crate) trait Accepted {
    fn scheme(&self) -> Scheme;

    fn text_claim(&self, name: &str) -> Option<&str>;
}

impl Accepted for VerifiedToken {
    fn scheme(&self) -> Scheme {
        VerifiedToken::scheme(self)
    }

    fn text_claim(&self, name: &str) -> Option<&str> {
        VerifiedToken::text_claim(self, name)
    }
}

/// A proof.
impl Accepted for Claims {
    fn scheme(&self) -> Scheme {
        Scheme::Dpop
    }

    fn text_claim(&self, _name: &str) -> Option<&str> {
        None
    }
}

impl Telemetry {
    pub(crate) fn new(observers: Vec<Arc<dyn Observer>>, claims: Vec<String>) -> Self {
        Telemetry {
            counters: Counters::default(),
            observers,
            claims,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Runs a verification.
    pub(crate) fn verification<T: Accepted>(
        &self,
        subject: Subject,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.observers.is_empty() {
            let result = work();
            self.count_verification(&result);
            return result;
        }
        let mut watch = Watch::begin(self, &Work::Verification(subject));
        let result = watch.scoped(work);
        self.end_verification(watch, subject, &result);
        result
    }

    /// Runs a verification of the async client.
    #[cfg(feature = "async")]
    pub(crate) async fn verification_async<T: Accepted>(
        &self,
        subject: Subject,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let work = pin!(work);
        if self.observers.is_empty() {
            let result = work.await;
            self.count_verification(&result);
            return result;
        }
        let mut watch = Watch::begin(self, &Work::Verification(subject));
        let result = watch.scoped_async(work).await;
        self.end_verification(watch, subject, &result);
        result
    }

    fn count_verification<T>(&self, result: &Result<T, Error>) {
        let outcome = result.as_ref().err().map_or(Outcome::Accepted, Outcome::of);
        self.counters.count_verification(outcome);
    }

    fn end_verification<T: Accepted>(
        &self,
        watch: Watch<&Self>,
        subject: Subject,
        result: &Result<T, Error>,
    ) {
        self.count_verification(result);
        let (mut claims, duration) = (Vec::new(), watch.elapsed());
        let (accepted, error) = (result.as_ref().ok(), result.as_ref().err());
        if let Some(accepted) = accepted {
            let allowed = self.claims.iter();
            claims.extend(allowed.filter_map(|name| Some((&**name, accepted.text_claim(name)?))));
        }
        watch.end(&Event::Verification(Verification {
            subject,
            outcome: error.map_or(Outcome::Accepted, Outcome::of),
            scheme: match error {
                Some(error) => error.scheme(),
                None => accepted.map(Accepted::scheme),
            },
            reason: error.map(Error::reason),
            status: error.map(|error| error.status_code().as_u16()),
            duration,
            issuer_host: error.and_then(unavailable_host),
            claims: &claims,
        }));
    }

    /// Applies a policy to a verified token.
    pub(crate) fn authorize(&self, token: &VerifiedToken, policy: &Policy) -> Result<(), Error> {
        token.authorize(policy).inspect_err(|error| {
            self.counters.denied.add_one();
            self.tell(&Event::Denial(Denial {
                outcome: Outcome::of(error),
                scheme: token.scheme(),
                reason: error.reason(),
                status: error.status_code().as_u16(),
            }));
        })
    }

    /// Runs a client flow. `is_own` says afterwards whether this call made the exchange itself.
    pub(crate) fn exchange<T>(
        &self,
        flow: Flow,
        issuer_host: Option<&str>,
        work: impl FnOnce() -> Result<T, Error>,
        is_own: impl FnOnce() -> bool,
    ) -> Result<T, Error> {
        let mut watch = Watch::begin(self, &Work::TokenExchange { flow, issuer_host });
        let result = watch.scoped(work);
        self.end_exchange(watch, flow, issuer_host, &result, is_own());
        result
    }

    /// Runs a flow of the async client.
    #[cfg(feature = "async")]
    pub(crate) async fn exchange_async<T>(
        &self,
        flow: Flow,
        issuer_host: Option<&str>,
        work: impl Future<Output = Result<T, Error>>,
        is_own: impl FnOnce() -> bool,
    ) -> Result<T, Error> {
        let work = pin!(work);
        let mut watch = Watch::begin(self, &Work::TokenExchange { flow, issuer_host });
        let result = watch.scoped_async(work).await;
        self.end_exchange(watch, flow, issuer_host, &result, is_own());
        result
    }

    fn end_exchange<T>(
        &self,
        watch: Watch<&Self>,
        flow: Flow,
        issuer_host: Option<&str>,
        result: &Result<T, Error>,
        is_own: bool,
    ) {
        let error = result.as_ref().err();
        let result = match error {
            Some(error) => ExchangeResult::of(error),
            None if is_own => ExchangeResult::Issued,
            None => ExchangeResult::Reused,
        };
        self.counters.count_exchange(result);
        let duration = watch.elapsed();
        watch.end(&Event::TokenExchange(ExchangedToken {
            flow,
            result,
            reason: error.map(Error::reason),
            issuer_host,
            duration,
        }));
    }

    pub(crate) fn replay(&self, result: Replay) {
        self.counters.count_replay(result);
        self.tell(&Event::Replay(result));
    }

    pub(crate) fn token_cache(&self, is_hit: bool) {
        if self.observers.is_empty() {
            return;
        }
        self.tell(&Event::TokenCache(if is_hit {
            TokenCacheLookup::Hit
        } else {
            TokenCacheLookup::Miss
        }));
    }

    pub(crate) fn request_without_url(&self) {
        let is_first = self.counters.count_request_without_url();
        self.tell(&Event::RequestWithoutUrl { is_first });
    }

    pub(super) fn count_refresh(&self, result: RefreshResult, refused_entries: usize) {
        self.counters.count_refresh(result, refused_entries);
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        for observer in &self.observers {
            self.shield(|| observer.event(event));
        }
    }

    pub(super) fn spans(&self, work: &Work<'_>) -> Vec<Box<dyn Span>> {
        let observers = self.observers.iter();
        observers
            .filter_map(|observer| self.shield(|| observer.begin(work))?)
            .collect()
    }

    /// Calls an observer. A panic ends here, because an observer decides nothing.
    pub(super) fn shield<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.counters.observer_panics.add_one();
                // The payload is the observer's own too, and may panic when it is dropped.
                if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                    std::mem::forget(second);
                }
                None
            }
        }
    }
}

fn unavailable_host(error: &Error) -> Option<&str> {
    match error.kind() {
        ErrorKind::Unavailable(Outage::Keys(keys)) => Some(issuer_host(&keys.issuer)),
        _ => None,
    }
}
