//! `vox model explain`: decides as a gateway would, or asks one, and says why.

mod deployments;
mod layers;
mod records;
mod request;
mod show;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use vox_routing::{Cost, Explanation, Offline, PolicySnapshot, Router, Snapshot};

use crate::args::{ExplainArgs, Global};
use crate::cluster::{Cluster, Operator, Place};
use crate::error::{Error, Exit};
use crate::gateway::Gateway;
use crate::input;
use crate::progress::Progress;
pub(super) use request::{Asked, body, headers};
pub(super) use show::score;

/// A decision with all its reasons, and where it was made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    /// Whose snapshot it was made from; absent when a gateway made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// The snapshot's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<u64>,
    /// Estimated input; absent for a call that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    /// The rule of the contract that told category or complexity from the text's shape, if one had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Whether the complexity was stated.
    #[serde(default)]
    complexity_stated: bool,
    /// Whether the cheapest was asked for.
    #[serde(default)]
    force_cost: bool,
    /// The decision's id, where a gateway made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    /// What happened then, for a call that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<Call>,
    /// Absent when the gateway holds the snapshot of that time no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

/// What a gateway remembers of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) started_unix_ms: u64,
    #[serde(rename = "attributes")]
    pub(super) turn: Turn,
    pub(super) attempts: Vec<Tried>,
}

/// Of the attributes of a turn, those that people are shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Turn {
    #[serde(rename = "vox.trace_id")]
    pub(super) trace: String,
    /// The caller's W3C trace, where it is not the turn's.
    #[serde(rename = "vox.caller_trace_id", default, skip_serializing_if = "Option::is_none")]
    pub(super) caller_trace: Option<String>,
    #[serde(rename = "vox.latency_ms")]
    pub(super) latency_ms: u64,
    #[serde(rename = "vox.outcome")]
    pub(super) outcome: String,
    /// Absent when the client had gone before.
    #[serde(rename = "vox.client.status_code", default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// Absent when it is unknown.
    #[serde(rename = "vox.cost_usd", default, skip_serializing_if = "Option::is_none")]
    pub(super) cost_usd: Option<Cost>,
}

/// One attempt of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tried {
    pub(super) attributes: Attempt,
}

/// Of the attributes of an attempt, those that people are shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    #[serde(rename = "vox.deployment")]
    pub(super) deployment: String,
    #[serde(rename = "vox.attempt.outcome")]
    pub(super) outcome: String,
    /// The class of a failure.
    #[serde(rename = "error.type", default, skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<String>,
    #[serde(rename = "vox.http.status_code", default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(rename = "vox.latency_ms")]
    pub(super) latency_ms: u64,
    #[serde(rename = "vox.cost_usd", default, skip_serializing_if = "Option::is_none")]
    pub(super) cost_usd: Option<Cost>,
}

pub(super) async fn run(args: &ExplainArgs, global: &Global) -> Result<Exit, Error> {
    let explained = if let Some(id) = &args.decision {
        call(&Gateway::new(&args.gateway, global).await?, id).await?
    } else {
        let text = input::text(args.text.as_deref().unwrap_or_default())?;
        let asked = Asked::new(&text, &args.hints, args.force_cost)?;
        if args.live {
            live(&Gateway::new(&args.gateway, global).await?, args, &text, asked).await?
        } else {
            let snapshot = snapshot(args.snapshot.as_deref(), global).await?;
            decide(snapshot, args.policy.as_deref(), asked, now_unix_ms())?
        }
    };
    global.output.print(&explained, || show::text(&explained, args.all, args.show_layers))?;
    let refused = explained.explanation.as_ref().is_some_and(|explanation| explanation.refusal.is_some());
    Ok(if refused && args.decision.is_none() { Exit::No } else { Exit::Ok })
}

/// The same code as in the gateway; only what the moment adds is not known here.
fn decide(
    snapshot: Snapshot,
    policy: Option<&str>,
    asked: Asked,
    now_unix_ms: u64,
) -> Result<Explained, Error> {
    let (namespace, version) = (snapshot.namespace.clone(), snapshot.version);
    let router = Router::new(choose(snapshot, policy)?);
    let Asked { request, rule, complexity_stated } = asked;
    Ok(Explained {
        namespace: Some(namespace),
        snapshot: Some(version),
        input_tokens: Some(request.input_tokens),
        rule: rule.map(str::to_owned),
        complexity_stated,
        force_cost: request.force_cost,
        decision: None,
        record: None,
        explanation: Some(router.explain(&request, &Offline, now_unix_ms)),
    })
}

/// The namespace's snapshot: of a file, else of the cluster.
pub(super) async fn snapshot(file: Option<&Path>, global: &Global) -> Result<Snapshot, Error> {
    if let Some(file) = file {
        let document = input::file(file)?;
        return Snapshot::read(document.as_bytes())
            .map_err(|error| Error::Input(format!("{}: {error}", file.display())));
    }
    let cluster = Cluster::new(global).await?;
    let Place::Namespace(namespace) = &cluster.place else {
        return Err(Error::Usage("policies decide for one namespace: name it with --namespace".to_owned()));
    };
    let read = async { Operator::find(&cluster).await?.snapshot(namespace).await };
    let found = Progress::during("reading the snapshot from the operator", Box::pin(read)).await?;
    found.ok_or_else(|| {
        Error::NotFound(format!(
            "no policy of namespace {namespace} has been programmed; `kubectl get routingpolicies -n {namespace} -o wide` says why"
        ))
    })
}

/// The policy that is named, else the only one, else the only default: as a gateway chooses.
pub(super) fn choose(snapshot: Snapshot, name: Option<&str>) -> Result<PolicySnapshot, Error> {
    let Snapshot { namespace, mut policies, .. } = snapshot;
    let names: Vec<String> = policies.iter().map(|one| one.policy.name.clone()).collect();
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let place = if let Some(name) = name {
        let place = policies.iter().position(|one| one.policy.name == name);
        place.ok_or_else(|| {
            Error::NotFound(format!("namespace {namespace} has no programmed policy {name}; it has: {there}"))
        })?
    } else if policies.len() == 1 {
        0
    } else {
        let mut defaults = policies.iter().enumerate().filter(|(_, one)| one.policy.default);
        let place = defaults.next().filter(|_| defaults.next().is_none()).map(|(place, _)| place);
        place.ok_or_else(|| {
            Error::Usage(format!("which policy of namespace {namespace}? name one with --policy: {there}"))
        })?
    };
    Ok(policies.swap_remove(place))
}

/// `POST /vox/v1/decide`: the gateway decides with what it knows of the moment, and calls nobody.
async fn live(gateway: &Gateway, args: &ExplainArgs, text: &str, asked: Asked) -> Result<Explained, Error> {
    let body = body(
        args.hints.model.as_deref(),
        &request::messages(args.hints.system.as_deref(), text),
        &args.hints,
    );
    let headers = headers(&args.hints)?;
    let answer = gateway.ask::<Explained>(Method::POST, "/vox/v1/decide", headers, body.into());
    let mut explained = Progress::during("asking the gateway", Box::pin(answer)).await?;
    explained.input_tokens = Some(asked.request.input_tokens);
    explained.rule = asked.rule.map(str::to_owned);
    explained.complexity_stated = asked.complexity_stated;
    Ok(explained)
}

/// `GET /vox/v1/explain/{decision}`.
async fn call(gateway: &Gateway, id: &str) -> Result<Explained, Error> {
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        return Err(Error::Usage("a decision's id is a UUID, as x-vox-decision had it".to_owned()));
    }
    let path = format!("/vox/v1/explain/{id}");
    let answer = gateway.ask(Method::GET, &path, HeaderMap::new(), Bytes::new());
    Progress::during("asking the gateway", Box::pin(answer)).await
}

/// The machine's time, in milliseconds since 1970 UTC: penalties end.
pub(super) fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
