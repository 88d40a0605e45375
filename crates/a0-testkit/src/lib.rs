//! A local Auth0 tenant for tests and demos: mints tokens and proofs, serves discovery, keys and tokens
