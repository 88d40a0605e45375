use std::collections::BTreeSet;

use a0_discovery::DomainError;
use a0_dpop::ReplayStoreError;

use super::*;
use crate::error::Error;
use crate::verification::resolver::DomainsResolverError;

const OWN: &str = include_str!("../reason.rs");

fn page(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The labels in the code.
fn labels() -> BTreeSet<&'static str> {
    let is_label = |text: &&str| {
        let is_letter =
            |byte: u8| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
        text.bytes().all(is_letter)
    };
    let is_arm = |line: &&str| line.contains("=>") || line.contains("OTHER:");
    let lines = OWN.lines().filter(is_arm);
    // In a line with two texts, the first is the name of an argument.
    let texts = lines.filter_map(|line| line.rsplit('"').nth(1));
    texts.filter(is_label).collect()
}

#[test]
fn the_page_lists_every_reason_and_no_other() {
    let page = page("observability.md");
    let (_, table) = page.split_once("<!-- reasons -->").unwrap();
    let (table, _) = table.split_once("<!-- end of reasons -->").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: Vec<&str> = rows.map(|row| row.split('`').next().unwrap()).collect();
    let unique: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(listed.len(), unique.len(), "a reason is listed twice");
    assert_eq!(unique, labels());
    assert!(unique.len() > 80, "{unique:?}");
}

/// The enums of other crates are not exhaustive, so the compiler does not ask for a label.
#[test]
fn every_variant_of_every_error_has_a_label() {
    let api = page("api.md");
    let mut variants = 0;
    for name in [
        "ClaimValidationError",
        "ExchangeError",
        "FetchFailure",
        "HeaderError",
        "JweError",
        "ParseError",
        "ProofError",
        "TokenEndpointError",
        "VerifyError",
    ] {
        for listed in api.split(&format!("pub enum {name} {{")).skip(1) {
            let lines = listed.lines().map(str::trim);
            let lines = lines.take_while(|line| *line != "}");
            for line in lines.filter(|line| line.starts_with(char::is_uppercase)) {
                let variant = line.split(['(', ' ', ',']).next().unwrap();
                assert!(OWN.contains(variant), "{variant} has no label");
                variants += 1;
            }
        }
    }
    assert!(variants > 60, "{variants}");
}

#[test]
fn a_reason_is_what_the_error_is_about() {
    let token = |error: TokenError| ErrorKind::VerifyAccessToken(error);
    for (kind, expected) in [
        (ErrorKind::MissingAuthorization, "credentials_missing"),
        (
            ErrorKind::InvalidAuthScheme(SchemeError::NotDpop),
            "dpop_scheme_required",
        ),
        (
            ErrorKind::MissingRequiredArgument {
                argument: "http_url",
                source: ArgumentSource::Request,
            },
            "request_without_url",
        ),
        (
            ErrorKind::MissingRequiredArgument {
                argument: "http_method",
                source: ArgumentSource::Request,
            },
            "request_without_method",
        ),
        (
            ErrorKind::MissingRequiredArgument {
                argument: "http_url",
                source: ArgumentSource::Call,
            },
            "argument_missing",
        ),
        (
            ErrorKind::MissingRequiredArgument {
                argument: "audience",
                source: ArgumentSource::Configuration,
            },
            "option_missing",
        ),
        (
            token(TokenError::Claims(ClaimValidationError::Expired)),
            "token_expired",
        ),
        // The same check at two places has the same label.
        (
            token(TokenError::Signature(VerifyError::Header(
                HeaderError::MissingKeyId,
            ))),
            "key_id_missing",
        ),
        (
            token(TokenError::Header(HeaderError::MissingKeyId)),
            "key_id_missing",
        ),
        (
            token(TokenError::Issuer(IssuerError::Mismatch)),
            "issuer_mismatch",
        ),
        (
            ErrorKind::InvalidDpopProof(ProofError::Replayed),
            "proof_replayed",
        ),
        (
            ErrorKind::UseDpopNonce {
                nonce: "canary".to_owned().into(),
            },
            "proof_nonce",
        ),
        (
            ErrorKind::Unavailable(Outage::ReplayStore(ReplayStoreError::new("canary"))),
            "replay_store_failed",
        ),
        (ErrorKind::Configuration("canary".into()), "configuration"),
        (
            ErrorKind::DomainsResolver(ResolverFault::Domain(DomainError::Blank).into()),
            "resolver_domain",
        ),
        (
            ErrorKind::DomainsResolver(DomainsResolverError::failed("canary".into())),
            "resolver_failed",
        ),
        (
            ErrorKind::GetAccessTokenForConnection(ClientFlowError::OtherAudience),
            "exchange_other_audience",
        ),
        (
            ErrorKind::GetAccessTokenForConnection(ClientFlowError::OtherIssuer),
            "exchange_other_issuer",
        ),
        (
            ErrorKind::Api(ApiError::Exchange(ExchangeError::InvalidJson)),
            "exchange_response",
        ),
    ] {
        let error = Error::without_challenges(kind);
        assert_eq!(error.reason(), expected);
        assert!(labels().contains(expected));
    }
}
