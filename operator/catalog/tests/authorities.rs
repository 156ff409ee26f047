//! Whom a server's certificate may be of: real handshakes with a server whose certificate signed itself.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedKey, IsCa, KeyPair,
    generate_simple_self_signed,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use vox_catalog::{Credential, discover};
use vox_contracts::ProviderType;
use vox_contracts::discovery::{FailureClass, FetchTarget, ModelFilter};
use vox_contracts::generated::routing::CatalogKind;

const LIST: &str = r#"{"object":"list","data":[{"id":"alpha-1"}]}"#;

/// A server with a certificate for these names, signed by itself. It counts the requests that it could read.
struct Server {
    port: u16,
    certificate: String,
    requests: Arc<std::sync::atomic::AtomicUsize>,
}

impl Server {
    async fn start(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        Self::of(&cert, &signing_key).await
    }

    async fn of(cert: &Certificate, key: &KeyPair) -> Self {
        let key = key.serialize_der().try_into().unwrap();
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(socket).await else { continue };
                let mut asked = [0; 4096];
                let Ok(1..) = stream.read(&mut asked).await else { continue };
                seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
                let _ = stream.write_all(format!("{head}{}\r\n\r\n{LIST}", LIST.len()).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { port, certificate: cert.pem(), requests }
    }

    fn asked(&self) -> usize {
        self.requests.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn target(&self, ca_bundle: Option<&Bundle>) -> FetchTarget {
        FetchTarget {
            catalog: CatalogKind::OpenaiCompatible,
            provider: ProviderType::Custom("localhost".to_owned()),
            endpoint: format!("https://localhost:{}/v1", self.port),
            list_base: None,
            include_endpoints: false,
            hub: None,
            volume: None,
            ca_bundle: ca_bundle.map(|bundle| bundle.0.display().to_string()),
            filter: ModelFilter::default(),
            timeout_ms: 10_000,
            max_body_bytes: 1 << 20,
            max_models: 100,
        }
    }
}

/// A file as the kubelet mounts it.
struct Bundle(PathBuf);

impl Bundle {
    fn of(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vox-ca-{}-{name}.pem", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn refused(target: &FetchTarget) -> (FailureClass, String) {
    let credential = Credential::read("sk-made-up-0123456789").unwrap();
    let failure = discover(target, Some(&credential), None).await.unwrap_err();
    (failure.class, failure.message)
}

#[tokio::test]
async fn an_authoritys_certificate_as_a_servers_own_is_refused_with_what_to_make_instead() {
    let mut names = CertificateParams::new(["localhost".to_owned()]).unwrap();
    names.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let server = Server::of(&names.self_signed(&key).unwrap(), &key).await;
    let bundle = Bundle::of("ca-as-server", &server.certificate);
    let failure = discover(&server.target(Some(&bundle)), None, None).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::CertificateRefused);
    assert!(failure.message.contains("CA:TRUE") && failure.message.contains("CA:FALSE"), "{failure:?}");
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_refused_and_shown_no_key() {
    let server = Server::start(&["localhost"]).await;
    let (class, message) = refused(&server.target(None)).await;
    assert_eq!(class, FailureClass::CertificateRefused, "{message}");
    assert!(message.contains("name that with caBundleRef") && message.contains("localhost"), "{message}");
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn the_authority_that_the_source_names_is_trusted() {
    let server = Server::start(&["localhost"]).await;
    let bundle = Bundle::of("right", &server.certificate);
    let catalog = common::catalog(&server.target(Some(&bundle))).await;
    assert_eq!(catalog.entries[0].model_id, "alpha-1");
}

#[tokio::test]
async fn one_authority_of_several_is_enough() {
    let server = Server::start(&["localhost"]).await;
    let other = Server::start(&["localhost"]).await;
    let bundle = Bundle::of("both", &format!("{}\n{}", other.certificate, server.certificate));
    assert_eq!(common::catalog(&server.target(Some(&bundle))).await.entries.len(), 1);
}

#[tokio::test]
async fn another_authority_is_refused_with_what_to_do() {
    let server = Server::start(&["localhost"]).await;
    let other = Server::start(&["localhost"]).await;
    let bundle = Bundle::of("wrong", &other.certificate);
    let (class, message) = refused(&server.target(Some(&bundle))).await;
    assert_eq!(class, FailureClass::CertificateRefused, "{message}");
    assert!(message.contains("caBundleRef names other authorities"), "{message}");
}

#[tokio::test]
async fn a_trusted_certificate_of_another_host_is_refused() {
    let server = Server::start(&["llm.acme.test"]).await;
    let bundle = Bundle::of("elsewhere", &server.certificate);
    let (class, message) = refused(&server.target(Some(&bundle))).await;
    assert_eq!(class, FailureClass::CertificateRefused, "{message}");
    assert!(message.contains("a name that the certificate has"), "{message}");
}

#[tokio::test]
async fn a_bundle_that_is_none_is_named_before_anybody_is_asked() {
    let server = Server::start(&["localhost"]).await;
    let broken = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    for (name, text) in [
        ("empty", ""),
        ("text", "no certificate"),
        ("broken", broken),
        ("cut", "-----BEGIN CERTIFICATE-----\nAAAA"),
    ] {
        let bundle = Bundle::of(name, text);
        let (class, message) = refused(&server.target(Some(&bundle))).await;
        assert_eq!(class, FailureClass::CaBundleInvalid, "{name}: {message}");
        assert!(message.contains("BEGIN CERTIFICATE to END CERTIFICATE"), "{name}: {message}");
    }
    let gone = Bundle(PathBuf::from("/nonexistent/ca.crt"));
    let (class, message) = refused(&server.target(Some(&gone))).await;
    assert_eq!(class, FailureClass::CaBundleInvalid);
    assert!(message.contains("create it, or correct caBundleRef"), "{message}");
    assert_eq!(server.asked(), 0);
}
