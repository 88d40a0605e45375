//! The load: one run of `wrk` for one route.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::Failure;

pub(crate) struct Load {
    address: SocketAddr,
    script: PathBuf,
    seconds: u32,
}

/// Prepares all requests before the first one is sent.
const SCRIPT: &str = r#"
local requests, place = {}, 0
function init(arguments)
  for token in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { Authorization = "Bearer " .. token })
  end
end
function request()
  place = place % #requests + 1
  return requests[place]
end
"#;

impl Load {
    pub(crate) fn new(
        address: SocketAddr,
        tokens: &[String],
        seconds: u32,
    ) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("peer-web-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let script = folder.join("load.lua");
        std::fs::write(&script, SCRIPT)?;
        std::fs::write(folder.join("tokens"), tokens.join("\n"))?;
        Ok(Load {
            address,
            script,
            seconds,
        })
    }

    /// Returns the requests per second.
    pub(crate) fn run(&self, route: &str) -> Result<f64, Failure> {
        let output = Command::new("wrk")
            .args(["-t1", "-c32", &format!("-d{}s", self.seconds), "-s"])
            .arg(&self.script)
            .arg(format!("http://{}{route}", self.address))
            .arg("--")
            .arg(self.script.with_file_name("tokens"))
            .output()
            .map_err(|error| format!("wrk: {error}; install it, for example Debian's package wrk"))?;
        let text = String::from_utf8(output.stdout)?;
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            return Err(format!("{route}: wrk reports errors:\n{text}").into());
        }
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        Ok(rate.ok_or("wrk prints no rate")?.trim().parse()?)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(folder) = self.script.parent() {
            // A folder that stays is no failure of the measurement.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
