//! The input of every candidate: one tenant, its tokens, and new proofs.

use a0_testkit::{LocalTenant, ProofKey};
use http::Request;
use serde_json::{Value, json};

pub(crate) const AUDIENCE: &str = "https://api.example/";
pub(crate) const METHOD: &str = "GET";
pub(crate) const URL: &str = "https://api.example/v1/orders";
/// The number of different tokens. With one token, a candidate could profit from its repetition.
pub(crate) const TOKENS: usize = 64;

pub(crate) type Failure = Box<dyn std::error::Error>;

pub(crate) struct Fixture {
    pub(crate) tenant: LocalTenant,
    pub(crate) bearer: Vec<String>,
    pub(crate) bound: Vec<Bound>,
}

/// A token, and the key that it is bound to.
pub(crate) struct Bound {
    pub(crate) token: String,
    pub(crate) key: ProofKey,
}

impl Fixture {
    pub(crate) fn new() -> Result<Self, Failure> {
        let tenant = LocalTenant::new("tenant.example")?;
        let bearer = (0..TOKENS).map(|number| token(&tenant, number, None));
        let bearer = bearer.collect::<Result<Vec<_>, _>>()?;
        let bound = (0..TOKENS).map(|number| -> Result<Bound, Failure> {
            let key = ProofKey::generate()?;
            let token = token(&tenant, number, Some(&key))?;
            Ok(Bound { token, key })
        });
        let bound = bound.collect::<Result<Vec<_>, _>>()?;
        Ok(Fixture {
            tenant,
            bearer,
            bound,
        })
    }

    pub(crate) fn jwk(&self) -> Value {
        self.tenant.jwks()["keys"][0].clone()
    }

    pub(crate) fn bearer_request(&self, number: usize) -> Request<()> {
        request("Bearer", &self.bearer[number % TOKENS])
    }

    /// Returns a new proof for the token with this number.
    pub(crate) fn proof(&self, number: usize) -> Result<String, Failure> {
        let bound = &self.bound[number % TOKENS];
        let proof = bound.key.proof(METHOD, URL).for_token(&bound.token);
        Ok(proof.at(self.tenant.now()).mint()?)
    }

    /// Returns a request with a new proof.
    pub(crate) fn dpop_request(&self, number: usize) -> Result<Request<()>, Failure> {
        let mut request = request("DPoP", &self.bound[number % TOKENS].token);
        let proof = self.proof(number)?;
        request.headers_mut().insert("dpop", proof.parse()?);
        Ok(request)
    }

    /// Returns a token that differs from a good one in one claim.
    pub(crate) fn spoilt(&self, claim: &str, value: Value) -> Result<String, Failure> {
        let token = token_builder(&self.tenant, 0);
        Ok(token.claim(claim, value).mint()?)
    }
}

pub(crate) fn request(scheme: &str, token: &str) -> Request<()> {
    let builder = Request::builder().method(METHOD).uri("/v1/orders");
    let builder = builder
        .header("host", "api.example")
        .header("accept", "*/*");
    let builder = builder.header("authorization", format!("{scheme} {token}"));
    builder.body(()).expect("a request")
}

fn token(tenant: &LocalTenant, number: usize, key: Option<&ProofKey>) -> Result<String, Failure> {
    let token = token_builder(tenant, number);
    let token = match key {
        Some(key) => token.bound_to(key),
        None => token,
    };
    Ok(token.mint()?)
}

/// A token like those that Auth0 issues to an application after a login: about 900 bytes.
fn token_builder(tenant: &LocalTenant, number: usize) -> a0_testkit::AccessTokenBuilder {
    let token = tenant.access_token().expires_in(86_400);
    let token = token.audiences([AUDIENCE, "https://tenant.example/userinfo"]);
    let token = token.subject(&format!("auth0|65f0c0ffee{number:014}"));
    let token = token.scope("openid profile read:orders write:orders");
    let token = token.client("tQ5w8KdYpG3sXv9rUeZbNcJmLhAfRoIy");
    token.claim("permissions", json!(["read:orders", "write:orders"]))
}
