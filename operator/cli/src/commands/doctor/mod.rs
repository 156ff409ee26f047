//! `vox doctor`: asks, judges (each module beside this one judges one thing, and is pure), and prints a line for each thing
//! looked at; or a report.

mod changes;
mod database;
mod judge;
mod keys;
mod named;
mod operator;
mod policies;
mod prices;
mod schedules;
mod sources;
mod weekly;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, CustomResourceExt as _, Resource as _};
use vox_contracts::checkup::{Checkup, RefusedKey};
use vox_crds::ModelCatalogSource;

use super::scheduled;
use crate::args::{DoctorArgs, FailOn, Global, Report};
use crate::cluster::{self, Call, Cluster, Health, OPERATOR_SELECTOR, Operator, Place};
use crate::config;
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::Progress;
use database::Skew;
use judge::{Check, Findings, Severity};

pub(super) async fn run(args: &DoctorArgs, global: &Global, output: Format) -> Result<Exit, Error> {
    if args.report == Some(Report::Weekly) {
        return Box::pin(weekly::run(global, output)).await;
    }
    let (checks, reached) = Box::pin(checks(global)).await;
    let findings = Findings::of(&checks);
    output.print(&findings, || checks.iter().map(|check| format!("{}\n", check.told())).collect())?;
    Ok(exit(findings.severity, reached, args.fail_on))
}

/// What scripts see: one status for what does not work, one for what somebody should look at.
fn exit(worst: Severity, reached: bool, fail_on: FailOn) -> Exit {
    match (worst, fail_on) {
        (Severity::Fail, _) if reached => Exit::No,
        (Severity::Fail, _) => Exit::Unreachable,
        (Severity::Warn, FailOn::Warn) => Exit::Warned,
        (Severity::Warn, FailOn::Fail) | (Severity::Info | Severity::Ok, _) => Exit::Ok,
    }
}

/// Every check, and whether the cluster could be asked at all.
async fn checks(global: &Global) -> (Vec<Check>, bool) {
    let environment = judge::environment(&config::deprecated_in_use());
    let cluster = match Cluster::new(global).await {
        Ok(cluster) => cluster,
        Err(error) => return (vec![Check::error("API server", &error), environment], false),
    };
    let version = Progress::during("asking the API server", cluster.client.apiserver_version()).await;
    let version = version.map_err(|error| Call::new("get", "/version", "").failed(&cluster, &error));
    let server = judge::server(&cluster.url, version);
    if server.severity == Severity::Fail {
        return (vec![server, environment], false);
    }
    let mut checks = vec![server];
    let kind = Progress::during("asking for the kinds", Box::pin(kind(&cluster))).await;
    let installed = kind.severity != Severity::Fail;
    checks.push(kind);
    checks.push(Progress::during("asking for the operator", deployment(&cluster)).await);
    let (of_operator, refused) = Box::pin(ask_operator(&cluster)).await;
    checks.extend(of_operator);
    checks.push(environment);
    if installed {
        checks.extend(Box::pin(objects(&cluster, global, &refused)).await);
    }
    (checks, true)
}

/// What the operator says of itself, and the keys that providers refused calls with.
async fn ask_operator(cluster: &Cluster) -> (Vec<Check>, Vec<RefusedKey>) {
    let health = Progress::during("asking the operator", Box::pin(health(cluster))).await;
    let answers = health.is_ok();
    let mut checks = judge::health(health);
    if !answers {
        return (checks, Vec::new());
    }
    match Progress::during("asking the operator for its database", Box::pin(checkup(cluster))).await {
        Ok((facts, skew)) => {
            checks.extend(database::database(facts.database.as_ref(), facts.now));
            checks.extend(operator::operator(&facts, skew));
            (checks, facts.refused_keys)
        }
        // An operator of an older version answers all else.
        Err(error) => {
            checks.push(Check::error("operator's facts", &error).at_most(Severity::Warn));
            (checks, Vec::new())
        }
    }
}

/// Whether the kind is served. Who may not read definitions can still see what the API server serves.
async fn kind(cluster: &Cluster) -> Check {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let name = ModelCatalogSource::crd_name();
    match definitions.get_opt(name).await {
        Ok(found) => judge::definition(found.as_ref()),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let version = ModelCatalogSource::api_version(&());
            let served = cluster.client.list_api_group_resources(&version).await;
            let plural = ModelCatalogSource::plural(&());
            judge::served(
                served.is_ok_and(|list| list.resources.iter().any(|resource| resource.name == plural)),
            )
        }
        Err(error) => {
            let call = Call::new("get", "customresourcedefinitions.apiextensions.k8s.io", "");
            Check::error("kinds", &call.failed(cluster, &error))
        }
    }
}

async fn deployment(cluster: &Cluster) -> Check {
    let place = cluster.operator_place();
    let listed =
        cluster.api::<Deployment>(&place).list(&ListParams::default().labels(OPERATOR_SELECTOR)).await;
    match listed {
        Ok(found) => judge::deployments(&found.items, &place),
        Err(error) => Check::error(
            "operator",
            &Call::new("list", "deployments.apps", place.told()).failed(cluster, &error),
        ),
    }
}

async fn health(cluster: &Cluster) -> Result<Health, Error> {
    Operator::find(cluster).await?.health().await
}

async fn checkup(cluster: &Cluster) -> Result<(Checkup, Skew), Error> {
    let operator = Operator::find(cluster).await?;
    let before = Timestamp::now();
    let facts = operator.checkup().await?;
    let skew = Skew::between(before, facts.now, Timestamp::now());
    Ok((facts, skew))
}

/// What stands in the statuses of sources, their CronJobs and policies.
async fn objects(cluster: &Cluster, global: &Global, refused: &[RefusedKey]) -> Vec<Check> {
    let wide = if global.namespace.is_none() { Place::All } else { cluster.place.clone() };
    let sources =
        Progress::during("reading the sources", Box::pin(as_far(cluster, &wide, cluster::list))).await;
    let schedules =
        Progress::during("reading the schedules", Box::pin(as_far(cluster, &wide, scheduled::rows))).await;
    let policies =
        Progress::during("reading the policies", Box::pin(as_far(cluster, &wide, cluster::policies))).await;
    let mut checks = match &sources {
        Ok(sources) => {
            let now = Timestamp::now();
            let changed = Box::pin(changes::since_yesterday(cluster, &wide, now));
            let changed = Progress::during("asking what changed", changed).await;
            sources::sources(sources, changed.as_deref(), now)
        }
        Err(error) => vec![Check::error("sources", error)],
    };
    checks.push(match &schedules {
        Ok(rows) => schedules::schedules(rows),
        Err(error) => Check::error("schedules", error),
    });
    match &policies {
        Ok(policies) => checks.extend(policies::policies(policies, Timestamp::now())),
        Err(error) => checks.push(Check::error("policies", error)),
    }
    if let Ok(sources) = &sources {
        checks.extend(prices::prices(sources));
    }
    let (sources, policies) = (sources.unwrap_or_default(), policies.unwrap_or_default());
    let of_place = |key: &&RefusedKey| match &wide {
        Place::All => true,
        Place::Namespace(namespace) => key.namespace == *namespace,
    };
    let refused: Vec<RefusedKey> = refused.iter().filter(of_place).cloned().collect();
    checks.extend(keys::keys(&sources, &policies, &refused));
    checks
}

/// The objects of all namespaces, or of the one namespace if the user may not look further.
async fn as_far<'a, T>(
    cluster: &'a Cluster,
    wide: &'a Place,
    list: impl AsyncFn(&'a Cluster, &'a Place) -> Result<T, Error>,
) -> Result<T, Error> {
    match list(cluster, wide).await {
        Err(Error::Forbidden { .. }) if *wide != cluster.place => list(cluster, &cluster.place).await,
        listed => listed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_follows_the_worst_finding() {
        for (worst, reached, fail_on, expected) in [
            (Severity::Ok, true, FailOn::Warn, Exit::Ok),
            (Severity::Info, true, FailOn::Warn, Exit::Ok),
            (Severity::Warn, true, FailOn::Fail, Exit::Ok),
            (Severity::Warn, true, FailOn::Warn, Exit::Warned),
            (Severity::Fail, true, FailOn::Fail, Exit::No),
            (Severity::Fail, true, FailOn::Warn, Exit::No),
            (Severity::Fail, false, FailOn::Fail, Exit::Unreachable),
        ] {
            assert_eq!(exit(worst, reached, fail_on), expected, "{worst:?} {reached} {fail_on:?}");
        }
    }

    #[test]
    fn programs_read_the_worst_severity_and_each_finding_with_its_fix() {
        let checks =
            [Check::ok("a", "well"), Check::fail("b", "broken", "mend it"), Check::info("c", "so it is")];
        insta::assert_snapshot!(serde_json::to_string_pretty(&Findings::of(&checks)).unwrap(), @r#"
        {
          "severity": "FAIL",
          "findings": [
            {
              "check": "a",
              "severity": "OK",
              "message": "well",
              "fix": null
            },
            {
              "check": "b",
              "severity": "FAIL",
              "message": "broken",
              "fix": "mend it"
            },
            {
              "check": "c",
              "severity": "INFO",
              "message": "so it is",
              "fix": null
            }
          ]
        }
        "#);
    }
}
