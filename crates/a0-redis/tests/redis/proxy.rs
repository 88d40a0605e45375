//! A proxy in front of a server that delays what the server sends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    delay: Arc<Delay>,
}

#[derive(Default)]
struct Delay {
    length: Mutex<Option<Duration>>,
    changed: Condvar,
    /// Connections with a lower number deliver nothing any more.
    dead_below: AtomicUsize,
    connections: AtomicUsize,
}

impl Proxy {
    /// Its threads end with their connections.
    pub(crate) fn start(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            target: Arc::new(AtomicU16::new(port)),
            delay: Arc::default(),
        };
        let (delay, target) = (Arc::clone(&proxy.delay), Arc::clone(&proxy.target));
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let port = target.load(Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                let (sender, receiver) = mpsc::channel();
                let delay = Arc::clone(&delay);
                let number = delay.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || deliver(&receiver, client, &delay, number));
                thread::spawn(move || {
                    let mut server = server;
                    let mut octets = vec![0; 65536];
                    while let Ok(length @ 1..) = server.read(&mut octets) {
                        let _ = sender.send((Instant::now(), octets[..length].to_vec()));
                    }
                });
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Leads new connections to another server. Those of this moment stay.
    pub(crate) fn redirect(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }

    /// The number of connections that were ever accepted.
    pub(crate) fn connections(&self) -> usize {
        self.delay.connections.load(Ordering::SeqCst)
    }

    /// Lets the connections of this moment die without a word.
    pub(crate) fn silence(&self) {
        let count = self.delay.connections.load(Ordering::SeqCst);
        self.delay.dead_below.store(count, Ordering::SeqCst);
    }

    /// Delays everything that is not yet delivered, or nothing.
    pub(crate) fn delay(&self, length: Option<Duration>) {
        *self.delay.length.lock().unwrap() = length;
        self.delay.changed.notify_all();
    }
}

fn deliver(
    receiver: &Receiver<(Instant, Vec<u8>)>,
    mut client: TcpStream,
    delay: &Delay,
    number: usize,
) {
    while let Ok((arrived, octets)) = receiver.recv() {
        let mut length = delay.length.lock().unwrap();
        while let Some(left) = (*length).and_then(|length| length.checked_sub(arrived.elapsed())) {
            length = delay.changed.wait_timeout(length, left).unwrap().0;
        }
        drop(length);
        if number < delay.dead_below.load(Ordering::SeqCst) {
            continue;
        }
        if client.write_all(&octets).is_err() {
            return;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}
