//! The kind of principal that a token belongs to.

use a0_act::EntityProfile;
use a0_jose::json::Node;
use a0_jose::{ClaimError, Claims};

use crate::verification::issuers::is_anonymous;

/// The kind of principal that a token belongs to: see
/// [`VerifiedToken::principal`](crate::VerifiedToken::principal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Principal {
    /// A person who logged in.
    User,
    /// A client that got the token for itself, without a user (RFC 6749 section 4.4).
    Client,
    /// A software agent: `sub_profile` contains `ai_agent`.
    Agent,
    /// An anonymous session: `sub` begins with `anon@`. Only a client with
    /// [`allow_anonymous`](crate::Builder::allow_anonymous) accepts its token.
    Anonymous,
    /// The claims do not show the kind: there is no `sub`, or `sub_profile` does not contain `user`, or
    /// contains a value that is not known here.
    Unknown,
}

impl Principal {
    /// A token is a user's only if no claim says otherwise. Anything that shows less than a user decides.
    pub(crate) fn of(claims: &Claims) -> Result<Self, ClaimError> {
        let subject = claims.subject()?.filter(|sub| !sub.is_empty());
        let profile = claims.string("sub_profile")?.map(EntityProfile::new);
        let is_machine = is_machine(claims)?;
        let has = |value: &str| profile.is_some_and(|profile| profile.contains(value));
        Ok(match subject {
            Some(sub) if is_anonymous(sub) => Principal::Anonymous,
            _ if has("ai_agent") => Principal::Agent,
            _ if is_machine => Principal::Client,
            Some(_) if profile.is_none_or(is_of_user) => Principal::User,
            _ => Principal::Unknown,
        })
    }
}

/// Whether a profile says that the subject is a user. A value with an unknown meaning may take something
/// away, so it makes the profile unknown. The kinds of applications are values for clients, and say nothing
/// about a subject.
fn is_of_user(profile: EntityProfile<'_>) -> bool {
    const APPLICATIONS: [&str; 3] = ["browser_app", "native_app", "web_app"];
    let is = |value: &str, name: &str| value.eq_ignore_ascii_case(name);
    let is_known = |value| is(value, "user") || APPLICATIONS.iter().any(|name| is(value, name));
    profile.contains("user") && profile.iter().all(is_known)
}

/// Whether the subject is a client or an agent.
pub(crate) fn is_machine(claims: &Claims) -> Result<bool, ClaimError> {
    let subject = claims.subject()?;
    let parties = [claims.string("azp")?, claims.string("client_id")?];
    let profile = claims.string("sub_profile")?.map(EntityProfile::new);
    let by_grant = has_client_grant(claims)?;
    // The `sub` of a user starts with the connection and a `|`.
    let by_name = subject.is_some_and(|sub| sub.ends_with("@clients") && !sub.contains('|'));
    let itself = subject.is_some_and(|sub| !sub.is_empty()) && parties.contains(&subject);
    let by_profile =
        profile.is_some_and(|profile| profile.contains("service") || profile.contains("ai_agent"));
    Ok(by_grant || by_name || itself || by_profile)
}

/// `gty` is a string or an array of strings.
fn has_client_grant(claims: &Claims) -> Result<bool, ClaimError> {
    const GRANT: &str = "client-credentials";
    let Some(gty) = claims.members().get("gty") else {
        return Ok(false);
    };
    if let Some(one) = gty.as_str() {
        return Ok(one == GRANT);
    }
    let error = ClaimError::new("gty", "a string or an array of strings");
    let mut found = false;
    for grant in gty.as_array().ok_or(error)?.map(Node::as_str) {
        found |= grant.ok_or(error)? == GRANT;
    }
    Ok(found)
}
