//! Each recipe on a socket, with a tenant in memory; the stores with a database file.

mod common;
mod grpc;
mod http;
mod sql;
