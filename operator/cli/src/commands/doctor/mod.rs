//! `vox doctor`: asks, judges (in [`judge`] and [`sources`]), and prints a line for each thing looked at; or a report.

mod changes;
mod judge;
mod sources;
mod weekly;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, CustomResourceExt as _, Resource as _};
use vox_crds::ModelCatalogSource;

use crate::args::{DoctorArgs, Global, Report};
use crate::cluster::{self, Call, Cluster, Health, OPERATOR_SELECTOR, Operator, Place};
use crate::config;
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::Progress;
use judge::{Check, Verdict};

pub(super) async fn run(args: &DoctorArgs, global: &Global, output: Format) -> Result<Exit, Error> {
    if args.report == Some(Report::Weekly) {
        return Box::pin(weekly::run(global, output)).await;
    }
    let (checks, reached) = Box::pin(checks(global)).await;
    output.print(&checks, || checks.iter().map(|check| format!("{}\n", check.told())).collect())?;
    let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
    Ok(match (failed, reached) {
        (false, _) => Exit::Ok,
        (true, true) => Exit::No,
        (true, false) => Exit::Unreachable,
    })
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
    if server.verdict == Verdict::Fail {
        return (vec![server, environment], false);
    }
    let mut checks = vec![server];
    let kind = Progress::during("asking for the kinds", Box::pin(kind(&cluster))).await;
    let installed = kind.verdict != Verdict::Fail;
    checks.push(kind);
    checks.push(Progress::during("asking for the operator", deployment(&cluster)).await);
    checks.extend(judge::health(Progress::during("asking the operator", Box::pin(health(&cluster))).await));
    checks.push(environment);
    if installed {
        checks.extend(sources(&cluster, global).await);
    }
    (checks, true)
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

/// The sources of all namespaces, or of the one namespace if the user says so or may not look further.
async fn sources(cluster: &Cluster, global: &Global) -> Vec<Check> {
    let wide = if global.namespace.is_none() { Place::All } else { cluster.place.clone() };
    let read = async {
        match cluster::list(cluster, &wide).await {
            Err(Error::Forbidden { .. }) if wide != cluster.place => {
                cluster::list(cluster, &cluster.place).await
            }
            listed => listed,
        }
    };
    match Progress::during("reading the sources", Box::pin(read)).await {
        Ok(sources) => {
            let now = Timestamp::now();
            let changed = Box::pin(changes::since_yesterday(cluster, &wide, now));
            let changed = Progress::during("asking what changed", changed).await;
            sources::sources(&sources, changed.as_deref(), now)
        }
        Err(error) => vec![Check::error("sources", &error)],
    }
}
