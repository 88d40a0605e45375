//! The challenges of an error response.

use a0_jose::Algorithm;

use crate::verification::scheme::{DpopMode, Scheme};

use super::Error;
use super::challenge::Challenge;
use super::refusal::Refusal;

const REALM: &str = "api";

/// Creates the challenges of the configured schemes.
///
/// Every verified token holds a copy. It is `Copy` rather than an `Arc`, because threads would contend for
/// the reference count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Challenger {
    mode: DpopMode,
    /// The allowed algorithms of proofs, in order.
    algorithms: [Option<Algorithm>; Algorithm::COUNT],
}

impl Challenger {
    pub(crate) fn new(mode: DpopMode, algorithms: &[Algorithm]) -> Self {
        let mut own = [None; Algorithm::COUNT];
        for (place, algorithm) in own.iter_mut().zip(algorithms) {
            *place = Some(*algorithm);
        }
        Challenger {
            mode,
            algorithms: own,
        }
    }

    /// The value of `algs`: the names, separated by spaces.
    fn algs(&self) -> String {
        let names = self.algorithms.iter().flatten();
        let names: Vec<&str> = names.map(|algorithm| algorithm.name()).collect();
        names.join(" ")
    }

    /// Turns a refusal into an error with one challenge for each scheme that the API accepts. The
    /// challenge of the scheme that was used says what went wrong (RFC 6750 section 3, RFC 9449 section
    /// 7.2).
    pub(crate) fn error(&self, refusal: Refusal, used: Option<Scheme>) -> Error {
        let mut error = Error::new(refusal.0, Vec::new());
        if error.status_code().is_server_error() {
            return error;
        }
        let description = error.error_description();
        let reason = (!description.is_empty()).then(|| (error.error_code(), description));
        let reason_scheme = match self.mode {
            DpopMode::Disabled => Scheme::Bearer,
            DpopMode::Required => Scheme::Dpop,
            DpopMode::Allowed => used.unwrap_or(Scheme::Bearer),
        };
        let mut challenges = Vec::with_capacity(2);
        let reason_for = |scheme| reason.as_ref().filter(|_| scheme == reason_scheme);
        if self.mode != DpopMode::Required {
            let mut bearer = Challenge::bearer();
            bearer.set_cleaned("realm", REALM);
            bearer.set_error(reason_for(Scheme::Bearer));
            challenges.push(bearer);
        }
        if self.mode != DpopMode::Disabled {
            let mut dpop = Challenge::dpop();
            dpop.set_error(reason_for(Scheme::Dpop));
            dpop.set_cleaned("algs", &self.algs());
            challenges.push(dpop);
        }
        error.set_challenges(challenges);
        error
    }
}
