//! The program `a0-tenant`, as its users run it.

use crate::common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::login::{claims, form};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_a0-tenant");

/// A running program, stopped when it is dropped.
struct Program {
    child: Child,
    issuer: String,
    agent: ureq::Agent,
}

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

impl Program {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let ca = folder.join("ca.pem");
        let mut child = Command::new(PROGRAM)
            .args(["--port", "0", "--ca"])
            .arg(&ca)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = out.lines().map(Result::unwrap);
        let issuer = lines.find_map(|line| Some(line.strip_prefix("issuer")?.trim().to_owned()));
        // The rest is read, so that the program can write it.
        let rest: Vec<String> = lines.take_while(|line| !line.contains("curl")).collect();
        assert!(
            rest.iter()
                .any(|line| line.contains("AUTH0_DOMAIN=localhost:"))
        );
        let pem = fs::read(&ca).unwrap();
        let ca = ureq::tls::Certificate::from_pem(&pem).unwrap();
        let roots = ureq::tls::RootCerts::Specific(vec![ca].into());
        let agent = ureq::Agent::config_builder()
            .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build()
            .into();
        Self {
            child,
            issuer: issuer.unwrap(),
            agent,
        }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut response = self.agent.get(self.url(path)).call().unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), body)
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut request = self.agent.post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body).unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), body)
    }

    fn json(&self, path: &str, body: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let (status, body) = self.post(path, &headers, &body.to_string());
        (status, serde_json::from_str(&body).unwrap())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}", self.issuer.trim_end_matches('/'), path)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn output(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn help_example_and_mistakes() {
    let (ok, out, _) = output(&["--help"]);
    assert!(ok && out.contains("--print-config") && out.contains("never use it in production"));
    let (ok, example, _) = output(&["--print-config"]);
    assert!(ok && example.contains("[[apis]]"));
    let folder = folder("mistakes");
    let file = folder.join("tenant.toml");
    let path = file.to_str().unwrap();
    let ca = folder.join("ca.pem");
    let ca = ca.to_str().unwrap();
    for (text, part) in [
        ("port = \"x\"", "line 1"),
        (
            "[[clients]]\nclient_id = \"a\"\nredirect_uris = [\"http://a.example/\"]",
            "a redirect URI is not",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let (ok, _, error) = output(&["--config", path, "--port", "0", "--ca", ca]);
        assert!(!ok && error.contains(part), "{error}");
    }
    for arguments in [
        &["--nonsense"][..],
        &["--port", "x"],
        &["--config", "/does/not/exist"],
    ] {
        let (ok, out, error) = output(arguments);
        assert!(
            !ok && out.is_empty() && error.starts_with("a0-tenant: "),
            "{error}"
        );
    }
}

#[test]
fn the_example_serves_mints_rotates_and_misbehaves() {
    let folder = folder("serves");
    let file = folder.join("tenant.toml");
    fs::write(&file, output(&["--print-config"]).1).unwrap();
    let program = Program::start(&folder, &["--config", file.to_str().unwrap()]);
    let jwks = "/.well-known/jwks.json";
    let keys = || {
        let document: Value = serde_json::from_str(&program.get(jwks).1).unwrap();
        document["keys"].as_array().unwrap().len()
    };
    assert_eq!(
        program.get("/ca.pem").1,
        fs::read_to_string(folder.join("ca.pem")).unwrap()
    );

    let (status, json) = program.json("/mint", &json!({}));
    assert_eq!(status, 200);
    assert_eq!(
        claims(&json["access_token"])["iss"],
        program.issuer.as_str()
    );
    let order = json!({
        "sub": "auth0|grace", "aud": ["a", "b"], "scope": "x y", "client_id": "c", "expires_in": -5,
        "issued_at": 1000, "claims": { "org_id": "o", "jti": null }, "header": { "typ": "at+jwt" },
        "alg": "ES256", "dpop_jkt": "thumb",
    });
    let (_, json) = program.json("/mint", &order);
    let minted = claims(&json["access_token"]);
    for (name, value) in [
        ("sub", json!("auth0|grace")),
        ("aud", json!(["a", "b"])),
        ("exp", json!(995)),
        ("org_id", json!("o")),
        ("cnf", json!({ "jkt": "thumb" })),
        ("jti", Value::Null),
    ] {
        assert_eq!(minted[name], value, "{name}");
    }
    for bad in [
        json!({ "subject": "x" }),
        json!({ "alg": "XX" }),
        json!({ "alg": "HS256" }),
        json!({ "signature": "forged" }),
        json!({ "expires_in": "x" }),
        json!([]),
    ] {
        assert_eq!(program.json("/mint", &bad).0, 400, "{bad}");
    }

    let before = keys();
    assert_eq!(program.json("/keys/rotate", &json!({})).0, 200);
    assert_eq!(keys(), before + 1);
    program.json("/keys/replace", &json!({}));
    assert_eq!(keys(), 2, "a new key for each of RS256 and ES256");

    let fault = json!({ "endpoint": jwks, "fault": "status", "status": 503, "times": 1 });
    assert_eq!(program.json("/faults", &fault).0, 200);
    assert_eq!((program.get(jwks).0, program.get(jwks).0), (503, 200));
    program.json("/faults", &json!({ "endpoint": jwks, "fault": "close" }));
    program.agent.get(program.url(jwks)).call().unwrap_err();
    let recovered = program.agent.delete(program.url("/faults")).call().unwrap();
    assert_eq!(
        (recovered.status().as_u16(), program.get(jwks).0),
        (200, 200)
    );
    for bad in [
        json!({ "endpoint": "/x", "fault": "close" }),
        json!({ "endpoint": jwks, "fault": "explode" }),
        json!({ "endpoint": jwks, "fault": "close", "times": 1001 }),
        json!({}),
    ] {
        assert_eq!(program.json("/faults", &bad).0, 400, "{bad}");
    }
    assert_eq!(program.get("/mint").0, 405);
    assert_eq!(program.get("/nothing").0, 404);
}

#[test]
fn another_site_cannot_use_the_program_through_a_browser() {
    let folder = folder("sites");
    let program = Program::start(&folder, &[]);
    let origin = program.issuer.trim_end_matches('/').to_owned();
    let json = ("content-type", "application/json");
    let form = ("content-type", "application/x-www-form-urlencoded");
    for path in ["/", "/mint", "/keys/rotate", "/keys/replace", "/faults"] {
        for site in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "https://localhost:1"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(
                program.post(path, &[json, site], "{}").0,
                403,
                "{path} {site:?}"
            );
        }
    }
    for path in ["/mint", "/faults"] {
        for media_type in [form, ("content-type", "text/plain")] {
            assert_eq!(program.post(path, &[media_type], "{}").0, 415, "{path}");
        }
    }
    let own = [
        json,
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(program.post("/mint", &own, "{}").0, 200);
    let preflight = ureq::http::Request::options(program.url("/mint"))
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .body(())
        .unwrap();
    let answer = program.agent.run(preflight).unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[test]
fn the_log_has_no_code_no_query_and_no_secret() {
    let folder = folder("log");
    let program = Program::start(&folder, &["--auto-approve"]);
    let client = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none",
    });
    let (status, client) = program.json("/oidc/register", &client);
    assert_eq!(status, 201);
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let query = format!(
        "response_type=code&redirect_uri=https://app.example/cb&code_challenge={challenge}\
         &code_challenge_method=S256&state=hush-state&client_id={}",
        client["client_id"].as_str().unwrap()
    );
    assert_eq!(program.get(&format!("/authorize?{query}")).0, 302);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "grant_type=client_credentials&client_id=x&client_secret=hush-secret";
    assert_eq!(program.post("/oauth/token", &form, body).0, 401);
    let log = fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.contains("GET /authorize 302\n"), "{log}");
    assert!(
        log.contains("POST /oauth/token 401 \"invalid_client\""),
        "{log}"
    );
    for part in ["hush", "code=", "?", challenge] {
        assert!(!log.contains(part), "{part}: {log}");
    }
}

#[test]
fn the_page_mints_and_explains_and_escapes() {
    let folder = folder("page");
    let program = Program::start(&folder, &["--auto-approve"]);
    let media_type = ("content-type", "application/x-www-form-urlencoded");
    let send = |fields: &[(&str, &str)]| {
        let (status, html) = program.post("/", &[media_type], &form(fields));
        assert_eq!(status, 200);
        assert!(
            !html.contains("<script") && !html.contains("<img"),
            "{html}"
        );
        html
    };
    let (_, html) = program.get("/");
    assert!(html.contains("<html lang=\"en\">") && !html.contains("<script"));
    let accepted = "would accept the token";
    assert!(send(&[("action", "mint")]).contains(accepted));
    for (field, value, reason) in [
        ("expires_in", "-60", "it expired"),
        (
            "signature",
            "stranger",
            "the signature is not that of the key",
        ),
        ("signature", "none", "alg is none"),
        (
            "claims",
            "{\"iss\":\"https://<b>\"}",
            "iss is &quot;https://&lt;b&gt;&quot;",
        ),
        ("claims", "[", "not a JSON object"),
        ("claims", "{\"exp\":null}", "exp is missing"),
        ("signature", "made-up", "not one of the list"),
        ("expires_in", "soon", "not a number of seconds"),
        ("sub", "\"><img src=x>", accepted),
        ("audience", "</textarea><script>", accepted),
    ] {
        let html = send(&[("action", "mint"), (field, value)]);
        assert!(html.contains(reason), "{field}={value}: {html}");
    }
    for token in [
        "",
        "</textarea><script>alert(1)</script>",
        "a.b.c",
        &"a".repeat(9000),
    ] {
        assert!(send(&[("action", "explain"), ("token", token)]).contains("would refuse"));
    }
    assert!(send(&[("action", "rotate")]).contains("signs with the new key"));
    assert!(send(&[]).contains("has no action"));
    assert_eq!(program.post("/", &[media_type], "%zz").0, 200);
}

#[test]
fn client_documents_of_a_trusted_authority_are_fetched() {
    let folder = folder("trust");
    let documents = a0_testkit::HttpsServer::start(|request: http::Request<Vec<u8>>| {
        let host = request.headers()["host"].to_str().unwrap();
        let document = json!({
            "client_id": format!("https://{host}/client.json"),
            "redirect_uris": ["http://localhost/cb"],
        });
        let response = http::Response::builder().header("content-type", "application/json");
        Ok(response.body(document.to_string().into_bytes()).unwrap())
    })
    .unwrap();
    let other = folder.join("other.pem");
    fs::write(&other, documents.ca_pem()).unwrap();
    let query = form(&[
        ("client_id", &format!("{}/client.json", documents.origin())),
        ("redirect_uri", "http://localhost:4711/cb"),
        ("response_type", "code"),
        ("code_challenge", common::login::CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let path = format!("/authorize?{query}");
    let without = Program::start(&folder, &[]);
    assert_eq!(without.get(&path).0, 400);
    let with = Program::start(&folder, &["--trust", other.to_str().unwrap()]);
    let (status, page) = with.get(&path);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("<code>localhost:4711</code>"), "{page}");

    fs::write(&other, "-----BEGIN CERTIFICATE-----\njunk").unwrap();
    let ca = folder.join("ca.pem");
    let arguments = [
        "--port",
        "0",
        "--ca",
        ca.to_str().unwrap(),
        "--trust",
        other.to_str().unwrap(),
    ];
    assert!(!output(&arguments).0);
}

#[test]
fn the_authority_is_kept_if_asked() {
    let folder = folder("kept");
    let read = || fs::read_to_string(folder.join("ca.pem")).unwrap();
    drop(Program::start(&folder, &[]));
    let first = read();
    assert!(!folder.join("ca.pem.key").exists());
    drop(Program::start(&folder, &["--keep-ca"]));
    let kept = read();
    assert_ne!(first, kept);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.join("ca.pem.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = Program::start(&folder, &["--keep-ca"]);
    assert_eq!(again.get("/.well-known/openid-configuration").0, 200);
    assert_eq!(read(), kept);
    drop(again);

    // A broken pair is an error, and nothing is overwritten.
    fs::write(folder.join("ca.pem"), first).unwrap();
    let ca = folder.join("ca.pem");
    let (ok, _, error) = output(&["--port", "0", "--keep-ca", "--ca", ca.to_str().unwrap()]);
    assert!(
        !ok && error.contains("do not make a certificate authority"),
        "{error}"
    );
}
