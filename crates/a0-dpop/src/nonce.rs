//! Nonces that a resource server gives out, RFC 9449 section 9.

use std::fmt;
use std::time::Duration;

use a0_jose::{NumericDate, base64url_encode, constant_time_eq};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Gives out nonces and knows them again, without remembering any.
///
/// A nonce is a MAC over the period that it was given out in, so it cannot be guessed, says nothing
/// about its client, and is accepted in its own period and the next; and in the one before, since
/// another process whose clock is ahead may have given it out. Several processes that share the
/// secret know each other's nonces.
///
/// What is kept of a secret is wiped when the last copy of this is dropped, and `Debug` shows none.
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
    /// Of secrets whose nonces are accepted and no longer given out, or not yet.
    others: Vec<Hmac<Sha256>>,
    /// In seconds.
    period: i64,
}

/// A MAC's state is that of two hashes, each of which wipes itself, and nothing of the secret but
/// that is kept.
const _: fn() = || {
    fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<Sha256>();
};

/// Keeps these MACs apart from any other use of the same secret.
const CONTEXT: &[u8] = b"dpop-nonce";

impl NonceIssuer {
    /// `secret` is 32 octets that nobody can guess, the same in every process behind one URL.
    /// `period` is how long one nonce is given out, in whole seconds and at least one; it is
    /// accepted for up to twice as long after it was given out, and three times as long where the
    /// clock of the process that gave it out is ahead.
    pub fn new(secret: [u8; 32], period: Duration) -> Self {
        NonceIssuer {
            mac: mac(secret),
            others: Vec::new(),
            period: i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1),
        }
    }

    /// Accepts the nonces of another secret too, so that secrets can be changed while processes with
    /// either are running: first all of them accept the new one, then all give out its nonces and
    /// accept the old one, and two periods later the old one goes. May be called several times.
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
        self.others.push(mac(secret));
        self
    }

    /// The nonce of this moment, for a `DPoP-Nonce` field. It is base64url.
    pub fn issue(&self, now: NumericDate) -> String {
        of_period(&self.mac, self.period_of(now))
    }

    /// Whether a nonce was given out in this period, the one before or the one after.
    pub fn accepts(&self, nonce: &str, now: NumericDate) -> bool {
        let current = self.period_of(now);
        let periods = current.saturating_sub(1)..=current.saturating_add(1);
        std::iter::once(&self.mac)
            .chain(&self.others)
            .flat_map(|mac| periods.clone().map(|period| of_period(mac, period)))
            .fold(false, |known, own| {
                known | constant_time_eq(own.as_bytes(), nonce.as_bytes())
            })
    }

    fn period_of(&self, now: NumericDate) -> i64 {
        now.as_unix_seconds().div_euclid(self.period)
    }
}

fn mac(secret: [u8; 32]) -> Hmac<Sha256> {
    let secret = Zeroizing::new(secret);
    // A key that is shorter than the hash's block is filled up with zeros (RFC 2104 section 2).
    let mut block = Zeroizing::new([0; 64]);
    for (place, octet) in block.iter_mut().zip(secret.iter()) {
        *place = *octet;
    }
    Hmac::new((&*block).into())
}

fn of_period(mac: &Hmac<Sha256>, period: i64) -> String {
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
