//! The scenarios, over the blocking client.

#[macro_use]
mod scenarios;

use auth0_api::jose::Claims;
use auth0_api::{
    ApiClient, Builder, DpopProof, Error, RequestContext, TokenOptions, VerifiedToken,
};
use scenarios::Driver;

struct Blocking(ApiClient);

impl Driver for Blocking {
    fn build(builder: Builder) -> Result<Self, Error> {
        builder.build().map(Blocking)
    }

    fn verify_request(&self, request: RequestContext<'_>) -> Result<VerifiedToken, Error> {
        self.0.verify_request(request)
    }

    fn verify_access_token(
        &self,
        token: &str,
        options: &TokenOptions,
    ) -> Result<VerifiedToken, Error> {
        self.0.verify_access_token_with(token, options)
    }

    fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error> {
        self.0.verify_dpop_proof(proof)
    }

    fn is_dpop_required(&self) -> bool {
        self.0.is_dpop_required()
    }

    fn dpop_nonce(&self) -> Option<String> {
        self.0.dpop_nonce()
    }
}

all_scenarios!(Blocking);
