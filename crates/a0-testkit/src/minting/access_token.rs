use serde_json::{Map, Value, json};

use super::jws::{Edits, base64url, edit_methods};
use super::{EncryptionKey, ProofKey};
use crate::certificates::certificate_thumbprint;
use crate::signing::random;
use crate::{Algorithm, Error, LocalTenant, SigningKey};

/// The default lifetime of a token, in seconds.
pub(crate) const LIFETIME: i64 = 3600;

/// Builds an access token; made by [`LocalTenant::access_token`].
///
/// The default header has `alg` RS256, `typ` JWT and the tenant's current `kid`. The default claims
/// are `iss` (the tenant), `sub` (`auth0|user`), `aud` (`https://api.example/`), `iat` (the tenant's
/// time), `exp` (an hour later), `scope` (`read:things`), `azp` (`local-client`) and a random `jti`.
///
/// ```
/// use a0_testkit::{Algorithm, LocalTenant};
///
/// # fn main() -> Result<(), a0_testkit::Error> {
/// let tenant = LocalTenant::new("tenant.example")?;
/// tenant.publish_es256()?;
/// let token = tenant
///     .access_token()
///     .audiences(["https://api.example/", "https://tenant.example/userinfo"])
///     .algorithm(Algorithm::Es256)
///     .claim("permissions", vec!["read:things"])
///     .without_claim("azp")
///     .expires_in(60)
///     .mint()?;
/// # let _ = token;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `mint` is called"]
pub struct AccessTokenBuilder {
    tenant: LocalTenant,
    algorithm: Algorithm,
    key: Option<SigningKey>,
    encryption_key: Option<EncryptionKey>,
    issued_at: Option<i64>,
    expires_in: i64,
    confirmation: Map<String, Value>,
    edits: Edits,
}

impl AccessTokenBuilder {
    pub(crate) fn new(tenant: LocalTenant) -> Self {
        Self {
            tenant,
            algorithm: Algorithm::Rs256,
            key: None,
            encryption_key: None,
            issued_at: None,
            expires_in: LIFETIME,
            confirmation: Map::new(),
            edits: Edits::default(),
        }
    }

    /// Sets the claim `sub`.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets the claim `aud` to a string.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// Sets the claim `aud` to an array.
    pub fn audiences<'a>(self, audiences: impl IntoIterator<Item = &'a str>) -> Self {
        let audiences: Vec<Value> = audiences.into_iter().map(Value::from).collect();
        self.claim("aud", audiences)
    }

    /// Sets the claim `scope`: names separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets the claim `azp`: the client that requested the token.
    pub fn client(self, client_id: &str) -> Self {
        self.claim("azp", client_id)
    }

    /// Makes it the token of an anonymous session: sets `sub` to `anon@` and this identifier. Auth0 uses UUIDs.
    pub fn anonymous(self, id: &str) -> Self {
        self.subject(&format!("anon@{id}"))
    }

    /// Makes it the token of an agent that works for itself: sets `sub`, and `sub_profile` to `ai_agent`.
    ///
    /// ```
    /// use a0_testkit::LocalTenant;
    ///
    /// # fn main() -> Result<(), a0_testkit::Error> {
    /// let tenant = LocalTenant::new("tenant.example")?;
    /// let of_the_agent = tenant.access_token().agent("agent-1").mint()?;
    /// let of_a_user = tenant.access_token().acted_by("agent-1", "agent-client").mint()?;
    /// # let _ = (of_the_agent, of_a_user);
    /// # Ok(())
    /// # }
    /// ```
    pub fn agent(self, subject: &str) -> Self {
        self.subject(subject).claim("sub_profile", "ai_agent")
    }

    /// Makes an agent act for the subject through a client, as in the tokens of Auth0's agents: sets `act`
    /// with `sub`, `client_id`, `sub_profile` and `client_profile`, and the claim `azp`. For another `act`,
    /// call [`claim`](Self::claim).
    pub fn acted_by(self, agent: &str, client_id: &str) -> Self {
        let act = json!({
            "sub": agent,
            "client_id": client_id,
            "sub_profile": "ai_agent",
            "client_profile": "service ai_agent",
        });
        self.client(client_id).claim("act", act)
    }

    /// Sets the claim `authorization_details` (RFC 9396 section 9.1): objects with a `type` each.
    pub fn authorization_details(self, details: impl IntoIterator<Item = Value>) -> Self {
        self.claim("authorization_details", Value::from_iter(details))
    }

    /// Sets the claim `iat`, in seconds since 1970. `exp` is relative to it.
    pub fn issued_at(mut self, seconds: i64) -> Self {
        self.issued_at = Some(seconds);
        self
    }

    /// Sets how many seconds after `iat` the token expires. With a negative number it has already
    /// expired when it is issued.
    pub fn expires_in(mut self, seconds: i64) -> Self {
        self.expires_in = seconds;
        self
    }

    /// Binds the token to a proof key: sets the claim `cnf` with the key's thumbprint as `jkt`
    /// (RFC 9449 section 6.1).
    pub fn bound_to(self, key: &ProofKey) -> Self {
        self.confirmed_by("jkt", key.thumbprint())
    }

    /// Binds the token to a certificate, which is given in DER: sets the claim `cnf` with its thumbprint as
    /// `x5t#S256` (RFC 8705 section 3.1). With [`bound_to`](Self::bound_to), the token is bound to both.
    pub fn bound_to_certificate(self, der: &[u8]) -> Self {
        self.confirmed_by("x5t#S256", &certificate_thumbprint(der))
    }

    fn confirmed_by(mut self, member: &str, thumbprint: &str) -> Self {
        self.confirmation.insert(member.into(), thumbprint.into());
        let confirmation = Value::Object(self.confirmation.clone());
        self.claim("cnf", confirmation)
    }

    /// Sets the algorithm of the signature, and `alg` in the header.
    ///
    /// The tenant has a key for RS* and PS*, and for ES256 after [`LocalTenant::publish_es256`].
    /// [`Algorithm::None`] needs no key. All others need [`signed_with`](Self::signed_with).
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets the header parameter `kid`.
    pub fn kid(self, kid: &str) -> Self {
        self.header("kid", kid)
    }

    /// Signs with this key instead of the tenant's. The header keeps the tenant's current `kid`, as
    /// in a forged token; [`kid`](Self::kid) changes it.
    pub fn signed_with(mut self, key: &SigningKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Encrypts the signed token for an API, as Auth0 does if JSON Web Encryption is on for the API.
    pub fn encrypted_for(mut self, key: &EncryptionKey) -> Self {
        self.encryption_key = Some(key.clone());
        self
    }

    edit_methods!();

    /// Signs the token, encrypts it if it is [`encrypted_for`](Self::encrypted_for) an API, and returns it in compact form.
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`] if there is no key for the algorithm, [`Error::KeyMismatch`] if the key does
    /// not fit it, [`Error::Crypto`] if OpenSSL fails.
    pub fn mint(self) -> Result<String, Error> {
        let Self {
            tenant,
            algorithm,
            key,
            encryption_key,
            issued_at,
            expires_in,
            confirmation: _,
            edits,
        } = self;
        let issued_at = issued_at.unwrap_or_else(|| tenant.unix_now());
        let own_key = tenant.key_for(algorithm);

        let mut header = Map::new();
        header.insert("alg".into(), algorithm.name().into());
        header.insert("typ".into(), "JWT".into());
        let kid = own_key
            .as_ref()
            .map_or_else(|| tenant.kid(), |own| own.kid().to_owned());
        header.insert("kid".into(), kid.into());

        let mut claims = Map::new();
        claims.insert("iss".into(), tenant.issuer().into());
        claims.insert("sub".into(), "auth0|user".into());
        claims.insert("aud".into(), "https://api.example/".into());
        claims.insert("iat".into(), issued_at.into());
        claims.insert("exp".into(), issued_at.saturating_add(expires_in).into());
        claims.insert("scope".into(), "read:things".into());
        claims.insert("azp".into(), "local-client".into());
        claims.insert("jti".into(), base64url(&random::<16>()?).into());

        let signed = edits.assemble(header, claims, |message| {
            match (algorithm, key.or(own_key)) {
                (Algorithm::None, _) => Ok(Vec::new()),
                (_, Some(key)) => key.sign(algorithm, message),
                (_, None) => Err(Error::NoKey(algorithm)),
            }
        })?;
        match encryption_key {
            Some(key) => key.encrypt(signed),
            None => Ok(signed),
        }
    }
}

impl std::fmt::Debug for AccessTokenBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTokenBuilder")
            .field("issuer", &self.tenant.issuer())
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
