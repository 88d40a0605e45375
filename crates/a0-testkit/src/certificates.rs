//! Certificate authorities and their certificates: for the names of the loopback interface, and for clients.
//! All are made at run time.

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
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Builder, X509Extension, X509Name, X509NameRef};

use crate::Error;
use crate::minting::base64url;

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// A certificate authority for tests and for servers on this machine. It is made at run time, and issues
/// certificates for clients and for servers on the loopback interface. Its own is valid for a year.
///
/// Without one, each server makes an authority of its own, and drops its key. To keep one across restarts,
/// write [`pem`](Self::pem) and [`key_pem`](Self::key_pem) to files, read them with
/// [`from_pem`](Self::from_pem), and start with [`TenantServer::builder`](crate::TenantServer::builder).
///
/// `Debug` shows nothing of the key.
///
/// ```
/// use a0_testkit::{CertificateAuthority, LocalTenant};
///
/// # fn main() -> Result<(), a0_testkit::Error> {
/// let authority = CertificateAuthority::generate()?;
/// let certificate = authority.client("app")?;
/// let tenant = LocalTenant::new("tenant.example")?;
/// let token = tenant.access_token().bound_to_certificate(certificate.der()).mint()?;
/// # let _ = token;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CertificateAuthority {
    key: PKey<Private>,
    certificate: X509,
    /// The certificate of an intermediate authority, and those between it and the root.
    chain: Vec<X509>,
    pem: String,
    der: Vec<u8>,
}

impl CertificateAuthority {
    /// Makes a root authority that can issue any certificate.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn generate() -> Result<Self, Error> {
        let key = new_key()?;
        let certificate = authority(&key, None, None)?;
        Self::with(key, certificate, Vec::new())
    }

    /// Makes a root authority for programs that outlive a test. Its name constraints (RFC 5280 section
    /// 4.2.1.10) permit `localhost`, `127.0.0.1` and `::1` alone: a stolen key cannot vouch for any other
    /// server.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn generate_for_loopback() -> Result<Self, Error> {
        let key = new_key()?;
        let certificate = authority(&key, None, Some(loopback_constraints()?))?;
        Self::with(key, certificate, Vec::new())
    }

    /// Reads a root authority that was kept.
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
        Self::with(key, certificate, Vec::new())
    }

    /// Makes an authority below this one. The certificates that it issues have its own in their chain.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`].
    pub fn intermediate(&self) -> Result<Self, Error> {
        let key = new_key()?;
        let certificate = authority(&key, Some(self), None)?;
        let mut chain = vec![certificate.clone()];
        chain.extend(self.chain.iter().cloned());
        Self::with(key, certificate, chain)
    }

    fn with(key: PKey<Private>, certificate: X509, chain: Vec<X509>) -> Result<Self, Error> {
        Ok(Self {
            pem: text(&certificate.to_pem()?),
            der: certificate.to_der()?,
            key,
            certificate,
            chain,
        })
    }

    /// Issues a certificate for the client `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`].
    pub fn client(&self, name: &str) -> Result<Certificate, Error> {
        self.issue(new_key()?, name, Purpose::Client)
    }

    /// Issues another certificate for a client's key, with another serial number.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`].
    pub fn client_with_key_of(&self, other: &Certificate) -> Result<Certificate, Error> {
        self.issue(other.key.clone(), &other.name, Purpose::Client)
    }

    /// Issues a certificate for `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`].
    pub fn loopback_server(&self) -> Result<Certificate, Error> {
        self.issue(new_key()?, "localhost", Purpose::LoopbackServer)
    }

    fn issue(
        &self,
        key: PKey<Private>,
        name: &str,
        purpose: Purpose,
    ) -> Result<Certificate, Error> {
        let certificate = end_entity(&key, name, self, purpose)?;
        let mut chain_pem = String::new();
        for certificate in &self.chain {
            chain_pem.push_str(&text(&certificate.to_pem()?));
        }
        Ok(Certificate {
            pem: text(&certificate.to_pem()?),
            der: certificate.to_der()?,
            key_pem: text(&key.private_key_to_pem_pkcs8()?),
            chain_pem,
            name: name.to_owned(),
            key,
            certificate,
        })
    }

    /// The certificate of the authority in PEM, to trust it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate of the authority in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The private key in PEM (PKCS#8). Keep it where only you can read it.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn key_pem(&self) -> Result<String, Error> {
        Ok(text(&self.key.private_key_to_pem_pkcs8()?))
    }

    /// Whether the certificate is still valid at this time.
    #[must_use]
    pub fn is_valid_at(&self, time: SystemTime) -> bool {
        let time = Asn1Time::from_unix(crate::minting::unix_seconds(time));
        time.is_ok_and(|time| self.certificate.not_after() > time)
    }

    pub(crate) fn certificate(&self) -> &X509 {
        &self.certificate
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .finish_non_exhaustive()
    }
}

/// A certificate with its private key; made by a [`CertificateAuthority`].
pub struct Certificate {
    name: String,
    key: PKey<Private>,
    certificate: X509,
    der: Vec<u8>,
    pem: String,
    chain_pem: String,
    key_pem: String,
}

impl Certificate {
    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificates of the intermediate authorities in PEM; empty if a root authority issued it.
    #[must_use]
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The private key in PEM (PKCS#8).
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The thumbprint of RFC 8705 section 3.1, the value of `x5t#S256`: base64url of the SHA-256 of the DER.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        certificate_thumbprint(&self.der)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

pub(crate) fn certificate_thumbprint(der: &[u8]) -> String {
    base64url(&openssl::sha::sha256(der))
}

/// The TLS of a server.
pub(crate) struct Identity {
    pub(crate) acceptor: SslAcceptor,
    pub(crate) ca_pem: String,
}

impl Identity {
    /// Makes a certificate for `localhost`, `127.0.0.1` and `::1`. With `clients`, the server asks clients for
    /// a certificate of that authority, and also takes clients without one.
    pub(crate) fn for_loopback(
        ca: &CertificateAuthority,
        clients: Option<&CertificateAuthority>,
    ) -> Result<Self, Error> {
        let server = ca.loopback_server()?;
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_private_key(&server.key)?;
        acceptor.set_certificate(&server.certificate)?;
        acceptor.check_private_key()?;
        if let Some(clients) = clients {
            let mut trusted = X509StoreBuilder::new()?;
            trusted.add_cert(clients.certificate().clone())?;
            acceptor.set_verify_cert_store(trusted.build())?;
            // Sessions of clients with a certificate are resumed only within a context.
            acceptor.set_session_id_context(b"loopback")?;
            acceptor.set_verify(SslVerifyMode::PEER);
        }
        Ok(Self {
            acceptor: acceptor.build(),
            ca_pem: ca.pem.clone(),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Client,
    LoopbackServer,
}

fn text(pem: &[u8]) -> String {
    String::from_utf8_lossy(pem).into_owned()
}

/// Makes the certificate of an authority, signed by `above` or by itself.
fn authority(
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

fn end_entity(
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

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}
