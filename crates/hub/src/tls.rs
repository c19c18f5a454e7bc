//! Whom connections trust.

use std::path::Path;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Trusts the certificates of the file that `SSL_CERT_FILE` names, as OpenSSL does, for those whose
/// network has its own; without any, Mozilla's.
pub fn trusted() -> TlsConfig {
    let file = std::env::var_os("SSL_CERT_FILE");
    TlsConfig::builder().root_certs(roots(file.as_ref().map(Path::new))).build()
}

fn roots(file: Option<&Path>) -> RootCerts {
    let text = file.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    match certificates.is_empty() {
        true => RootCerts::WebPki,
        false => RootCerts::from(certificates),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_is_trusted_and_any_other_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("roots.pem");
        let one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&file, format!("mine\n{one}\n{one}")).unwrap();
        assert!(matches!(roots(Some(&file)), RootCerts::Specific(found) if found.len() == 2));
        std::fs::write(&file, "none").unwrap();
        for file in [None, Some(file.as_path()), Some(dir.path())] {
            assert!(matches!(roots(file), RootCerts::WebPki));
        }
    }
}
