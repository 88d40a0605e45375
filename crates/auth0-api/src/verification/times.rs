//! The times in a token.

use a0_jose::NumericDate;

use crate::authorization::resource_server::ResourceServer;
use crate::error::Error;

use super::token::VerifiedToken;

impl VerifiedToken {
    /// `exp` (RFC 7519 section 4.1.4).
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn expires_at(&self) -> Result<Option<NumericDate>, Error> {
        self.claims()
            .expires_at()
            .map_err(|error| self.refused(error))
    }

    /// The time until which the client accepts this token: `exp` plus the
    /// [`leeway`](crate::Builder::leeway). A stream that lasts longer than its request should end then.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn accepted_until(&self) -> Result<Option<NumericDate>, Error> {
        let leeway = ResourceServer::or_default(self.resource_server()).leeway;
        Ok(self.expires_at()?.map(|exp| exp.plus(leeway)))
    }

    /// `iat` (RFC 7519 section 4.1.6).
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn issued_at(&self) -> Result<Option<NumericDate>, Error> {
        self.claims()
            .issued_at()
            .map_err(|error| self.refused(error))
    }

    /// `nbf` (RFC 7519 section 4.1.5).
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn not_before(&self) -> Result<Option<NumericDate>, Error> {
        self.claims()
            .not_before()
            .map_err(|error| self.refused(error))
    }
}
