//! Each recipe on a socket, with a tenant in memory.

mod common;
mod grpc;
mod http;
