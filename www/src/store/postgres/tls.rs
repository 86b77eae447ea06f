//! What the server's certificate is checked against.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::url::Tls;

/// The connector for `tls`. Blocking: it reads the trusted certificates.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect, String> {
    let roots = match tls {
        Tls::Off => RootCertStore::empty(),
        Tls::On(Some(file)) => roots_in(file)?,
        Tls::On(None) => roots_of_the_system()?,
    };
    // Named here because a process may have more than one provider compiled in.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots_in(file: &Path) -> Result<RootCertStore, String> {
    let refuse = |why: &dyn std::fmt::Display| format!("sslrootcert: {}: {why}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| refuse(&error))? {
        let certificate = certificate.map_err(|error| refuse(&error))?;
        roots.add(certificate).map_err(|error| refuse(&error))?;
    }
    if roots.is_empty() { Err(refuse(&"holds no certificate in PEM form")) } else { Ok(roots) }
}

fn roots_of_the_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this system trusts no certificates: name a file of them with sslrootcert".to_owned());
    }
    Ok(roots)
}
