//! What the answers mean: well, worth a look, or broken, and what to do. Pure.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::ResourceExt as _;
use serde::{Serialize, Serializer};

use crate::cluster::{Health, Place};
use crate::config::Deprecated;
use crate::error::Error;
use crate::table::printable;

/// The oldest Kubernetes that works: native sidecar containers are on by default from here.
const OLDEST: (u32, u32) = (1, 29);

/// How something is, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Well.
    Ok,
    /// Good to know; nothing to do.
    Info,
    /// Works, and will not for ever: somebody should look.
    Warn,
    /// Does not work.
    Fail,
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Everything that was found, in machine output.
#[derive(Debug, Serialize)]
pub(super) struct Findings<'a> {
    /// The worst of them.
    pub(super) severity: Severity,
    findings: &'a [Check],
}

impl<'a> Findings<'a> {
    pub(super) fn of(findings: &'a [Check]) -> Self {
        let worst = findings.iter().map(|check| check.severity).max();
        Self { severity: worst.unwrap_or(Severity::Ok), findings }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    pub(super) severity: Severity,
    message: String,
    /// What to do about it.
    fix: Option<String>,
    /// For programs, every source that the line is about: the line names a few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceFact>,
}

/// How old a source's catalog is, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceFact {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) freshness: &'static str,
    pub(super) refreshed: Option<Timestamp>,
    pub(super) next: Option<Timestamp>,
    /// That of the condition Ready.
    pub(super) reason: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, severity: Severity::Ok, message: message.into(), fix: None, sources: Vec::new() }
    }

    pub(super) fn warn(name: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), severity: Severity::Warn, ..Self::ok(name, message) }
    }

    pub(super) fn info(name: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Info, ..Self::ok(name, message) }
    }

    pub(super) fn fail(name: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Fail, ..Self::warn(name, message, fix) }
    }

    /// A question that got no answer. What the user may not see is not broken for that.
    pub(super) fn error(name: &'static str, error: &Error) -> Self {
        let severity = if error.is_hidden() { Severity::Warn } else { Severity::Fail };
        // The sentence says what to do after its last semicolon.
        let text = error.to_string();
        let (message, fix) = text
            .rsplit_once("; ")
            .map_or((text.clone(), None), |(message, fix)| (message.to_owned(), Some(fix.to_owned())));
        Self { name, severity, message, fix, sources: Vec::new() }
    }

    /// The same, but not worse than this.
    pub(super) fn at_most(self, severity: Severity) -> Self {
        Self { severity: self.severity.min(severity), ..self }
    }

    /// The same, with facts for programs.
    pub(super) fn with_sources(self, sources: Vec<SourceFact>) -> Self {
        Self { sources, ..self }
    }

    /// One line.
    pub(super) fn told(&self) -> String {
        let fix = self.fix.as_ref().map(|fix| format!("; {fix}")).unwrap_or_default();
        printable(&format!("{:<4}  {}: {}{fix}", self.severity.name(), self.name, self.message))
    }
}

pub(super) fn server(url: &str, version: Result<Info, Error>) -> Check {
    const NAME: &str = "API server";
    let version = match version {
        Ok(version) => version,
        Err(error) => return Check { severity: Severity::Fail, ..Check::error(NAME, &error) },
    };
    // Hosted clusters write minors like "34+".
    let number =
        |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().unwrap_or_default();
    let told = format!("{} at {url}", version.git_version);
    if (number(&version.major), number(&version.minor)) < OLDEST {
        return Check::fail(
            NAME,
            told,
            format!("Vox needs Kubernetes {}.{} or newer; upgrade the cluster", OLDEST.0, OLDEST.1),
        );
    }
    Check::ok(NAME, told)
}

const KINDS: &str = "kinds";
const INSTALL_KINDS: &str = "install the chart: helm install vox charts/vox";

pub(super) fn definition(found: Option<&CustomResourceDefinition>) -> Check {
    let Some(found) = found else {
        return Check::fail(KINDS, "ModelCatalogSource is not installed", INSTALL_KINDS);
    };
    let conditions = found.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let established =
        conditions.clone().any(|condition| condition.type_ == "Established" && condition.status == "True");
    if established {
        return Check::ok(KINDS, "ModelCatalogSource is installed and established");
    }
    let why = conditions
        .filter(|condition| condition.status == "False")
        .find_map(|condition| condition.message.clone());
    let message = format!(
        "ModelCatalogSource is not established: {}",
        why.unwrap_or_else(|| "the API server has not said why".to_owned())
    );
    Check::fail(KINDS, message, "kubectl describe crd modelcatalogsources.vox.dev says more")
}

pub(super) fn served(served: bool) -> Check {
    if served {
        Check::ok(KINDS, "ModelCatalogSource is served")
    } else {
        Check::fail(KINDS, "ModelCatalogSource is not served", INSTALL_KINDS)
    }
}

pub(super) fn deployments(found: &[Deployment], place: &Place) -> Check {
    const NAME: &str = "operator";
    if found.is_empty() {
        let fix = "install the chart (helm install vox charts/vox), or name its namespace with --operator-namespace";
        return Check::fail(
            NAME,
            format!("there is no Deployment of the operator {}", place.told_of_none()),
            fix,
        );
    }
    let mut severity = Severity::Ok;
    let mut told = Vec::new();
    let mut fix = None;
    for deployment in found {
        let namespace = deployment.namespace().unwrap_or_default();
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
        told.push(format!("{ready} of {wanted} replicas of {namespace}/{} are ready", deployment.name_any()));
        if ready >= wanted && ready > 0 {
            continue;
        }
        // One replica serves and reconciles as well as two.
        severity = severity.max(if ready == 0 { Severity::Fail } else { Severity::Warn });
        let selector = crate::cluster::OPERATOR_SELECTOR;
        fix = Some(format!("kubectl describe pods -n {namespace} -l {selector} says why"));
    }
    Check { severity, fix, ..Check::ok(NAME, told.join(", ")) }
}

pub(super) fn health(answer: Result<Health, Error>) -> Vec<Check> {
    const API: &str = "operator's API";
    const STORE: &str = "store";
    let health = match answer {
        Ok(health) => health,
        Err(error) => return vec![Check::error(API, &error)],
    };
    let ours = env!("CARGO_PKG_VERSION");
    let minor = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
    let api = if minor(&health.version) != minor(ours) {
        let message = format!("answers, version {}, while this command is {ours}", health.version);
        Check::warn(API, message, "install the command of the operator's version")
    } else if health.pending.is_empty() {
        Check::ok(API, format!("answers, version {}", health.version))
    } else {
        let message = format!("answers, and waits for {}", health.pending.join(", "));
        Check::warn(API, message, "the operator's log says why")
    };
    let store = if health.store == "ok" {
        Check::ok(STORE, "the operator reaches its database")
    } else {
        let fix = "check the database and the Secret with its URL; until then catalogs are served and nothing new is recorded";
        Check::fail(STORE, format!("the operator's database is {}", health.store), fix)
    };
    vec![api, store]
}

pub(super) fn environment(deprecated: &[Deprecated]) -> Check {
    const NAME: &str = "environment";
    if deprecated.is_empty() {
        return Check::ok(NAME, "no deprecated variable is set");
    }
    let names: Vec<&str> = deprecated.iter().map(|variable| variable.name).collect();
    let mut fixes: Vec<&str> = deprecated.iter().map(|variable| variable.instead.as_str()).collect();
    fixes.dedup();
    let message = format!("{} is deprecated and not read", names.join(", "));
    Check::warn(NAME, message, fixes.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(minor: &str) -> Check {
        let info = serde_json::from_value(json!({
            "major": "1", "minor": minor, "gitVersion": format!("v1.{minor}.0"), "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        }));
        server("https://k8s", Ok(info.unwrap()))
    }

    #[test]
    fn an_old_kubernetes_is_refused_and_a_hosted_one_is_read() {
        assert_eq!(version("28").severity, Severity::Fail);
        assert_eq!(version("29").severity, Severity::Ok);
        assert_eq!(version("34+").severity, Severity::Ok);
    }

    #[test]
    fn what_a_user_may_not_see_is_no_failure() {
        let forbidden = Error::Forbidden {
            verb: "list",
            resource: "deployments.apps",
            place: "in all namespaces".to_owned(),
        };
        let check = Check::error("operator", &forbidden);
        assert_eq!(check.severity, Severity::Warn);
        assert!(check.fix.unwrap().starts_with("ask an administrator"));
    }

    #[test]
    fn an_operator_that_is_not_ready_fails_and_one_of_two_warns() {
        let deployment = |wanted: i32, ready: i32| {
            let value = json!({
                "metadata": { "name": "vox-operator", "namespace": "vox" },
                "spec": { "replicas": wanted, "selector": {}, "template": {} },
                "status": { "readyReplicas": ready },
            });
            deployments(&[serde_json::from_value(value).unwrap()], &Place::All).severity
        };
        assert_eq!(deployment(2, 2), Severity::Ok);
        assert_eq!(deployment(2, 1), Severity::Warn);
        assert_eq!(deployment(1, 0), Severity::Fail);
        assert_eq!(deployment(0, 0), Severity::Fail);
        assert_eq!(deployments(&[], &Place::All).severity, Severity::Fail);
    }

    #[test]
    fn a_store_that_is_away_fails_while_the_api_answers() {
        let answer = Health {
            store: "unavailable".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pending: vec![],
        };
        let severities: Vec<Severity> = health(Ok(answer)).iter().map(|check| check.severity).collect();
        assert_eq!(severities, vec![Severity::Ok, Severity::Fail]);
    }

    #[test]
    fn a_deprecated_variable_warns_with_what_to_do_instead() {
        let check =
            environment(&[Deprecated { name: "OLLAMA_URL", instead: "use spec.endpoint".to_owned() }]);
        assert_eq!(
            check.told(),
            "WARN  environment: OLLAMA_URL is deprecated and not read; use spec.endpoint"
        );
    }
}
