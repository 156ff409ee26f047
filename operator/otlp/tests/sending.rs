//! What whoever tries a collector hears, be it good or bad.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{Fake, answer, client, good};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use vox_otlp::{Client, Headers, Report, Settings, probe};

async fn asked(answers: &[String]) -> Report {
    let fake = Fake::start(answers).await;
    probe(&fake.client(), "pod").await
}

fn told(report: &Report) -> &str {
    report.traces.message.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn a_collector_that_takes_both_is_found_and_gets_a_marked_span_and_metric() {
    let fake = Fake::start(&[good()]).await;
    let report = probe(&fake.client(), "pod").await;
    assert!(report.is_accepted(), "{report:?}");
    let seen = fake.seen();
    assert_eq!((seen[0].path.as_str(), seen[1].path.as_str()), ("/v1/traces", "/v1/metrics"));
    assert!(seen[0].head.contains("content-type: application/json"), "{}", seen[0].head);
    let span = &seen[0].body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(
        (&span["name"], &span["traceId"]),
        (&"vox.telemetry.test".into(), &report.trace_id.clone().into())
    );
    let metric = &seen[1].body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
    assert_eq!(metric["name"], "vox.telemetry.test");
}

#[tokio::test]
async fn a_refused_connection_names_the_port_that_it_usually_is() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let report = probe(&client(&format!("http://{closed}")), "pod").await;
    assert!(!report.is_accepted() && told(&report).contains("nothing listens there"), "{report:?}");
}

#[tokio::test]
async fn a_wrong_credential_is_told_without_it() {
    let body = "{\"code\":16,\"message\":\"bad token: the-secret-token\"}";
    let fake = Fake::start(&[answer("401 Unauthorized", "", body)]).await;
    let given = vec![("authorization".to_owned(), "Bearer the-secret-token".to_owned())];
    let endpoint = format!("http://{}", fake.address).parse().unwrap();
    let client = Client::new(Settings { endpoint, headers: Headers::Given(given), ca: None });
    let report = probe(&client, "pod").await;
    assert!(fake.seen()[0].head.contains("authorization: bearer the-secret-token"));
    let told = told(&report);
    assert!(told.contains("401 (bad token: <REDACTED>)") && told.contains("header"), "{told}");
}

#[tokio::test]
async fn a_wrong_path_a_partial_success_and_a_web_page_are_told_apart() {
    let report = asked(&[answer("404 Not Found", "", "404 page not found")]).await;
    assert!(told(&report).contains("/v1/traces and /v1/metrics are appended"), "{report:?}");
    let partial = "{\"partialSuccess\":{\"rejectedSpans\":\"1\",\"errorMessage\":\"too old\"}}";
    let report = asked(&[answer("200 OK", "", partial)]).await;
    assert!(!report.is_accepted() && told(&report).contains("left out what is in it: too old"), "{report:?}");
    let report = asked(&[answer("200 OK", "", "<html>")]).await;
    assert!(!report.is_accepted() && told(&report).contains("no OTLP receiver"), "{report:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_headers() {
    let other = Fake::start(&[good()]).await;
    let location = format!("location: http://{}/v1/traces\r\n", other.address);
    let report = asked(&[answer("307 Temporary Redirect", &location, "")]).await;
    assert!(!report.is_accepted() && told(&report).contains("redirects are not followed"), "{report:?}");
    assert!(other.seen().is_empty());
}

/// A collector with a certificate of its own making: its address, and a file with the certificate.
async fn secured() -> (u16, std::path::PathBuf) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((wire, _)) = listener.accept().await {
            if let Ok(wire) = acceptor.accept(wire).await {
                tokio::spawn(common::serve(wire, Arc::default(), Arc::new(vec![good()].into())));
            }
        }
    });
    let file = std::env::temp_dir().join(format!("vox-otlp-ca-{}-{port}.pem", std::process::id()));
    std::fs::write(&file, made.cert.pem()).unwrap();
    (port, file)
}

#[tokio::test]
async fn over_tls_the_authority_has_to_be_named() {
    let (port, file) = secured().await;
    let endpoint: vox_otlp::Endpoint = format!("https://localhost:{port}").parse().unwrap();
    let settings = |ca| Settings { endpoint: endpoint.clone(), headers: Headers::None, ca };
    let report = probe(&Client::new(settings(Some(file.clone()))), "pod").await;
    assert!(report.is_accepted(), "{report:?}");
    let report = probe(&Client::new(settings(None)), "pod").await;
    assert!(!report.is_accepted() && told(&report).contains("certificate is not trusted"), "{report:?}");
    std::fs::write(&file, "no certificate").unwrap();
    let report = probe(&Client::new(settings(Some(file.clone()))), "pod").await;
    assert!(told(&report).contains("no certificate in PEM form"), "{report:?}");
    std::fs::remove_file(&file).unwrap();
    let report = probe(&Client::new(settings(Some(file))), "pod").await;
    assert!(told(&report).contains("cannot be read"), "{report:?}");
}

#[tokio::test]
async fn tls_towards_a_plain_port_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            // What is no request of HTTP is answered so.
            wire.write_all(answer("400 Bad Request", "", "").as_bytes()).await.unwrap();
        }
    });
    let report = probe(&client(&format!("https://{address}")), "pod").await;
    assert!(!report.is_accepted() && told(&report).contains("write http://"), "{report:?}");
}
