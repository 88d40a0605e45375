//! Certificate authorities and their certificates: for the names of the loopback interface, and for clients.
//! All are made at run time.

use std::fmt;
use std::time::SystemTime;

use openssl::asn1::Asn1Time;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use crate::Error;
use crate::minting::base64url;
use x509::{Purpose, authority, end_entity, loopback_constraints, new_key};

pub(crate) use identity::Identity;

mod identity;
mod x509;

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

fn text(pem: &[u8]) -> String {
    String::from_utf8_lossy(pem).into_owned()
}
