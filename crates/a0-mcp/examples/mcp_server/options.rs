//! The arguments of the example, and what it prints.
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use a0_testkit::{Login, TenantServer};
use lexopt::prelude::*;

const HELP: &str = "\
An MCP server with two tools, an API that one of them calls, and their tenant, on loopback

Usage: cargo run -p a0-mcp --example mcp_server -- [OPTIONS]

  --port N         the port of the server; 0 means a free one (default: 8080)
  --tenant-port N  the port of the tenant; 0 means a free one (default: 4433)
  --ca FILE        where to write the certificate to trust (default: beside the program)
  --auto-approve   log the first user in without a page
  -h, --help       print this";

pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) tenant_port: u16,
    pub(crate) login: Login,
    ca: PathBuf,
}

/// `None` if the arguments ask for help, which is then printed.
pub(crate) fn read() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        port: 8080,
        tenant_port: 4433,
        login: Login::Page,
        ca: std::env::current_exe()?.with_file_name("mcp_server-ca.pem"),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(None);
            }
            Long("port") => options.port = parser.value()?.parse()?,
            Long("tenant-port") => options.tenant_port = parser.value()?.parse()?,
            Long("ca") => options.ca = std::path::absolute(parser.value()?)?,
            Long("auto-approve") => options.login = Login::Automatic,
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(Some(options))
}

impl Options {
    /// Writes the certificate, and says what to do next.
    pub(crate) fn announce(
        &self,
        resource: &str,
        server: &TenantServer,
    ) -> Result<(), Box<dyn Error>> {
        std::fs::write(&self.ca, server.ca_pem())?;
        let ca = self.ca.display();
        let mut text = format!(
            "server    {resource}\ntenant    {}\ntrust     {ca}\n",
            server.issuer()
        );
        for scope in ["mcp:use", "mcp:use balance:read"] {
            let token = server.tenant().access_token().audience(resource);
            let token = token.subject("auth0|ada").scope(scope).mint()?;
            writeln!(text, "token     {token} ({scope})")?;
        }
        writeln!(
            text,
            "
Next: give the server's URL to an MCP client that trusts the tenant.
  export NODE_EXTRA_CA_CERTS='{ca}'  # Node
  export SSL_CERT_FILE='{ca}'        # OpenSSL, Python
The tool whoami needs the scope mcp:use, and balance needs balance:read too."
        )?;
        // A closed standard output does not stop the server.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(())
    }
}
