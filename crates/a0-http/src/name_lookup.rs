//! Name lookups, for both clients.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::thread;
use std::vec;

use crate::error::is_out_of_descriptors;

/// Looks `name` up on a new thread, and calls `on_result` there with the addresses.
///
/// The libraries' own lookups panic if no thread can be spawned.
///
/// # Errors
///
/// Fails if no thread can be spawned.
pub(crate) fn spawn<N>(
    name: N,
    on_result: impl FnOnce(io::Result<vec::IntoIter<SocketAddr>>) + Send + 'static,
) -> io::Result<()>
where
    N: ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    thread::Builder::new()
        .name("a0-http lookup".to_owned())
        .spawn(move || on_result(name.to_socket_addrs().map_err(reveal_shortage)))
        .map(drop)
        .map_err(|error| io::Error::other(NoThread(error)))
}

/// Replaces a failed lookup's error if its reason was that no file descriptor is left.
fn reveal_shortage(error: io::Error) -> io::Error {
    // glibc reports this as an unknown name, so probe for a free descriptor.
    match UdpSocket::bind(("127.0.0.1", 0)) {
        Err(shortage) if is_out_of_descriptors(&shortage) => shortage,
        _ => error,
    }
}

/// Whether `error` says that the process or the system has no file descriptor or thread left.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    is_out_of_descriptors(error) || error.get_ref().is_some_and(|cause| cause.is::<NoThread>())
}

/// No thread could be spawned. The system's own error, `EAGAIN`, would count as a timeout.
#[derive(Debug)]
struct NoThread(io::Error);

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no thread could be spawned for the name lookup")
    }
}

impl Error for NoThread {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
