//! The rules that an API sets for proofs.

use std::time::Duration;

use a0_jose::{Algorithm, Backend, HeaderRules};

/// The rules for proofs.
///
/// ```
/// use std::time::Duration;
/// use a0_dpop::ProofRules;
///
/// let rules = ProofRules::new().iat_offset(Duration::from_secs(60));
/// # let _ = rules;
/// ```
#[derive(Debug, Clone)]
pub struct ProofRules {
    pub(crate) header: HeaderRules,
    pub(crate) backend: Backend,
    pub(crate) iat_leeway: Duration,
    pub(crate) iat_offset: Duration,
    pub(crate) max_size: usize,
}

impl Default for ProofRules {
    fn default() -> Self {
        ProofRules::new()
    }
}

impl ProofRules {
    /// Creates the default rules: ES256 only, `iat` at most 300 s in the past and 30 s in the
    /// future, and at most 16 KiB.
    pub fn new() -> Self {
        ProofRules {
            header: HeaderRules::new([Algorithm::Es256]),
            backend: Backend::default(),
            iat_leeway: Duration::from_secs(30),
            iat_offset: Duration::from_secs(300),
            max_size: 16 * 1024,
        }
    }

    /// Sets the allowed algorithms. The default is ES256 only.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.header = HeaderRules::new(algorithms);
        self
    }

    /// Sets the library that checks signatures. The default is OpenSSL.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Sets how far `iat` may be in the future, to allow for clock skew. The default is 30 s.
    #[must_use]
    pub fn iat_leeway(mut self, leeway: Duration) -> Self {
        self.iat_leeway = leeway;
        self
    }

    /// Sets how far `iat` may be in the past. A replay store holds a proof for as long. The default
    /// is 300 s.
    #[must_use]
    pub fn iat_offset(mut self, offset: Duration) -> Self {
        self.iat_offset = offset;
        self
    }

    /// Sets the size limit for a proof, in bytes. The default is 16 KiB.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// Returns the longest time for which a proof can be accepted, and must be remembered: offset
    /// plus leeway.
    pub fn window(&self) -> Duration {
        self.iat_offset.saturating_add(self.iat_leeway)
    }

    /// The allowed algorithms, each once. A challenge lists them in `algs` (RFC 9449 section 7.1).
    pub fn allowed_algorithms(&self) -> &[Algorithm] {
        self.header.algorithms()
    }
}
