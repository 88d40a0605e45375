//! The exact bytes of requests, and parameters that are refused.

use crate::support::{ENDPOINT, client, form, now};
use a0_token_exchange::{
    ClientAuth, ConnectionToken, ExtraValue, OnBehalfOf, RequestError, TokenClient, TokenExchange,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const EXCHANGE: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
const ACCESS_TOKEN: &str = "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";

fn exchange() -> TokenExchange<'static> {
    TokenExchange::new("t", "urn:x")
}

fn body_of(request: &TokenExchange<'_>) -> Result<String, RequestError> {
    let token_request = client().exchange(request)?;
    Ok(String::from_utf8(token_request.prepare(now()).unwrap().into_body()).unwrap())
}

#[test]
fn rfc8693_2_1_an_exchange_is_a_form_with_each_parameter_that_is_not_empty() {
    let cases: Vec<(TokenExchange<'_>, &str)> = vec![
        (exchange(), ""),
        (
            exchange().audience("https://a/"),
            "&audience=https%3A%2F%2Fa%2F",
        ),
        (exchange().scope("read:a b"), "&scope=read%3Aa+b"),
        (
            exchange().requested_token_type("urn:r"),
            "&requested_token_type=urn%3Ar",
        ),
        (exchange().organization("org_1"), "&organization=org_1"),
        (
            exchange().actor("a", "urn:a"),
            "&actor_token=a&actor_token_type=urn%3Aa",
        ),
        (
            exchange()
                .audience("")
                .scope("")
                .requested_token_type("")
                .organization("")
                .actor("", ""),
            "",
        ),
        (
            exchange()
                .extra("k", "v")
                .actor("a", "b")
                .organization("o")
                .requested_token_type("r")
                .scope("s")
                .audience("u"),
            "&audience=u&scope=s&requested_token_type=r&organization=o&actor_token=a\
             &actor_token_type=b&k=v",
        ),
        // Encoded as the reference does.
        (
            exchange().extra("k", "~*-._ é+&=/"),
            "&k=~%2A-._+%C3%A9%2B%26%3D%2F",
        ),
        (exchange().extra("k", ""), "&k="),
        (
            exchange().extra("k", true).extra("l", false),
            "&k=True&l=False",
        ),
        (
            exchange().extra("k", -1).extra("l", u64::MAX),
            "&k=-1&l=18446744073709551615",
        ),
        (
            exchange().extra("k", i64::MIN).extra("l", 1.0),
            "&k=-9223372036854775808&l=1.0",
        ),
        (exchange().extra("k", 0.1), "&k=0.1"),
        (
            exchange().extra("k", 1e16).extra("l", 1e-7),
            "&k=1e16&l=1e-7",
        ),
        (exchange().extra_list("k", ["a", "b"]), "&k=a&k=b"),
        (
            exchange().extra_list(
                "k",
                [ExtraValue::from("a"), 1.into(), true.into(), 2.5.into()],
            ),
            "&k=a&k=1&k=True&k=2.5",
        ),
        (exchange().extra_list("k", [""; 0]), ""),
        (
            exchange().extra_list("k", 0..20),
            "&k=0&k=1&k=2&k=3&k=4&k=5&k=6&k=7&k=8&k=9&k=10\
             &k=11&k=12&k=13&k=14&k=15&k=16&k=17&k=18&k=19",
        ),
        (
            exchange().extra("k", 1).extra("l", 2).extra("k", 3),
            "&l=2&k=3",
        ),
    ];
    for (request, more) in cases {
        let expected = format!("{EXCHANGE}&subject_token=t&subject_token_type=urn%3Ax{more}");
        assert_eq!(body_of(&request).unwrap(), expected);
    }
}

#[test]
fn on_behalf_of_exchanges_an_access_token_for_an_access_token() {
    for (scope, more) in [("", ""), ("read:a b", "&scope=read%3Aa+b")] {
        let token_request = client().on_behalf_of(&OnBehalfOf::new("t", "aud").scope(scope));
        let request = token_request.unwrap().prepare(now()).unwrap();
        let expected = format!(
            "{EXCHANGE}&subject_token=t&subject_token_type={ACCESS_TOKEN}&audience=aud{more}\
             &requested_token_type={ACCESS_TOKEN}"
        );
        assert_eq!(request.body(), expected.as_bytes());
    }
    for (token, audience, error) in [
        ("t", "", RequestError::MissingArgument("audience")),
        ("", "", RequestError::MissingArgument("audience")),
        ("", "a", RequestError::MissingArgument("subject_token")),
        ("Bearer t", "a", RequestError::BearerPrefix("subject_token")),
    ] {
        let token_request = client().on_behalf_of(&OnBehalfOf::new(token, audience));
        assert_eq!(token_request.unwrap_err(), error);
    }
}

#[test]
fn a_connection_token_request_has_connection_and_access_token() {
    for (hint, more) in [("", ""), ("ada@x", "&login_hint=ada%40x")] {
        let token_request =
            client().connection_token(&ConnectionToken::new("google", " t").login_hint(hint));
        let request = token_request.unwrap().prepare(now()).unwrap();
        let expected = format!(
            "connection=google&requested_token_type=http%3A%2F%2Fauth0.com%2Foauth%2Ftoken-type%2F\
             federated-connection-access-token&grant_type=urn%3Aauth0%3Aparams%3Aoauth%3Agrant-type\
             %3Atoken-exchange%3Afederated-connection-access-token&subject_token=+t\
             &subject_token_type={ACCESS_TOKEN}{more}"
        );
        assert_eq!(String::from_utf8_lossy(request.body()), expected);
    }
    for (connection, token, missing) in [
        ("", "t", "connection"),
        ("", "", "connection"),
        ("c", "", "access_token"),
    ] {
        let token_request = client().connection_token(&ConnectionToken::new(connection, token));
        assert_eq!(
            token_request.unwrap_err(),
            RequestError::MissingArgument(missing)
        );
    }
}

#[test]
fn a_token_is_sent_bare_or_not_at_all() {
    let blank = RequestError::Blank;
    let whitespace = RequestError::Whitespace;
    let prefix = RequestError::BearerPrefix;
    type Makes = fn(&'static str) -> RequestError;
    let cases: [(&str, Option<Makes>); 16] = [
        ("t", None),
        ("Bearer", None),
        ("BearerX y", None),
        ("Bearer\tx", None),
        ("Bear\u{e9}r x", None),
        ("b", None),
        (" ", Some(blank)),
        ("\t\r\n\u{a0}", Some(blank)),
        (" t", Some(whitespace)),
        ("t\n", Some(whitespace)),
        ("t\u{2003}", Some(whitespace)),
        ("\u{1f}t", Some(whitespace)),
        ("\0t", Some(whitespace)),
        (" Bearer t", Some(whitespace)),
        ("Bearer t", Some(prefix)),
        ("bEARER  t", Some(prefix)),
    ];
    for (token, error) in cases {
        let subject = body_of(&TokenExchange::new(token, "urn:x")).err();
        assert_eq!(subject, error.map(|it| it("subject_token")), "{token:?}");
        let actor = body_of(&exchange().actor(token, "urn:a")).err();
        assert_eq!(actor, error.map(|it| it("actor_token")), "{token:?}");
    }
    for (token, token_type, missing) in [
        ("", "urn:x", "subject_token"),
        ("", "", "subject_token"),
        ("t", "", "subject_token_type"),
        (" ", "", "subject_token_type"),
    ] {
        let error = body_of(&TokenExchange::new(token, token_type)).unwrap_err();
        assert_eq!(error, RequestError::MissingArgument(missing));
        let text = format!("The argument '{missing}' is required but was not provided.");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn rfc8693_2_1_actor_token_and_its_type_go_together() {
    for (token, token_type) in [("a", ""), ("", "urn:a")] {
        let error = body_of(&exchange().actor(token, token_type)).unwrap_err();
        assert_eq!(error, RequestError::ActorPair);
    }
}

#[test]
fn rfc8707_2_a_resource_is_an_absolute_uri_without_fragment() {
    let long = format!("https://a.example/{}", "a".repeat(4096));
    for resource in [
        "https://a.example",
        "HTTPS://A.example:8443/b/c?d=e&f=%2F",
        "https://[2001:db8::1]/",
        "https://user@a.example/",
        "urn:example:a",
        "api:a",
        "x-y+z.1:a",
        &*long,
    ] {
        let body = body_of(&exchange().resource(resource)).unwrap();
        let decoded: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes())
            .into_owned()
            .collect();
        assert!(decoded.contains(&("resource".to_owned(), resource.to_owned())));
    }
    for resource in [
        "https://a.example/#",
        "https://a.example/#b",
        "urn:example:a#b",
        "#",
        "a",
        "/a",
        "//a.example/",
        "?a=b",
        ":",
        ":a",
        "urn:",
        "1a:b",
        "a b:c",
        "a_b:c",
        "https:",
        "https://",
        "https:///a",
        "https://?a",
        "https://:443/",
        "https://@/",
        "https:a.example",
        "https:\\\\a.example\\",
        "https://a.example/ ",
        " https://a.example/",
        "https://a.example/\n",
        "https://a.example/\0",
        "https://a.example/\u{e9}",
        "https://\u{e9}.example/",
        "https://a.example/%",
        "https://a.example/%2",
        "https://a.example/%g0",
        "https://a.example/<b>",
        "https://a.example/\"b",
        " ",
    ] {
        let error = body_of(&exchange().resource(resource)).unwrap_err();
        assert_eq!(error, RequestError::Resource, "{resource:?}");
        let beside = exchange()
            .audience("a")
            .resource("urn:a:b")
            .resource(resource);
        assert_eq!(body_of(&beside).unwrap_err(), RequestError::Resource);
    }
    let many = |count| (0..count).fold(exchange(), |request, _| request.resource("urn:a:b"));
    let body = body_of(&many(20)).unwrap();
    assert_eq!(body.matches("&resource=urn%3Aa%3Ab").count(), 20);
    let error = body_of(&many(21)).unwrap_err();
    assert_eq!(error, RequestError::TooManyValues("resource".to_owned()));
    // As with other optional parameters, an empty one is not sent.
    assert_eq!(body_of(&exchange().resource("")), body_of(&exchange()));
}

#[test]
fn reserved_names_are_refused_in_any_case() {
    for name in "grant_type client_id client_secret client_assertion client_assertion_type \
         subject_token subject_token_type requested_token_type actor_token actor_token_type \
         subject_issuer audience aud resource resources resource_indicator scope connection \
         login_hint organization assertion"
        .split(' ')
    {
        for spelled in [
            name.to_owned(),
            name.to_uppercase(),
            name.replacen('a', "A", 1),
        ] {
            let error = body_of(&exchange().extra(&spelled, "v")).unwrap_err();
            let text = format!("Parameter '{name}' is reserved and cannot be overridden");
            assert_eq!(error.to_string(), text);
        }
    }
}

#[test]
fn rfc6749_8_2_a_parameter_name_has_only_allowed_characters() {
    for name in [
        "",
        " ",
        " scope",
        "scope ",
        "scope[]",
        "scope[0]",
        "scope\0",
        "sc\u{f6}pe",
        "actor_to\u{212a}en",
        "a b",
        "a&scope",
        "a=b",
        "a%62",
    ] {
        let error = body_of(&exchange().extra(name, "v")).unwrap_err();
        assert_eq!(error, RequestError::ParameterName, "{name:?}");
    }
    for name in ["a", "ext-device.id_2", "Scope2", "0"] {
        assert!(body_of(&exchange().extra(name, "v")).is_ok(), "{name}");
    }
}

#[test]
fn a_parameter_has_at_most_twenty_values() {
    let error = body_of(&exchange().extra_list("k", 0..21)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Parameter 'k' exceeds maximum array size of 20"
    );
    // An endless list is refused without reading all of it.
    assert!(body_of(&exchange().extra_list("k", std::iter::repeat("v"))).is_err());
}

#[test]
fn rfc6749_2_3_1_a_client_authenticates_in_one_way() {
    let cases = [
        ("id", "secret", "id:secret"),
        ("a:b %", "s/+~é", "a%3Ab+%25:s%2F%2B~%C3%A9"),
        ("i\"\r\n", "\u{7f}", "i%22%0D%0A:%7F"),
    ];
    for (id, secret, pair) in cases {
        let auth = ClientAuth::basic(id, secret).unwrap();
        let client = TokenClient::new(ENDPOINT, auth).unwrap();
        let request = client
            .exchange(&exchange())
            .unwrap()
            .prepare(now())
            .unwrap();
        let field = &request.headers()["authorization"];
        assert_eq!(field, &format!("Basic {}", STANDARD.encode(pair)));
        assert!(field.is_sensitive());
        let names: Vec<String> = form(&request).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["grant_type", "subject_token", "subject_token_type"]);

        let auth = ClientAuth::post(id, secret).unwrap();
        let client = TokenClient::new(ENDPOINT, auth).unwrap();
        let token_request = client
            .connection_token(&ConnectionToken::new("c", "t"))
            .unwrap();
        let request = token_request.prepare(now()).unwrap();
        assert!(!request.headers().contains_key("authorization"));
        let expected = [("client_id", id), ("client_secret", secret)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(form(&request).split_off(5), expected);
    }
    for (id, secret) in [("", "s"), ("i", ""), ("", "")] {
        for auth in [ClientAuth::basic(id, secret), ClientAuth::post(id, secret)] {
            assert_eq!(auth.unwrap_err(), RequestError::MissingCredentials);
        }
    }
}

#[test]
fn a_request_is_a_post_of_a_form_to_the_endpoint() {
    let endpoint = "https://tenant.example:8443/oauth/token?tenant=a%20b";
    let auth = ClientAuth::basic("id", "secret").unwrap();
    let client = TokenClient::new(endpoint, auth).unwrap();
    let request = client
        .exchange(&exchange())
        .unwrap()
        .prepare(now())
        .unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), endpoint);
    let mut names: Vec<&str> = request.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "content-type"]);
    assert_eq!(
        request.headers()["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(request.headers()["accept"], "application/json");
}

#[test]
fn rfc6749_3_2_the_endpoint_is_an_absolute_https_url_without_credentials_and_fragment() {
    for (url, is_valid) in [
        ("https://t.example/oauth/token", true),
        ("HTTPS://T.example/oauth/token", true),
        ("https://t.example", true),
        ("https://[::1]:8443/token?a=b", true),
        ("http://t.example/oauth/token", false),
        ("ftp://t.example/", false),
        ("//t.example/oauth/token", false),
        ("/oauth/token", false),
        ("t.example", false),
        ("", false),
        ("https://", false),
        ("https:///oauth/token", false),
        ("https://:443/", false),
        ("https://user@t.example/", false),
        ("https://user:pass@t.example/", false),
        ("https://@t.example/", false),
        ("https://t.example/#", false),
        ("https://t.example/oauth#x", false),
        ("https://t.example\\@evil.example/", false),
        ("https://t.example/a b", false),
        (" https://t.example/", false),
        ("https://t.example/\n", false),
        ("https://t.example/\u{e9}", false),
        ("https://t\u{e9}.example/", false),
    ] {
        let auth = ClientAuth::basic("id", "secret").unwrap();
        let error = TokenClient::new(url, auth).err();
        assert_eq!(
            error,
            (!is_valid).then_some(RequestError::Endpoint),
            "{url}"
        );
    }
}
