//! Private keys in PEM: which can sign.

use a0_jose::{Algorithm, SigningError};

#[test]
fn a_private_key_fits_its_algorithm_and_size_limits_and_is_not_encrypted() {
    use openssl::bn::{BigNum, BigNumContext, BigNumRef};
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;

    let rsa = |bits| PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
    let ec = |curve| {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    };
    let pem = |key: &PKey<Private>| key.private_key_to_pem_pkcs8().unwrap();
    let (p256, rsa_2048) = (ec(Nid::X9_62_PRIME256V1), rsa(2048));
    // The parameters of one key, with another exponent or the factors of another key.
    let mixed = |exponent: &BigNumRef, factors: &Rsa<Private>| {
        let key = rsa_2048.rsa().unwrap();
        let own = |number: &BigNumRef| number.to_owned().unwrap();
        let (n, e, d) = (own(key.n()), own(exponent), own(key.d()));
        let (p, q) = (own(factors.p().unwrap()), own(factors.q().unwrap()));
        let (dp, dq) = (own(key.dmp1().unwrap()), own(key.dmq1().unwrap()));
        let qi = own(key.iqmp().unwrap());
        PKey::from_rsa(Rsa::from_private_components(n, e, d, p, q, dp, dq, qi).unwrap()).unwrap()
    };
    let own = rsa_2048.rsa().unwrap();
    let wrong_parts = mixed(own.e(), &Rsa::generate(2048).unwrap());
    let wrong_exponent = mixed(&BigNum::from_u32(3).unwrap(), &own);
    // Keys made of known primes. Testing 2^9689 - 1 for primality takes half a minute.
    let mersenne = |p: u32, q: u32| {
        let context = &mut BigNumContext::new().unwrap();
        let one = BigNum::from_u32(1).unwrap();
        let new = || BigNum::new().unwrap();
        let less_one = |number: &BigNum| number - &one;
        let prime = |exponent| {
            let mut power = new();
            power.lshift(&one, exponent).unwrap();
            less_one(&power)
        };
        let (p, q) = (prime(p as i32), prime(q as i32));
        let (e, n) = (BigNum::from_u32(65537).unwrap(), &p * &q);
        let (mut d, mut qi) = (new(), new());
        let order = &less_one(&p) * &less_one(&q);
        d.mod_inverse(&e, &order, context).unwrap();
        qi.mod_inverse(&q, &p, context).unwrap();
        let (dp, dq) = (&d % &less_one(&p), &d % &less_one(&q));
        PKey::from_rsa(Rsa::from_private_components(n, e, d, p, q, dp, dq, qi).unwrap()).unwrap()
    };
    let cipher = Cipher::aes_128_cbc();
    let encrypted = p256
        .private_key_to_pem_pkcs8_passphrase(cipher, b"")
        .unwrap();
    let encrypted_traditional = p256
        .ec_key()
        .unwrap()
        .private_key_to_pem_passphrase(cipher, b"")
        .unwrap();
    let behind = |length: usize| [vec![b'\n'; length], pem(&p256)].concat();
    let other_point = {
        let (key, other) = (p256.ec_key().unwrap(), ec(Nid::X9_62_PRIME256V1));
        let other = other.ec_key().unwrap();
        let key =
            EcKey::from_private_components(key.group(), key.private_key(), other.public_key());
        PKey::from_ec_key(key.unwrap()).unwrap()
    };
    let traditional = p256.ec_key().unwrap().private_key_to_pem().unwrap();
    let parameters =
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let behind_parameters = [&parameters[..], &traditional].concat();
    let ed25519 = PKey::generate_ed25519().unwrap();
    let (unusable, unsupported) = (Err(SigningError::Unusable), Err(SigningError::Unsupported));
    for (algorithm, pem, expected) in [
        (Algorithm::Es256, pem(&p256), Ok(())),
        (Algorithm::Es256, traditional, Ok(())),
        (Algorithm::Es256, behind_parameters, Ok(())),
        (Algorithm::Es256, pem(&ec(Nid::SECP384R1)), unusable),
        (Algorithm::Es256, pem(&ec(Nid::SECP256K1)), unusable),
        (Algorithm::Es256, pem(&rsa_2048), unusable),
        (Algorithm::Es256, pem(&other_point), unusable),
        (Algorithm::Es256, pem(&ed25519), unusable),
        // Encrypted with the empty passphrase, which OpenSSL tries without a callback.
        (Algorithm::Es256, encrypted, unusable),
        (Algorithm::Es256, encrypted_traditional, unusable),
        (
            Algorithm::Es256,
            behind(8 * 1024 - pem(&p256).len()),
            Ok(()),
        ),
        (
            Algorithm::Es256,
            behind(8 * 1024 + 1 - pem(&p256).len()),
            unusable,
        ),
        (
            Algorithm::Es256,
            p256.public_key_to_pem().unwrap(),
            unusable,
        ),
        (Algorithm::Rs256, pem(&rsa_2048), Ok(())),
        (Algorithm::Ps256, pem(&rsa_2048), Ok(())),
        (Algorithm::Rs256, pem(&rsa(1024)), unusable),
        (Algorithm::Ps256, pem(&rsa(2047)), unusable),
        (Algorithm::Rs256, pem(&p256), unusable),
        (Algorithm::Rs256, pem(&wrong_parts), unusable),
        (Algorithm::Rs256, pem(&mersenne(1279, 2203)), Ok(())),
        (Algorithm::Rs256, pem(&mersenne(3217, 4423)), Ok(())),
        (Algorithm::Rs256, pem(&mersenne(4253, 4423)), unusable),
        (Algorithm::Rs256, pem(&mersenne(127, 9689)), unusable),
        (Algorithm::Rs256, pem(&wrong_exponent), unusable),
        (Algorithm::Rs512, pem(&rsa_2048), unsupported),
        (Algorithm::Es384, pem(&ec(Nid::SECP384R1)), unsupported),
        (Algorithm::Es256, Vec::new(), unusable),
    ] {
        let outcome = a0_jose::SigningKey::from_pem(algorithm, &pem).map(|_| ());
        assert_eq!(outcome, expected, "{algorithm}");
        let queue = openssl::error::ErrorStack::get();
        assert!(queue.errors().is_empty(), "{algorithm}: {queue}");
    }
}
