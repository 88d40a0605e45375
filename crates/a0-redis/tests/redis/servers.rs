//! Redis servers of a test's own, on free loopback ports, in temporary folders.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

static FOLDERS: AtomicU32 = AtomicU32::new(0);
/// The tests that were left out.
static LEFT_OUT: AtomicU32 = AtomicU32::new(0);
static PORTS: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// Whether servers can be started. Says so where they cannot, outside CI.
pub(crate) fn are_available() -> bool {
    let is_there = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if is_there.is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "redis-server is not installed"
        );
        let count = LEFT_OUT.fetch_add(1, Ordering::SeqCst) + 1;
        // Not by a macro, whose output the harness hides.
        let line = format!("LEFT OUT: {count} of the tests against Redis: no redis-server\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    is_there.is_ok()
}

/// A port that no other test of this program has.
pub(crate) fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut ports = PORTS.lock().unwrap();
        if ports.get_or_insert_default().insert(port) {
            return port;
        }
    }
}

/// One server. Stopped when dropped, also by a panic.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Child,
    arguments: Vec<String>,
    folder: PathBuf,
}

impl Server {
    /// Starts a server, or returns `None` where there is none.
    pub(crate) fn start(options: &[&str]) -> Option<Server> {
        are_available().then(|| {
            let server = Server::launch(free_port(), options);
            server.wait_until_ready();
            server
        })
    }

    /// Starts a server without waiting for it.
    fn launch(port: u16, options: &[&str]) -> Server {
        let folder = folder();
        let mut arguments = vec!["--port".to_owned(), port.to_string()];
        arguments.extend(["--dir".to_owned(), folder.to_str().unwrap().to_owned()]);
        arguments.extend(["--bind", "127.0.0.1", "--save", ""].map(str::to_owned));
        arguments.extend(options.iter().map(|option| (*option).to_owned()));
        Server {
            port,
            process: spawn(&arguments),
            arguments,
            folder,
        }
    }

    /// Starts a server that speaks TLS alone, with this certificate and key. It asks clients for a
    /// certificate of the authority, if there is one.
    pub(crate) fn start_tls(
        certificate: &str,
        key: &str,
        authority: Option<&str>,
    ) -> Option<Server> {
        if !are_available() {
            return None;
        }
        let port = free_port();
        let folder = folder();
        let path = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (certificate, key) = (path("chain.pem", certificate), path("key.pem", key));
        let authority = authority.map(|authority| path("authority.pem", authority));
        let port_text = port.to_string();
        let mut arguments = vec!["--port", "0", "--tls-port", &port_text];
        arguments.extend(["--tls-cert-file", &certificate, "--tls-key-file", &key]);
        arguments.extend(["--bind", "127.0.0.1", "127.0.0.2", "--save", ""]);
        arguments.extend(["--dir", folder.to_str().unwrap()]);
        arguments.extend(match &authority {
            Some(authority) => ["--tls-ca-cert-file", authority],
            None => ["--tls-auth-clients", "no"],
        });
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let server = Server {
            port,
            process: spawn(&arguments),
            arguments,
            folder,
        };
        until("a TLS server starts", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills the server. Its data is lost.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the server again, on the same port.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.arguments);
        self.wait_until_ready();
    }

    /// Sends a command on a connection of its own, and returns the raw answer.
    pub(crate) fn send(&self, command: &[&str]) -> String {
        exchange(self.port, &[command]).unwrap()
    }

    fn wait_until_ready(&self) {
        until("a server starts", || {
            let answer = exchange(self.port, &[&["PING"]]);
            answer.is_ok_and(|answer| answer.starts_with(['+', '-']))
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Three primaries and a replica of each.
pub(crate) struct Cluster {
    /// The replica of number `n` is number `n + 3`.
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start() -> Option<Cluster> {
        if !are_available() {
            return None;
        }
        let node = |_| {
            let bus = free_port().to_string();
            let mut options = vec!["--cluster-enabled", "yes", "--cluster-port", &bus];
            options.extend(["--cluster-node-timeout", "3000"]);
            options.extend(["--repl-diskless-sync-delay", "0"]);
            let server = Server::launch(free_port(), &options);
            (server, bus)
        };
        let nodes: Vec<(Server, String)> = (0..6).map(node).collect();
        for (number, (node, _)) in nodes.iter().enumerate() {
            node.wait_until_ready();
            let epoch = (number + 1).to_string();
            assert_okay(&node.send(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]));
        }
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for ((node, _), (first, last)) in nodes.iter().zip(ranges) {
            assert_okay(&node.send(&["CLUSTER", "ADDSLOTSRANGE", first, last]));
        }
        // Each meets all others at once, so that none has to wait for gossip.
        for (number, (node, _)) in nodes.iter().enumerate() {
            for (other, bus) in &nodes[number + 1..] {
                let port = other.port.to_string();
                let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, bus];
                assert_okay(&node.send(&meet));
            }
        }
        let nodes: Vec<Server> = nodes.into_iter().map(|(node, _)| node).collect();
        let cluster = Cluster { nodes };
        cluster.until_all("the nodes know each other", |node| {
            let known = node.send(&["CLUSTER", "NODES"]);
            known
                .lines()
                .filter(|line| line.contains(" connected"))
                .count()
                == 6
        });
        for number in 0..3 {
            let id = cluster.nodes[number].send(&["CLUSTER", "MYID"]);
            let id = id.lines().nth(1).unwrap().to_owned();
            let replica = &cluster.nodes[number + 3];
            assert_okay(&replica.send(&["CLUSTER", "REPLICATE", &id]));
        }
        cluster.until_all("the cluster is up", |node| {
            let info = node.send(&["CLUSTER", "INFO"]);
            let slots = node.send(&["CLUSTER", "SLOTS"]);
            info.contains("cluster_state:ok") && slots.matches("127.0.0.1").count() == 6
        });
        for replica in &cluster.nodes[3..] {
            until("the replicas follow", || {
                let info = replica.send(&["INFO", "replication"]);
                info.contains("master_link_status:up")
            });
        }
        Some(cluster)
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// The slot of a key, and the number of its first primary.
    pub(crate) fn place(&self, name: &str) -> (String, usize) {
        let ask = |node: &Server| exchange(node.port, &[&["CLUSTER", "KEYSLOT", name]]).ok();
        let slot = self.nodes.iter().find_map(ask).unwrap();
        let slot = slot.trim().trim_start_matches(':').to_owned();
        let number: u16 = slot.parse().unwrap();
        (
            slot,
            usize::from(number > 5460) + usize::from(number > 10922),
        )
    }

    fn until_all(&self, what: &str, is_met: impl Fn(&Server) -> bool) {
        until(what, || self.nodes.iter().all(&is_met));
    }
}

/// A primary, its replica, and a Sentinel that watches them.
pub(crate) struct Watched {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
    pub(crate) sentinel: Server,
    password: String,
}

impl Watched {
    /// The servers, and not the Sentinel, have this password.
    pub(crate) fn start(password: &str) -> Option<Watched> {
        let options = ["--requirepass", password, "--masterauth", password];
        let primary = Server::start(&options)?;
        let primary_port = primary.port.to_string();
        let mut of_replica = options.to_vec();
        of_replica.extend(["--replicaof", "127.0.0.1", &primary_port]);
        of_replica.extend(["--repl-diskless-sync-delay", "0"]);
        let replica = Server::start(&of_replica)?;

        let (port, folder) = (free_port(), folder());
        let configuration = folder.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {primary_port} 1\n\
             sentinel auth-pass main {password}\nsentinel down-after-milliseconds main 1000\n",
            folder.to_str().unwrap()
        );
        fs::write(&configuration, text).unwrap();
        let arguments = vec![
            configuration.to_str().unwrap().to_owned(),
            "--sentinel".to_owned(),
        ];
        let sentinel = Server {
            port,
            process: spawn(&arguments),
            arguments,
            folder,
        };
        sentinel.wait_until_ready();
        until("the Sentinel knows the replica", || {
            let replicas = sentinel.send(&["SENTINEL", "REPLICAS", "main"]);
            replicas.contains("master-link-status\r\n$2\r\nok")
        });
        Some(Watched {
            primary,
            replica,
            sentinel,
            password: password.to_owned(),
        })
    }

    /// Waits until the replica has all keys.
    pub(crate) fn until_replicated(&self) {
        let size = |server: &Server| {
            let login = ["AUTH", &self.password];
            exchange(server.port, &[&login, &["DBSIZE"]]).unwrap()
        };
        until("the replica follows", || {
            size(&self.primary) == size(&self.replica)
        });
    }
}

/// Repeats the question until the answer is yes.
pub(crate) fn until(what: &str, mut is_met: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_met() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        // A server needs the processor to get where it is asked to be.
        thread::sleep(Duration::from_millis(2));
    }
}

fn assert_okay(answer: &str) {
    assert!(answer.starts_with("+OK"), "{answer}");
}

fn folder() -> PathBuf {
    let number = FOLDERS.fetch_add(1, Ordering::SeqCst);
    let folder = format!("a0-redis-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn spawn(arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Sends commands on one connection, and returns the raw answers.
pub(crate) fn exchange(port: u16, commands: &[&[&str]]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut text = String::new();
    for command in commands {
        text += &format!("*{}\r\n", command.len());
        for part in *command {
            text += &format!("${}\r\n{part}\r\n", part.len());
        }
    }
    stream.write_all(text.as_bytes())?;
    // The server ends the connection after the last answer.
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
