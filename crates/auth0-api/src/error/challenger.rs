//! The challenges of an error response.

use a0_jose::Algorithm;

use crate::verification::credentials::{DpopMode, Scheme};

use super::challenge::Challenge;
use super::refusal::Refusal;
use super::{ArgumentSource, Error, ErrorKind};

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
    /// Whether a proof could be verified: the API passed the method and the URL of the request.
    can_have_proof: bool,
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
            can_have_proof: true,
        }
    }

    /// For the errors of one request. A scheme that the API could not verify is not advertised.
    pub(crate) fn for_request(mut self, can_have_proof: bool) -> Self {
        self.can_have_proof = can_have_proof;
        self
    }

    /// The value of `algs`: the names, separated by spaces.
    fn algs(&self) -> String {
        let names = self.algorithms.iter().flatten();
        let names: Vec<&str> = names.map(|algorithm| algorithm.name()).collect();
        names.join(" ")
    }

    /// Turns a refusal into an error with one challenge for each scheme that the API accepts. The
    /// challenge of the scheme that was used comes first and says what went wrong (RFC 6750 section 3, RFC
    /// 9449 section 7.2). Some clients look at the first challenge only.
    pub(crate) fn error(&self, refusal: Refusal, used: Option<Scheme>) -> Error {
        let is_omission = refusal.is_omission_of_the_api();
        let mut error = Error::new(self.blame(refusal.kind), refusal.diagnosis);
        error.set_scheme(used);
        if error.status_code().is_server_error() {
            return error;
        }
        let used = match self.mode {
            DpopMode::Disabled => Scheme::Bearer,
            DpopMode::Required => Scheme::Dpop,
            DpopMode::Allowed => used.unwrap_or(Scheme::Bearer),
        };
        let mut challenges = Vec::with_capacity(2);
        if self.mode != DpopMode::Required {
            let mut bearer = Challenge::bearer();
            bearer.set_cleaned("realm", REALM);
            challenges.push((Scheme::Bearer, bearer));
        }
        if self.advertises_dpop(is_omission) {
            challenges.push((Scheme::Dpop, Challenge::dpop()));
        }
        challenges.sort_by_key(|(scheme, _)| *scheme != used);
        if error.is_told_to_client() {
            let description = error.error_description();
            let first = challenges.iter_mut().find(|(scheme, _)| *scheme == used);
            if let Some((_, challenge)) = first.filter(|_| !description.is_empty()) {
                challenge.set_cleaned("error", error.error_code());
                challenge.set_cleaned("error_description", &description);
            }
        }
        for (scheme, challenge) in &mut challenges {
            if *scheme == Scheme::Dpop {
                challenge.set_cleaned("algs", &self.algs());
            }
        }
        error.set_challenges(
            challenges
                .into_iter()
                .map(|(_, challenge)| challenge)
                .collect(),
        );
        error
    }

    /// If the API accepts the scheme DPoP only and does not pass what a proof must name, it can serve no
    /// request at all: that is an error of the configuration.
    fn blame(&self, mut kind: ErrorKind) -> ErrorKind {
        if let ErrorKind::MissingRequiredArgument { source, .. } = &mut kind
            && *source == ArgumentSource::Request
            && self.mode == DpopMode::Required
        {
            *source = ArgumentSource::Configuration;
        }
        kind
    }

    fn advertises_dpop(&self, is_omission: bool) -> bool {
        match self.mode {
            DpopMode::Disabled => false,
            DpopMode::Required => true,
            DpopMode::Allowed => self.can_have_proof && !is_omission,
        }
    }
}
