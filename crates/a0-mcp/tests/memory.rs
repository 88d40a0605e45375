//! A body takes memory in proportion to its length, whatever it is made of.
//! The counting allocator belongs to the whole process, so this is a program of its own.

mod common;

use allocation_counter::measure;
use axum::Router;
use axum::body::Body;
use common::*;
use http::Method;
use tower_service::Service;

const LENGTH: usize = 4 * 1024 * 1024;

/// As many of these parts as fit between the two texts, padded to the length of every body.
fn filled(before: &str, after: &str, part: impl Fn(usize) -> String) -> String {
    let mut body = before.to_owned();
    for number in 0.. {
        let part = part(number);
        if body.len() + part.len() + after.len() > LENGTH {
            break;
        }
        body.push_str(&part);
    }
    body.push_str(after);
    body.extend(std::iter::repeat_n(' ', LENGTH - body.len()));
    body
}

#[test]
fn many_small_members_take_no_more_than_twice_the_body() {
    let tenant = tenant();
    let client = client(&tenant);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(client.warm_up()).unwrap();
    let app = Router::new()
        .route("/mcp", axum::routing::any(|| async { "" }))
        .route_layer(auth(&client));
    let token = token(&tenant, "mcp:use orders:write");
    let peak = |body: String| {
        let request = request(Method::POST, Some(&token), &[JSON], Body::from(body));
        let mut app = app.clone();
        let mut status = 0;
        let memory = measure(|| {
            let response = runtime.block_on(app.call(request)).unwrap();
            status = response.status().as_u16();
        });
        (memory.bytes_max, status)
    };
    let ping = r#""jsonrpc":"2.0","id":1,"method":"ping""#;
    let open = format!("{{{ping}");
    let (plain, status) = peak(filled(&open, "}", |_| " ".to_owned()));
    assert_eq!(status, 200);
    let named = |number: usize| format!(",\"{number:x}\":0");
    for (what, status, body) in [
        ("members of a message", 200, filled(&open, "}", named)),
        (
            "members of its params",
            200,
            filled(&format!("{open},\"params\":{{\"x\":0"), "}}", named),
        ),
        (
            "members of its metadata",
            200,
            filled(
                &format!("{open},\"params\":{{\"_meta\":{{\"x\":0"),
                "}}}",
                named,
            ),
        ),
        (
            "members with escapes",
            200,
            filled(&open, "}", |number| format!(",\"\\n{number:x}\":0")),
        ),
        (
            "objects",
            200,
            filled(&format!("{open},\"x\":[0"), "]}", |_| {
                ",{\"a\":0}".to_owned()
            }),
        ),
        (
            "objects in objects",
            200,
            filled(&open, "}", |number| {
                format!(",\"{number:x}\":{{\"a\":{{}}}}")
            }),
        ),
        (
            "a name again and again",
            400,
            filled(&open, "}", |_| ",\"method\":\"\"".to_owned()),
        ),
        (
            "another name again and again",
            400,
            filled(&open, "}", |_| ",\"\":0".to_owned()),
        ),
        (
            "a long identifier of escapes",
            200,
            filled(r#"{"jsonrpc":"2.0","method":"ping","id":""#, "\"}", |_| {
                "\\n".to_owned()
            }),
        ),
        (
            "a long identifier that is a number",
            200,
            filled(r#"{"jsonrpc":"2.0","method":"ping","id":1"#, "}", |_| {
                "0".to_owned()
            }),
        ),
        (
            "a batch of numbers",
            400,
            filled("[0", "]", |_| ",0".to_owned()),
        ),
        (
            "a batch of objects",
            400,
            filled("[{}", "]", |_| ",{}".to_owned()),
        ),
    ] {
        let (bytes, answered) = peak(body);
        assert_eq!(answered, status, "{what}");
        let more = bytes.saturating_sub(plain);
        assert!(more <= 2 * LENGTH as u64, "{what}: {more} octets more");
    }
}
