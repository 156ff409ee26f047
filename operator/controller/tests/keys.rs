//! A provider's key stands in no argument, log, or report of a discovery Job, whatever the provider says. What a Job reports
//! is what becomes status and event.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::SocketAddr;
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, KeyPair};
use vox_contracts::ProviderType;
use vox_contracts::discovery::{
    DiscoveryPlan, FailureClass, FetchOutcome, FetchReport, FetchTarget, ModelFilter, Permission,
};
use vox_contracts::entry::CatalogSourceRef;
use vox_contracts::generated::routing::CatalogKind;

/// Made up, and of no form that a redaction of known forms could know: only what was read from the file can be taken out.
fn key() -> String {
    format!("{}-{}", "plain", "Zq7wX".repeat(5))
}

/// A provider that repeats the key, each time in another way.
async fn provider(Path(says): Path<String>) -> Response {
    let key = key();
    let (status, header, body) = match says.as_str() {
        "unauthorized" => {
            (401, None, format!(r#"{{"error":{{"message":"Incorrect API key provided: {key}"}}}}"#))
        }
        "forbidden" => (403, None, format!("the key {key} may not list models")),
        "redirect" => (302, Some(format!("http://elsewhere.example/models?key={key}")), String::new()),
        "unexpected" => (418, None, format!("Bearer {key}")),
        _ => (200, None, format!(r#"{{"data":"{key}"}}"#)),
    };
    let mut response = Response::builder().status(status);
    if let Some(target) = header {
        response = response.header("location", target);
    }
    response.body(Body::from(body)).unwrap()
}

/// What the operator is told.
type Reports = Arc<Mutex<Vec<Bytes>>>;

#[derive(Clone)]
struct Operator {
    endpoint: String,
    reports: Reports,
}

async fn plan(State(operator): State<Operator>) -> Json<DiscoveryPlan> {
    Json(DiscoveryPlan {
        source: CatalogSourceRef { namespace: "shop".to_owned(), name: "acme".to_owned() },
        plan_digest: "sha256:0".to_owned(),
        permission: Permission::Fetch { etag: None },
        target: FetchTarget {
            catalog: CatalogKind::OpenaiCompatible,
            provider: ProviderType::Groq,
            endpoint: operator.endpoint,
            list_base: None,
            ca_bundle: None,
            include_endpoints: false,
            hub: None,
            volume: None,
            filter: ModelFilter::default(),
            timeout_ms: 10_000,
            max_body_bytes: 1 << 20,
            max_models: 100,
        },
    })
}

async fn attempt(State(operator): State<Operator>, body: Bytes) -> &'static str {
    operator.reports.lock().unwrap().push(body);
    "null"
}

async fn listening(handle: &Handle<SocketAddr>) -> SocketAddr {
    handle.listening().await.unwrap()
}

/// Runs `discover` against a provider that says this. Gives what it wrote, and what it reported.
async fn discover(says: &str) -> (Output, Bytes) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let providers = Handle::new();
    let app = Router::new().route("/{says}/models", get(provider));
    tokio::spawn(axum_server::bind(any).handle(providers.clone()).serve(app.into_make_service()));
    let endpoint = format!("http://{}/{says}", listening(&providers).await);

    let pair = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let authority = params.self_signed(&pair).unwrap().pem();
    let tls = RustlsConfig::from_pem(authority.clone().into_bytes(), pair.serialize_pem().into_bytes())
        .await
        .unwrap();
    let operator = Operator { endpoint, reports: Reports::default() };
    let app = Router::new()
        .route("/v1/catalogs/shop/acme/plan", post(plan))
        .route("/v1/catalogs/shop/acme/attempts", post(attempt))
        .with_state(operator.clone());
    let control = Handle::new();
    tokio::spawn(axum_server::bind_rustls(any, tls).handle(control.clone()).serve(app.into_make_service()));
    let port = listening(&control).await.port();

    let folder = std::env::temp_dir().join(format!("vox-keys-{}-{says}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("credential"), key()).unwrap();
    std::fs::write(folder.join("token"), "token").unwrap();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_vox-operator"))
        .arg("discover")
        .env_clear()
        .env("VOX_SOURCE_NAMESPACE", "shop")
        .env("VOX_SOURCE_NAME", "acme")
        .env("VOX_RUN", "vox-acme-1")
        .env("VOX_OPERATOR_URL", format!("https://localhost:{port}"))
        .env("VOX_OPERATOR_CA", authority)
        .env("VOX_TOKEN_FILE", folder.join("token"))
        .env("VOX_CREDENTIAL_FILE", folder.join("credential"))
        .env("VOX_CREDENTIAL_NAME", "key apiKey of Secret shop/acme")
        .env("VOX_PATIENCE_SECONDS", "5")
        .env("VOX_LOG", "trace")
        .output()
        .await
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let reports = operator.reports.lock().unwrap().clone();
    let [report] = &reports[..] else { panic!("one report, not {}: {output:?}", reports.len()) };
    (output, report.clone())
}

fn failure(report: &Bytes) -> (FailureClass, String) {
    match serde_json::from_slice::<FetchReport>(report).unwrap().outcome {
        FetchOutcome::Failed(failure) => (failure.class, failure.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_provider_says_its_key_reaches_no_log_and_no_report() {
    // A second test of this file would find it installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut told = Vec::new();
    for says in ["unauthorized", "forbidden", "redirect", "unexpected", "broken"] {
        let (output, report) = discover(says).await;
        let logs = [output.stdout, output.stderr].concat();
        let logs = String::from_utf8(logs).unwrap();
        assert!(logs.contains("the fetch failed"), "{says}: the log was captured: {logs}");
        let report_text = String::from_utf8(report.to_vec()).unwrap();
        for (where_, text) in [("log", &logs), ("report", &report_text)] {
            assert!(!text.contains(&key()), "{says}: the key is in the {where_}");
        }
        told.push(failure(&report));
    }
    let classes: Vec<FailureClass> = told.iter().map(|(class, _)| *class).collect();
    use FailureClass::{BodyInvalid, Forbidden, Unauthorized, UnexpectedStatus};
    assert_eq!(classes, [Unauthorized, Forbidden, UnexpectedStatus, UnexpectedStatus, BodyInvalid]);
    // A key that is wrong is replaced; one that is refused is not.
    assert!(told[0].1.contains("put a valid key into the Secret"), "{}", told[0].1);
    assert!(told[1].1.contains("give the credential the right to list models"), "{}", told[1].1);
}

/// The Job as its own test records it.
const JOB: &str = include_str!(
    "../src/model_catalog_source/snapshots/vox_controller__model_catalog_source__build__tests__job.snap"
);

#[test]
fn a_job_gets_the_key_as_a_file_and_in_no_argument_or_variable() {
    let container = JOB.split("containers:").nth(1).unwrap();
    let arguments: Vec<&str> = container
        .lines()
        .skip_while(|line| line.trim() != "- args:")
        .skip(1)
        .take_while(|line| line.trim_start().starts_with("- "))
        .map(str::trim)
        .collect();
    assert_eq!(arguments, ["- discover"]);
    assert!(!JOB.contains("secretKeyRef") && !JOB.contains("envFrom"), "{JOB}");
    assert!(
        JOB.contains("secretName: keys") && JOB.contains("/var/run/secrets/vox.dev/credential/credential")
    );
}
