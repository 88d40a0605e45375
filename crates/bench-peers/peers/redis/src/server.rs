//! A Redis server of the benchmark's own.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

pub(crate) struct Server {
    port: u16,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Result<Server, Failure> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--maxmemory-policy", "noeviction"])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("redis-server: {error}"))?;
        let server = Server { port, process };
        let deadline = Instant::now() + Duration::from_secs(20);
        while server.send(&["PING"]).is_err() {
            if Instant::now() > deadline {
                return Err("redis-server did not start".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn flush(&self) -> Result<(), Failure> {
        self.send(&["FLUSHALL"]).map(drop)
    }

    /// The memory that the server's allocator has given out, in bytes.
    pub(crate) fn used_memory(&self) -> Result<f64, Failure> {
        let info = self.send(&["INFO", "memory"])?;
        let lines = &mut info.lines();
        let used = lines.find_map(|line| line.strip_prefix("used_memory:"));
        Ok(used.ok_or("no used_memory")?.trim().parse()?)
    }

    /// Commands per second by `redis-benchmark`, whose keys are as long as those of the store.
    pub(crate) fn benchmark(&self, count: u32, connections: u32) -> Result<f64, Failure> {
        let key = format!("a0:replay:{}__rand_int__", "k".repeat(31));
        let output = Command::new("redis-benchmark")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--csv"])
            .args(["-c", &connections.to_string(), "-P", "1"])
            .args(["-n", &count.to_string(), "-r", "1000000000"])
            .args(["SET", &key, "", "NX", "PX", "302000"])
            .output()
            .map_err(|error| format!("redis-benchmark: {error}"))?;
        let output = String::from_utf8(output.stdout)?;
        // The second field of the last line.
        let line = output
            .lines()
            .last()
            .ok_or("redis-benchmark printed nothing")?;
        let rate = line
            .rsplit_once("PX 302000\",\"")
            .and_then(|(_, rest)| rest.split('"').next());
        Ok(rate
            .ok_or_else(|| format!("redis-benchmark: {line}"))?
            .parse()?)
    }

    fn send(&self, command: &[&str]) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let mut text = format!("*{}\r\n", command.len());
        for part in command {
            text += &format!("${}\r\n{part}\r\n", part.len());
        }
        stream.write_all(text.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
