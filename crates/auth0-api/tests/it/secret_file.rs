//! A client secret in a file, as containers mount it.

use std::fs;
use std::path::{Path, PathBuf};

use a0_testkit::LocalTenant;
use auth0_api::{ApiClient, OnBehalfOf};

const AUDIENCE: &str = "https://api.example/";
const REFUSED: &str = "the tenant refuses the secret";

#[test]
fn the_client_secret_can_be_in_a_file() {
    let file = |name, contents: &[u8]| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, contents).unwrap();
        path
    };
    let cases: [(PathBuf, Result<(), &str>); 7] = [
        (file("secret", b"the secret"), Ok(())),
        (file("secret-line", b"the secret\n"), Ok(())),
        (file("other", b"another secret"), Err(REFUSED)),
        (
            file("blank", b" \n"),
            Err("AUTH0_CLIENT_SECRET_FILE is blank"),
        ),
        (
            file("no-text", b"\xff\xfe"),
            Err("AUTH0_CLIENT_SECRET_FILE names a file that cannot be read: invalid data"),
        ),
        (
            file("large", &[b's'; 64 * 1024 + 1]),
            Err("AUTH0_CLIENT_SECRET_FILE names a file that is larger than 64 KiB"),
        ),
        (
            file("absent", b"").with_file_name("there is no such file"),
            Err("AUTH0_CLIENT_SECRET_FILE names a file that cannot be read: entity not found"),
        ),
    ];
    for (path, expected) in cases {
        let path = path.to_str().unwrap();
        assert_eq!(exchange(path), expected.map_err(str::to_owned), "{path}");
    }
}

/// Exchanges a token by the secret in the file.
fn exchange(path: &str) -> Result<(), String> {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.register_client("id", "the secret");
    let variables = |name: &str| match name {
        "AUTH0_CLIENT_ID" => Some("id".to_owned()),
        "AUTH0_CLIENT_SECRET" => Some("an older secret".to_owned()),
        "AUTH0_CLIENT_SECRET_FILE" => Some(path.to_owned()),
        _ => None,
    };
    let client = ApiClient::builder()
        .audience(AUDIENCE)
        .from_vars(variables)
        .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
        .build()
        .map_err(|error| error.error_description().to_owned())?;
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let request = OnBehalfOf::new(&token, "https://downstream.example/");
    let outcome = client.get_token_on_behalf_of(&request);
    outcome.map(|_| ()).map_err(|error| {
        assert_eq!(error.error_code(), "invalid_client");
        REFUSED.to_owned()
    })
}
