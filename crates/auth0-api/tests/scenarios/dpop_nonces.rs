//! DPoP proofs with nonces of the API.

use std::time::Duration;

use auth0_api::jose::NumericDate;
use auth0_api::proof::NonceIssuer;

use super::dpop::Bound;
use super::{Driver, NOW};

pub fn a_proof_needs_a_current_nonce_if_nonces_are_enabled<D: Driver>() {
    let nonces = NonceIssuer::new([7; 32], Duration::from_secs(60));
    // With the token cache, a cached proof header does not skip the check.
    for cached_tokens in [100, 0] {
        assert_nonces_are_required::<D>(&nonces, cached_tokens);
    }
    let bound = Bound::<D>::with(|builder| builder.dpop_nonces(nonces.clone()));
    let now = NumericDate::from_unix_seconds(NOW);
    assert_eq!(bound.world.client.dpop_nonce(), Some(nonces.issue(now)));
    assert_eq!(Bound::<D>::new().world.client.dpop_nonce(), None);

    // Every other check comes first.
    let error = bound
        .send(&bound.proof().claim("htm", "GET").mint().unwrap())
        .unwrap_err();
    assert_eq!(error.error_code(), "invalid_dpop_proof");
    assert!(error.headers().get("dpop-nonce").is_none());
}

fn assert_nonces_are_required<D: Driver>(nonces: &NonceIssuer, cached_tokens: usize) {
    let bound = Bound::<D>::with(|builder| {
        let builder = builder.dpop_nonces(nonces.clone());
        builder.token_cache(cached_tokens)
    });
    let now = NumericDate::from_unix_seconds(NOW);
    let expired = nonces.issue(NumericDate::from_unix_seconds(NOW - 120));
    for proof in [
        bound.proof(),
        bound.proof().nonce("x"),
        bound.proof().nonce(&expired),
    ] {
        let error = bound.send(&proof.mint().unwrap()).unwrap_err();
        assert_eq!(
            (error.status_code().as_u16(), error.error_code()),
            (401, "use_dpop_nonce")
        );
        let headers = error.headers();
        assert_eq!(headers["cache-control"], "no-store");
        let challenge = r#"DPoP error="use_dpop_nonce", error_description="DPoP proof requires a current nonce", algs="ES256""#;
        assert_eq!(error.challenges()[0].to_string(), challenge);
        assert!(!format!("{error:?}").contains(headers["dpop-nonce"].to_str().unwrap()));

        // The client tries again with the nonce of the response.
        let issued = headers["dpop-nonce"].to_str().unwrap();
        assert_eq!(issued, nonces.issue(now));
        assert_eq!(headers.get_all("dpop-nonce").iter().count(), 1);
        assert!(
            bound
                .send(&bound.proof().nonce(issued).mint().unwrap())
                .is_ok()
        );
    }
}
