//! The first step of [`order`](super::order): what a request must have before its token is read.

use crate::error::Error;
use crate::error::challenger::Challenger;
use crate::error::refusal::Refusal;

use super::Verifier;
use super::credentials::{Credentials, RequestProof};
use super::request::RequestContext;
use super::scheme::Scheme;

/// 1. A request with credentials in a scheme that the API accepts and, with the scheme DPoP, one proof and
///    the URL it must name.
pub(crate) struct RequestShape<'r> {
    pub(super) context: &'r RequestContext<'r>,
    pub(super) credentials: Credentials<'r>,
    pub(super) proof: Option<RequestProof<'r>>,
    pub(super) challenger: Challenger,
}

impl<R, S> Verifier<R, S> {
    /// Reads the credentials and the proof of a request.
    pub(crate) fn read_request<'r>(
        &self,
        context: &'r RequestContext<'r>,
    ) -> Result<RequestShape<'r>, Error> {
        let public_url = self.dpop.public_url.as_ref();
        let can_have_proof = context.can_have_proof(public_url);
        let challenger = self.challenger.for_request(can_have_proof);
        let credentials = Credentials::read(context, self.dpop.mode);
        let credentials = credentials.map_err(|kind| challenger.error(kind.into(), None))?;
        let proof = match credentials.scheme {
            Scheme::Bearer => None,
            Scheme::Dpop => {
                let proof = RequestProof::read(context, public_url);
                Some(proof.map_err(|refusal| {
                    if refusal.is_omission_of_the_api() || !can_have_proof {
                        self.counters.requests_without_url.add_one();
                    }
                    challenger.error(refusal, Some(Scheme::Dpop))
                })?)
            }
        };
        Ok(RequestShape {
            context,
            credentials,
            proof,
            challenger,
        })
    }
}

impl RequestShape<'_> {
    /// Adds the challenges of this request to a refusal.
    pub(crate) fn error(&self, refusal: Refusal) -> Error {
        self.challenger
            .error(refusal, Some(self.credentials.scheme))
    }
}
