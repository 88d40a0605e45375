use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::WatchedTransport;

/// A connection on which nothing arrives.
#[derive(Debug)]
struct Quiet {
    buffers: LazyBuffers,
    is_open: bool,
}

impl Transport for Quiet {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(
        &mut self,
        _amount: usize,
        _timeout: NextTimeout,
    ) -> Result<(), ureq::Error> {
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        Err(ureq::Error::Timeout(timeout.reason))
    }

    fn is_open(&mut self) -> bool {
        self.is_open
    }
}

/// Over real sockets this is a race: the close may arrive before or after ureq looks.
#[test]
fn a_connection_that_ureq_finds_closed_is_not_reused() {
    for is_open in [true, false] {
        let quiet = Quiet {
            buffers: LazyBuffers::new(1, 1),
            is_open,
        };
        let mut watched = WatchedTransport {
            transport: Box::new(quiet),
            is_reused: true,
            has_response_begun: true,
            max_response: 0,
            remaining: 0,
        };
        assert_eq!(watched.is_open(), is_open);
    }
}
