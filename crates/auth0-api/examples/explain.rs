//! Explains why an API accepts or refuses an access token, step by step.
//!
//! ```text
//! cargo run --example explain -- tenant.eu.auth0.com --audience https://api.example/ < token.txt
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use auth0_api::jose::unverified_payload;
use auth0_api::{ApiClient, Step, UreqClient};

const HELP: &str = "\
Reads an access token from standard input and shows which steps of a verification it passes.

  explain DOMAIN [--audience AUDIENCE] [--show-token-values] [--ca FILE]

  DOMAIN                the domain of the tenant, such as tenant.eu.auth0.com
  --audience AUDIENCE   the identifier of the API. Without it, the token's own audience is taken,
                        so that this check cannot fail
  --show-token-values   shows aud, iss and azp of a token that is refused
  --ca FILE             also trusts the certificates in this PEM file

The token is sent nowhere. The keys of the tenant are fetched, if the token passes the steps before.
The exit status is 0 if the token is accepted, 1 if not, and 2 if an argument is wrong.
";

/// The steps of a verification of an access token by itself.
const STEPS: [Step; 7] = [
    Step::Credentials,
    Step::Form,
    Step::Header,
    Step::Issuer,
    Step::Claims,
    Step::Keys,
    Step::Signature,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = run(&arguments, &mut io::stdin().lock(), &mut io::stdout());
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Options {
    domain: String,
    audience: Option<String>,
    shows_values: bool,
    ca: Option<String>,
}

fn parse(arguments: &[String]) -> Result<Options, Box<dyn Error>> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .cloned()
                .ok_or("a value is missing; see --help")
        };
        match argument.as_str() {
            "--audience" => options.audience = Some(value()?),
            "--ca" => options.ca = Some(value()?),
            "--show-token-values" => options.shows_values = true,
            domain if options.domain.is_empty() && !domain.starts_with('-') => {
                options.domain = domain.to_owned();
            }
            _ => return Err("unknown arguments; see --help".into()),
        }
    }
    if options.domain.is_empty() {
        return Err("the domain is missing; see --help".into());
    }
    Ok(options)
}

/// Returns whether the token is accepted.
pub(crate) fn run(
    arguments: &[String],
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<bool, Box<dyn Error>> {
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        write!(output, "{HELP}")?;
        return Ok(true);
    }
    let options = parse(arguments)?;
    let mut token = String::new();
    input.read_to_string(&mut token)?;
    let token = token.trim();

    let audience = match &options.audience {
        Some(audience) => audience.clone(),
        None => {
            writeln!(
                output,
                "Without --audience, any audience of the token passes."
            )?;
            own_audience(token).unwrap_or_else(|| "unknown".to_owned())
        }
    };
    let mut http = UreqClient::builder();
    if let Some(file) = &options.ca {
        http = http.root_certificates_pem(&std::fs::read(file)?)?;
    }
    let api = ApiClient::builder()
        .domain(&options.domain)
        .audience(audience)
        .http_client(http.build())
        .build()?;

    let result = api.verify_access_token(token);
    let failed = match &result {
        Ok(_) => None,
        Err(error) => Some(error.diagnosis().step().unwrap_or(Step::Credentials)),
    };
    for step in STEPS {
        match (&result, failed) {
            (Err(error), Some(failed)) if step == failed => {
                writeln!(output, "✗ {}", error.diagnosis())?;
                let details = error.diagnosis().details_with_token_values();
                if let (true, Some(details)) = (options.shows_values, details) {
                    writeln!(output, "    {details}")?;
                }
                let mut source = error.source();
                while let Some(cause) = source {
                    writeln!(output, "    caused by: {cause}")?;
                    source = cause.source();
                }
            }
            (_, Some(failed)) if step > failed => writeln!(output, "- {step}: not reached")?,
            _ => writeln!(output, "✓ {step}")?,
        }
    }
    match result {
        Ok(token) if token.confirmation()?.is_some() => writeln!(
            output,
            "Accepted. The token is bound to a key: each request needs a proof (RFC 9449)."
        )?,
        Ok(_) => writeln!(output, "Accepted.")?,
        Err(error) => writeln!(output, "Refused: an API answers {}.", error.status_code())?,
    }
    Ok(failed.is_none())
}

fn own_audience(token: &str) -> Option<String> {
    let claims = unverified_payload(token, 16 * 1024).ok()?;
    let audience = claims.get("aud")?;
    let first = audience.as_str().or_else(|| audience.get(0)?.as_str())?;
    Some(first.to_owned())
}
