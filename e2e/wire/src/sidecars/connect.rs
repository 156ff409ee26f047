//! TLS as a sidecar speaks it: no session is resumed, because each of its connections is set up anew.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server, and whom to believe that it is the one.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: String,
    port: u16,
    tls: TlsConnector,
}

impl Server {
    /// `address` is `host:port`; `authorities` are PEM.
    pub(super) fn new(address: &str, authorities: &[u8]) -> anyhow::Result<Self> {
        let (host, port) = address.rsplit_once(':').context("the address has no port")?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok));
        if roots.is_empty() {
            bail!("failed to read an authority's certificate for {host}");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().context("the port is no number")?,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(super) async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::try_from(self.host.clone())?, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Whoever waits for an answer hears of the failure itself.
        tokio::spawn(async move { connection.await.ok() });
        Ok(sender)
    }
}
