//! The operator's read API. It listens on loopback inside its pod; a port-forward is the way in, so that Kubernetes' RBAC
//! on `pods/portforward` decides who may read.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use vox_contracts::change::{CatalogChanges, ChangesQuery};
use vox_contracts::checkup::Checkup;
use vox_contracts::entry::{CatalogSourceRef, ModelCatalog};
use vox_contracts::scoreboard::{GroupBy, ObservedPrice, RolledUp, Scoreboard, ScoreboardQuery, Trace};
use vox_contracts::traffic::{Traffic, TrafficQuery};
use vox_otlp::Report;
use vox_routing::Snapshot;

use super::client::{Call, Cluster, Place};
use crate::error::{Error, chain};

/// Selects the operator's pods and Deployment.
pub(crate) const OPERATOR_SELECTOR: &str = "app.kubernetes.io/name=vox,app.kubernetes.io/component=operator";
/// Where the operator serves its read API.
const PORT: u16 = 8081;
/// Bound on one call.
const CALL: Duration = Duration::from_secs(30);
/// The largest answer: several times ten thousand models.
const LARGEST: usize = 64 << 20;

/// A ready pod of the operator.
pub(crate) struct Operator<'a> {
    cluster: &'a Cluster,
    namespace: String,
    pod: String,
}

/// What the operator says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Health {
    pub(crate) store: String,
    pub(crate) version: String,
    /// What it still waits for.
    #[serde(default)]
    pub(crate) pending: Vec<String>,
}

/// `{"error": {"message": …}}`.
#[derive(Deserialize)]
struct Problem {
    error: ProblemText,
}

#[derive(Deserialize)]
struct ProblemText {
    message: String,
}

enum Answer<T> {
    Found(T),
    Missing,
}

impl<'a> Operator<'a> {
    /// Finds a ready pod.
    pub(crate) async fn find(cluster: &'a Cluster) -> Result<Self, Error> {
        let place = cluster.operator_place();
        let parameters = ListParams::default().labels(OPERATOR_SELECTOR);
        let pods = cluster.api::<Pod>(&place).list(&parameters).await.map_err(|error| {
            match (Call::new("list", "pods", place.told()).failed(cluster, &error), &place) {
                (Error::Forbidden { .. }, Place::All) => Error::OperatorHidden,
                (other, _) => other,
            }
        })?;
        let (pod, namespace) = choose(pods.items, &place)?;
        Ok(Self { cluster, namespace, pod })
    }

    /// How the operator is.
    pub(crate) async fn health(&self) -> Result<Health, Error> {
        match self.get("/v1/health").await? {
            Answer::Found(health) => Ok(health),
            Answer::Missing => {
                Err(self.failed("it does not know /v1/health; is it older than this command?"))
            }
        }
    }

    /// What only the operator can see of its database, certificates, clock and sidecars.
    pub(crate) async fn checkup(&self) -> Result<Checkup, Error> {
        self.known("/v1/checkup").await
    }

    /// The published catalog of a source, if there is one.
    pub(crate) async fn catalog(&self, source: &CatalogSourceRef) -> Result<Option<ModelCatalog>, Error> {
        match self.get(&format!("/v1/catalogs/{}/{}", source.namespace, source.name)).await? {
            Answer::Found(catalog) => Ok(Some(catalog)),
            Answer::Missing => Ok(None),
        }
    }

    /// What changed in catalogs.
    pub(crate) async fn changes(&self, query: &ChangesQuery) -> Result<CatalogChanges, Error> {
        self.known(&changes_path(query)).await
    }

    /// What the gateways of a namespace decide from, if a policy of it was ever programmed.
    pub(crate) async fn snapshot(&self, namespace: &str) -> Result<Option<Snapshot>, Error> {
        let Answer::Found(document) =
            self.get::<Box<RawValue>>(&format!("/v1/namespaces/{namespace}/snapshot")).await?
        else {
            return Ok(None);
        };
        let read = Snapshot::read(document.get().as_bytes());
        read.map(Some).map_err(|error| self.failed(&error.to_string()))
    }

    /// The scoreboard.
    pub(crate) async fn scoreboard(&self, query: &ScoreboardQuery) -> Result<Scoreboard, Error> {
        self.known(&scoreboard_path(query)).await
    }

    /// The calls of a namespace that a policy decided.
    pub(crate) async fn traffic(&self, namespace: &str, query: &TrafficQuery) -> Result<Traffic, Error> {
        let (namespace, policy) = (in_a_path(namespace), in_a_path(&query.policy));
        self.known(&format!("/v1/namespaces/{namespace}/traffic?policy={policy}&hours={}", query.hours)).await
    }

    /// Prices as they were billed.
    pub(crate) async fn prices(&self) -> Result<Vec<ObservedPrice>, Error> {
        self.known("/v1/prices").await
    }

    /// A turn, if it is known.
    pub(crate) async fn trace(&self, id: &str) -> Result<Option<Trace>, Error> {
        match self.get(&format!("/v1/traces/{id}")).await? {
            Answer::Found(trace) => Ok(Some(trace)),
            Answer::Missing => Ok(None),
        }
    }

    /// Rolls the scoreboard up; `None` when that goes on.
    pub(crate) async fn roll_up(&self) -> Result<Option<RolledUp>, Error> {
        let (status, body) = self.bounded(Method::POST, "/v1/scoreboard/roll-up").await?;
        if status == StatusCode::ACCEPTED {
            return Ok(None);
        }
        match self.read(status, &body)? {
            Answer::Found(done) => Ok(Some(done)),
            Answer::Missing => Err(self.failed("it cannot roll up; is it older than this command?")),
        }
    }

    /// Has it send something to its collector; `None` where it has none.
    pub(crate) async fn telemetry_test(&self) -> Result<Option<Report>, Error> {
        let (status, body) = self.bounded(Method::POST, "/v1/telemetry/test").await?;
        match self.read(status, &body)? {
            Answer::Found(report) => Ok(report),
            Answer::Missing => Err(self.failed("it cannot send a test; is it older than this command?")),
        }
    }

    /// What every operator of this version has.
    async fn known<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        match self.get(path).await? {
            Answer::Found(found) => Ok(found),
            Answer::Missing => {
                let path = path.split('?').next().unwrap_or(path);
                Err(self.failed(&format!("it does not know {path}; is it older than this command?")))
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Error> {
        let (status, body) = self.bounded(Method::GET, path).await?;
        self.read(status, &body)
    }

    async fn bounded(&self, method: Method, path: &str) -> Result<(StatusCode, Bytes), Error> {
        let call = Box::pin(self.call(method, path));
        tokio::time::timeout(CALL, call)
            .await
            .unwrap_or_else(|_| Err(self.failed("it did not answer within 30s")))
    }

    fn read<T: DeserializeOwned>(&self, status: StatusCode, body: &Bytes) -> Result<Answer<T>, Error> {
        if status == StatusCode::NOT_FOUND {
            return Ok(Answer::Missing);
        }
        if !status.is_success() {
            let problem = serde_json::from_slice::<Problem>(body).map(|problem| problem.error.message);
            return Err(self.failed(&problem.unwrap_or_else(|_| format!("it answered {status}"))));
        }
        let read = serde_json::from_slice(body);
        read.map(Answer::Found).map_err(|error| {
            self.failed(&format!(
                "its answer cannot be read ({error}); is it of another version than this command?"
            ))
        })
    }

    async fn call(&self, method: Method, path: &str) -> Result<(StatusCode, Bytes), Error> {
        let place = format!("in namespace {}", self.namespace);
        let pods = self.cluster.api::<Pod>(&Place::Namespace(self.namespace.clone()));
        let mut forward = pods
            .portforward(&self.pod, &[PORT])
            .await
            .map_err(|error| Call::new("create", "pods/portforward", place).failed(self.cluster, &error))?;
        let (Some(stream), Some(refused)) = (forward.take_stream(PORT), forward.take_error(PORT)) else {
            return Err(self.failed("the port-forward opened no stream"));
        };
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // The connection has to be driven while the request is under way, and ends with it.
            let connection = tokio::spawn(connection);
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, "vox-operator")
                .header(header::CONNECTION, "close")
                .body(Empty::<Bytes>::new())?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST).collect().await?.to_bytes();
            connection.abort();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, body))
        };
        // The kubelet tells on a channel of its own why the port cannot be used.
        let told = async {
            match refused.await {
                Some(message) => message,
                None => std::future::pending().await,
            }
        };
        let answered = tokio::select! {
            biased;
            message = told => Err(self.failed(&refusal(&message))),
            answered = exchange => answered.map_err(|error| self.failed(&chain(&*error))),
        };
        forward.abort();
        answered
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Operator(format!(
            "failed to ask the operator (pod {}/{}): {reason}; that pod's log says more",
            self.namespace, self.pod
        ))
    }
}

/// Names of objects are of letters, digits, hyphens and points and need no escaping; what is none is nobody's name after this.
fn in_a_path(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' }).collect()
}

fn changes_path(query: &ChangesQuery) -> String {
    let mut path = format!("/v1/changes?since={}&limit={}", query.since, query.limit);
    for (name, value) in [("namespace", &query.namespace), ("source", &query.source)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", in_a_path(value)));
        }
    }
    path
}

fn scoreboard_path(query: &ScoreboardQuery) -> String {
    let mut path = format!("/v1/scoreboard?windowDays={}", query.window_days);
    if let Some(namespace) = &query.namespace {
        path.push_str(&format!("&namespace={}", in_a_path(namespace)));
    }
    let group = query.group_by.map(|group| match group {
        GroupBy::Provider => "provider",
        GroupBy::Model => "model",
        GroupBy::Category => "category",
    });
    if let Some(group) = group {
        path.push_str(&format!("&groupBy={group}"));
    }
    path
}

/// The kubelet's words for a closed port fill several lines.
fn refusal(message: &str) -> String {
    if message.contains("connection refused") {
        return format!("nothing listens on its port {PORT} (is it an operator of this version?)");
    }
    message.trim().to_owned()
}

/// Any ready replica will do. Two installations keep different catalogs, so that one has to be named.
fn choose(pods: Vec<Pod>, place: &Place) -> Result<(String, String), Error> {
    let found = pods.len();
    let ready: Vec<(String, String)> = pods
        .into_iter()
        .filter(is_ready)
        .map(|pod| (pod.name_any(), pod.namespace().unwrap_or_default()))
        .collect();
    let Some(first) = ready.first() else {
        let what = if found == 0 { "there is no operator" } else { "no pod of the operator is ready" };
        let todo = if found == 0 {
            "install it (helm install vox charts/vox), or name its namespace with --operator-namespace"
        } else {
            "vox doctor and the pods' logs say why"
        };
        return Err(Error::Operator(format!("{what} {}; {todo}", place.told_of_none())));
    };
    if let Some(other) = ready.iter().find(|(_, namespace)| *namespace != first.1) {
        return Err(Error::Usage(format!(
            "operators run in namespaces {} and {}; choose one with --operator-namespace",
            first.1, other.1
        )));
    }
    Ok(first.clone())
}

/// Whether a pod takes calls.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(namespace: &str, ready: &str) -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "vox-operator-1", "namespace": namespace },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap()
    }

    #[test]
    fn a_query_is_a_path_whatever_the_namespace_is_called() {
        let query = |namespace: &str| ScoreboardQuery {
            window_days: 7,
            namespace: Some(namespace.to_owned()),
            group_by: Some(GroupBy::Provider),
        };
        assert_eq!(
            scoreboard_path(&query("shop-1")),
            "/v1/scoreboard?windowDays=7&namespace=shop-1&groupBy=provider"
        );
        assert!(scoreboard_path(&query("a&b c")).contains("namespace=a_b_c"));
    }

    #[test]
    fn a_query_of_changes_has_only_the_bounds_that_are_set() {
        let mut query =
            ChangesQuery { since: jiff::Timestamp::UNIX_EPOCH, namespace: None, source: None, limit: 5 };
        assert_eq!(changes_path(&query), "/v1/changes?since=1970-01-01T00:00:00Z&limit=5");
        (query.namespace, query.source) = (Some("shop".to_owned()), Some("a&b".to_owned()));
        assert!(changes_path(&query).ends_with("&namespace=shop&source=a_b"));
    }

    #[test]
    fn a_ready_pod_is_chosen() {
        let chosen = choose(vec![pod("vox", "False"), pod("vox", "True")], &Place::All).unwrap();
        assert_eq!(chosen.1, "vox");
    }

    #[test]
    fn without_a_ready_pod_the_user_hears_what_to_do() {
        let none = choose(vec![], &Place::All).unwrap_err().to_string();
        assert!(none.contains("helm install"), "{none}");
        let unready = choose(vec![pod("vox", "False")], &Place::All).unwrap_err().to_string();
        assert!(unready.contains("vox doctor"), "{unready}");
    }

    #[test]
    fn of_two_installations_one_has_to_be_named() {
        let error = choose(vec![pod("a", "True"), pod("b", "True")], &Place::All).unwrap_err();
        assert!(error.to_string().contains("--operator-namespace"));
    }
}
