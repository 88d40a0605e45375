//! The integration tests in one program, which is built and linked once.

mod answers;
mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod contract;
mod example;
mod failures;
mod grpc;
mod guard;
mod hostile;
mod layer;
mod metadata;
mod mutual_tls;
mod nesting;
mod nonces;
mod paths;
mod policies;
mod protocols;
mod proxies;
mod proxy;
mod source;
