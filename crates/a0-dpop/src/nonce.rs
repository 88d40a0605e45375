//! The nonces that a resource server issues, RFC 9449 section 9.

use std::fmt;
use std::time::Duration;

use a0_jose::{NumericDate, base64url_encode, constant_time_eq};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Issues nonces and recognises them without storing any.
///
/// A nonce is a MAC over the period in which it was issued. It cannot be guessed and holds no
/// information about the client. It is accepted in its own period and in the next one. It is also
/// accepted in the period before its own, because a process whose clock is ahead may have issued
/// it. Processes that share the secret accept each other's nonces.
///
/// The state derived from a secret is wiped when it is dropped. `Debug` shows the period only.
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
    /// The MACs of secrets whose nonces are accepted, but not issued.
    accepted: Vec<Hmac<Sha256>>,
    /// In seconds.
    period: i64,
}

/// A MAC keeps no part of the secret except the state of two hashes. This checks that a hash wipes
/// its state when it is dropped.
const _: fn() = || {
    fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<Sha256>();
};

/// Separates these MACs from other uses of the same secret.
const CONTEXT: &[u8] = b"dpop-nonce";

impl NonceIssuer {
    /// Creates an issuer. `secret` is 32 unguessable octets, the same in every process behind one
    /// URL.
    ///
    /// `period` is the time for which one nonce is issued, in whole seconds and at least one. A
    /// nonce is accepted for up to two periods after it was issued, or three if the clock of the
    /// issuing process is ahead.
    pub fn new(secret: [u8; 32], period: Duration) -> Self {
        NonceIssuer {
            mac: mac(secret),
            accepted: Vec::new(),
            period: i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1),
        }
    }

    /// Also accepts the nonces of another secret. Call this several times for several secrets.
    ///
    /// Use it to change the secret of running processes: first, all processes accept the new
    /// secret. Then all issue nonces of the new secret and accept the old one. Two periods later,
    /// remove the old one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use a0_dpop::NonceIssuer;
    /// use a0_jose::NumericDate;
    ///
    /// let period = Duration::from_secs(300);
    /// let now = NumericDate::from_unix_seconds(1_700_000_000);
    /// let old = NonceIssuer::new([7; 32], period);
    /// let new = NonceIssuer::new([8; 32], period).also_accept([7; 32]);
    /// assert!(new.accepts(&old.issue(now), now));
    /// ```
    #[must_use]
    pub fn also_accept(mut self, secret: [u8; 32]) -> Self {
        self.accepted.push(mac(secret));
        self
    }

    /// Returns the current nonce for a `DPoP-Nonce` field. It is base64url.
    pub fn issue(&self, now: NumericDate) -> String {
        nonce_of(&self.mac, self.period_at(now))
    }

    /// Returns whether a nonce belongs to this period, the one before or the one after.
    pub fn accepts(&self, nonce: &str, now: NumericDate) -> bool {
        let current = self.period_at(now);
        let periods = current.saturating_sub(1)..=current.saturating_add(1);
        std::iter::once(&self.mac)
            .chain(&self.accepted)
            .flat_map(|mac| periods.clone().map(|period| nonce_of(mac, period)))
            // Compares with every candidate, so that the time taken does not reveal which one
            // matches.
            .fold(false, |accepted, candidate| {
                accepted | constant_time_eq(candidate.as_bytes(), nonce.as_bytes())
            })
    }

    fn period_at(&self, now: NumericDate) -> i64 {
        now.as_unix_seconds().div_euclid(self.period)
    }
}

fn mac(secret: [u8; 32]) -> Hmac<Sha256> {
    let secret = Zeroizing::new(secret);
    // A key shorter than the hash's block is padded with zeros (RFC 2104 section 2).
    let mut block = Zeroizing::new([0; 64]);
    for (place, octet) in block.iter_mut().zip(secret.iter()) {
        *place = *octet;
    }
    Hmac::new((&*block).into())
}

fn nonce_of(mac: &Hmac<Sha256>, period: i64) -> String {
    let mac = mac
        .clone()
        .chain_update(CONTEXT)
        .chain_update(period.to_be_bytes());
    base64url_encode(mac.finalize().into_bytes())
}

impl fmt::Debug for NonceIssuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NonceIssuer")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}
