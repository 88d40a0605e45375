//! The example, as a process that an HTTP client talks to.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use http::{Request, Response};

/// `cargo test` builds examples next to the tests, unless it is told to build this test alone.
fn binary() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/axum_api");
    assert!(
        path.exists(),
        "build it: cargo build -p a0-tower --example axum_api"
    );
    path
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn the_example_serves_its_routes() {
    let mut process = Command::new(binary())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = process.stdout.take().unwrap();
    let _running = Running(process);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let (address, token) = line.trim().split_once(' ').unwrap();

    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None);
    let agent: ureq::Agent = config.allow_non_standard_methods(true).build().into();
    let send = |method: &str, path: &str, fields: &[(&str, &str)]| -> Response<String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"));
        let request = fields.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let (parts, mut body) = agent.run(request.body(()).unwrap()).unwrap().into_parts();
        Response::from_parts(parts, body.read_to_string().unwrap())
    };
    let challenges = |answer: &Response<String>| {
        let fields = answer.headers().get_all("www-authenticate").iter();
        fields
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let bearer = format!("Bearer {token}");
    let bearer = ("authorization", &*bearer);
    let origin = ("origin", "https://app.example");

    assert_eq!(send("GET", "/", &[]).body(), "public");

    let me = send("GET", "/me", &[bearer]);
    assert_eq!(me.status(), 200);
    assert!(me.body().contains("auth0|user"), "{}", me.body());

    let missing = send("GET", "/me", &[origin]);
    assert_eq!(missing.status(), 401);
    assert_eq!(challenges(&missing), [r#"Bearer realm="api""#]);
    assert_eq!(missing.headers()["access-control-allow-origin"], "*");
    assert_eq!(missing.headers()["access-control-expose-headers"], "*");

    let host = [
        ("x-forwarded-host", "api.example"),
        ("x-forwarded-proto", "https"),
    ];
    let proxied = send("GET", "/me", &host);
    assert_eq!(
        challenges(&proxied).len(),
        2,
        "behind the proxy, proofs can be verified"
    );
    let strange = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
    ];
    assert_eq!(challenges(&send("GET", "/me", &strange)).len(), 1);

    let scoped = send("GET", "/things", &[bearer]);
    assert_eq!(scoped.status(), 403);
    let challenge = &challenges(&scoped)[0];
    assert!(
        challenge.contains(r#"error="insufficient_scope""#),
        "{challenge}"
    );
    assert!(challenge.contains(r#"scope="write:things""#), "{challenge}");

    let asked = [
        origin,
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization,dpop"),
    ];
    let preflight = send("OPTIONS", "/me", &asked);
    assert_eq!(preflight.status(), 200);
    let allowed = preflight.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert!(
        allowed.contains("authorization") && allowed.contains("dpop"),
        "{allowed}"
    );
    assert_eq!(preflight.body(), "", "no handler was called");
}

#[test]
fn the_example_is_short() {
    let source = include_str!("../../examples/axum_api.rs");
    let lines = source.lines().filter(|line| !line.trim().is_empty());
    assert!(lines.count() <= 24);
    assert!(source.lines().all(|line| line.chars().count() <= 100));
}
