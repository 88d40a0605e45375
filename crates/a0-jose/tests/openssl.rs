//! Runs every test with OpenSSL.

mod suite;

const BACKEND: a0_jose::Backend = a0_jose::Backend::OpenSsl;
