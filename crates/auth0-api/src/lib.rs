//! Protects APIs with Auth0-issued access tokens
