//! Spans and events of the crate `tracing` (feature `tracing`).

use std::time::Instant;

use tracing::field::Empty;
use tracing::{Level, debug_span, event, info_span};

use crate::verification::request::Scheme;

use super::event::{
    Denial, Event, ExchangeResult, ExchangedToken, KeysRefresh, Outcome, RefreshResult, Replay,
    Verification, Work,
};
use super::limiter::Limiter;
use super::{Observer, Span};

/// Claims in a span are cut to this length, in characters.
const MAX_CLAIM: usize = 200;

/// Emits spans and events of the crate `tracing`, with the target `auth0_api` (feature `tracing`).
///
/// The spans are `auth0_api.verify` (level debug), `auth0_api.keys_refresh` and `auth0_api.token_exchange`
/// (info). An accepted request and one without credentials are events of level debug; refreshed keys and
/// exchanged tokens are events of level info. Refusals are warnings, and outages and misconfiguration are
/// errors. Of both there is at most one a second for each [`reason`](crate::Error::reason), and the field
/// `left_out` tells how many were left out before it.
/// docs/observability.md lists all fields.
///
/// ```
/// use auth0_api::ApiClient;
/// use auth0_api::observer::TracingObserver;
///
/// let client = ApiClient::builder()
///     .domain("tenant.example")
///     .audience("https://api.example/")
///     .observer(TracingObserver::new())
///     .build()?;
/// # let _ = client;
/// # Ok::<(), auth0_api::Error>(())
/// ```
pub struct TracingObserver {
    limiter: Limiter,
}

impl TracingObserver {
    /// Creates an observer.
    pub fn new() -> Self {
        TracingObserver::with_clock(Instant::now)
    }

    /// Creates an observer that limits its warnings by another clock than the system's.
    pub fn with_clock(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let limiter = Limiter::new(now);
        TracingObserver { limiter }
    }

    /// Emits an event, or leaves it out if there was one of the same topic less than a second ago.
    fn limited(&self, level: Level, line: Line<'_>) {
        let topic = (level, line.message, line.reason);
        if let Some(left_out) = self.limiter.admit(topic) {
            line.emit(level, Some(left_out));
        }
    }

    fn verification(&self, end: &Verification<'_>) {
        let line = Line {
            outcome: Some(end.outcome.as_str()),
            scheme: end.scheme.map(Scheme::label),
            reason: end.reason,
            status: end.status,
            host: end.issuer_host,
            ..Line::new("verification")
        };
        match end.outcome {
            Outcome::Accepted | Outcome::Missing => line.emit(Level::DEBUG, None),
            Outcome::Refused => self.limited(Level::WARN, line),
            Outcome::Unavailable | Outcome::Misconfigured => {
                self.limited(Level::ERROR, line.of_server_fault());
            }
        }
    }

    fn denial(&self, denial: &Denial) {
        let line = Line {
            outcome: Some(denial.outcome.as_str()),
            scheme: Some(denial.scheme.label()),
            reason: Some(denial.reason),
            status: Some(denial.status),
            ..Line::new("authorization")
        };
        if denial.outcome == Outcome::Misconfigured {
            self.limited(Level::ERROR, line.of_server_fault());
        } else {
            self.limited(Level::WARN, line);
        }
    }

    fn keys_refresh(&self, end: &KeysRefresh<'_>) {
        let line = Line {
            outcome: Some(end.result.as_str()),
            reason: end.reason,
            host: Some(end.issuer_host),
            ..Line::new("keys refresh")
        };
        match end.result {
            RefreshResult::Fetched | RefreshResult::Shared => line.emit(Level::INFO, None),
            RefreshResult::Unchanged => line.emit(Level::DEBUG, None),
            RefreshResult::Failed | RefreshResult::Abandoned => {
                self.limited(Level::ERROR, line.of_server_fault());
            }
        }
        for entry in end.refused_entries {
            let line = Line {
                reason: Some(entry.reason.as_str()),
                host: Some(end.issuer_host),
                ..Line::new("shared keys refused")
            };
            self.limited(Level::WARN, line);
        }
    }

    fn exchange(&self, end: &ExchangedToken<'_>) {
        let line = Line {
            flow: Some(end.flow.as_str()),
            outcome: Some(end.result.as_str()),
            reason: end.reason,
            host: end.issuer_host,
            ..Line::new("token exchange")
        };
        match end.result {
            ExchangeResult::Issued | ExchangeResult::Reused => line.emit(Level::INFO, None),
            ExchangeResult::NotSent | ExchangeResult::Refused => {
                self.limited(Level::WARN, line);
            }
            ExchangeResult::Failed => self.limited(Level::ERROR, line.of_server_fault()),
        }
    }

    /// Tells of floods that have ended.
    fn tell_left_out(&self) {
        for ((level, message, reason), left_out) in self.limiter.overdue() {
            let line = Line {
                reason,
                ..Line::new(message)
            };
            line.emit(level, Some(left_out));
        }
    }
}

/// The message and the fields of an event. A field that is `None` is absent.
#[derive(Default)]
struct Line<'e> {
    message: &'static str,
    flow: Option<&'static str>,
    outcome: Option<&'static str>,
    scheme: Option<&'static str>,
    reason: Option<&'static str>,
    status: Option<u16>,
    error_type: Option<&'static str>,
    host: Option<&'e str>,
}

impl Line<'_> {
    fn new(message: &'static str) -> Self {
        Line {
            message,
            ..Line::default()
        }
    }

    fn of_server_fault(self) -> Self {
        Line {
            error_type: self.reason,
            ..self
        }
    }

    fn emit(&self, level: Level, left_out: Option<u64>) {
        // The level of an event is a constant.
        macro_rules! emit {
            ($level:ident) => {
                event!(
                    target: "auth0_api",
                    Level::$level,
                    {
                        "auth.flow" = self.flow,
                        "auth.outcome" = self.outcome,
                        "auth.scheme" = self.scheme,
                        "auth.reason" = self.reason,
                        "auth.status" = self.status,
                        "error.type" = self.error_type,
                        "server.address" = self.host,
                        "left_out" = left_out
                    },
                    "{}",
                    self.message
                )
            };
        }
        match level {
            Level::ERROR => emit!(ERROR),
            Level::WARN => emit!(WARN),
            Level::INFO => emit!(INFO),
            _ => emit!(DEBUG),
        }
    }
}

impl Default for TracingObserver {
    fn default() -> Self {
        TracingObserver::new()
    }
}

impl Observer for TracingObserver {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Verification(end) => self.verification(end),
            Event::Denial(denial) => self.denial(denial),
            Event::KeysRefresh(end) => self.keys_refresh(end),
            Event::TokenExchange(end) => self.exchange(end),
            Event::Replay(Replay::FailedOpen) => {
                let message =
                    "a proof was accepted without a replay check, because the store failed";
                let reason = Some("replay_failed_open");
                let line = Line {
                    reason,
                    ..Line::new(message)
                };
                self.limited(Level::ERROR, line.of_server_fault());
            }
            Event::RequestWithoutUrl { is_first: true } => {
                let message = "a DPoP request was refused, because the API passes no URL or no method of \
                     its requests: set public_url. This is told once";
                Line::new(message).emit(Level::ERROR, None);
            }
            Event::RequestWithoutUrl { is_first: false }
            | Event::Replay(_)
            | Event::TokenCache(_) => {}
        }
        self.tell_left_out();
    }

    fn begin(&self, work: &Work<'_>) -> Option<Box<dyn Span>> {
        let span = match *work {
            Work::Verification(_) => debug_span!(
                target: "auth0_api",
                "auth0_api.verify",
                "auth.outcome" = Empty,
                "auth.scheme" = Empty,
                "auth.reason" = Empty,
                "auth.status" = Empty,
                "auth.claims" = Empty,
                "error.type" = Empty,
                "server.address" = Empty,
            ),
            Work::KeysRefresh { issuer_host } => info_span!(
                target: "auth0_api",
                "auth0_api.keys_refresh",
                "auth.outcome" = Empty,
                "auth.reason" = Empty,
                "error.type" = Empty,
                "server.address" = issuer_host,
            ),
            Work::TokenExchange { flow, issuer_host } => info_span!(
                target: "auth0_api",
                "auth0_api.token_exchange",
                "auth.flow" = flow.as_str(),
                "auth.outcome" = Empty,
                "auth.reason" = Empty,
                "error.type" = Empty,
                "server.address" = issuer_host,
            ),
        };
        if span.is_disabled() {
            return None;
        }
        Some(Box::new(TracingSpan(span)))
    }
}

struct TracingSpan(tracing::Span);

impl Span for TracingSpan {
    // The guard of `tracing::Span::enter` must not live on while a task waits.
    fn enter(&mut self) {
        self.0
            .with_subscriber(|(id, subscriber)| subscriber.enter(id));
    }

    fn exit(&mut self) {
        self.0
            .with_subscriber(|(id, subscriber)| subscriber.exit(id));
    }

    fn end(&mut self, event: &Event<'_>) {
        let span = &self.0;
        let (outcome, reason, is_server_fault) = match event {
            Event::Verification(end) => {
                if let Some(scheme) = end.scheme {
                    span.record("auth.scheme", scheme.label());
                }
                if let Some(status) = end.status {
                    span.record("auth.status", status);
                }
                if let Some(host) = end.issuer_host {
                    span.record("server.address", host);
                }
                if !end.claims.is_empty() {
                    span.record("auth.claims", claims(end.claims));
                }
                let is_server_fault =
                    matches!(end.outcome, Outcome::Unavailable | Outcome::Misconfigured);
                (end.outcome.as_str(), end.reason, is_server_fault)
            }
            Event::KeysRefresh(end) => (end.result.as_str(), end.reason, true),
            Event::TokenExchange(end) => (
                end.result.as_str(),
                end.reason,
                end.result == ExchangeResult::Failed,
            ),
            _ => return,
        };
        span.record("auth.outcome", outcome);
        if let Some(reason) = reason {
            span.record("auth.reason", reason);
            if is_server_fault {
                span.record("error.type", reason);
            }
        }
    }
}

/// Names and values, escaped, because the values come from a token.
fn claims(claims: &[(&str, &str)]) -> String {
    let parts = claims.iter().map(|(name, value)| {
        let value: String = value.chars().take(MAX_CLAIM).collect();
        format!("{name}={value:?}")
    });
    parts.collect::<Vec<_>>().join(" ")
}
