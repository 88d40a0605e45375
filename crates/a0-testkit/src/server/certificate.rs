//! A certificate authority, and a certificate for the names of the loopback interface. Both are made
//! at run time.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
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
use openssl::x509::{X509, X509Builder, X509Extension, X509Name, X509NameRef};

use crate::Error;

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

pub(super) struct Identity {
    pub(super) acceptor: SslAcceptor,
    pub(super) ca_pem: String,
}

/// A certificate authority for servers on this machine.
///
/// Without one, each server makes an authority of its own, and drops its key. To keep one across
/// restarts, write [`certificate_pem`](Self::certificate_pem) and
/// [`private_key_pem`](Self::private_key_pem) to files, and start with
/// [`TenantServer::builder`](crate::TenantServer::builder).
///
/// Its certificate is valid for a year, and by its name constraints (RFC 5280 section 4.2.1.10) only
/// for `localhost`, `127.0.0.1` and `::1`: a stolen key cannot vouch for any other server.
///
/// `Debug` shows nothing of the key.
#[derive(Clone)]
pub struct CertificateAuthority {
    key: PKey<Private>,
    certificate: X509,
}

impl CertificateAuthority {
    /// Makes a new authority.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn generate() -> Result<Self, Error> {
        let key = new_key()?;
        let certificate = authority(&key)?;
        Ok(Self { key, certificate })
    }

    /// Reads an authority that was kept.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL cannot read the PEM; [`Error::Authority`] if the certificate is
    /// not for this key.
    pub fn from_pem(
        certificate: impl AsRef<[u8]>,
        private_key: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        let certificate = X509::from_pem(certificate.as_ref())?;
        let key = PKey::private_key_from_pem(private_key.as_ref())?;
        if !certificate.public_key()?.public_eq(&key) {
            return Err(Error::Authority);
        }
        Ok(Self { key, certificate })
    }

    /// The certificate to trust, in PEM.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn certificate_pem(&self) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.certificate.to_pem()?).into_owned())
    }

    /// The private key in PEM (PKCS#8). Keep it where only you can read it.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn private_key_pem(&self) -> Result<String, Error> {
        let pem = self.key.private_key_to_pem_pkcs8()?;
        Ok(String::from_utf8_lossy(&pem).into_owned())
    }

    /// Whether the certificate is still valid at this time.
    #[must_use]
    pub fn is_valid_at(&self, time: SystemTime) -> bool {
        let time = Asn1Time::from_unix(crate::minting::unix_seconds(time));
        time.is_ok_and(|time| self.certificate.not_after() > time)
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Makes a certificate for `localhost`, `127.0.0.1` and `::1`.
    pub(super) fn for_loopback(authority: &CertificateAuthority) -> Result<Self, ErrorStack> {
        let CertificateAuthority {
            key: ca_key,
            certificate: ca,
        } = authority;
        let key = new_key()?;
        let certificate = loopback_certificate(&key, ca, ca_key)?;

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
    let mut builder = builder(key, &name, &name, 365 * DAY)?;
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
    builder.append_extension(loopback_constraints()?)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// Permits `localhost`, `127.0.0.1` and `::1`, in DER: the `openssl` crate has no type for it.
fn loopback_constraints() -> Result<X509Extension, ErrorStack> {
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

fn loopback_certificate(
    key: &PKey<Private>,
    ca: &X509,
    ca_key: &PKey<Private>,
) -> Result<X509, ErrorStack> {
    let mut builder = builder(key, &*name("localhost")?, ca.subject_name(), 30 * DAY)?;
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

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}
