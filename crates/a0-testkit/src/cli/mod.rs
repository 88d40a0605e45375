//! The program `a0-tenant`: a tenant for development.

mod authority;
mod config;
mod explain;
mod mint;
mod page;
mod routes;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use http::header::LOCATION;
use http::{Request, Response};
use lexopt::prelude::*;
use serde_json::Value;

use crate::{LocalTenant, TenantServer};
use config::Config;

const HELP: &str = "\
a0-tenant: a local Auth0 tenant for development

It listens on 127.0.0.1 alone. It trusts everybody: never use it in production.

Usage: a0-tenant [OPTIONS]

  --config FILE     users, APIs and clients, in TOML
  --print-config    print an example of that file
  --port N          the port; 0 means a free one (default: that of the file, or 4433)
  --ca FILE         where to write the certificate to trust (default: a0-tenant-ca.pem)
  --keep-ca         keep the authority across restarts: its key is in FILE.key
  --trust FILE      authorities for client metadata documents, in PEM, beside this one
  --auto-approve    log the first user in without a page
  -h, --help        print this
  -V, --version     print the version

Beside the endpoints of a tenant it serves
  GET  /             a page that mints tokens, and explains why an API would refuse one
  POST /mint         any token: {\"sub\", \"aud\", \"scope\", \"expires_in\", \"claims\", \"signature\", ...}
  POST /keys/rotate  a new key; the old ones stay published. /keys/replace removes them
  POST /faults       {\"endpoint\": \"/.well-known/jwks.json\", \"fault\": \"status\", \"status\": 503, \"times\": 2}
  DELETE /faults     no faults
  GET  /ca.pem       the certificate to trust
";

/// The port without an option.
const PORT: u16 = 4433;
/// How many requests the tenant remembers.
const REMEMBERED: usize = 100;

/// Runs the program until it is stopped.
#[must_use]
pub fn main() -> ExitCode {
    match run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "a0-tenant: {message}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
struct Options {
    config: Option<PathBuf>,
    port: Option<u16>,
    ca: PathBuf,
    keep_ca: bool,
    trust: Vec<PathBuf>,
    auto_approve: bool,
}

/// What the arguments ask for.
enum Wish {
    Print(String),
    Serve(Options),
}

fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Wish, lexopt::Error> {
    let mut options = Options {
        config: None,
        port: None,
        ca: PathBuf::from("a0-tenant-ca.pem"),
        keep_ca: false,
        trust: Vec::new(),
        auto_approve: false,
    };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Wish::Print(HELP.into())),
            Short('V') | Long("version") => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Wish::Print(format!("a0-tenant {version}\n")));
            }
            Long("print-config") => return Ok(Wish::Print(config::EXAMPLE.into())),
            Long("config") => options.config = Some(parser.value()?.into()),
            Long("port") => options.port = Some(parser.value()?.parse()?),
            Long("ca") => options.ca = parser.value()?.into(),
            Long("keep-ca") => options.keep_ca = true,
            Long("trust") => options.trust.push(parser.value()?.into()),
            Long("auto-approve") => options.auto_approve = true,
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Wish::Serve(options))
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    let hint = |error| format!("{error}\nTry --help");
    let text = match read(arguments).map_err(hint)? {
        Wish::Print(text) => text,
        Wish::Serve(options) => return serve(&options),
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())
}

fn serve(options: &Options) -> Result<(), String> {
    let config = match &options.config {
        Some(path) => {
            let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
            Config::parse(&text).map_err(|error| at(&error))?
        }
        None => Config::default(),
    };
    let port = options.port.or(config.port).unwrap_or(PORT);
    let audience = config.first_api();
    let (authority, is_new) = authority::obtain(&options.ca, options.keep_ca)?;
    let failed = |error: crate::Error| error.to_string();
    let ca_pem = authority.pem().to_owned();
    let server = TenantServer::builder()
        .port(port)
        .authority(&authority)
        .intercept(move |tenant, request| routes::respond(tenant, &ca_pem, request))
        .observe(log)
        .start()
        .map_err(|error| format!("port {port}: {error}"))?;
    let tenant = server.tenant();
    tenant.keep_requests(REMEMBERED);
    config.apply(tenant).map_err(failed)?;
    for path in &options.trust {
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let pem = std::fs::read(path).map_err(|error| at(&error))?;
        let trusted = tenant.trust_client_documents(pem);
        trusted.map_err(|error| at(&error))?;
    }
    if options.auto_approve {
        tenant.set_login(crate::Login::Automatic);
    }
    // A closed standard output does not stop the tenant.
    let _ = announce(options, tenant, is_new, audience.as_deref());
    loop {
        std::thread::park();
    }
}

/// Says what was done, and what to do next.
fn announce(
    options: &Options,
    tenant: &LocalTenant,
    is_new: bool,
    audience: Option<&str>,
) -> io::Result<()> {
    let ca = std::path::absolute(&options.ca)?;
    let ca = ca.display();
    let (issuer, domain) = (tenant.issuer(), tenant.domain());
    let mut out = io::stdout().lock();
    writeln!(out, "issuer    {issuer}")?;
    let made = if is_new {
        "a new authority"
    } else {
        "the kept authority"
    };
    writeln!(out, "trust     {ca} ({made})")?;
    if options.keep_ca {
        let key = authority::key_path(&options.ca);
        writeln!(out, "keep      {} is its private key", key.display())?;
    }
    writeln!(out, "page      {issuer}")?;
    writeln!(out)?;
    writeln!(out, "Next: tell your API and your clients about it.")?;
    writeln!(out, "  export AUTH0_DOMAIN={domain}")?;
    let audience = audience.unwrap_or("https://api.example/");
    writeln!(out, "  export AUTH0_AUDIENCE={audience}")?;
    writeln!(
        out,
        "  export SSL_CERT_FILE='{ca}'        # OpenSSL, Python"
    )?;
    writeln!(out, "  export NODE_EXTRA_CA_CERTS='{ca}'  # Node")?;
    writeln!(out)?;
    writeln!(out, "A token, without a login:")?;
    writeln!(
        out,
        "  curl --cacert '{ca}' -H 'content-type: application/json' -d '{{}}' {issuer}mint"
    )?;
    writeln!(out)?;
    out.flush()
}

/// One line for each request: no query, no body, no header field.
fn log(request: &Request<Vec<u8>>, response: Option<&Response<Vec<u8>>>) {
    let (method, path) = (request.method(), request.uri().path());
    let line = match response {
        None => format!("{method} {path} fault"),
        Some(response) => {
            let status = response.status().as_u16();
            format!("{method} {path} {status}{}", reason(response))
        }
    };
    let _ = writeln!(io::stderr(), "{line}");
}

/// Why the tenant refused, from a JSON body or a redirect.
fn reason(response: &Response<Vec<u8>>) -> String {
    let location = response.headers().get(LOCATION);
    if let Some((_, query)) = location
        .and_then(|location| location.to_str().ok())
        .and_then(|location| location.split_once('?'))
    {
        let pairs = crate::tenant::form::parse(query.as_bytes()).unwrap_or_default();
        let errors = pairs.iter().filter(|(name, _)| name.starts_with("error"));
        return errors.map(|(_, value)| format!(" {value:?}")).collect();
    }
    if response.status().is_success() {
        return String::new();
    }
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    ["error", "error_description"]
        .into_iter()
        .filter_map(|name| body.get(name)?.as_str())
        .map(|text| format!(" {text:?}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let read = |line: &str| read(line.split_whitespace().map(OsString::from));
        assert!(matches!(read("-h"), Ok(Wish::Print(_))));
        assert!(matches!(read("--port 1 --help"), Ok(Wish::Print(_))));
        let Ok(Wish::Serve(options)) = read("--port 0 --ca x --keep-ca --auto-approve") else {
            panic!("the arguments are valid");
        };
        assert_eq!(
            (options.port, options.keep_ca, options.auto_approve),
            (Some(0), true, true)
        );
        for bad in [
            "--port",
            "--port x",
            "--port 70000",
            "--prot 1",
            "x",
            "--ca",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
