//! Authorization codes and refresh tokens, and which of them can still be used.

use openssl::sha::sha256;

use super::options::RefreshTokens;
use super::store::Store;
use crate::minting::base64url;

/// What a user allowed a client.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) audience: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) auth_time: i64,
}

impl Grant {
    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|other| other == scope)
    }
}

/// A code, and everything that its use is compared with.
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    /// RFC 7636, always with the method S256.
    pub(super) challenge: String,
    /// The thumbprint of the key that the token request has to prove (RFC 9449 section 10).
    pub(super) dpop_jkt: Option<String>,
    pub(super) expires_at: i64,
    /// The login that this code belongs to. All its refresh tokens have the same.
    pub(super) family: u64,
    pub(super) used: bool,
}

struct Refresh {
    grant: Grant,
    family: u64,
    expires_at: i64,
    /// The refresh tokens of a public client are bound to its key (RFC 9449 section 5).
    jkt: Option<String>,
    used: bool,
}

/// The use of a code at the token endpoint.
pub(super) struct CodeUse<'a> {
    pub(super) code: &'a str,
    pub(super) client_id: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) verifier: &'a str,
    pub(super) jkt: Option<&'a str>,
    pub(super) now: i64,
}

/// The use of a refresh token at the token endpoint.
pub(super) struct RefreshUse<'a> {
    pub(super) token: &'a str,
    pub(super) client_id: &'a str,
    pub(super) jkt: Option<&'a str>,
    pub(super) now: i64,
}

/// A refresh token to issue.
pub(super) struct NewRefresh {
    pub(super) token: String,
    pub(super) expires_at: i64,
    pub(super) jkt: Option<String>,
}

pub(super) struct Grants {
    codes: Store<Code>,
    refresh: Store<Refresh>,
    families: u64,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            codes: Store::new(1_000),
            refresh: Store::new(10_000),
            families: 0,
        }
    }
}

impl Grants {
    pub(super) fn new_family(&mut self) -> u64 {
        self.families = self.families.wrapping_add(1);
        self.families
    }

    pub(super) fn insert_code(&mut self, code: String, entry: Code) {
        self.codes.insert(code, entry);
    }

    /// Uses a code once. With `refresh`, a refresh token is issued in the same step, so that a
    /// second use of the code always finds what it has to revoke.
    ///
    /// The client's first attempt uses up the code, also if it fails: the verifier of a code cannot
    /// be guessed. Another client's attempt does not touch it.
    pub(super) fn redeem(
        &mut self,
        attempt: &CodeUse,
        refresh: impl FnOnce(&Grant) -> Option<NewRefresh>,
    ) -> Result<(Grant, Option<String>), &'static str> {
        let unknown = "The authorization code is unknown, or belongs to another client";
        let code = self.codes.get_mut(attempt.code).ok_or(unknown)?;
        if code.grant.client_id != attempt.client_id {
            return Err(unknown);
        }
        let family = code.family;
        if std::mem::replace(&mut code.used, true) {
            self.revoke(family);
            return Err("The authorization code was used before: its tokens are revoked");
        }
        if attempt.now >= code.expires_at {
            return Err("The authorization code has expired");
        }
        if attempt.redirect_uri != code.redirect_uri {
            return Err("redirect_uri is not that of the authorization request");
        }
        if base64url(&sha256(attempt.verifier.as_bytes())) != code.challenge {
            return Err("code_verifier does not match code_challenge");
        }
        if code.dpop_jkt.is_some() && code.dpop_jkt.as_deref() != attempt.jkt {
            return Err("The authorization code is bound to another key (dpop_jkt)");
        }
        let grant = code.grant.clone();
        let issued = refresh(&grant).map(|new| self.insert_refresh(new, grant.clone(), family));
        Ok((grant, issued))
    }

    /// Uses a refresh token. Returns the grant, and the new refresh token if it is replaced.
    pub(super) fn refresh(
        &mut self,
        attempt: &RefreshUse,
        policy: RefreshTokens,
        successor: NewRefresh,
    ) -> Result<(Grant, Option<String>), &'static str> {
        let unknown = "The refresh token is unknown, revoked, or belongs to another client";
        let entry = self.refresh.get_mut(attempt.token).ok_or(unknown)?;
        if entry.grant.client_id != attempt.client_id {
            return Err(unknown);
        }
        if entry.used {
            let family = entry.family;
            if policy == RefreshTokens::RotatingWithReuseDetection {
                self.revoke(family);
                return Err("The refresh token was used before: all of this login are revoked");
            }
            return Err("The refresh token was used before");
        }
        if attempt.now >= entry.expires_at {
            return Err("The refresh token has expired");
        }
        if entry.jkt.is_some() && entry.jkt.as_deref() != attempt.jkt {
            return Err("The refresh token is bound to another key");
        }
        let (grant, family) = (entry.grant.clone(), entry.family);
        if policy == RefreshTokens::NonRotating {
            return Ok((grant, None));
        }
        entry.used = true;
        let jkt = entry.jkt.clone();
        let successor = NewRefresh { jkt, ..successor };
        let issued = self.insert_refresh(successor, grant.clone(), family);
        Ok((grant, Some(issued)))
    }

    /// The grant of a refresh token, whether it can be used or not.
    pub(super) fn peek(&self, token: &str, client_id: &str) -> Option<&Grant> {
        let entry = self.refresh.get(token)?;
        (entry.grant.client_id == client_id).then_some(&entry.grant)
    }

    fn insert_refresh(&mut self, new: NewRefresh, grant: Grant, family: u64) -> String {
        let NewRefresh {
            token,
            expires_at,
            jkt,
        } = new;
        let entry = Refresh {
            grant,
            family,
            expires_at,
            jkt,
            used: false,
        };
        self.refresh.insert(token.clone(), entry);
        token
    }

    fn revoke(&mut self, family: u64) {
        self.refresh.retain(|entry| entry.family != family);
    }
}
