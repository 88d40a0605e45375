//! The checks of RFC 9449 section 4.3 for one proof and one request.

use std::borrow::Cow;
use std::fmt;

use a0_jose::json::Node;
use a0_jose::{
    Algorithm, ClaimError, Claims, Compact, Jwk, NumericDate, Thumbprint, VerifyingKey,
    has_private_member, is_digest, sha256,
};

use crate::error::ProofError;
use crate::htu::Htu;
use crate::nonce::NonceIssuer;
use crate::rules::ProofRules;
use crate::signature::{Replay, ReplayKey, UnverifiedProof, VerifiedHeader};

/// The longest `jti`, in bytes.
pub const MAX_JTI: usize = 256;

/// The claims every proof must have (RFC 9449 sections 4.2 and 7.1).
const REQUIRED: [&str; 5] = ["iat", "ath", "htm", "htu", "jti"];

impl ProofRules {
    /// Makes every check of a proof except two: [`UnverifiedProof::verify`] checks the signature,
    /// and a [`ReplayStore`](crate::ReplayStore) detects replay at the very end.
    ///
    /// With `nonces`, the proof must have a `nonce` that they accept (RFC 9449 section 9).
    ///
    /// # Errors
    ///
    /// The first [`ProofError`], in the order of its variants.
    pub fn validate<'p>(
        &self,
        proof: &'p (impl AsRef<[u8]> + ?Sized),
        request: &Target<'_>,
        nonces: Option<&NonceIssuer>,
        now: NumericDate,
    ) -> Result<UnverifiedProof<'p>, ProofError> {
        self.validate_with_header(proof, None, request, nonces, now)
    }

    /// Like [`validate`](ProofRules::validate), but reuses a header that was verified with an
    /// earlier proof. If this proof has exactly the same header, its header is not read and its key
    /// is not built again. The outcome is the same.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn validate_with_header<'p>(
        &self,
        proof: &'p (impl AsRef<[u8]> + ?Sized),
        header: Option<&VerifiedHeader>,
        request: &Target<'_>,
        nonces: Option<&NonceIssuer>,
        now: NumericDate,
    ) -> Result<UnverifiedProof<'p>, ProofError> {
        let compact = Compact::parse(proof, self.max_size).map_err(ProofError::Parse)?;
        let applies = |header: &&VerifiedHeader| {
            header.applies_to(&compact, self.header.algorithms(), self.backend)
        };
        if let Some(header) = header.filter(applies) {
            let claims = compact.decode_payload().map_err(ProofError::Parse)?;
            let checked = self.validate_claims(&claims, request, nonces, now)?;
            let replay = self.replay(header.thumbprint(), request, &checked);
            let header = header.clone();
            return Ok(UnverifiedProof::with_verified_header(
                compact, claims, header, replay,
            ));
        }
        let unverified = compact.decode().map_err(ProofError::Parse)?;
        if !unverified.header().is_of_type("dpop+jwt") {
            return Err(ProofError::Type);
        }
        let verifiable = unverified
            .validate_header(&self.header)
            .map_err(ProofError::header)?;
        let jwk = public_key(verifiable.header().get("jwk"), verifiable.algorithm())?;
        let checked = self.validate_claims(verifiable.claims(), request, nonces, now)?;
        let key = VerifyingKey::with_backend(&jwk, &[verifiable.algorithm()], self.backend)
            .map_err(ProofError::Jwk)?;
        let thumbprint = jwk.thumbprint();
        let replay = self.replay(&thumbprint, request, &checked);
        let segment = compact.header_segment();
        Ok(UnverifiedProof::with_new_header(
            verifiable, segment, key, thumbprint, replay,
        ))
    }

    fn replay(
        &self,
        thumbprint: &Thumbprint,
        request: &Target<'_>,
        claims: &CheckedClaims<'_>,
    ) -> Replay {
        Replay {
            key: ReplayKey::new(thumbprint, &request.url, claims.jti),
            until: claims.iat.plus(self.iat_offset),
        }
    }

    fn validate_claims<'c>(
        &self,
        claims: &'c Claims,
        request: &Target<'_>,
        nonces: Option<&NonceIssuer>,
        now: NumericDate,
    ) -> Result<CheckedClaims<'c>, ProofError> {
        let present = claims.members().find(REQUIRED);
        if let Some((missing, _)) = REQUIRED
            .iter()
            .zip(present)
            .find(|(_, claim)| claim.is_none())
        {
            return Err(ProofError::MissingClaim(missing));
        }
        let [iat, ath, htm, htu, jti] = present;
        let iat = iat.and_then(NumericDate::from_node);
        let iat = iat.ok_or_else(|| ClaimError::new("iat", "a number"))?;
        let string = |value: Option<Node<'c>>, name| {
            let text = value.and_then(Node::as_str);
            text.ok_or_else(|| ClaimError::new(name, "a string"))
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
        // Most clients send the normalised text, which parses to itself.
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
        Ok(CheckedClaims { iat, jti })
    }
}

/// Returns the proof in a request's `DPoP` fields, of which there may be only one (RFC 9449 section
/// 4.3, check 1). Returns `None` where there is no field, or one empty field.
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
/// [`ProofError::Multiple`] for several fields, even if they are equal or empty, and for a field
/// with a list.
pub fn one_proof<T: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = T>,
) -> Result<Option<T>, ProofError> {
    let mut fields = fields.into_iter();
    let Some(proof) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() || proof.as_ref().contains(&b',') {
        return Err(ProofError::Multiple);
    }
    Ok((!proof.as_ref().is_empty()).then_some(proof))
}

/// The claims from which the replay key and its expiry are computed.
struct CheckedClaims<'c> {
    iat: NumericDate,
    jti: &'c str,
}

/// Returns whether Python's `str.strip` also removes the character, so that the same values are
/// blank in other implementations.
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

/// The request that a proof must match.
pub struct Target<'r> {
    method: &'r str,
    url: Cow<'r, Htu>,
    token_digest: [u8; 32],
}

impl<'r> Target<'r> {
    /// Creates a target from the method as it was sent, the URL as the client used it, and the
    /// access token that came with the proof.
    pub fn new(method: &'r str, url: impl Into<Cow<'r, Htu>>, access_token: &str) -> Self {
        Target::with_token_digest(method, url, &sha256(access_token))
    }

    /// Like [`new`](Target::new), with the SHA-256 of the access token if it is computed already.
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
