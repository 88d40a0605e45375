//! Bodies and fields that try to run a tool without its scopes, or to crash the server. Each goes through the layer
//! to a real server of `rmcp`, with a token that may call `echo` and not `refund`.

use crate::common::*;
use axum::Router;
use axum::body::{Body, Bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, Request};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

/// The answer that the layer must give.
const REFUSED: &[u16] = &[400];
const DENIED: &[u16] = &[403];
const TYPE: &[u16] = &[415];
/// Whatever the server inside makes of a message that needs no more than the base.
const PASSED: &[u16] = &[200, 202, 400, 404, 415, 422];

struct Case {
    what: &'static str,
    method: Method,
    fields: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    expected: &'static [u16],
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    /// A body of an older revision, which needs no fields.
    fn body(&mut self, what: &'static str, body: impl Into<Vec<u8>>, expected: &'static [u16]) {
        self.add(what, &[JSON], body, expected);
    }

    fn add(
        &mut self,
        what: &'static str,
        fields: &[(&'static str, &str)],
        body: impl Into<Vec<u8>>,
        expected: &'static [u16],
    ) {
        let fields = fields
            .iter()
            .map(|(name, value)| (*name, value.as_bytes().to_vec()));
        self.0.push(Case {
            what,
            method: Method::POST,
            fields: fields.collect(),
            body: body.into(),
            expected,
        });
    }

    /// A call of `refund` of the revision 2026-07-28 with these fields.
    fn fields(
        &mut self,
        what: &'static str,
        fields: &[(&'static str, &str)],
        expected: &'static [u16],
    ) {
        let fields = [&[JSON], fields].concat();
        self.add(what, &fields, call_body("refund"), expected);
    }
}

/// A call of an older revision.
fn call_of(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    )
}

/// A message with these members after `jsonrpc` and `id`.
fn with(members: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#)
}

fn encoded(name: &str) -> String {
    format!("=?base64?{}?=", STANDARD.encode(name))
}

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let mut it = Cases::default();
    let refund = call_of("refund");
    let echo = call_of("echo");
    let params = r#""params":{"name":"refund","arguments":{}}"#;

    // The plain call, and spellings of it.
    it.body("plain", &*refund, DENIED);
    it.body("white space around", format!("\r\n\t {refund} \n"), DENIED);
    it.body("escape in `method`", refund.replace("method", "m\\u0065thod"), DENIED);
    it.body("escape in `params`", refund.replace("params", "\\u0070arams"), DENIED);
    it.body("escape in `name`", refund.replace("\"name\"", "\"n\\u0061me\""), DENIED);
    it.body("escape in the tool", refund.replace("refund", "r\\u0065fund"), DENIED);
    it.body("escaped slash in the method", refund.replace("tools/call", "tools\\/call"), DENIED);
    it.body("every letter escaped", refund.replace("refund", "\\u0072\\u0065\\u0066\\u0075\\u006E\\u0064"), DENIED);
    it.body("members in another order", r#"{"params":{"arguments":{},"name":"refund"},"method":"tools/call","id":1,"jsonrpc":"2.0"}"#, DENIED);
    it.body("an unknown member first", refund.replacen('{', r#"{"x":{"method":"ping"},"#, 1), DENIED);
    it.body("a lure in `arguments`", refund.replace("\"arguments\":{}", r#""arguments":{"name":"echo","method":"ping"}"#), DENIED);
    it.body("a lure in `_meta`", refund.replace("\"arguments\"", r#""_meta":{"name":"echo"},"arguments""#), DENIED);
    it.body("a string identifier", refund.replace("\"id\":1", "\"id\":\"1\""), DENIED);
    it.body("a notification", refund.replace("\"id\":1,", ""), DENIED);

    // Names of tools.
    it.body("upper case tool", call_of("Refund"), DENIED);
    it.body("tool with a space after it", call_of("refund "), DENIED);
    it.body("tool with a space before it", call_of(" refund"), DENIED);
    it.body("tool with a NUL", call_of("refund\\u0000"), DENIED);
    it.body("tool with a zero-width space", call_of("re\u{200b}fund"), DENIED);
    it.body("full-width letters", call_of("ｒｅｆｕｎｄ"), DENIED);
    it.body("combining letter", call_of("refund\u{301}"), DENIED);
    it.body("empty tool", call_of(""), DENIED);
    it.body("tool without a policy", call_of("unlisted"), DENIED);
    it.body("path to a tool", call_of("echo/../refund"), DENIED);
    it.body("prefix of an allowed tool", call_of("ech"), DENIED);
    it.body("an allowed tool and more", call_of("echo\\nrefund"), DENIED);
    it.body("a very long tool", call_of(&"x".repeat(100_000)), DENIED);

    // Names that occur twice.
    for (what, body) in [
        ("method twice, the harmless one first", with(&format!(r#""method":"ping","method":"tools/call",{params}"#))),
        ("method twice, the harmless one last", with(&format!(r#""method":"tools/call","method":"ping",{params}"#))),
        ("method twice, one escaped", with(&format!(r#""method":"ping","m\u0065thod":"tools/call",{params}"#))),
        ("params twice, the harmless one first", with(&format!(r#""method":"tools/call","params":{{"name":"echo"}},{params}"#))),
        ("params twice, the harmless one last", with(&format!(r#""method":"tools/call",{params},"params":{{"name":"echo"}}"#))),
        ("name twice, the harmless one first", refund.replace("\"name\"", r#""name":"echo","name""#)),
        ("name twice, the harmless one last", refund.replace("\"refund\"", r#""refund","name":"echo""#)),
        ("name twice, one escaped", refund.replace("\"refund\"", r#""refund","n\u0061me":"echo""#)),
        ("name three times", refund.replace("\"refund\"", r#""refund","name":"echo","name":"echo""#)),
        ("id twice", refund.replace("\"id\":1", r#""id":1,"id":2"#)),
        ("jsonrpc twice", refund.replace("\"jsonrpc\":\"2.0\"", r#""jsonrpc":"2.0","jsonrpc":"2.0""#)),
        ("twice in the arguments", echo.replace("\"arguments\":{}", r#""arguments":{"text":"a","text":"b"}"#)),
        ("twice deep in the arguments", echo.replace("\"arguments\":{}", r#""arguments":{"x":[{"y":{"a":1,"a":2}}]}"#)),
        ("twice in `_meta`", echo.replace("\"arguments\"", r#""_meta":{"a":1,"a":1},"arguments""#)),
        ("twice in an unknown member", echo.replacen('{', r#"{"x":{"a":1,"a":1},"#, 1)),
        ("twice and empty", echo.replacen('{', r#"{"":1,"":2,"#, 1)),
        ("twice after many", echo.replacen('{', &format!("{{{}\"n3\":0,", (0..30).map(|n| format!("\"n{n}\":0,")).collect::<String>()), 1)),
        // Names that `serde_json` keeps for itself.
        ("RawValue as params", with(r#""method":"tools/call","params":{"$serde_json::private::RawValue":"{\"name\":\"refund\"}"}"#)),
        ("RawValue as name", refund.replace("\"refund\"", r#"{"$serde_json::private::RawValue":"\"refund\""}"#)),
        ("RawValue as method", refund.replace("\"tools/call\"", r#"{"$serde_json::private::RawValue":"\"tools/call\""}"#)),
        ("RawValue as the whole", format!(r#"{{"$serde_json::private::RawValue":{refund:?}}}"#)),
        ("RawValue escaped", with(r#""method":"tools/call","params":{"\u0024serde_json::private::RawValue":"{\"name\":\"refund\"}"}"#)),
        ("RawValue in the arguments", echo.replace("\"arguments\":{}", r#""arguments":{"$serde_json::private::RawValue":"{}"}"#)),
        ("RawValue deep in the arguments", echo.replace("\"arguments\":{}", r#""arguments":{"x":[[{"$serde_json::private::RawValue":"{}"}]]}"#)),
        ("RawValue beside an allowed name", with(r#""method":"tools/call","params":{"name":"echo","$serde_json::private::RawValue":"{\"name\":\"refund\"}"}"#)),
        ("Number as name", refund.replace("\"refund\"", r#"{"$serde_json::private::Number":"1"}"#)),
        ("Number as id", refund.replace("\"id\":1", r#""id":{"$serde_json::private::Number":"1"}"#)),
        ("another private name", echo.replacen('{', r#"{"$serde_json::private::Other":1,"#, 1)),
        // No message, or two readings of one.
        ("method null", refund.replace("\"tools/call\"", "null")),
        ("method a number", refund.replace("\"tools/call\"", "1")),
        ("method a list", refund.replace("\"tools/call\"", "[\"tools/call\"]")),
        ("method an object", refund.replace("\"tools/call\"", "{\"tools/call\":null}")),
        ("method a boolean", refund.replace("\"tools/call\"", "true")),
        ("method absent", with(params)),
        ("method in upper case", refund.replace("\"method\"", "\"Method\"")),
        ("method with a space", refund.replace("\"method\"", "\"method \"")),
        ("params by position", with(r#""method":"tools/call","params":["refund",{}]"#)),
        ("params by position with null", with(r#""method":"tools/call","params":[null,"refund",{}]"#)),
        ("params null", with(r#""method":"tools/call","params":null"#)),
        ("params text", with(r#""method":"tools/call","params":"{\"name\":\"refund\"}""#)),
        ("params a number", with(r#""method":"tools/call","params":1"#)),
        ("params absent", with(r#""method":"tools/call""#)),
        ("params in upper case", refund.replace("params", "Params")),
        ("params of a list method by position", with(r#""method":"tools/list","params":[]"#)),
        ("name absent", with(r#""method":"tools/call","params":{"arguments":{}}"#)),
        ("name null", refund.replace("\"refund\"", "null")),
        ("name a number", refund.replace("\"refund\"", "7")),
        ("name a list", refund.replace("\"refund\"", "[\"refund\"]")),
        ("name an object", refund.replace("\"refund\"", "{\"refund\":1}")),
        ("name in upper case", refund.replace("\"name\"", "\"Name\"")),
        ("id null", refund.replace("\"id\":1", "\"id\":null")),
        ("id a list", refund.replace("\"id\":1", "\"id\":[1]")),
        ("id an object", refund.replace("\"id\":1", "\"id\":{}")),
        ("id a boolean", refund.replace("\"id\":1", "\"id\":false")),
        ("result beside a method", refund.replacen('{', r#"{"result":{},"#, 1)),
        ("error beside a method", refund.replacen('{', r#"{"error":{"code":1,"message":""},"#, 1)),
        ("result null beside a method", refund.replacen('{', r#"{"result":null,"#, 1)),
        ("params beside a result", with(&format!(r#""result":{{}},{params}"#))),
        ("jsonrpc absent", refund.replace("\"jsonrpc\":\"2.0\",", "")),
        ("jsonrpc 1.0", refund.replace("2.0", "1.0")),
        ("jsonrpc a number", refund.replace("\"2.0\"", "2.0")),
        ("jsonrpc null", refund.replace("\"2.0\"", "null")),
        ("jsonrpc with a space", refund.replace("\"2.0\"", "\"2.0 \"")),
        ("a revision that is no text", call_body("refund").replace("\"2026-07-28\"", "1")),
        ("text", format!("{refund:?}")),
        ("null", "null".to_owned()),
        ("a number", "1".to_owned()),
        ("true", "true".to_owned()),
        ("an empty object", "{}".to_owned()),
        // Batches.
        ("an empty batch", "[]".to_owned()),
        ("a batch in a batch", format!("[[{refund}]]")),
        ("a batch with a number", format!("[{echo},1]")),
        ("a batch with null", format!("[null,{refund}]")),
        ("a batch with a bad member", format!("[{echo},{{\"method\":1}}]")),
        ("a batch with a name twice", format!("[{}]", refund.replace("\"refund\"", r#""refund","name":"echo""#))),
        ("a large batch", format!("[{}{echo}]", format!("{echo},").repeat(100))),
        // No JSON, or more than one.
        ("empty", String::new()),
        ("white space", " \n".to_owned()),
        ("two messages", format!("{echo}{refund}")),
        ("two messages on two lines", format!("{echo}\n{refund}\n")),
        ("a comma and another message", format!("{echo},{refund}")),
        ("a NUL after it", format!("{refund}\0")),
        ("a letter after it", format!("{refund}x")),
        ("a bracket after it", format!("{refund}]")),
        ("a comment", format!("/* */{refund}")),
        ("a comment after it", format!("{refund}//")),
        ("a comma too many", refund.replace("{}}}", "{},}}")),
        ("single quotes", refund.replace('"', "'")),
        ("names without quotes", refund.replace("\"method\"", "method")),
        ("a byte order mark", format!("\u{feff}{refund}")),
        ("a line separator", format!("\u{2028}{refund}")),
        ("a no-break space", format!("\u{a0}{refund}")),
        ("a form feed", format!("\u{c}{refund}")),
        ("a new line in a string", refund.replace("refund", "ref\nund")),
        ("a tab in a string", refund.replace("refund", "ref\tund")),
        ("an unknown escape", refund.replace("refund", "ref\\x75nd")),
        ("half of a pair", refund.replace("refund", "refund\\ud800")),
        ("half of a pair in a name", refund.replace("\"name\"", "\"name\\udc00\"")),
        ("a cut escape", refund.replace("refund", "\\u00")),
        ("a cut message", refund.get(..refund.len() - 2).unwrap().to_owned()),
        ("an open string", r#"{"jsonrpc":"2.0","method":"tools/call"#.to_owned()),
        ("a leading zero", refund.replace("\"id\":1", "\"id\":01")),
        ("a plus", refund.replace("\"id\":1", "\"id\":+1")),
        ("hexadecimal", refund.replace("\"id\":1", "\"id\":0x1")),
        ("NaN", refund.replace("\"id\":1", "\"id\":NaN")),
        ("Infinity", refund.replace("\"id\":1", "\"id\":Infinity")),
        ("a form", "method=tools/call&name=refund".to_owned()),
        ("an event", format!("data: {refund}\n\n")),
        ("XML", "<method>tools/call</method>".to_owned()),
    ] {
        it.body(what, body, REFUSED);
    }
    it.body("a batch with a call", format!("[{refund}]"), DENIED);
    it.body("a batch that hides a call", format!("[{echo},{refund}]"), DENIED);
    it.body("a batch that hides a notification", format!("[{echo},{}]", refund.replace("\"id\":1,", "")), DENIED);
    it.body("a batch of calls that are denied", format!("[{refund}{}]", format!(",{refund}").repeat(99)), DENIED);
    it.body("a batch of what is allowed", format!("[{echo}]"), PASSED);

    // Octets that are no UTF-8.
    let octets = refund.as_bytes();
    it.body("Latin-1", [octets, b"\xe9"].concat(), REFUSED);
    it.body("an overlong slash", refund.replace('/', "#").into_bytes().iter().flat_map(|b| if *b == b'#' { vec![0xc0, 0xaf] } else { vec![*b] }).collect::<Vec<u8>>(), REFUSED);
    it.body("a surrogate as octets", refund.replace("refund", "@").into_bytes().iter().flat_map(|b| if *b == b'@' { vec![0xed, 0xa0, 0x80] } else { vec![*b] }).collect::<Vec<u8>>(), REFUSED);
    it.body("UTF-16, little", refund.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), REFUSED);
    it.body("UTF-16, big", refund.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>(), REFUSED);
    it.body("UTF-32", refund.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<u8>>(), REFUSED);
    it.body("UTF-7", refund.replace('{', "+AHs-"), REFUSED);
    it.body("gzip without saying so", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(), REFUSED);

    // Depth and size.
    for (what, depth) in [("deep", 70), ("deeper than serde_json goes", 130), ("very deep", 100_000), ("deepest", 1_500_000)] {
        it.body(what, echo.replace("\"arguments\":{}", &format!("\"arguments\":{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth))), REFUSED);
    }
    it.body("deep objects", echo.replace("\"arguments\":{}", &format!("\"arguments\":{}1{}", "{\"x\":".repeat(5000), "}".repeat(5000))), REFUSED);
    it.body("an open end", "[".repeat(1_000_000), REFUSED);
    it.body("open objects", "{\"a\":".repeat(500_000), REFUSED);
    it.body("a deep batch", format!("{}{refund}{}", "[".repeat(60), "]".repeat(60)), REFUSED);
    it.body("many members", echo.replacen('{', &format!("{{{}", (0..200_000).map(|n| format!("\"{n}\":0,")).collect::<String>()), 1), PASSED);
    it.body("many values", echo.replace("\"arguments\":{}", &format!("\"arguments\":{{\"x\":[0{}]}}", ",0".repeat(1_000_000))), PASSED);
    it.body("many escapes", echo.replace("\"arguments\":{}", &format!("\"arguments\":{{\"text\":\"{}\"}}", "\\u0041".repeat(300_000))), PASSED);
    it.body("over the limit", format!("{refund}{}", " ".repeat(4 * 1024 * 1024)), &[413]);
    it.body("a call at the limit", format!("{refund}{}", " ".repeat(4 * 1024 * 1024 - refund.len())), DENIED);
    it.body("a huge number", echo.replace("\"id\":1", &format!("\"id\":{}", "9".repeat(100_000))), PASSED);
    it.body("a number out of range", refund.replace("\"id\":1", "\"id\":1e999"), DENIED);
    it.body("a negative zero", refund.replace("\"id\":1", "\"id\":-0"), DENIED);
    it.body("a fraction as id", refund.replace("\"id\":1", "\"id\":1.5"), DENIED);

    // Methods.
    for (what, method) in [
        ("method in upper case", "TOOLS/CALL"), ("method with a space after it", "tools/call "), ("method with a NUL", "tools/call\\u0000"),
        ("method with two slashes", "tools//call"), ("method with a prefix", "rpc.tools/call"), ("the other separator", "tools.call"),
        ("empty method", ""), ("a method of one's own", "admin/refund"), ("a long method", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("another letter case", "tools/Call"), ("an unknown notification", "notifications/refund"),
    ] {
        it.body(what, refund.replace("tools/call", method), DENIED);
    }
    for (what, method) in [("a task's result", "tasks/result"), ("a task", "tasks/get"), ("the end of a task", "tasks/cancel"), ("an update of a task", "tasks/update")] {
        it.body(what, with(&format!(r#""method":"{method}","params":{{"taskId":"1"}}"#)), DENIED);
    }
    it.body("a task without an identifier", with(r#""method":"tasks/get","params":{}"#), REFUSED);
    it.body("the list of tasks", with(r#""method":"tasks/list","params":{}"#), DENIED);
    it.body("a resource without a URI", with(r#""method":"resources/read","params":{"name":"x"}"#), REFUSED);
    it.body("a prompt without a name", with(r#""method":"prompts/get","params":{"uri":"x"}"#), REFUSED);
    it.body("an answer to the server", with(r#""result":{"method":"tools/call"}"#), PASSED);
    it.body("an error without an identifier", with(r#""error":{"code":-32700,"message":"x"}"#).replace("\"id\":1", "\"id\":null"), PASSED);
    it.body("a result without an identifier", with(r#""result":{}"#).replace("\"id\":1", "\"id\":null"), REFUSED);
    it.body("an error and a method without an identifier", refund.replace("\"id\":1", r#""id":null,"error":{"code":1,"message":""}"#), REFUSED);
    it.body("no params in words", with(r#""method":"tools/list","params":null"#), &[200]);
    it.body("no params of a notification in words", r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":null}"#, &[202]);
    it.body("no params of an unknown method in words", with(r#""method":"x/own","params":null"#), DENIED);
    it.body("no params of a task in words", with(r#""method":"tasks/get","params":null"#), REFUSED);
    it.add("no params in words, and a name", &[JSON, ("mcp-name", "echo")], with(r#""method":"tools/list","params":null"#), REFUSED);
    it.body("an error to the server", with(r#""error":{"code":1,"message":"x"}"#), PASSED);

    // Media types.
    for (what, value) in [
        ("text", "text/plain"), ("text JSON", "text/json"), ("JSON lines", "application/x-ndjson"), ("JSON-RPC", "application/json-rpc"),
        ("a suffix", "application/vnd.api+json"), ("a longer name", "application/jsonx"), ("a shorter name", "application/jso"),
        ("a form", "application/x-www-form-urlencoded"), ("a multipart", "multipart/form-data; boundary=x"), ("UTF-16", "application/json; charset=utf-16"),
        ("Latin-1", "application/json;charset=iso-8859-1"), ("two in one", "application/json, text/plain"), ("a wildcard", "*/*"),
        ("empty", ""), ("another parameter", "application/json; x=y"), ("a name without a value", "application/json; charset"),
        ("an empty parameter and another one", "application/json;; x=y"), ("a space before the equals sign", "application/json; charset =utf-8"), ("octets", "application/octet-stream"),
    ] {
        it.add(what, &[("content-type", value)], &*refund, TYPE);
    }
    it.add("no type", &[], &*refund, TYPE);
    it.add("two types", &[JSON, ("content-type", "text/plain")], &*refund, TYPE);
    it.add("one type twice", &[JSON, JSON], &*refund, TYPE);
    it.add("type in upper case", &[("content-type", "Application/JSON; Charset=\"UTF-8\"")], &*refund, DENIED);
    it.add("an empty parameter", &[("content-type", "application/json;")], &*refund, DENIED);
    it.add("empty parameters around one", &[("content-type", "application/json ; ;charset=utf-8; ")], &*refund, DENIED);
    for (what, value) in [("gzip", "gzip"), ("br", "br"), ("deflate", "deflate"), ("identity", "identity"), ("an empty coding", ""), ("zstd", "zstd"), ("two codings", "gzip, identity")] {
        it.add(what, &[JSON, ("content-encoding", value)], &*refund, TYPE);
    }

    // Fields against the body.
    let method = ("mcp-method", "tools/call");
    it.fields("well-formed", &[VERSION, method, ("mcp-name", "refund")], DENIED);
    it.fields("the name of another tool", &[VERSION, method, ("mcp-name", "echo")], REFUSED);
    it.fields("another method", &[VERSION, ("mcp-method", "tools/list"), ("mcp-name", "refund")], REFUSED);
    it.fields("another method and name", &[VERSION, ("mcp-method", "ping"), ("mcp-name", "echo")], REFUSED);
    it.fields("no method", &[VERSION, ("mcp-name", "refund")], REFUSED);
    it.fields("no name", &[VERSION, method], REFUSED);
    it.fields("neither", &[VERSION], REFUSED);
    it.fields("no revision", &[method, ("mcp-name", "refund")], REFUSED);
    it.fields("an older revision", &[("mcp-protocol-version", "2025-06-18"), method, ("mcp-name", "refund")], REFUSED);
    it.fields("a later revision", &[("mcp-protocol-version", "2027-01-01"), method, ("mcp-name", "refund")], REFUSED);
    it.fields("two revisions", &[VERSION, ("mcp-protocol-version", "2025-06-18"), method, ("mcp-name", "refund")], REFUSED);
    it.fields("method twice", &[VERSION, method, ("mcp-method", "ping"), ("mcp-name", "refund")], REFUSED);
    it.fields("name twice", &[VERSION, method, ("mcp-name", "refund"), ("mcp-name", "echo")], REFUSED);
    it.fields("one name twice", &[VERSION, method, ("mcp-name", "refund"), ("mcp-name", "refund")], REFUSED);
    it.fields("encoded", &[VERSION, method, ("mcp-name", &encoded("refund"))], DENIED);
    it.fields("another tool encoded", &[VERSION, method, ("mcp-name", &encoded("echo"))], REFUSED);
    it.fields("encoded twice", &[VERSION, method, ("mcp-name", &encoded(&encoded("refund")))], REFUSED);
    it.fields("encoded badly", &[VERSION, method, ("mcp-name", "=?base64?cmVm!W5k?=")], REFUSED);
    it.fields("encoded without padding", &[VERSION, method, ("mcp-name", "=?base64?cmVmdW5kIA?=")], REFUSED);
    it.fields("encoded with the other alphabet", &[VERSION, method, ("mcp-name", "=?base64?__-_?=")], REFUSED);
    it.fields("encoded octets that are no text", &[VERSION, method, ("mcp-name", "=?base64?/w==?=")], REFUSED);
    it.fields("a sentinel in upper case", &[VERSION, method, ("mcp-name", "=?BASE64?cmVmdW5k?=")], REFUSED);
    it.fields("an encoded method", &[VERSION, ("mcp-method", &encoded("tools/call")), ("mcp-name", "refund")], REFUSED);
    it.fields("a method in upper case", &[VERSION, ("mcp-method", "Tools/Call"), ("mcp-name", "refund")], REFUSED);
    it.fields("an empty method", &[VERSION, ("mcp-method", ""), ("mcp-name", "refund")], REFUSED);
    it.fields("an empty name", &[VERSION, method, ("mcp-name", "")], REFUSED);
    it.fields("a list of names", &[VERSION, method, ("mcp-name", "echo, refund")], REFUSED);
    it.add("older revisions are compared too", &[JSON, ("mcp-name", "echo")], &*refund, REFUSED);
    it.add("and their methods", &[JSON, ("mcp-method", "ping")], &*refund, REFUSED);
    it.add("fields of a batch", &[JSON, method, ("mcp-name", "echo")], format!("[{echo},{}]", with(r#""method":"ping""#)), REFUSED);
    it.add("a method with an answer", &[JSON, ("mcp-method", "ping")], with(r#""result":{}"#), REFUSED);
    it.add("a name for a method without one", &[JSON, ("mcp-name", "echo")], with(r#""method":"tools/list""#), REFUSED);
    it.add("the handshake with another method", &[JSON, ("mcp-method", "ping")], with(r#""method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}"#), REFUSED);
    it.add("a method in an override", &[JSON, ("x-http-method-override", "GET")], &*refund, DENIED);
    let mut raw = |what, name, value: &[u8]| {
        it.fields(what, &[VERSION, method], REFUSED);
        let case = it.0.last_mut().unwrap();
        case.fields.push((name, value.to_vec()));
    };
    raw("a name that is no ASCII", "mcp-name", "réfund".as_bytes());
    raw("octets as a name", "mcp-name", b"\xff");
    raw("octets as a second method", "mcp-method", b"\xff");

    // Other HTTP methods do not carry messages.
    for (what, method, expected) in [("PUT", Method::PUT, &[405][..]), ("PATCH", Method::PATCH, &[405]), ("QUERY", Method::from_bytes(b"QUERY").unwrap(), &[405]), ("OPTIONS", Method::OPTIONS, &[405]), ("TRACE", Method::TRACE, &[405]), ("lower case", Method::from_bytes(b"post").unwrap(), &[405]), ("GET", Method::GET, &[405, 406, 422]), ("DELETE", Method::DELETE, &[405, 422])] {
        it.body(what, &*refund, expected);
        it.0.last_mut().unwrap().method = method;
    }
    it.0
}

fn to_request(case: &Case, token: &str) -> Request<Body> {
    // In pieces, so that no decision rests on the first one.
    let pieces: Vec<Bytes> = case
        .body
        .chunks(case.body.len().div_ceil(3).max(1))
        .map(Bytes::copy_from_slice)
        .collect();
    let body = Body::from_stream(Pieces(pieces.into_iter()));
    let mut request = request(case.method.clone(), Some(token), &[], body);
    for (name, value) in &case.fields {
        request
            .headers_mut()
            .append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

struct Pieces(std::vec::IntoIter<Bytes>);

impl futures_core::Stream for Pieces {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next().map(Ok))
    }
}

/// A server that runs calls of older revisions without a session too, so that more of these bodies could run a
/// tool.
fn open_to_older_revisions(
    client: &auth0_api::asynchronous::ApiClient,
    is_layered: bool,
) -> Server {
    let layer = auth(client);
    let (like, log) = service(client, &layer);
    let config = layer
        .server_config()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let tools = Tools {
        log: log.clone(),
        auth: layer.clone(),
        ledger: a0_mcp::Downstream::new(client.clone(), LEDGER),
    };
    drop(like);
    let sessions = std::sync::Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(tools.clone()), sessions, config);
    let app = Router::new().route_service("/mcp", service);
    let app = if is_layered {
        app.route_layer(layer)
    } else {
        app
    };
    Server { app, log }
}

#[tokio::test]
async fn no_hostile_body_runs_a_tool_without_its_scopes_or_crashes_the_server() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = open_to_older_revisions(&client, true);
    let bare = open_to_older_revisions(&client, false);
    let weak = token(&tenant, "mcp:use");
    let cases = cases();
    assert!(cases.len() >= 120, "{}", cases.len());
    let mut real = 0;
    let mut failures = Vec::new();
    for case in &cases {
        let answer = server.send(to_request(case, &weak)).await;
        let ran = server.ran();
        let status = answer.status.as_u16();
        if !case.expected.contains(&status) || ran.iter().any(|tool| tool != "echo") {
            let text: String = answer.text.chars().take(200).collect();
            failures.push(format!(
                "{}: {status} instead of {:?}, ran {ran:?}: {text}",
                case.what, case.expected
            ));
        }
        // Without the layer, a tool that takes the token answers so: `rmcp` would have run it.
        let answer = bare.send(to_request(case, &weak)).await;
        let would_run = answer.text.contains("does not verify tokens");
        real += u32::from(would_run && ran.is_empty());
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
    // Many of them would run a tool, so this test would notice.
    assert!(real >= 20, "{real}");
    let answer = server.send(call(Some(&weak), "echo")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(server.ran(), ["echo"]);
}

/// Where the fields differ from the body, the answer is the JSON-RPC error of the specification.
#[tokio::test]
async fn a_mismatch_is_a_json_rpc_error_with_the_identifier() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let good = token(&tenant, "mcp:use orders:write");
    let fields = [
        JSON,
        VERSION,
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    for (id, shown) in [("1", "1"), ("\"a\\\"b\\u0001é\"", "\"a\\\"b\\u0001é\"")] {
        let body = call_body("refund").replace("\"id\":1", &format!("\"id\":{id}"));
        let answer = server
            .send(request(Method::POST, Some(&good), &fields, body))
            .await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, Some(-32020)));
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(
            answer.text.contains(&format!("\"id\":{shown}")),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("refund"));
    }
    let long =
        call_body("refund").replace("\"id\":1", &format!("\"id\":\"{}\"", "x".repeat(10_000)));
    let answer = server
        .send(request(Method::POST, Some(&good), &fields, long))
        .await;
    assert!(answer.text.len() < 500);
    let malformed = server
        .send(request(Method::POST, Some(&good), &fields, "{"))
        .await;
    assert_eq!(malformed.code(), Some(-32700));
    assert!(malformed.json().get("id").is_none());
    let coded = [JSON, ("content-encoding", "gzip")];
    let answer = server
        .send(request(Method::POST, Some(&good), &coded, "{"))
        .await;
    assert_eq!(answer.headers["accept-encoding"], "identity");
    assert!(server.ran().is_empty());
}
