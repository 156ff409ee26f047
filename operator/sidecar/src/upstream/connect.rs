//! One connection: DNS, TCP without Nagle, TLS where the URL asks for it, HTTP/1.1.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What sends requests on one connection.
pub type Sender = SendRequest<Full<Bytes>>;

/// Where an upstream listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Name or address, without the brackets of IPv6.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The `Host` header.
    pub authority: HeaderValue,
}

impl Origin {
    /// Origin and path of a base URL; nothing when it is no http or https URL with a host.
    #[must_use]
    pub fn of_url(url: &str) -> Option<(Self, String)> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let authority = uri.authority()?.as_str();
        // Whoever stands before an `@` must not travel in a header.
        let authority = HeaderValue::from_str(authority.rsplit('@').next()?).ok()?;
        Some((Self { tls, host, port, authority }, uri.path().trim_end_matches('/').to_owned()))
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No address.
    #[error("failed to find the address of {host}")]
    Dns {
        /// Whose.
        host: String,
    },
    /// Nobody listens, or nobody can be reached.
    #[error("failed to connect to {host}:{port}: {source}")]
    Tcp {
        /// Whom.
        host: String,
        /// Where.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// Its certificate is not trusted, or it does not speak TLS.
    #[error("failed to agree on TLS with {host}: {source}")]
    Tls {
        /// With whom.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke at once.
    #[error("failed to speak HTTP with {host}: {source}")]
    Http {
        /// With whom.
        host: String,
        /// Why.
        source: hyper::Error,
    },
}

/// Why no TLS can be spoken at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate of an authority.
    #[error("failed to read certificates of authorities from {file}: {why}")]
    Authorities {
        /// Where they should be.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The library refuses its own defaults.
    #[error("failed to set up TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// A client's side of TLS that trusts the authorities in this file.
///
/// # Errors
/// [`TlsError`] when the file has no certificate.
pub fn client_tls(authorities: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let wrong = |why: String| TlsError::Authorities { file: authorities.display().to_string(), why };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(authorities).map_err(|error| wrong(error.to_string()))?;
    roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(wrong("there is none".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Makes connections.
#[derive(Clone)]
pub struct Connector {
    tls: Option<TlsConnector>,
}

impl Connector {
    /// With this side of TLS; without one, https upstreams cannot be reached.
    #[must_use]
    pub fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tls: tls.map(TlsConnector::from) }
    }

    /// One connection; its task runs on this thread until the connection ends.
    ///
    /// # Errors
    /// [`ConnectError`]. The caller bounds the time.
    pub async fn connect(&self, origin: &Origin) -> Result<Sender, ConnectError> {
        let (host, port) = (&origin.host, origin.port);
        let addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), port))
            .await
            .map_err(|_| ConnectError::Dns { host: host.clone() })?
            .collect();
        let tcp = |source| ConnectError::Tcp { host: host.clone(), port, source };
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(tcp)?;
        stream.set_nodelay(true).map_err(tcp)?;
        if !origin.tls {
            return handshake(host, stream).await;
        }
        let tls = |source| ConnectError::Tls { host: host.clone(), source };
        let missing = || tls(std::io::Error::other("no certificates of authorities are there"));
        let connector = self.tls.as_ref().ok_or_else(missing)?;
        let name = ServerName::try_from(host.clone()).map_err(|error| tls(std::io::Error::other(error)))?;
        let stream = connector.connect(name, stream).await.map_err(tls)?;
        handshake(host, stream).await
    }
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    host: &str,
    stream: S,
) -> Result<Sender, ConnectError> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|source| ConnectError::Http { host: host.to_owned(), source })?;
    tokio::task::spawn_local(async move {
        // Whoever waits for an answer hears of the failure itself.
        let _ = connection.await;
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_divided_into_origin_and_path() {
        let (origin, path) = Origin::of_url("https://user:pass@api.example.com/v1/").unwrap();
        assert_eq!((origin.tls, origin.host.as_str(), origin.port), (true, "api.example.com", 443));
        assert_eq!((origin.authority.to_str().unwrap(), path.as_str()), ("api.example.com", "/v1"));
        let (origin, path) = Origin::of_url("http://[::1]:8000").unwrap();
        assert_eq!((origin.host.as_str(), origin.port, path.as_str()), ("::1", 8000, ""));
        assert!(Origin::of_url("ftp://x/").is_none() && Origin::of_url("/v1").is_none());
    }
}
