//! Tokens that are bound to a client certificate (RFC 8705 section 3).

use std::sync::LazyLock;

use a0_testkit::{Certificate, CertificateAuthority, ProofKey};
use auth0_api::{
    Builder, Confirmation, DpopMode, Error, Policy, RequestContext, Scheme, VerifiedToken,
};
use serde_json::{Value, json};

use super::dpop::{Bound, METHOD, URL};
use super::{Driver, NOW, World};

struct Certificates {
    root: CertificateAuthority,
    intermediate: CertificateAuthority,
    own: Certificate,
}

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let root = CertificateAuthority::generate().unwrap();
    let intermediate = root.intermediate().unwrap();
    let own = intermediate.client("app").unwrap();
    Certificates {
        root,
        intermediate,
        own,
    }
});

const MISMATCH: &str = "JWT Access Token client certificate mismatch";
const MISSING: &str = "Certificate-bound token requires the client certificate";
const NO_PROOF: &str = "The DPoP header with a proof is missing";
const BOUND_AS_BEARER: &str = "Sender-constrained token cannot be used as a Bearer token";
const DPOP_AS_BEARER: &str = "DPoP-bound token requires the DPoP authentication scheme, not Bearer";
const FORMAT: &str = "JWT Access Token has invalid confirmation claim format";
const NO_JKT: &str = "JWT Access Token has no jkt confirmation claim";

fn own() -> &'static Certificate {
    &CERTIFICATES.own
}

fn enabled(builder: Builder) -> Builder {
    builder.certificate_bound_tokens()
}

fn bound<D: Driver>(world: &World<D>) -> String {
    let token = world.token().bound_to_certificate(own().der());
    token.mint().unwrap()
}

/// A request of a client with this certificate.
fn request(scheme: &str, token: &str, der: Option<&[u8]>) -> RequestContext<'static> {
    let context = RequestContext::new()
        .method(METHOD)
        .url(URL)
        .header("Authorization", format!("{scheme} {token}"));
    match der {
        Some(der) => context.client_certificate(der.to_vec()),
        None => context,
    }
}

fn described(outcome: Result<VerifiedToken, Error>) -> Result<(), String> {
    outcome
        .map(|_| ())
        .map_err(|error| error.error_description())
}

fn refused(description: &str) -> Result<(), String> {
    Err(description.to_owned())
}

pub fn rfc8705_3_a_bound_token_needs_its_certificate<D: Driver>() {
    let world = World::<D>::with(enabled);
    let token = bound(&world);
    let Certificates {
        root, intermediate, ..
    } = &*CERTIFICATES;
    let other = intermediate.client("other").unwrap();
    let same_name = intermediate.client("app").unwrap();
    let same_key = intermediate.client_with_key_of(own()).unwrap();
    let der = own().der();
    let mut changed = der.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let cases: [(&str, Option<&[u8]>, &str); 12] = [
        ("none", None, MISSING),
        ("an empty one", Some(b""), MISSING),
        ("another client's", Some(other.der()), MISMATCH),
        (
            "another one of the same name",
            Some(same_name.der()),
            MISMATCH,
        ),
        (
            "another one of the same key",
            Some(same_key.der()),
            MISMATCH,
        ),
        (
            "the intermediate authority's",
            Some(intermediate.der()),
            MISMATCH,
        ),
        ("the root authority's", Some(root.der()), MISMATCH),
        ("one bit changed", Some(&changed), MISMATCH),
        ("truncated", Some(&der[..der.len() - 1]), MISMATCH),
        ("one octet more", Some(&[der, &[0]].concat()), MISMATCH),
        (
            "the chain in one value",
            Some(&[der, intermediate.der()].concat()),
            MISMATCH,
        ),
        ("PEM", Some(own().pem().as_bytes()), MISMATCH),
    ];
    // No request is made for a token that comes with another certificate.
    for scheme in ["Bearer", "DPoP", "dpop"] {
        for (case, der, description) in &cases {
            let context = request(scheme, &token, *der);
            let error = world.client.verify_request(context).unwrap_err();
            assert_eq!(error.error_description(), *description, "{scheme}: {case}");
            assert_eq!(error.status_code(), 401, "{case}");
            assert_eq!(error.error_code(), "invalid_token", "{case}");
            let told = error.headers()["www-authenticate"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(told.contains(r#"error="invalid_token""#), "{told}");
            let reason = match *description {
                MISSING => "certificate_missing",
                _ => "certificate_mismatch",
            };
            assert_eq!(error.reason(), reason);
        }
    }
    assert_eq!(world.fetches(), (0, 0));

    let x5t = own().thumbprint();
    for (name, scheme) in [("Bearer", Scheme::Bearer), ("DPoP", Scheme::Dpop)] {
        let verified = world
            .client
            .verify_request(request(name, &token, Some(der)));
        let verified = verified.unwrap();
        assert_eq!(verified.scheme(), scheme);
        let confirmed = Some(Confirmation::Certificate(&x5t));
        assert_eq!(verified.confirmed_by(), confirmed);
        // Some proxies pass on the hash alone.
        let digest = a0_digest(der);
        for (digest, expected) in [
            (digest, Ok(())),
            (a0_digest(other.der()), refused(MISMATCH)),
            ([0; 32], refused(MISMATCH)),
        ] {
            let context = request(name, &token, None).client_certificate_sha256(digest);
            assert_eq!(described(world.client.verify_request(context)), expected);
        }
    }
    // By itself, a token proves nothing about its sender.
    assert_eq!(world.verify(&token).unwrap().confirmed_by(), None);
    // A certificate does not hinder a token that is bound to nothing.
    let free = world.token().mint().unwrap();
    let verified = world
        .client
        .verify_request(request("Bearer", &free, Some(der)));
    assert_eq!(verified.unwrap().confirmed_by(), None);
}

fn a0_digest(der: &[u8]) -> [u8; 32] {
    auth0_api::jose::sha256(der)
}

/// The value of `x5t#S256` is compared octet for octet.
pub fn rfc8705_3_1_x5t_s256_is_the_base64url_sha256_of_the_certificate<D: Driver>() {
    let world = World::<D>::with(enabled);
    let der = own().der();
    let x5t = own().thumbprint();
    let digest = a0_digest(der);
    let hex: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    let replaced = |at: usize| {
        let mut text: Vec<char> = x5t.chars().collect();
        text[at] = if text[at] == 'A' { 'B' } else { 'A' };
        text.into_iter().collect::<String>()
    };
    // The last character holds four bits that count and two that must be zero.
    let spare_bits = {
        let mut text = x5t.clone();
        let last = text.pop().unwrap();
        const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let index = LETTERS.find(last).unwrap();
        text.push(LETTERS.as_bytes()[index + 1] as char);
        text
    };
    let standard = x5t.replace('-', "+").replace('_', "/");
    let key = ProofKey::generate().unwrap();
    let only = |value: Value| json!({ "x5t#S256": value });
    // With the scheme DPoP and without a proof, `cnf` must have exactly one member, a string.
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        (
            "first character",
            only(json!(replaced(0))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "middle character",
            only(json!(replaced(20))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "last character",
            only(json!(replaced(42))),
            MISMATCH,
            MISMATCH,
        ),
        ("spare bits", only(json!(spare_bits)), MISMATCH, MISMATCH),
        ("padded", only(json!(format!("{x5t}="))), MISMATCH, MISMATCH),
        (
            "percent-encoded padding",
            only(json!(format!("{x5t}%3D"))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "truncated by one",
            only(json!(x5t[..42])),
            MISMATCH,
            MISMATCH,
        ),
        (
            "truncated to half",
            only(json!(x5t[..22])),
            MISMATCH,
            MISMATCH,
        ),
        (
            "one character more",
            only(json!(format!("{x5t}A"))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "twice",
            only(json!(format!("{x5t}{x5t}"))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "two values",
            only(json!(format!("{x5t} {x5t}"))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "a list in a string",
            only(json!(format!("{x5t},{x5t}"))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "space before",
            only(json!(format!(" {x5t}"))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "space after",
            only(json!(format!("{x5t} "))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "line end",
            only(json!(format!("{x5t}\n"))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "NUL after",
            only(json!(format!("{x5t}\0"))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "lower case",
            only(json!(x5t.to_lowercase())),
            MISMATCH,
            MISMATCH,
        ),
        (
            "upper case",
            only(json!(x5t.to_uppercase())),
            MISMATCH,
            MISMATCH,
        ),
        (
            "base64 with padding",
            only(json!(format!("{standard}="))),
            MISMATCH,
            MISMATCH,
        ),
        ("hexadecimal", only(json!(hex)), MISMATCH, MISMATCH),
        (
            "hexadecimal with colons",
            only(json!(colons(&hex))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "the hash of the PEM",
            only(json!(auth0_api::jose::sha256_base64url(own().pem()))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "the hash of nothing",
            only(json!(auth0_api::jose::sha256_base64url(""))),
            MISMATCH,
            MISMATCH,
        ),
        (
            "the certificate itself",
            only(json!(own().pem())),
            MISMATCH,
            MISMATCH,
        ),
        ("empty", only(json!("")), MISMATCH, MISMATCH),
        ("null", only(Value::Null), MISMATCH, NO_PROOF),
        ("a number", only(json!(7)), MISMATCH, NO_PROOF),
        ("true", only(json!(true)), MISMATCH, NO_PROOF),
        ("an array", only(json!([x5t])), MISMATCH, NO_PROOF),
        (
            "an object",
            only(json!({"x5t#S256": x5t})),
            MISMATCH,
            NO_PROOF,
        ),
        ("octets", only(json!(digest.to_vec())), MISMATCH, NO_PROOF),
        (
            "other case of the name",
            json!({"x5t#s256": x5t}),
            BOUND_AS_BEARER,
            NO_PROOF,
        ),
        (
            "SHA-1's name",
            json!({"x5t": x5t}),
            BOUND_AS_BEARER,
            NO_PROOF,
        ),
        (
            "SHA-512's name",
            json!({"x5t#S512": x5t}),
            BOUND_AS_BEARER,
            NO_PROOF,
        ),
        ("jkt's name", json!({"jkt": x5t}), DPOP_AS_BEARER, NO_PROOF),
        (
            "beside an unusable jkt",
            json!({"jkt": null, "x5t#S256": x5t}),
            DPOP_AS_BEARER,
            NO_PROOF,
        ),
        (
            "beside jkt",
            json!({"jkt": key.thumbprint(), "x5t#S256": x5t}),
            DPOP_AS_BEARER,
            NO_PROOF,
        ),
        ("an empty object", json!({}), FORMAT, NO_PROOF),
        ("the text alone", json!(x5t), FORMAT, NO_PROOF),
        ("in an array", json!([{"x5t#S256": x5t}]), FORMAT, NO_PROOF),
        ("cnf null", Value::Null, FORMAT, NO_PROOF),
    ];
    for (case, cnf, bearer, dpop) in &cases {
        let token = world.token().claim("cnf", cnf.clone()).mint().unwrap();
        for (scheme, description) in [("Bearer", bearer), ("DPoP", dpop)] {
            let context = request(scheme, &token, Some(der));
            let outcome = world.client.verify_request(context);
            assert_eq!(described(outcome), refused(description), "{scheme}: {case}");
        }
    }
    // A member twice does not parse, whichever one is right. `cnf` outside is no other claim's.
    for payload in [
        format!(r#"{{"cnf":{{"x5t#S256":"x","x5t#S256":"{x5t}"}}}}"#),
        format!(r#"{{"cnf":{{"x5t#S256":"{x5t}","x5t\u0023S256":"{x5t}"}}}}"#),
        format!(r#"{{"cnf":{{"jkt":"x"}},"cnf":{{"x5t#S256":"{x5t}"}}}}"#),
    ] {
        let token = world.token().raw_payload(payload).mint().unwrap();
        for scheme in ["Bearer", "DPoP"] {
            let outcome = world
                .client
                .verify_request(request(scheme, &token, Some(der)));
            let error = outcome.unwrap_err();
            assert_eq!(error.reason(), "token_member_repeated");
        }
    }
    let elsewhere = world.token().claim("x5t#S256", x5t.clone());
    let elsewhere = elsewhere.mint().unwrap();
    let outcome = world
        .client
        .verify_request(request("DPoP", &elsewhere, Some(der)));
    assert_eq!(described(outcome), refused(NO_PROOF));
    assert_eq!(world.fetches(), (0, 0));

    // Beside a certificate, members without a meaning here are ignored with the scheme Bearer (RFC 7800
    // section 3.1). Auth0's way without a proof is for tokens that are bound to a certificate alone.
    let extended = json!({"x5t#S256": x5t, "unknown": {"a": 1}});
    let token = world.token().claim("cnf", extended).mint().unwrap();
    let outcome = world
        .client
        .verify_request(request("Bearer", &token, Some(der)));
    assert_eq!(described(outcome), Ok(()));
    let outcome = world
        .client
        .verify_request(request("DPoP", &token, Some(der)));
    assert_eq!(described(outcome), refused(NO_PROOF));
    // Other schemes are not looked at.
    for scheme in ["mTLS", "Certificate", "PoP", "Basic", "BearerDPoP"] {
        let outcome = world
            .client
            .verify_request(request(scheme, &bound(&world), Some(der)));
        assert_eq!(
            outcome.unwrap_err().reason(),
            "credentials_missing",
            "{scheme}"
        );
    }
}

fn colons(hex: &str) -> String {
    let pairs: Vec<&str> = (0..hex.len())
        .step_by(2)
        .map(|at| &hex[at..at + 2])
        .collect();
    pairs.join(":")
}

/// A token that is bound to a key and to a certificate needs both.
pub fn rfc8705_3_and_rfc9449_7_a_token_with_two_bindings_needs_both<D: Driver>() {
    let other = CERTIFICATES.root.client("other").unwrap();
    for mode in [DpopMode::Allowed, DpopMode::Required] {
        let here = Bound::<D>::with(|builder| {
            builder
                .certificate_bound_tokens()
                .dpop(mode)
                .url_in_requests()
        });
        let token = here.world.token().bound_to(&here.key);
        let token = token.bound_to_certificate(own().der()).mint().unwrap();
        let proof = |key: &ProofKey| {
            let proof = key.proof(METHOD, URL).for_token(&token).issued_at(NOW);
            proof.mint().unwrap()
        };
        let stranger = ProofKey::generate().unwrap();
        let send = |key: Option<&ProofKey>, der: Option<&[u8]>| {
            let context = request("DPoP", &token, der);
            let context = match key {
                Some(key) => context.header("DPoP", proof(key)),
                None => context,
            };
            here.world.client.verify_request(context)
        };
        let der = own().der();
        let key_mismatch = "JWT Access Token confirmation mismatch";
        for (key, certificate, description) in [
            (Some(&here.key), None, MISSING),
            (Some(&here.key), Some(other.der()), MISMATCH),
            (Some(&stranger), Some(der), key_mismatch),
            (Some(&stranger), Some(other.der()), MISMATCH),
            (None, Some(der), NO_PROOF),
            (None, None, NO_PROOF),
        ] {
            let outcome = send(key, certificate);
            assert_eq!(described(outcome), refused(description), "{mode:?}");
        }
        assert_eq!(here.world.fetches(), (0, 0));
        let verified = send(Some(&here.key), Some(der)).unwrap();
        let confirmed = Confirmation::DpopKeyAndCertificate {
            jkt: here.key.thumbprint(),
            x5t: &own().thumbprint(),
        };
        assert_eq!(verified.confirmed_by(), Some(confirmed));
        for x5t in [json!(null), json!(""), json!([own().thumbprint()])] {
            let cnf = json!({"jkt": here.key.thumbprint(), "x5t#S256": x5t});
            let token = here.world.token().claim("cnf", cnf).mint().unwrap();
            let proof = here.key.proof(METHOD, URL).for_token(&token).issued_at(NOW);
            let context = request("DPoP", &token, Some(der)).header("DPoP", proof.mint().unwrap());
            let outcome = here.world.client.verify_request(context);
            assert_eq!(described(outcome), refused(MISMATCH), "{x5t}");
        }
        // A key alone, as before.
        let outcome = here.send(&here.proof().mint().unwrap());
        assert_eq!(
            outcome.unwrap().confirmed_by(),
            Some(Confirmation::DpopKey(here.key.thumbprint()))
        );
    }
}

/// Auth0 tells clients to send `Authorization: DPoP` without a proof.
pub fn without_a_proof_the_scheme_dpop_is_for_certificates_alone<D: Driver>() {
    let here = Bound::<D>::with(enabled);
    let token = bound(&here.world);
    let der = own().der();
    let verify = |context| described(here.world.client.verify_request(context));
    // An empty field is no proof.
    let empty = request("DPoP", &token, Some(der)).header("DPoP", " ");
    assert_eq!(verify(empty), Ok(()));
    // A proof shows possession of a key that the token does not name.
    let proof = here.key.proof(METHOD, URL).for_token(&token).issued_at(NOW);
    let proof = proof.mint().unwrap();
    let with_proof = || request("DPoP", &token, Some(der)).header("DPoP", proof.clone());
    assert_eq!(verify(with_proof()), refused(NO_JKT));
    let two = with_proof().header("DPoP", proof.clone());
    assert_eq!(verify(two), refused("Multiple DPoP proofs are not allowed"));
    let bearer = request("Bearer", &token, Some(der)).header("DPoP", proof.clone());
    assert_eq!(
        verify(bearer),
        refused("DPoP proof requires DPoP authentication scheme, not Bearer")
    );
    // Other tokens still need their proof.
    let free = here.world.token().mint().unwrap();
    for token in [&free, &here.token] {
        let outcome = here
            .world
            .client
            .verify_request(request("DPoP", token, Some(der)));
        let error = outcome.unwrap_err();
        assert_eq!(error.error_code(), "invalid_dpop_proof");
        assert_eq!(error.error_description(), NO_PROOF);
    }
    // The token is judged first.
    let expired = here.world.token().bound_to_certificate(der).expires_in(-1);
    let expired = expired.mint().unwrap();
    assert_eq!(
        verify(request("DPoP", &expired, None)),
        refused("Token is expired")
    );
    assert_eq!(here.world.fetches(), (1, 1));

    for (mode, scheme, reason) in [
        (DpopMode::Required, "DPoP", Some("proof_missing")),
        (DpopMode::Required, "Bearer", Some("dpop_scheme_required")),
        (DpopMode::Disabled, "DPoP", Some("credentials_missing")),
        (DpopMode::Disabled, "Bearer", None),
    ] {
        let world = World::<D>::with(|builder| enabled(builder).dpop(mode).url_in_requests());
        let outcome = world
            .client
            .verify_request(request(scheme, &bound(&world), Some(der)));
        let actual = outcome.as_ref().err().map(Error::reason);
        assert_eq!(actual, reason, "{mode:?} {scheme}");
    }
    // With DPoP disabled, a key that is not proven is ignored only if it is the one binding.
    let world = World::<D>::with(|builder| enabled(builder).dpop(DpopMode::Disabled));
    let both = world.token().bound_to(&here.key).bound_to_certificate(der);
    let both = both.mint().unwrap();
    let outcome = world
        .client
        .verify_request(request("Bearer", &both, Some(der)));
    assert_eq!(described(outcome), refused(DPOP_AS_BEARER));
}

/// The API needs neither a method nor a URL for such a request, and it does not advertise the scheme DPoP
/// without them. The operator is told only of clients that need a proof.
pub fn a_certificate_needs_no_url_of_the_request<D: Driver>() {
    let world = World::<D>::with(enabled);
    let token = bound(&world);
    let bare = |token: &str| RequestContext::new().header("Authorization", format!("DPoP {token}"));
    let context = bare(&token).client_certificate(own().der());
    let verified = world.client.verify_request(context).unwrap();
    let challenges = |error: &Error| {
        let values: Vec<String> = error
            .headers()
            .get_all("www-authenticate")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        values
    };
    let error = world.client.verify_request(bare(&token)).unwrap_err();
    assert_eq!(
        challenges(&error),
        [format!(
            r#"Bearer realm="api", error="invalid_token", error_description="{MISSING}""#
        )]
    );
    // The refusals of a policy say what the client needs, too.
    for (policy, parameters) in [
        (Policy::scope("pay"), r#"error="insufficient_scope""#),
        (Policy::scope("pay"), r#"scope="pay""#),
        (
            Policy::acr_values(["mfa"]),
            r#"error="insufficient_user_authentication""#,
        ),
        (Policy::acr_values(["mfa"]), r#"acr_values="mfa""#),
    ] {
        let refused = challenges(&verified.authorize(&policy).unwrap_err());
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(
            refused[0].starts_with("Bearer ") && refused[0].contains(parameters),
            "{refused:?}"
        );
    }
    assert_eq!(world.client.counts().requests_without_url, 0);
    let free = world.token().mint().unwrap();
    let error = world.client.verify_request(bare(&free)).unwrap_err();
    assert_eq!(challenges(&error), [r#"Bearer realm="api""#]);
    assert_eq!(world.client.counts().requests_without_url, 1);
}

/// The same token with another certificate is refused.
pub fn the_certificate_of_a_cached_token_is_checked_each_time<D: Driver>() {
    let world = World::<D>::with(|builder| enabled(builder).token_cache(10));
    let token = bound(&world);
    let other = CERTIFICATES.root.client("other").unwrap();
    let verify = |scheme, der| described(world.client.verify_request(request(scheme, &token, der)));
    let der = own().der();
    for round in 0..3 {
        for scheme in ["Bearer", "DPoP"] {
            assert_eq!(verify(scheme, Some(der)), Ok(()), "{round}");
            assert_eq!(
                verify(scheme, Some(other.der())),
                refused(MISMATCH),
                "{round}"
            );
            assert_eq!(verify(scheme, None), refused(MISSING), "{round}");
        }
    }
    let hits = world.client.token_cache_status().unwrap().hits;
    assert_eq!(hits, 17);
    // A cached token of one binding is not taken for one of two.
    let key = ProofKey::generate().unwrap();
    let both = world.token().bound_to(&key).bound_to_certificate(der);
    let both = both.mint().unwrap();
    for certificate in [Some(der), Some(other.der()), Some(der), None] {
        let proof = key.proof(METHOD, URL).for_token(&both).issued_at(NOW);
        let context = request("DPoP", &both, certificate).header("DPoP", proof.mint().unwrap());
        let is_own = certificate == Some(der);
        assert_eq!(world.client.verify_request(context).is_ok(), is_own);
    }
}

pub fn without_the_option_bound_tokens_are_refused_and_the_option_named<D: Driver>() {
    let here = Bound::<D>::new();
    let world = &here.world;
    let token = bound(world);
    let der = own().der();
    let both = world.token().bound_to(&here.key).bound_to_certificate(der);
    let both = both.mint().unwrap();
    let proof = here.key.proof(METHOD, URL).for_token(&both).issued_at(NOW);
    let proof = proof.mint().unwrap();
    let supported = "Certificate-bound tokens are not supported";
    for (context, description, reason) in [
        (
            request("Bearer", &token, Some(der)),
            BOUND_AS_BEARER,
            "bound_token_as_bearer",
        ),
        (
            request("DPoP", &token, Some(der)),
            NO_PROOF,
            "proof_missing",
        ),
        (
            request("DPoP", &both, Some(der)).header("DPoP", proof),
            supported,
            "token_certificate_bound",
        ),
    ] {
        let error = world.client.verify_request(context).unwrap_err();
        assert_eq!(error.error_description(), description);
        assert_eq!(error.reason(), reason);
        let diagnosis = error.diagnosis().to_string();
        assert!(
            diagnosis.contains("set the option certificate_bound_tokens"),
            "{diagnosis}"
        );
    }
    assert_eq!(world.fetches(), (0, 0));
    // With the option, the diagnosis says who left the certificate out.
    let world = World::<D>::with(enabled);
    let error = world
        .client
        .verify_request(request("Bearer", &bound(&world), None))
        .unwrap_err();
    let diagnosis = error.diagnosis().to_string();
    assert!(
        diagnosis.contains("RequestContext::client_certificate"),
        "{diagnosis}"
    );
    assert_eq!(error.diagnosis().claim(), Some("cnf"));
    let error = world
        .client
        .verify_request(request("DPoP", &here.token, None))
        .unwrap_err();
    assert_eq!(error.diagnosis().details(), None);
}

pub fn debug_output_and_errors_hold_nothing_of_a_certificate<D: Driver>() {
    let context = request("DPoP", "token", Some(own().der()));
    let shown = format!("{context:?}");
    assert!(
        !shown.contains("48, 130") && !shown.to_lowercase().contains("certificate"),
        "{shown}"
    );
    let world = World::<D>::with(enabled);
    let other = CERTIFICATES.root.client("other").unwrap();
    let error = world
        .client
        .verify_request(request("Bearer", &bound(&world), Some(other.der())))
        .unwrap_err();
    let shown = format!(
        "{error:?} {error} {} {:?}",
        error.diagnosis(),
        error.headers()
    );
    for thumbprint in [own().thumbprint(), other.thumbprint()] {
        assert!(!shown.contains(&thumbprint), "{shown}");
    }
}
