//! A Redis server of a test's own, on a free loopback port, in a temporary folder.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

static SERVERS: AtomicU32 = AtomicU32::new(0);

/// Stopped when dropped, also by a panic.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Child,
    options: Vec<String>,
    folder: PathBuf,
}

impl Server {
    /// Starts a server. Returns `None`, and says so, where none is installed outside CI.
    pub(crate) fn start(options: &[&str]) -> Option<Server> {
        let is_there = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if is_there.is_err() {
            assert!(
                std::env::var_os("CI").is_none(),
                "redis-server is not installed"
            );
            eprintln!("LEFT OUT: a test against Redis, because redis-server is not installed");
            return None;
        }
        let number = SERVERS.fetch_add(1, Ordering::SeqCst);
        let folder = format!("a0-redis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let process = spawn(port, &folder, &options);
        let server = Server {
            port,
            process,
            options,
            folder,
        };
        server.wait_until_ready();
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
        self.process = spawn(self.port, &self.folder, &self.options);
        self.wait_until_ready();
    }

    /// Sends a command on a connection of its own, and returns the raw answer.
    pub(crate) fn send(&self, command: &[&str]) -> String {
        try_send(self.port, command).unwrap()
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !try_send(self.port, &["PING"]).is_ok_and(|answer| answer.starts_with(['+', '-'])) {
            assert!(Instant::now() < deadline, "redis-server did not start");
            thread::yield_now();
        }
    }
}

fn spawn(port: u16, folder: &Path, options: &[String]) -> Child {
    Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .args(["--dir", folder.to_str().unwrap()])
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn try_send(port: u16, command: &[&str]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut text = format!("*{}\r\n", command.len());
    for part in command {
        text += &format!("${}\r\n{part}\r\n", part.len());
    }
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; 65536];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
