//! One proof against one request: the checks of RFC 9449 section 4.3.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use a0_jose::json::Node;
use a0_jose::{
    Algorithm, Backend, ClaimError, Claims, Compact, HeaderRules, Jwk, NumericDate, VerifyingKey,
    has_private_member, is_digest, sha256,
};

use crate::error::ProofError;
use crate::htu::Htu;
use crate::nonce::NonceIssuer;
use crate::replay::ReplayKey;
use crate::unverified_proof::{SignedProof, UnverifiedProof, VerifiedHeader};

/// The longest `jti`, in bytes.
pub const MAX_JTI: usize = 256;

/// What every proof must hold (RFC 9449 sections 4.2 and 7.1).
const REQUIRED: [&str; 5] = ["iat", "ath", "htm", "htu", "jti"];

/// What is allowed of a proof.
///
/// ```
/// use std::time::Duration;
/// use a0_dpop::ProofRules;
///
/// let rules = ProofRules::new().iat_offset(Duration::from_secs(60));
/// # let _ = rules;
/// ```
#[derive(Debug, Clone)]
pub struct ProofRules {
    header: HeaderRules,
    backend: Backend,
    iat_leeway: Duration,
    iat_offset: Duration,
    max_size: usize,
}

impl Default for ProofRules {
    fn default() -> Self {
        ProofRules::new()
    }
}

impl ProofRules {
    /// ES256 only; `iat` at most 300 s in the past and 30 s in the future; 16 KiB at most.
    pub fn new() -> Self {
        ProofRules {
            header: HeaderRules::new([Algorithm::Es256]),
            backend: Backend::default(),
            iat_leeway: Duration::from_secs(30),
            iat_offset: Duration::from_secs(300),
            max_size: 16 * 1024,
        }
    }

    /// The allowed algorithms, in place of ES256.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.header = HeaderRules::new(algorithms);
        self
    }

    /// What signatures are checked with, in place of OpenSSL.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// How far in the future `iat` may lie, for clocks that differ.
    #[must_use]
    pub fn iat_leeway(mut self, leeway: Duration) -> Self {
        self.iat_leeway = leeway;
        self
    }

    /// How far in the past `iat` may lie. A proof is remembered until then.
    #[must_use]
    pub fn iat_offset(mut self, offset: Duration) -> Self {
        self.iat_offset = offset;
        self
    }

    /// The longest proof that is looked at, in bytes.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// How long a proof can be accepted, and has to be remembered: offset and leeway together.
    pub fn window(&self) -> Duration {
        self.iat_offset.saturating_add(self.iat_leeway)
    }

    /// The allowed algorithms, each once: the `algs` of a challenge (RFC 9449 section 7.1).
    pub fn allowed_algorithms(&self) -> &[Algorithm] {
        self.header.algorithms()
    }

    /// Makes every check of a proof but two: its signature, which [`UnverifiedProof::verify`] checks,
    /// and replay, which is for a [`ReplayStore`](crate::ReplayStore) to say at the very end.
    ///
    /// `nonces`, where there are any, must know the proof's `nonce` (RFC 9449 section 9).
    ///
    /// # Errors
    ///
    /// The first [`ProofError`], in the order of its variants.
    pub fn validate<'p>(
        &self,
        proof: &'p str,
        request: &Target<'_>,
        nonces: Option<&NonceIssuer>,
        now: NumericDate,
    ) -> Result<UnverifiedProof<'p>, ProofError> {
        self.validate_with_header(proof, None, request, nonces, now)
    }

    /// As [`judge`](ProofRules::validate), with a header that was judged before: of a proof with the very
    /// same one, header and key need not be judged again. What comes of it is the same.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn validate_with_header<'p>(
        &self,
        proof: &'p str,
        known: Option<&VerifiedHeader>,
        request: &Target<'_>,
        nonces: Option<&NonceIssuer>,
        now: NumericDate,
    ) -> Result<UnverifiedProof<'p>, ProofError> {
        let compact = Compact::parse(proof, self.max_size).map_err(ProofError::Parse)?;
        if let Some(known) =
            known.filter(|known| known.is_of(&compact, self.header.algorithms(), self.backend))
        {
            let claims = compact.decode_payload().map_err(ProofError::Parse)?;
            let said = self.validate_claims(&claims, request, nonces, now)?;
            let replay_key = ReplayKey::new(known.thumbprint(), &request.url, said.jti);
            let replay_until = said.iat.plus(self.iat_offset);
            let proof = SignedProof::SeenHeader {
                compact,
                claims,
                header: known.clone(),
            };
            return Ok(UnverifiedProof::new(proof, replay_key, replay_until));
        }
        let unverified = compact.decode().map_err(ProofError::Parse)?;
        if !unverified.header().is_of_type("dpop+jwt") {
            return Err(ProofError::Type);
        }
        let verifiable = unverified
            .validate_header(&self.header)
            .map_err(ProofError::header)?;
        let jwk = public_key(verifiable.header().get("jwk"), verifiable.algorithm())?;
        let said = self.validate_claims(verifiable.claims(), request, nonces, now)?;
        let key = VerifyingKey::with_backend(&jwk, &[verifiable.algorithm()], self.backend)
            .map_err(ProofError::Jwk)?;
        let thumbprint = jwk.thumbprint();
        let replay_key = ReplayKey::new(&thumbprint, &request.url, said.jti);
        let replay_until = said.iat.plus(self.iat_offset);
        let proof = SignedProof::NewHeader {
            text: compact.header_segment(),
            token: verifiable,
            key,
            thumbprint,
        };
        Ok(UnverifiedProof::new(proof, replay_key, replay_until))
    }

    fn validate_claims<'c>(
        &self,
        claims: &'c Claims,
        request: &Target<'_>,
        nonces: Option<&NonceIssuer>,
        now: NumericDate,
    ) -> Result<Said<'c>, ProofError> {
        let present = claims.members().find(REQUIRED);
        if let Some((missing, _)) = REQUIRED.iter().zip(present).find(|(_, it)| it.is_none()) {
            return Err(ProofError::MissingClaim(missing));
        }
        let [iat, ath, htm, htu, jti] = present;
        let iat = iat.and_then(NumericDate::from_node);
        let iat = iat.ok_or(ClaimError::new("iat", "a number"))?;
        let string = |value: Option<Node<'c>>, name| {
            let text = value.and_then(Node::as_str);
            text.ok_or(ClaimError::new(name, "a string"))
        };
        let (ath, htm) = (string(ath, "ath")?, string(htm, "htm")?);
        let (htu, jti) = (string(htu, "htu")?, string(jti, "jti")?);
        if jti.trim_matches(is_blank).is_empty() {
            return Err(ProofError::BlankJti);
        }
        if jti.len() > MAX_JTI {
            return Err(ProofError::LongJti);
        }
        if iat < now.minus(self.iat_offset) {
            return Err(ProofError::TooOld);
        }
        if iat > now.plus(self.iat_leeway) {
            return Err(ProofError::FromTheFuture);
        }
        if htm != request.method {
            return Err(ProofError::Method);
        }
        let url = request.url.as_ref();
        // A normalised text parses to itself, and most clients send it.
        if htu != url.as_str() && Htu::parse(htu).as_ref() != Ok(url) {
            return Err(ProofError::Url);
        }
        if !is_digest(ath, &request.token_digest) {
            return Err(ProofError::AccessToken);
        }
        if let Some(nonces) = nonces {
            let nonce = claims.members().get("nonce").and_then(Node::as_str);
            if !nonce.is_some_and(|nonce| nonces.accepts(nonce, now)) {
                return Err(ProofError::Nonce);
            }
        }
        Ok(Said { iat, jti })
    }
}

/// The one proof among the values of a request's `DPoP` fields (RFC 9449 section 4.3, check 1);
/// `None` where there is no field, or an empty one.
///
/// ```
/// use a0_dpop::{ProofError, one_proof};
///
/// assert_eq!(one_proof(["a.b.c"]), Ok(Some("a.b.c")));
/// assert_eq!(one_proof::<&str>([]), Ok(None));
/// assert_eq!(one_proof(["a.b.c", "a.b.c"]), Err(ProofError::Multiple));
/// assert_eq!(one_proof(["a.b.c,d.e.f"]), Err(ProofError::Multiple));
/// ```
///
/// # Errors
///
/// [`ProofError::Multiple`], also where the fields are equal, or all but one are empty.
pub fn one_proof<T: AsRef<str>>(
    fields: impl IntoIterator<Item = T>,
) -> Result<Option<T>, ProofError> {
    let mut fields = fields.into_iter();
    let Some(proof) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() || proof.as_ref().contains(',') {
        return Err(ProofError::Multiple);
    }
    Ok((!proof.as_ref().is_empty()).then_some(proof))
}

/// What the checks after the claims need of them.
struct Said<'c> {
    iat: NumericDate,
    jti: &'c str,
}

/// What `str.strip` of other languages takes for white space too, so that one value is blank for
/// all.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

fn public_key(member: Option<Node<'_>>, algorithm: Algorithm) -> Result<Jwk, ProofError> {
    let jwk = member
        .and_then(Node::as_object)
        .ok_or(ProofError::MissingJwk)?;
    if has_private_member(jwk.names()) {
        return Err(ProofError::PrivateKey);
    }
    let curve = match algorithm {
        Algorithm::Es256 => Some("P-256"),
        Algorithm::Es384 => Some("P-384"),
        Algorithm::Es512 => Some("P-521"),
        _ => None,
    };
    if let Some(curve) = curve {
        let [kty, crv] = jwk.find(["kty", "crv"]);
        if kty.and_then(Node::as_str) != Some("EC") {
            return Err(ProofError::KeyType);
        }
        if crv.and_then(Node::as_str) != Some(curve) {
            return Err(ProofError::Curve(curve));
        }
    }
    Jwk::from_members(jwk).map_err(ProofError::Jwk)
}

/// The request that a proof has to be for.
pub struct Target<'r> {
    method: &'r str,
    url: Cow<'r, Htu>,
    token_digest: [u8; 32],
}

impl<'r> Target<'r> {
    /// `method` as it was sent; `url` as the client used it; the access token that came with the
    /// proof.
    pub fn new(method: &'r str, url: impl Into<Cow<'r, Htu>>, access_token: &str) -> Self {
        Target::with_token_digest(method, url, &sha256(access_token))
    }

    /// As [`new`](Target::new), with the SHA-256 of the access token, for whoever has it already.
    pub fn with_token_digest(
        method: &'r str,
        url: impl Into<Cow<'r, Htu>>,
        digest: &[u8; 32],
    ) -> Self {
        Target {
            method,
            url: url.into(),
            token_digest: *digest,
        }
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Target")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
