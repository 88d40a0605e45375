//! The integration tests in one program, which is built and linked once.

mod act;
mod properties;
