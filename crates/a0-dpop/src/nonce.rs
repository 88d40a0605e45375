//! Nonces that a resource server gives out, RFC 9449 section 9.

use std::fmt;
use std::time::Duration;

use a0_jose::{NumericDate, base64url_encode, equal_octets};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Gives out nonces and knows them again, without remembering any.
///
/// A nonce is a MAC over the period that it was given out in, so it cannot be guessed, says nothing
/// about its client, and is accepted in its own period and the next. Several processes that share
/// the secret know each other's nonces.
///
/// ```
/// use std::time::Duration;
/// use a0_dpop::NonceIssuer;
/// use a0_jose::NumericDate;
///
/// let nonces = NonceIssuer::new([7; 32], Duration::from_secs(300));
/// let at = NumericDate::from_unix_seconds;
/// let nonce = nonces.issue(at(1_700_000_000));
/// assert!(nonces.accepts(&nonce, at(1_700_000_300)));
/// assert!(!nonces.accepts(&nonce, at(1_700_000_700)));
/// ```
#[derive(Clone)]
pub struct NonceIssuer {
    mac: Hmac<Sha256>,
    period: u64,
}

/// Keeps these MACs apart from any other use of the same secret.
const CONTEXT: &[u8] = b"dpop-nonce";

impl NonceIssuer {
    /// `secret` is 32 octets that nobody can guess, the same in every process behind one URL.
    /// `period` is how long one nonce is given out, in whole seconds and at least one; it is
    /// accepted for up to twice as long.
    pub fn new(secret: [u8; 32], period: Duration) -> Self {
        // A key that is shorter than the hash's block is filled up with zeros (RFC 2104 section 2).
        let mut block = [0; 64];
        for (place, octet) in block.iter_mut().zip(secret) {
            *place = octet;
        }
        NonceIssuer {
            mac: Hmac::new(&block.into()),
            period: period.as_secs().max(1),
        }
    }

    /// The nonce of this moment, for a `DPoP-Nonce` field. It is base64url.
    pub fn issue(&self, now: NumericDate) -> String {
        self.of_period(self.period_of(now))
    }

    /// Whether a nonce was given out in this period or in the one before.
    pub fn accepts(&self, nonce: &str, now: NumericDate) -> bool {
        let current = self.period_of(now);
        [current, current.saturating_sub(1)]
            .into_iter()
            .map(|period| self.of_period(period))
            .fold(false, |known, own| {
                known | equal_octets(own.as_bytes(), nonce.as_bytes())
            })
    }

    fn period_of(&self, now: NumericDate) -> i64 {
        let period = i64::try_from(self.period).unwrap_or(i64::MAX);
        now.as_unix_seconds().div_euclid(period)
    }

    fn of_period(&self, period: i64) -> String {
        let mac = self
            .mac
            .clone()
            .chain_update(CONTEXT)
            .chain_update(period.to_be_bytes());
        base64url_encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for NonceIssuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NonceIssuer")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
