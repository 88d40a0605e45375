//! What `Debug` and errors show, and that no input causes a panic.

use a0_jose::base64url_encode;
use a0_jose::jwe::{CompactJwe, DecryptionKey, DecryptionKeys};
use proptest::prelude::*;

use super::sealed::*;

#[test]
fn neither_keys_nor_tokens_are_shown() {
    let token = good().compact();
    let key = DecryptionKey::from_pem(&pem(key()))
        .unwrap()
        .with_key_id("secret-name");
    let shown = [
        format!("{key:?}"),
        format!("{:?}", DecryptionKeys::new([key]).unwrap()),
        format!("{:?}", CompactJwe::parse(&token, MAX_SIZE).unwrap()),
    ];
    assert_eq!(
        shown,
        [
            "DecryptionKey { .. }",
            "DecryptionKeys { count: 1, .. }",
            "CompactJwe { .. }"
        ]
    );
    let header = header_with("kid", "secret-name".into());
    let error = with_header(header).decrypt().unwrap_err();
    assert!(!format!("{error:?} {error}").contains("secret-name"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_text_causes_a_panic(text in any::<String>(), dotted in "[A-Za-z0-9_.=-]{0,120}") {
        for text in [&text, &dotted, &format!("{}.{dotted}", base64url_encode(header().to_string()))] {
            prop_assert!(decrypt(text).is_err());
        }
        let _ = DecryptionKey::from_pem(text.as_bytes());
        let _ = DecryptionKey::from_jwk(text.as_bytes());
    }

    #[test]
    fn a_changed_token_is_refused(at in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_-]") {
        let mut token = good().compact();
        let at = at.index(token.len());
        prop_assume!(token[at..=at] != letter && &token[at..=at] != ".");
        token.replace_range(at..=at, &letter);
        prop_assert!(decrypt(&token).is_err());
    }
}
