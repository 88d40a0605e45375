//! The values that a cache holds for an issuer.

use a0_jose::Algorithm;

use crate::age::Stamp;
use crate::fetch::{IssuerKeys, ServerMetadata};

/// A value that a cache holds for an issuer: its keys, or its metadata alone.
pub(crate) trait Cached: Send + Sync + Sized + 'static {
    /// Whether the value is shared through the second level.
    const IS_SHARED: bool;

    /// The stamps of its documents. A value of one document repeats its stamp.
    fn stamps(&self) -> [Stamp; 2];

    fn has_key(&self, _key_id: &str, _algorithm: Algorithm) -> bool {
        false
    }

    /// Whether its lease was used since the last call of this function.
    fn take_used(&self) -> bool {
        false
    }

    /// Ends its lease, because it was replaced or evicted.
    fn end_lease(&self) {}
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

    fn end_lease(&self) {
        self.lease().end();
    }
}

impl Cached for ServerMetadata {
    const IS_SHARED: bool = false;

    fn stamps(&self) -> [Stamp; 2] {
        [self.stamp; 2]
    }
}
