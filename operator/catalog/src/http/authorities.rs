//! Whom a server's certificate may be of: authorities that the source names, and what is said where it is of nobody's.

use std::error::Error;

use reqwest::Certificate;
use rustls::CertificateError;
use vox_contracts::discovery::{FailureClass, FetchFailure};

/// Why a certificate was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) what: String,
    pub(super) advice: &'static str,
}

/// The certificates of a mounted bundle.
pub(super) fn read(path: &str) -> Result<Vec<Certificate>, FetchFailure> {
    let pem = std::fs::read(path).map_err(|_| {
        failure("the ConfigMap, the Secret or the key that caBundleRef names does not exist; create it, or correct caBundleRef")
    })?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|_| unusable("a part of it is no certificate in PEM"))?;
    if certificates.is_empty() { Err(unusable("it has none in PEM")) } else { Ok(certificates) }
}

/// A bundle that nobody can trust with.
pub(super) fn unusable(reason: &str) -> FetchFailure {
    failure(&format!(
        "the certificates that caBundleRef names cannot be used ({reason}); put those of the authorities there, in PEM, \
         each from BEGIN CERTIFICATE to END CERTIFICATE"
    ))
}

fn failure(message: &str) -> FetchFailure {
    FetchFailure { class: FailureClass::CaBundleInvalid, message: message.to_owned(), retry_after_ms: None }
}

/// Whether a request failed because of the server's certificate. `own`: whether the source names authorities.
pub(super) fn refused(error: &reqwest::Error, own: bool) -> Option<Refused> {
    certificate_error(error).map(|reason| told(reason, own))
}

/// What is wrong with the certificate, however deep it stands. An I/O error hides what it was made of from its sources.
fn certificate_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref() {
        return Some(reason);
    }
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(hidden) => certificate_error(hidden),
        None => certificate_error(error.source()?),
    }
}

fn told(reason: &CertificateError, own: bool) -> Refused {
    let reason = match reason {
        // As `openssl req -x509` makes them unless told otherwise: other clients take it, this one never does.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            return Refused {
                what: "the server's certificate is refused (it is an authority's, CA:TRUE, used as a server's own)"
                    .to_owned(),
                advice: "make one with basicConstraints=CA:FALSE, or let this one sign another for the server, and name \
                         that which signed with caBundleRef",
            };
        }
        reason => reason,
    };
    let advice = match reason {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "base endpoint on a name that the certificate has"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew the server's certificate"
        }
        _ if own => "caBundleRef names other authorities than the one that made it: add that one",
        _ => "where it is of an authority of your own, or signed by itself, name that with caBundleRef",
    };
    Refused { what: format!("the server's certificate is refused ({reason})"), advice }
}
