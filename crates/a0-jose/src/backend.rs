//! Which library does the arithmetic.

/// The library that checks signatures. The rules on tokens, headers and keys are this crate's own
/// and the same for all; so is what a signature's octets may be.
///
/// A feature only adds a backend; which one is used is said where keys are made, so another crate of
/// the build cannot change it.
///
/// ```
/// assert_eq!(a0_jose::Backend::default(), a0_jose::Backend::OpenSsl);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Backend {
    /// OpenSSL, which is there in any case: keys for signing are its own.
    #[default]
    OpenSsl,
    /// AWS-LC, by the crate aws-lc-rs. It has no Ed448: such keys stay with OpenSSL.
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
}
