//! The example `explain` against a tenant on this machine.

#[allow(dead_code, reason = "the example has a main function")]
#[path = "../../examples/explain.rs"]
mod example;

use a0_testkit::TenantServer;

const AUDIENCE: &str = "https://api.example/";

fn explain(arguments: &[&str], input: &str) -> (bool, String) {
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| (*argument).to_owned())
        .collect();
    let mut output = Vec::new();
    let accepted = example::run(&arguments, &mut input.as_bytes(), &mut output).unwrap();
    (accepted, String::from_utf8(output).unwrap())
}

#[test]
fn each_step_gets_a_tick_or_the_reason() {
    let server = TenantServer::start().unwrap();
    let ca = std::env::temp_dir().join(format!("explain-{}.pem", std::process::id()));
    std::fs::write(&ca, server.ca_pem()).unwrap();
    let tenant = server.tenant();
    let token = || tenant.access_token().audience(AUDIENCE);
    let mint = |builder: a0_testkit::AccessTokenBuilder| builder.mint().unwrap();
    let passed = "✓ credentials\n✓ form of the token\n✓ header of the token\n✓ issuer\n✓ claims\n\
                  ✓ keys of the issuer\n✓ signature of the token\nAccepted.\n";
    let base = [server.domain(), "--ca", ca.to_str().unwrap()];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    let usual = with(&["--audience", AUDIENCE]);
    assert_eq!(explain(&usual, &mint(token())), (true, passed.to_owned()));
    // The shell adds a line end.
    assert_eq!(explain(&usual, &format!("{}\n", mint(token()))).1, passed);
    let (accepted, shown) = explain(&base, &mint(token().audience("https://other.example/")));
    assert!(
        accepted && shown.starts_with("Without --audience"),
        "{shown}"
    );

    let other = token()
        .audience("https://other.example/")
        .claim("azp", "the-app");
    for (token, arguments, expected) in [
        (
            "opaque".to_owned(),
            &usual,
            &[
                "✓ credentials\n✗ form of the token: token_not_a_jwt",
                "- issuer: not reached",
            ][..],
        ),
        (String::new(), &usual, &["✗ credentials: argument_missing"]),
        (
            mint(token().claim("iss", "https://other.example/")),
            &usual,
            &[
                "✓ header of the token\n✗ issuer: issuer_mismatch",
                server.domain(),
            ],
        ),
        (
            mint(token().expires_in(-60)),
            &usual,
            &["✓ issuer\n✗ claims: token_expired", "claim \"exp\""],
        ),
        (
            mint(other.clone()),
            &usual,
            &[
                "✗ claims: audience_mismatch",
                "this API accepts [\"https://api.example/\"]",
            ],
        ),
        (
            mint(token().kid("unknown")),
            &usual,
            &["✓ claims\n✗ keys of the issuer: key_unknown"],
        ),
        (
            mint(token().with_signature([7; 256])),
            &usual,
            &["✓ keys of the issuer\n✗ signature of the token: signature_invalid"],
        ),
        (
            mint(other.clone()),
            &with(&["--audience", AUDIENCE, "--show-token-values"]),
            &[
                "the audience of the token is [\"https://other.example/\"]",
                "the-app",
            ],
        ),
        // Without --ca, the tenant's certificate is not trusted.
        (
            mint(token()),
            &vec![server.domain(), "--audience", AUDIENCE],
            &[
                "✓ claims\n✗ keys of the issuer: keys_tls",
                "caused by",
                "503",
            ],
        ),
    ] {
        let (accepted, shown) = explain(arguments, &token);
        assert!(!accepted);
        for part in expected {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
    // Values of a token are shown only if they are asked for.
    let (_, shown) = explain(&usual, &mint(other));
    assert!(
        !shown.contains("other.example") && !shown.contains("the-app"),
        "{shown}"
    );
    std::fs::remove_file(ca).unwrap();
}

#[test]
fn arguments_are_explained() {
    let (_, help) = explain(&["--help"], "");
    assert!(help.contains("--show-token-values"));
    for arguments in [
        &[][..],
        &["--audience"],
        &["a.example", "b.example"],
        &["--unknown"],
    ] {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let error = example::run(&arguments, &mut "".as_bytes(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("--help"), "{error}");
    }
}
