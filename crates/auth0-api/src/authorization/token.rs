//! The methods of a verified token that decide about it.

use crate::error::Error;
use crate::verification::token::VerifiedToken;

use super::policy::Policy;
use super::principal::Principal;
use super::resource_server::ResourceServer;

impl VerifiedToken {
    /// Checks that a policy allows the token.
    ///
    /// Times are compared with [`verified_at`](VerifiedToken::verified_at). The challenges of the error are
    /// those of the API, for the scheme that the token came with.
    ///
    /// # Errors
    ///
    /// - 403 `insufficient_scope`, with all scopes that the policy requires (RFC 6750 section 3.1).
    /// - 401 `insufficient_user_authentication`, with `acr_values` and `max_age` (RFC 9470 section 3).
    /// - 403 without an error code in the challenge, if no other token helps; [`Error::diagnosis`] names the
    ///   rule.
    /// - 401 `invalid_token`, if a claim has a wrong type or the token is too old.
    /// - 500, if the policy is unusable or one of its closures panics.
    ///
    /// If several rules refuse the token, the kind of the error does not depend on their order. The first of
    /// these is reported: a 500, a claim of a wrong type, a 403 without a code, the user's authentication,
    /// scopes, the age.
    ///
    /// ```
    /// # fn handler(token: &auth0_api::VerifiedToken) -> Result<(), auth0_api::Error> {
    /// use auth0_api::Policy;
    ///
    /// token.authorize(&Policy::scope("read:orders"))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn authorize(&self, policy: &Policy) -> Result<(), Error> {
        let server = ResourceServer::or_default(self.resource_server());
        policy
            .decide(self, server)
            .map_err(|refusal| self.refused(refusal))
    }

    /// The kind of principal that the token belongs to: its subject, whoever acts for it. The first of these
    /// that applies decides, so that a claim which says less than another one wins:
    ///
    /// 1. `sub` begins with `anon@`: an anonymous session.
    /// 2. `sub_profile` contains `ai_agent`: an agent.
    /// 3. [`is_machine`](VerifiedToken::is_machine), which includes a `sub_profile` that contains `service`: a
    ///    client.
    /// 4. There is a `sub`, and `sub_profile` is absent, or contains `user` and besides it only
    ///    `browser_app`, `native_app` and `web_app`: a user.
    ///
    /// Otherwise it is [`Principal::Unknown`]. The values of `sub_profile` are compared without regard to case.
    ///
    /// An agent that acts for a user is not the principal: `act` names it, and
    /// [`current_actor`](VerifiedToken::current_actor) returns it.
    ///
    /// # Errors
    ///
    /// `invalid_token` if one of `sub`, `sub_profile`, `gty`, `azp` and `client_id` has a wrong type, also if
    /// another claim would decide.
    ///
    /// ```
    /// # fn handler(token: &auth0_api::VerifiedToken) -> Result<(), auth0_api::Error> {
    /// use auth0_api::Principal;
    ///
    /// match token.principal()? {
    ///     Principal::User => println!("{:?} is logged in", token.subject()?),
    ///     Principal::Agent => println!("an agent works for itself"),
    ///     _ => println!("nobody who may own an account"),
    /// }
    /// if let Some(actor) = token.current_actor()? {
    ///     println!("{} acts for the subject", actor.sub());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn principal(&self) -> Result<Principal, Error> {
        Principal::of(self.claims()).map_err(|error| self.refused(error))
    }
}
