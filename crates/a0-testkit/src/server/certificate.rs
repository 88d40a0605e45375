//! A certificate authority, and a certificate for the names of the loopback interface. Both are made
//! at run time.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name, X509NameRef};

pub(super) struct Identity {
    pub(super) acceptor: SslAcceptor,
    pub(super) ca_pem: String,
}

impl Identity {
    /// Makes a certificate for `localhost`, `127.0.0.1` and `::1`. The authority's private key is
    /// dropped, so that it never signs another.
    pub(super) fn for_loopback() -> Result<Self, ErrorStack> {
        let (ca_key, key) = (new_key()?, new_key()?);
        let ca = authority(&ca_key)?;
        let certificate = loopback_certificate(&key, &ca, &ca_key)?;

        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_private_key(&key)?;
        acceptor.set_certificate(&certificate)?;
        acceptor.check_private_key()?;
        Ok(Self {
            acceptor: acceptor.build(),
            ca_pem: String::from_utf8_lossy(&ca.to_pem()?).into_owned(),
        })
    }
}

fn authority(key: &PKey<Private>) -> Result<X509, ErrorStack> {
    // A client may find an issuer by its name, so each authority has its own.
    let name = name(&format!("Local test authority {}", serial()?.to_hex_str()?))?;
    let mut builder = builder(key, &name, &name)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
    builder.append_extension(
        KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()?,
    )?;
    let subject_key = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(subject_key)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn loopback_certificate(
    key: &PKey<Private>,
    ca: &X509,
    ca_key: &PKey<Private>,
) -> Result<X509, ErrorStack> {
    let mut builder = builder(key, &*name("localhost")?, ca.subject_name())?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let context = builder.x509v3_context(Some(ca), None);
    let subject_key = SubjectKeyIdentifier::new().build(&context)?;
    let authority_key = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
    let names = SubjectAlternativeName::new()
        .dns("localhost")
        .ip("127.0.0.1")
        .ip("::1")
        .build(&context)?;
    builder.append_extension(subject_key)?;
    builder.append_extension(authority_key)?;
    builder.append_extension(names)?;
    builder.sign(ca_key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn builder(
    key: &PKey<Private>,
    subject: &X509NameRef,
    issuer: &X509NameRef,
) -> Result<X509Builder, ErrorStack> {
    const DAY: i64 = 24 * 60 * 60;
    let now = crate::minting::unix_seconds(std::time::SystemTime::now());
    let mut builder = X509::builder()?;
    // Counted from zero: this is X.509 version 3.
    builder.set_version(2)?;
    builder.set_serial_number(&*serial()?.to_asn1_integer()?)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&*Asn1Time::from_unix(now - DAY)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(now + 30 * DAY)?)?;
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

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}
