//! No error and no `Debug` output contains a secret.

use std::error::Error;
use std::fmt::Debug;

use crate::support::{ENDPOINT, now, response};
use a0_token_exchange::{
    ClientAuth, ConnectionToken, ExtraValue, OnBehalfOf, TokenClient, TokenExchange, WorkerToken,
};

const CANARY: &str = "canary";

#[derive(Default)]
struct Shown(String);

impl Shown {
    fn debug(&mut self, value: &impl Debug) {
        self.0 += &format!("{value:?} {value:#?}\n");
    }

    fn error(&mut self, error: &dyn Error) {
        self.0 += &format!("{error} {error:?}\n");
        if let Some(source) = error.source() {
            self.error(source);
        }
    }

    fn of<T: Debug>(&mut self, result: Result<T, impl Error>) -> Option<T> {
        match result {
            Ok(value) => {
                self.debug(&value);
                Some(value)
            }
            Err(error) => {
                self.error(&error);
                None
            }
        }
    }
}

#[test]
fn no_secret_is_in_an_error_or_in_debug_output() {
    let mut shown = Shown::default();
    let tokens = [
        "canary",
        " canary",
        "Bearer canary",
        "canary\r\n",
        "canary canary",
    ];
    for make in [
        || ClientAuth::basic("id", CANARY),
        || ClientAuth::post("id", CANARY),
    ] {
        let auth = make().unwrap();
        shown.debug(&auth);
        for url in [ENDPOINT, "https://id:canary@tenant.example/", "canary"] {
            shown.of(TokenClient::new(url, make().unwrap()));
        }
        let client = TokenClient::new(ENDPOINT, auth).unwrap();
        for token in tokens {
            let exchange = TokenExchange::new(token, "urn:x").actor(token, "urn:a");
            let value = ExtraValue::from(CANARY);
            shown.debug(&value);
            let with_extra = exchange.clone().extra_list("k", vec![value; 30]);
            let obo = OnBehalfOf::new(token, "aud");
            let connection = ConnectionToken::new("c", token);
            let worker = WorkerToken::new("c", token);
            shown.debug(&worker);
            shown.of(client.worker_token(&worker));
            shown.debug(&(&exchange, &with_extra, &obo, &connection));
            shown.of(client.exchange(&exchange));
            shown.of(client.exchange(&with_extra));
            shown.of(client.exchange(&exchange.clone().extra("scope", CANARY)));
            shown.of(client.exchange(&exchange.clone().extra(" canary", CANARY)));
            shown.of(client.on_behalf_of(&obo));
            shown.of(client.connection_token(&connection));
        }
        let request = TokenExchange::new(CANARY, "urn:x").actor(CANARY, "urn:a");
        let token_request = client.exchange(&request).unwrap();
        let token_request = token_request
            .with_proof(|_| Ok::<_, std::io::Error>(CANARY.to_owned()))
            .with_nonce(CANARY);
        shown.debug(&token_request.prepare(now()).unwrap().headers());
        for (status, body) in [
            (
                200,
                r#"{"access_token":"canary","token_type":"DPoP","id_token":"canary",
                "refresh_token":"canary","scope":"canary","expires_in":1}"#,
            ),
            (200, r#"{"access_token":"canary","token_type":"canary"}"#),
            (
                200,
                r#"{"access_token":"canary","refresh_token":["canary"]}"#,
            ),
            (200, r#"{"access_token":"canary","expires_in":"canary"}"#),
            (
                200,
                r#"{"refresh_token":"canary","refresh_token":"canary"}"#,
            ),
            (200, "canary"),
            (400, r#"{"error":"canary","error_description":"canary"}"#),
            (400, "canary"),
            (302, "canary"),
        ] {
            shown.of(token_request.accept(response(status, "application/json", body), now()));
        }
        shown.debug(&token_request.start(now()).unwrap());
    }
    assert!(!shown.0.contains(CANARY), "{}", shown.0);
    // Neither as a list of bytes nor in base64.
    assert!(!shown.0.contains("99, 97, 110, 97, 114, 121"));
    assert!(!shown.0.contains("Y2FuYXJ5"));
    // The output is really collected.
    assert!(shown.0.contains("TokenClient") && shown.0.contains("IssuedToken"));
}
