//! A case before it is put together: a call that both SDKs accept, member by member, for
//! mutations to change.

use std::time::Duration;

use a0_testkit::{Algorithm, Error, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const DOMAIN: &str = "tenant.example";
pub(crate) const ISSUER: &str = "https://tenant.example/";
pub(crate) const METADATA: &str = "https://tenant.example/.well-known/openid-configuration";
pub(crate) const JWKS: &str = "https://tenant.example/.well-known/jwks.json";
pub(crate) const TOKEN_ENDPOINT: &str = "https://tenant.example/oauth/token";
pub(crate) const AUDIENCE: &str = "https://api.example/";
pub(crate) const URL: &str = "https://api.example/orders";
/// Of the nonces that this SDK asks for where a case says so.
pub(crate) const NONCE_SECRET: [u8; 32] = [7; 32];
pub(crate) const NONCE_PERIOD: Duration = Duration::from_secs(300);

pub(crate) fn metadata_of(issuer: &str) -> String {
    format!("{issuer}.well-known/openid-configuration")
}

/// The keys of all cases of one run.
pub(crate) struct Keys {
    pub(crate) tenant: SigningKey,
    pub(crate) stranger: SigningKey,
    pub(crate) small: SigningKey,
    pub(crate) secret: SigningKey,
    pub(crate) proof: SigningKey,
    pub(crate) other_proof: SigningKey,
    pub(crate) p384: SigningKey,
    /// Of a tenant that signs with ES256.
    pub(crate) elliptic: SigningKey,
}

impl Keys {
    pub(crate) fn generate() -> Result<Self, Error> {
        let tenant = SigningKey::cached_rsa("tenant")?;
        Ok(Keys {
            secret: SigningKey::secret(tenant.public_pem()?)?,
            tenant,
            stranger: SigningKey::cached_rsa("stranger")?,
            small: SigningKey::rsa(1024)?,
            proof: SigningKey::generate(Algorithm::Es256)?,
            other_proof: SigningKey::generate(Algorithm::Es256)?,
            p384: SigningKey::generate(Algorithm::Es384)?,
            elliptic: SigningKey::generate(Algorithm::Es256)?,
        })
    }
}

type Edit = Box<dyn Fn(String) -> String>;

/// A compact JWS in parts.
pub(crate) struct Jws {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) key: SigningKey,
    pub(crate) algorithm: Algorithm,
    /// Of the header's and of the payload's JSON, before they are signed.
    pub(crate) json_edits: [Vec<Edit>; 2],
    /// Of the encoded header and payload, before they are signed.
    pub(crate) segment_edits: [Vec<Edit>; 2],
    pub(crate) signature_edits: Vec<fn(Vec<u8>) -> Vec<u8>>,
    pub(crate) text_edits: Vec<Edit>,
}

impl Jws {
    fn new(header: Value, claims: Value, key: &SigningKey, algorithm: Algorithm) -> Self {
        Jws {
            header: members(header),
            claims: members(claims),
            key: key.clone(),
            algorithm,
            json_edits: Default::default(),
            segment_edits: Default::default(),
            signature_edits: Vec::new(),
            text_edits: Vec::new(),
        }
    }

    pub(crate) fn text(&self) -> Result<String, Error> {
        let [header, payload] = [(&self.header, 0), (&self.claims, 1)].map(|(members, at)| {
            let json = Value::Object(members.clone()).to_string();
            let json = applied(json, &self.json_edits[at]);
            applied(encode(json.as_bytes()), &self.segment_edits[at])
        });
        let signed = format!("{header}.{payload}");
        let signature = self.key.sign(self.algorithm, signed.as_bytes())?;
        let signature = self
            .signature_edits
            .iter()
            .fold(signature, |signature, edit| edit(signature));
        let text = format!("{signed}.{}", encode(&signature));
        Ok(applied(text, &self.text_edits))
    }
}

fn applied(text: String, edits: &[Edit]) -> String {
    edits.iter().fold(text, |text, edit| edit(text))
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// What a server answers at a URL.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(body: &Value) -> Self {
        Answer {
            status: 200,
            content_type: "application/json",
            body: body.to_string(),
        }
    }
}

/// How the call names its credentials in the request.
pub(crate) struct Authorization {
    pub(crate) scheme: String,
    pub(crate) separator: String,
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) name: String,
}

pub(crate) struct Draft {
    pub(crate) call: &'static str,
    /// What the options of the builder and of the call are, by their names of the case.
    pub(crate) options: Map<String, Value>,
    pub(crate) token: Jws,
    pub(crate) proof: Option<Jws>,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) proof_name: String,
    /// Fields beside those of the credentials.
    pub(crate) more_headers: Vec<(String, String)>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) metadata_answer: Option<Answer>,
    pub(crate) metadata_missing: bool,
    pub(crate) jwks: Value,
    pub(crate) jwks_answer: Option<Answer>,
    pub(crate) jwks_missing: bool,
    pub(crate) endpoint: Answer,
    /// Whether the proof says which token it goes with.
    pub(crate) binds_token: bool,
}

impl Draft {
    pub(crate) fn new(call: &'static str, keys: &Keys) -> Self {
        let token = Jws::new(
            json!({"alg": "RS256", "typ": "JWT", "kid": keys.tenant.kid()}),
            json!({
                "iss": ISSUER, "sub": "auth0|user", "aud": AUDIENCE, "iat": NOW - 60,
                "exp": NOW + 3600, "scope": "read:orders", "azp": "client",
            }),
            &keys.tenant,
            Algorithm::Rs256,
        );
        Draft {
            call,
            options: members(json!({
                "mode": "allowed", "domain": DOMAIN, "audience": AUDIENCE, "now": NOW,
                "method": "GET", "url": URL, "client_id": "client", "client_secret": "secret",
            })),
            token,
            proof: None,
            authorization: Some(Authorization {
                scheme: "Bearer".to_owned(),
                separator: " ".to_owned(),
                before: String::new(),
                after: String::new(),
                name: "authorization".to_owned(),
            }),
            proof_name: "dpop".to_owned(),
            more_headers: Vec::new(),
            metadata: members(json!({
                "issuer": ISSUER, "jwks_uri": JWKS, "token_endpoint": TOKEN_ENDPOINT,
            })),
            metadata_answer: None,
            metadata_missing: false,
            jwks: json!({"keys": [keys.tenant.jwks_entry(Algorithm::Rs256)]}),
            jwks_answer: None,
            jwks_missing: false,
            endpoint: Answer::json(&json!({
                "access_token": "issued", "expires_in": 600, "token_type": "Bearer",
            })),
            binds_token: true,
        }
    }

    /// The same with a proof, and a token that is bound to its key.
    pub(crate) fn with_proof(mut self, keys: &Keys) -> Result<Self, Error> {
        let jwk = keys.proof.public_jwk();
        let jkt = a0_testkit::thumbprint(&jwk)?;
        self.token
            .claims
            .insert("cnf".to_owned(), json!({"jkt": jkt}));
        self.proof = Some(Jws::new(
            json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}),
            json!({"jti": "one", "htm": "GET", "htu": URL, "iat": NOW - 1}),
            &keys.proof,
            Algorithm::Es256,
        ));
        if let Some(authorization) = &mut self.authorization {
            authorization.scheme = "DPoP".to_owned();
        }
        Ok(self)
    }

    /// A call on the same client before this one, given by what is different about it.
    pub(crate) fn precede(&mut self, step: Value) {
        let before = self.options.entry("before").or_insert_with(|| json!([]));
        if let Some(steps) = before.as_array_mut() {
            steps.push(step);
            // Two mutations may have one each, and time goes forward.
            steps.sort_by_key(|step| step["now"].as_i64().unwrap_or(NOW));
        }
    }

    /// The case, with everything that both SDKs need.
    pub(crate) fn finish(mut self) -> Result<Value, Error> {
        let token = self.token.text()?;
        let proof = match &mut self.proof {
            Some(proof) => {
                if self.binds_token && !proof.claims.contains_key("ath") {
                    let ath = auth0_api::jose::sha256_base64url(&token);
                    proof.claims.insert("ath".to_owned(), ath.into());
                }
                Some(proof.text()?)
            }
            None => None,
        };
        let mut headers = Vec::new();
        if let Some(it) = &self.authorization {
            let value = format!(
                "{}{}{}{token}{}",
                it.before, it.scheme, it.separator, it.after
            );
            headers.push((it.name.clone(), value));
        }
        if let Some(proof) = &proof {
            headers.push((self.proof_name.clone(), proof.clone()));
        }
        headers.extend(self.more_headers);
        // What a mutation repeats of the proof it cannot know before.
        for (_, value) in &mut headers {
            *value = value.replace("{proof}", proof.as_deref().unwrap_or_default());
            *value = value.replace("{token}", &token);
        }
        let mut documents = Map::new();
        let mut serve = |url: &str, missing: bool, answer: Option<Answer>, body: &Value| {
            if !missing {
                let answer = answer.unwrap_or_else(|| Answer::json(body));
                documents.insert(url.to_owned(), answer_json(&answer));
            }
        };
        let jwks_uri = self.metadata.get("jwks_uri").and_then(Value::as_str);
        let jwks_uri = jwks_uri.unwrap_or(JWKS).to_owned();
        serve(&jwks_uri, self.jwks_missing, self.jwks_answer, &self.jwks);
        let endpoint = self.metadata.get("token_endpoint").and_then(Value::as_str);
        let endpoint = endpoint.unwrap_or(TOKEN_ENDPOINT).to_owned();
        let metadata = Value::Object(self.metadata);
        serve(
            METADATA,
            self.metadata_missing,
            self.metadata_answer,
            &metadata,
        );
        documents.insert(endpoint, answer_json(&self.endpoint));
        let mut case = self.options;
        for (name, value) in [
            ("call", json!(self.call)),
            ("token", json!(token)),
            ("proof", json!(proof.unwrap_or_default())),
            ("headers", json!(headers)),
            ("claims", Value::Object(self.token.claims)),
            ("documents", Value::Object(documents)),
        ] {
            case.entry(name).or_insert(value);
        }
        Ok(Value::Object(case))
    }
}

pub(crate) fn answer_json(answer: &Answer) -> Value {
    json!({"status": answer.status, "type": answer.content_type, "body": answer.body})
}
