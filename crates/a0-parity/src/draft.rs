//! A case before it is put together: a call that both sides accept, as one JSON value that
//! mutations change.

use a0_testkit::Algorithm;
use serde_json::{Map, Value, json};

use crate::tenant::{
    AUDIENCE, Failure, ISSUER, JWKS, Keys, METADATA, NOW, TOKEN_ENDPOINT, answer, encode, metadata,
};
use crate::{broken, edits};

const URL: &str = "https://api.example/orders";

/// The parts of a case by name; [`Draft::new`] has all of them.
#[derive(Clone)]
pub(crate) struct Draft(pub(crate) Value);

impl Draft {
    pub(crate) fn new(call: &str, keys: &Keys) -> Result<Self, Failure> {
        let tenant = keys.get("tenant")?;
        Ok(Draft(json!({
            // The options of the client and the arguments of the call, by their names in the case.
            "options": {
                "call": call, "mode": "allowed", "domain": "tenant.example", "audience": AUDIENCE,
                "now": NOW, "method": "GET", "url": URL, "client_id": "client",
                "client_secret": "secret", "own": {}, "before": [],
            },
            "token": {
                "header": {"alg": "RS256", "typ": "JWT", "kid": tenant.kid()},
                "claims": {
                    "iss": ISSUER, "sub": "auth0|user", "aud": AUDIENCE, "iat": NOW - 60,
                    "exp": NOW + 3600, "scope": "read:orders", "azp": "client",
                },
                "key": "tenant", "algorithm": "RS256",
            },
            "proof": null,
            // The names of edits of each JWS, by the stage in which they apply.
            "edits": {
                "token": {"header": [], "payload": [], "signature": [], "text": []},
                "proof": {"header": [], "payload": [], "signature": [], "text": []},
            },
            "authorization": {
                "name": "authorization", "before": "", "scheme": "Bearer", "separator": " ",
                "after": "",
            },
            "proof_name": "dpop", "more_headers": [],
            "metadata": metadata(), "metadata_answer": null, "metadata_missing": false,
            "keys": {"keys": [tenant.jwks_entry(Algorithm::Rs256)]},
            "keys_answer": null, "keys_missing": false,
            "endpoint": answer(&json!({
                "access_token": "issued", "expires_in": 600, "token_type": "Bearer",
            })),
            // Whether the proof has the hash of its token.
            "binds_token": true,
        })))
    }

    /// Adds a call on the same client before this one, given by what is different about it.
    pub(crate) fn precede(&mut self, step: Value) {
        if let Some(steps) = self.0["options"]["before"].as_array_mut() {
            steps.push(step);
            // Two mutations may add one each, and time goes forward.
            steps.sort_by_key(|step| step["now"].as_i64().unwrap_or(NOW));
        }
    }

    /// Returns the case, with everything that both sides need.
    pub(crate) fn finish(self, keys: &Keys) -> Result<Value, Failure> {
        let Draft(mut draft) = self;
        let token = jws(&draft["token"], &draft["edits"]["token"], keys)?;
        let mut proof = String::new();
        if draft["proof"].is_object() {
            if draft["binds_token"] == true && draft["proof"]["claims"].get("ath").is_none() {
                let ath = auth0_api::jose::sha256_base64url(&token);
                draft["proof"]["claims"]["ath"] = ath.into();
            }
            proof = jws(&draft["proof"], &draft["edits"]["proof"], keys)?;
        }
        if let Some(name) = draft["options"]["endpoint"].as_str() {
            let endpoint = broken::endpoint(name)?;
            draft["metadata"]["token_endpoint"] = endpoint["url"].clone();
            draft["options"]["endpoint"] = endpoint;
        }
        let (headers, documents) = (headers(&draft, &token, &proof), documents(&draft));
        let mut case = draft["options"].take();
        case["claims"] = draft["token"]["claims"].take();
        case["token"] = token.into();
        case["proof"] = proof.into();
        case["headers"] = headers;
        case["documents"] = documents;
        Ok(case)
    }
}

/// Serializes, encodes and signs, with the edits of each stage.
fn jws(jws: &Value, edits: &Value, keys: &Keys) -> Result<String, Failure> {
    let names = |place: &str| {
        let names = edits[place].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let unknown = |edit: &str| format!("there is no edit `{edit}`");
    let segment = |place: &str, members: &Value| {
        let mut json = members.to_string();
        let mut of_segment = Vec::new();
        for edit in names(place) {
            match edits::json(edit, &json) {
                Some(edited) => json = edited,
                None => of_segment.push(edit),
            }
        }
        let mut segment = encode(json.as_bytes());
        for edit in of_segment {
            segment = edits::segment(edit, &segment).ok_or_else(|| unknown(edit))?;
        }
        Ok::<_, Failure>(segment)
    };
    let header = segment("header", &jws["header"])?;
    let signed = format!("{header}.{}", segment("payload", &jws["claims"])?);
    let mut algorithms = Algorithm::ALL.into_iter();
    let algorithm = algorithms.find(|known| jws["algorithm"] == known.name());
    let algorithm = algorithm.ok_or("an unknown algorithm")?;
    let key = keys.get(jws["key"].as_str().unwrap_or_default())?;
    let mut signature = key.sign(algorithm, signed.as_bytes())?;
    for edit in names("signature") {
        signature = edits::signature(edit, &signature).ok_or_else(|| unknown(edit))?;
    }
    let mut token = format!("{signed}.{}", encode(&signature));
    for edit in names("text") {
        token = edits::token(edit, &token).ok_or_else(|| unknown(edit))?;
    }
    Ok(token)
}

fn headers(draft: &Value, token: &str, proof: &str) -> Value {
    let mut headers = Vec::new();
    let credentials = &draft["authorization"];
    if credentials.is_object() {
        let part = |name: &str| credentials[name].as_str().unwrap_or_default();
        let before = ["before", "scheme", "separator"].map(part).concat();
        let value = format!("{before}{token}{}", part("after"));
        headers.push(json!([credentials["name"], value]));
    }
    if draft["proof"].is_object() {
        headers.push(json!([draft["proof_name"], proof]));
    }
    // A mutation that repeats the proof or the token cannot know them.
    for header in draft["more_headers"].as_array().into_iter().flatten() {
        let value = header[1].as_str().unwrap_or_default();
        let value = value.replace("{proof}", proof).replace("{token}", token);
        headers.push(json!([header[0], value]));
    }
    Value::Array(headers)
}

/// The responses of the tenant, by URL.
fn documents(draft: &Value) -> Value {
    let mut documents = Map::new();
    let url = |member: &str| draft["metadata"][member].as_str();
    let jwks_uri = url("jwks_uri").unwrap_or(JWKS);
    for (url, name) in [(jwks_uri, "keys"), (METADATA, "metadata")] {
        let [instead, missing] = ["answer", "missing"].map(|what| &draft[format!("{name}_{what}")]);
        if *missing == false {
            let usual = || answer(&draft[name]);
            let instead = instead.as_object().cloned().map(Value::Object);
            documents.insert(url.to_owned(), instead.unwrap_or_else(usual));
        }
    }
    let endpoint = url("token_endpoint").unwrap_or(TOKEN_ENDPOINT);
    documents.insert(endpoint.to_owned(), draft["endpoint"].clone());
    Value::Object(documents)
}
