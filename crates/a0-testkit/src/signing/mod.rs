//! Keys, and the signatures that OpenSSL makes with them.

mod algorithm;
mod key;
mod thumbprint;
mod verify;

pub use algorithm::Algorithm;
pub(crate) use algorithm::Scheme;
pub use key::SigningKey;
pub(crate) use key::random;
pub use thumbprint::thumbprint;
pub(crate) use verify::verify;
