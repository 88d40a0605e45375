//! One proof against one request: the checks of RFC 9449 section 4.3, and their order. The checks
//! of nonces are in `nonce.rs`.

mod claims;
mod common;
mod disclosure;
mod format;
mod header;
mod order;
mod printed;
mod replay;
mod signature;
mod target;
mod verified_header;
