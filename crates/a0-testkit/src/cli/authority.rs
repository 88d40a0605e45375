//! The files of the certificate authority.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::CertificateAuthority;

/// A kept authority with less time than this left is replaced.
const MARGIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Where the private key of a kept authority is.
pub(super) fn key_path(certificate: &Path) -> PathBuf {
    let mut path = certificate.as_os_str().to_owned();
    path.push(".key");
    path.into()
}

/// Reads the authority, or makes one and writes its certificate. With `keep`, its key is written
/// too. The second value tells whether it is new.
pub(super) fn obtain(path: &Path, keep: bool) -> Result<(CertificateAuthority, bool), String> {
    let key_path = key_path(path);
    if keep && path.exists() && key_path.exists() {
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let (certificate, key) = (
            fs::read(path).map_err(|error| at(&error))?,
            fs::read(&key_path).map_err(|error| at(&error))?,
        );
        let kept = CertificateAuthority::from_pem(certificate, key).map_err(|error| at(&error))?;
        if kept.is_valid_at(SystemTime::now() + MARGIN) {
            return Ok((kept, false));
        }
    }
    let authority =
        CertificateAuthority::generate_for_loopback().map_err(|error| error.to_string())?;
    let written = write(path, &key_path, &authority, keep);
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((authority, true))
}

fn write(
    path: &Path,
    key_path: &Path,
    authority: &CertificateAuthority,
    keep: bool,
) -> io::Result<()> {
    if keep {
        write_private(key_path, authority.key_pem()?.as_bytes())?;
    }
    fs::write(path, authority.pem())
}

/// Writes a new file that only its owner can read, so that an older one with more permissions, or a
/// link, is not used.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}
