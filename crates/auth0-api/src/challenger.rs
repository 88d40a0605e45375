//! Which challenges an answer has.

use a0_jose::Algorithm;

use crate::challenge::Challenge;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::verification::scheme::{DpopMode, Scheme};

const REALM: &str = "api";

/// Knows which challenges an answer has, by what the API takes.
///
/// Every verified token has one, so it is copied, and shares nothing that threads would count.
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

    /// With spaces between them.
    fn algs(&self) -> String {
        let names = self.algorithms.iter().flatten();
        let names: Vec<&str> = names.map(|algorithm| algorithm.name()).collect();
        names.join(" ")
    }

    /// Makes an error of a refusal, with the challenges that go with it: one for each scheme that
    /// is taken, what went wrong on the one that was used (RFC 6750 section 3, RFC 9449 section
    /// 7.2).
    pub(crate) fn challenged(&self, refusal: Refusal, used: Option<Scheme>) -> Error {
        let mut error = Error::new(refusal.0, Vec::new());
        if error.status_code().is_server_error() {
            return error;
        }
        let description = error.error_description();
        let said = (!description.is_empty()).then(|| (error.error_code(), description));
        let blamed = match self.mode {
            DpopMode::Disabled => Scheme::Bearer,
            DpopMode::Required => Scheme::Dpop,
            DpopMode::Allowed => used.unwrap_or(Scheme::Bearer),
        };
        let mut challenges = Vec::with_capacity(2);
        let said_on = |scheme| said.as_ref().filter(|_| scheme == blamed);
        if self.mode != DpopMode::Required {
            let mut bearer = Challenge::bearer();
            bearer.set_cleaned("realm", REALM);
            bearer.set_error(said_on(Scheme::Bearer));
            challenges.push(bearer);
        }
        if self.mode != DpopMode::Disabled {
            let mut dpop = Challenge::dpop();
            dpop.set_error(said_on(Scheme::Dpop));
            dpop.set_cleaned("algs", &self.algs());
            challenges.push(dpop);
        }
        error.set_challenges(challenges);
        error
    }
}
