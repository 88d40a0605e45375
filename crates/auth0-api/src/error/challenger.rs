//! The challenges of an error response.

use a0_jose::Algorithm;
use http::StatusCode;

use crate::authorization::resource_server::ResourceServer;
use crate::verification::request::{DpopMode, Scheme};

use super::challenge::Challenge;
use super::refusal::Refusal;
use super::{ArgumentSource, Error, ErrorKind};

/// Creates the challenges of the configured schemes.
///
/// Every verified token holds a copy. It is `Copy` rather than an `Arc`, because threads would contend for
/// the reference count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Challenger {
    mode: DpopMode,
    /// The allowed algorithms of proofs, in order.
    algorithms: [Option<Algorithm>; Algorithm::COUNT],
    /// Whether a proof could be verified: the API passed the method and the URL of the request. A scheme that
    /// the API could not verify is not advertised.
    pub(crate) can_have_proof: bool,
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

    /// The value of `algs`: the names, separated by spaces.
    fn algs(&self) -> String {
        let names = self.algorithms.iter().flatten();
        let names: Vec<&str> = names.map(|algorithm| algorithm.name()).collect();
        names.join(" ")
    }

    /// Turns a refusal into an error with one challenge for each scheme that the API accepts. The
    /// challenge of the scheme that was used comes first and says what went wrong (RFC 6750 section 3, RFC
    /// 9449 section 7.2). Some clients look at the first challenge only.
    pub(crate) fn error(
        &self,
        refusal: Refusal,
        used: Option<Scheme>,
        server: Option<&ResourceServer>,
    ) -> Error {
        let server = ResourceServer::or_default(server);
        let is_omission = refusal.is_omission_of_the_api();
        let mut error = Error::new(self.blame(refusal.kind), refusal.diagnosis);
        error.set_scheme(used);
        if error.status_code().is_server_error() {
            return error;
        }
        let used = match self.mode {
            DpopMode::Disabled => Scheme::Bearer,
            DpopMode::Required => Scheme::Dpop,
            // A certificate-bound token may come with a scheme that is not advertised.
            DpopMode::Allowed if !self.can_have_proof && is_about_token(&error) => Scheme::Bearer,
            DpopMode::Allowed => used.unwrap_or(Scheme::Bearer),
        };
        let mut challenges = Vec::with_capacity(2);
        if self.mode != DpopMode::Required {
            let mut bearer = Challenge::bearer();
            bearer.set_cleaned("realm", server.realm());
            challenges.push((Scheme::Bearer, bearer));
        }
        if self.advertises_dpop(is_omission) {
            let mut dpop = Challenge::dpop();
            if server.has_own_realm() {
                dpop.set_cleaned("realm", server.realm());
            }
            challenges.push((Scheme::Dpop, dpop));
        }
        challenges.sort_by_key(|(scheme, _)| *scheme != used);
        if error.is_told_to_client() {
            let description = error.error_description();
            let first = challenges.iter_mut().find(|(scheme, _)| *scheme == used);
            if let Some((_, challenge)) = first.filter(|_| !description.is_empty()) {
                challenge.set_cleaned("error", error.error_code());
                challenge.set_cleaned("error_description", &description);
                add_requirements(challenge, error.kind());
            }
        }
        if let Some(url) = server
            .resource_metadata()
            .filter(|_| names_metadata(&error))
        {
            for (_, challenge) in &mut challenges {
                challenge.set_cleaned("resource_metadata", url);
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

/// Adds what the client has to get (RFC 6750 section 3, RFC 9470 section 3).
fn add_requirements(challenge: &mut Challenge, kind: &ErrorKind) {
    let mut set_list = |name, values: &[String]| {
        if !values.is_empty() {
            challenge.set_cleaned(name, &values.join(" "));
        }
    };
    match kind {
        ErrorKind::InsufficientScope { scopes } => set_list("scope", scopes),
        ErrorKind::InsufficientUserAuthentication(step_up) => {
            set_list("acr_values", &step_up.acr_values);
            if let Some(age) = step_up.max_age {
                set_list("max_age", &[age.as_secs().to_string()]);
            }
            set_list("scope", &step_up.scopes);
        }
        _ => {}
    }
}

fn is_about_token(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::VerifyAccessToken(_)
            | ErrorKind::InsufficientScope { .. }
            | ErrorKind::InsufficientUserAuthentication(_)
    )
}

/// Whether the challenges name the protected resource metadata: where a new token may help.
fn names_metadata(error: &Error) -> bool {
    error.status_code() == StatusCode::UNAUTHORIZED
        || matches!(error.kind(), ErrorKind::InsufficientScope { .. })
}
