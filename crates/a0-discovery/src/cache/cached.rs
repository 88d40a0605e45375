//! The values that a cache keeps.

use a0_jose::Algorithm;

use crate::age::Stamp;
use crate::fetch::{IssuerKeys, ServerMetadata};

/// A value that a cache keeps for an issuer: its keys, or its metadata alone.
pub(crate) trait Cached: Send + Sync + Sized + 'static {
    /// Whether it is shared through the second level.
    const IS_SHARED: bool;

    /// The stamps of its documents; one document counts twice.
    fn stamps(&self) -> [Stamp; 2];

    fn has_key(&self, _key_id: &str, _algorithm: Algorithm) -> bool {
        false
    }

    /// Whether a lease on it was used since the last call of this.
    fn take_used(&self) -> bool {
        false
    }

    /// Ends its lease: it was replaced or evicted.
    fn end(&self) {}
}

impl Cached for IssuerKeys {
    const IS_SHARED: bool = true;

    fn stamps(&self) -> [Stamp; 2] {
        IssuerKeys::stamps(self)
    }

    fn has_key(&self, key_id: &str, algorithm: Algorithm) -> bool {
        self.keys().contains(key_id, algorithm)
    }

    fn take_used(&self) -> bool {
        self.lease().take_used()
    }

    fn end(&self) {
        self.lease().end();
    }
}

impl Cached for ServerMetadata {
    const IS_SHARED: bool = false;

    fn stamps(&self) -> [Stamp; 2] {
        [self.stamp; 2]
    }
}
