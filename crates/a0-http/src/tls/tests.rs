use httpmock::server::DEFAULT_CA_CERTIFICATE;
use webpki_roots::TLS_SERVER_ROOTS;

use super::root_store;
use crate::{ClientOptionError, TrustRoots};

/// No server on loopback has a certificate of a built-in root, so the roots are counted.
#[test]
fn added_roots_are_beside_the_built_in_ones_and_others_replace_them()
-> Result<(), ClientOptionError> {
    let pem = DEFAULT_CA_CERTIFICATE.as_bytes();
    let built_in = TLS_SERVER_ROOTS.len();
    let roots = TrustRoots::built_in();
    assert_eq!(root_store(roots.clone()).len(), built_in);
    assert_eq!(root_store(roots.add_pem(pem)?).len(), built_in + 1);
    assert_eq!(root_store(TrustRoots::from_pem(pem)?).len(), 1);
    Ok(())
}
