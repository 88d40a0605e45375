//! The contents of the certificates.

use std::net::{Ipv4Addr, Ipv6Addr};

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Extension, X509Name, X509NameRef};

use super::CertificateAuthority;

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// What a certificate is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Client,
    LoopbackServer,
}

/// Makes the certificate of an authority, signed by `above` or by itself.
pub(super) fn authority(
    key: &PKey<Private>,
    above: Option<&CertificateAuthority>,
    constraints: Option<X509Extension>,
) -> Result<X509, ErrorStack> {
    // A client may find an issuer by its name, so each authority has its own.
    let name = name(&format!("Local test authority {}", serial()?.to_hex_str()?))?;
    let issuer = above.map_or(&*name, |above| above.certificate.subject_name());
    let mut builder = builder(key, &name, issuer, 365 * DAY)?;
    let intermediates = if above.is_some() { 0 } else { 1 };
    let basic = BasicConstraints::new()
        .critical()
        .ca()
        .pathlen(intermediates)
        .build()?;
    builder.append_extension(basic)?;
    if let Some(constraints) = constraints {
        builder.append_extension(constraints)?;
    }
    builder.append_extension(
        KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()?,
    )?;
    let subject_key = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(subject_key)?;
    if let Some(above) = above {
        let context = builder.x509v3_context(Some(&above.certificate), None);
        let authority_key = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
        builder.append_extension(authority_key)?;
    }
    builder.sign(
        above.map_or(key, |above| &above.key),
        MessageDigest::sha256(),
    )?;
    Ok(builder.build())
}

/// Permits `localhost`, `127.0.0.1` and `::1`, in DER: the `openssl` crate has no type for it.
pub(super) fn loopback_constraints() -> Result<X509Extension, ErrorStack> {
    let address = |octets: &[u8]| {
        let mask = vec![0xff; octets.len()];
        let name = tagged(0x87, &[octets, &mask].concat());
        tagged(0x30, &name)
    };
    let subtrees = [
        tagged(0x30, &tagged(0x82, b"localhost")),
        address(&Ipv4Addr::LOCALHOST.octets()),
        address(&Ipv6Addr::LOCALHOST.octets()),
    ];
    let constraints = tagged(0x30, &tagged(0xa0, &subtrees.concat()));
    let oid = Asn1Object::from_str("2.5.29.30")?;
    X509Extension::new_from_der(&oid, true, &*Asn1OctetString::new_from_bytes(&constraints)?)
}

/// A DER element with a content of less than 128 bytes.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or_default();
    [&[tag, length], content].concat()
}

/// Makes the certificate of a client or a server, signed by `ca`.
pub(super) fn end_entity(
    key: &PKey<Private>,
    common_name: &str,
    ca: &CertificateAuthority,
    purpose: Purpose,
) -> Result<X509, ErrorStack> {
    let mut builder = builder(
        key,
        &*name(common_name)?,
        ca.certificate.subject_name(),
        30 * DAY,
    )?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    let mut usage = ExtendedKeyUsage::new();
    builder.append_extension(match purpose {
        Purpose::Client => usage.client_auth().build()?,
        Purpose::LoopbackServer => usage.server_auth().build()?,
    })?;
    let context = builder.x509v3_context(Some(&ca.certificate), None);
    let subject_key = SubjectKeyIdentifier::new().build(&context)?;
    let authority_key = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
    let mut names = SubjectAlternativeName::new();
    let names = match purpose {
        Purpose::Client => names.dns("client.invalid"),
        Purpose::LoopbackServer => names.dns("localhost").ip("127.0.0.1").ip("::1"),
    };
    let names = names.build(&context)?;
    builder.append_extension(subject_key)?;
    builder.append_extension(authority_key)?;
    builder.append_extension(names)?;
    builder.sign(&ca.key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn builder(
    key: &PKey<Private>,
    subject: &X509NameRef,
    issuer: &X509NameRef,
    lifetime: i64,
) -> Result<X509Builder, ErrorStack> {
    let now = crate::minting::unix_seconds(std::time::SystemTime::now());
    let mut builder = X509::builder()?;
    // Counted from zero: this is X.509 version 3.
    builder.set_version(2)?;
    builder.set_serial_number(&*serial()?.to_asn1_integer()?)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&*Asn1Time::from_unix(now - DAY)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(now + lifetime)?)?;
    Ok(builder)
}

fn serial() -> Result<BigNum, ErrorStack> {
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::ONE, false)?;
    Ok(serial)
}

fn name(common_name: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    Ok(name.build())
}

pub(super) fn new_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}
