//! The audience and the scopes of a token.

use http::Uri;

use super::LocalTenant;

/// The audience of a request: Auth0's `audience`, or else `resource` (RFC 8707). As with Auth0's
/// compatibility profile, `audience` comes first. `None` if the request names neither.
pub(super) fn requested(
    tenant: &LocalTenant,
    audience: Option<&str>,
    resources: &[&str],
) -> Result<Option<String>, &'static str> {
    let audience = match (audience, resources) {
        (Some(audience), _) => audience,
        (None, []) => return Ok(None),
        (None, [resource]) if is_resource(resource) => resource,
        (None, [_]) => return Err("resource is not an absolute URI without a fragment"),
        (None, _) => return Err("A token is for one resource"),
    };
    if tenant.with_state(|state| state.directory.serves(audience)) {
        Ok(Some(audience.to_owned()))
    } else {
        Err("The tenant has no API with this identifier")
    }
}

/// An absolute URI without a fragment (RFC 8707 section 2).
fn is_resource(text: &str) -> bool {
    !text.contains('#')
        && match text.split_once(':') {
            Some(("https" | "http", _)) => text
                .parse::<Uri>()
                .is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty())),
            Some((scheme, rest)) => {
                scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                    && scheme
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                    && !rest.is_empty()
                    && rest.bytes().all(|byte| byte.is_ascii_graphic())
            }
            None => false,
        }
}

/// The names of a scope, or `None` if one has a character that is not allowed (RFC 6749 section
/// 3.3).
pub(super) fn scopes(text: &str) -> Option<Vec<&str>> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let names: Vec<&str> = text.split(' ').filter(|name| !name.is_empty()).collect();
    let all = names.iter().all(|name| name.bytes().all(allowed));
    all.then_some(names)
}
