//! Encrypted tokens: what is decrypted, and what is refused.

mod fixtures;
mod hostile;
mod keys;
mod lengths;
mod sealed;
mod secrets;
