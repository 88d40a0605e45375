//! The integration tests in one program, which is built and linked once.

mod monitor;
mod rounds;
mod timer;
