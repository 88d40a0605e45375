//! Runs every test with OpenSSL. The backend is a constant of the program.

mod suite;

const BACKEND: a0_jose::Backend = a0_jose::Backend::OpenSsl;
