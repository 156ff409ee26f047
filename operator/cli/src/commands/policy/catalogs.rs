//! What a policy chooses from: the catalogs of its sources, of files, or the one that is compiled in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use vox_contracts::entry::{CatalogSourceRef, ModelCatalog, bootstrap};
use vox_crds::demands;
use vox_routing::policy::Demands;
use vox_routing::{CatalogInput, Policy, PolicySnapshot, Record, Snapshot, compile};

use super::read::Written;
use crate::args::Global;
use crate::cluster::{Call, Cluster, Operator, Place, get};
use crate::error::Error;
use crate::input;
use crate::progress::{Progress, say};

/// Catalogs, and what happened at their models.
#[derive(Debug, Default)]
pub(super) struct Catalogs {
    /// By the source's name; of the compiled-in catalog, by provider.
    pub(super) known: BTreeMap<String, ModelCatalog>,
    /// By deployment.
    pub(super) records: BTreeMap<String, Record>,
    /// The sources' tags, by name. Without a cluster nobody knows them, and a source counts as having those that the
    /// policy demands.
    tags: Option<BTreeMap<String, Vec<String>>>,
    /// What the namespace demands.
    demands: Demands,
    /// Whether they are the compiled-in catalog's.
    pub(super) bootstrap: bool,
}

impl Catalogs {
    /// The compiled-in catalog, by provider.
    pub(super) fn bootstrap() -> Result<Self, Error> {
        let all = bootstrap()
            .map_err(|error| Error::Input(format!("failed to read the compiled-in catalog: {error}")))?;
        let mut known: BTreeMap<String, ModelCatalog> = BTreeMap::new();
        for entry in &all.entries {
            let catalog = known
                .entry(entry.provider.to_string())
                .or_insert_with(|| ModelCatalog { entries: Vec::new(), ..all.clone() });
            catalog.entries.push(entry.clone());
        }
        Ok(Self { known, bootstrap: true, ..Self::default() })
    }

    /// Of files, as `vox catalog show -o json` prints them.
    pub(super) fn of_files(files: &[(String, PathBuf)]) -> Result<Self, Error> {
        let mut known = BTreeMap::new();
        for (name, file) in files {
            if known.insert(name.clone(), of_text(&input::file(file)?, file)?).is_some() {
                return Err(Error::Usage(format!("--catalog {name} stands twice")));
            }
        }
        Ok(Self { known, ..Self::default() })
    }

    /// Of the sources of the namespace that the policies name, with what happened at their models.
    pub(super) async fn of_cluster(global: &Global, policies: &[&Written]) -> Result<Self, Error> {
        let cluster = Cluster::new(global).await?;
        let Place::Namespace(namespace) = &cluster.place else {
            return Err(Error::Usage("a policy is of one namespace: name it with --namespace".to_owned()));
        };
        let read = async {
            let operator = Operator::find(&cluster).await?;
            let (mut known, mut tags) = (BTreeMap::new(), BTreeMap::new());
            for reference in policies.iter().flat_map(|policy| &policy.spec.catalogs) {
                let source = CatalogSourceRef { namespace: namespace.clone(), name: reference.name.clone() };
                let Some(catalog) = operator.catalog(&source).await? else { continue };
                known.insert(reference.name.clone(), catalog);
                tags.insert(reference.name.clone(), tags_of(&cluster, &source).await?);
            }
            let snapshot = operator.snapshot(namespace).await?;
            let demands = demanded(metadata(&cluster, namespace).await, snapshot.as_ref())?;
            let records = snapshot.map(records).unwrap_or_default();
            Ok(Self { known, records, tags: Some(tags), demands, bootstrap: false })
        };
        Progress::during("reading the catalogs from the operator", Box::pin(read)).await
    }

    /// Puts a policy and its catalogs together, as the operator does.
    pub(super) fn compile(&self, written: &Written) -> Result<PolicySnapshot, Error> {
        let Written { spec, policy } = written;
        let names: Vec<&String> = if self.bootstrap {
            self.known.keys().collect()
        } else {
            spec.catalogs.iter().map(|reference| &reference.name).collect()
        };
        let mut inputs = Vec::new();
        for name in names {
            let catalog = self.known.get(name).ok_or_else(|| missing(name))?;
            // Without an entry there is nothing to decide about.
            let Some(first) = catalog.entries.first() else { continue };
            inputs.push(CatalogInput {
                source: catalog.source.clone(),
                // Where it listens decides nothing.
                upstream: spec.upstream(&policy.name, name, first.provider.clone(), String::new()),
                entries: catalog.entries.clone(),
                tags: match &self.tags {
                    Some(tags) => tags.get(name).cloned().unwrap_or_default(),
                    None => policy.allow.tags.clone(),
                },
            });
        }
        let policy = Policy { demands: self.demands.clone(), ..policy.clone() };
        Ok(compile(policy, inputs, &self.records))
    }

    /// Says on the standard error what was chosen from.
    pub(super) fn tell(&self) {
        let models: usize = self.known.values().map(|catalog| catalog.entries.len()).sum();
        if self.bootstrap {
            say(&format!(
                "over the compiled-in catalog of {models} models; --from-cluster or --catalog NAME=FILE gives the real ones"
            ));
        } else {
            let names = self.known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            say(&format!("over the catalogs of {names}: {models} models"));
        }
    }
}

/// The namespace's labels and annotations; none where it does not exist.
async fn metadata(cluster: &Cluster, namespace: &str) -> Result<Option<ObjectMeta>, Error> {
    let found = Api::<Namespace>::all(cluster.client.clone()).get_metadata_opt(namespace).await;
    let found = found.map_err(|error| Call::new("get", "namespaces", namespace).failed(cluster, &error))?;
    Ok(found.map(|found| found.metadata))
}

/// What a namespace demands: by its own word, or as its snapshot has it where the caller may not read namespaces.
fn demanded(read: Result<Option<ObjectMeta>, Error>, snapshot: Option<&Snapshot>) -> Result<Demands, Error> {
    match read {
        Ok(metadata) => Ok(metadata.as_ref().map(demands::of).unwrap_or_default()),
        Err(error) if error.is_hidden() => {
            let served = snapshot.and_then(|snapshot| snapshot.policies.first());
            say(&match served {
                Some(_) => format!("{error}; what it demands is taken from its snapshot"),
                None => format!("{error}; nothing serves in it yet, and it is taken to demand nothing"),
            });
            Ok(served.map(|served| served.policy.demands.clone()).unwrap_or_default())
        }
        Err(error) => Err(error),
    }
}

/// A catalog may outlive its source.
async fn tags_of(cluster: &Cluster, source: &CatalogSourceRef) -> Result<Vec<String>, Error> {
    match get(cluster, source).await {
        Ok(source) => Ok(source.spec.tags),
        Err(Error::NotFound(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn of_text(text: &str, file: &Path) -> Result<ModelCatalog, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::Input(format!(
            "{}: failed to read it as a catalog: {error}; `vox catalog show NAME -o json` writes one",
            file.display()
        ))
    })
}

fn missing(name: &str) -> Error {
    Error::NotFound(format!(
        "there is no catalog of source {name}, which the policy names: give one with --catalog {name}=FILE, or see \
         `kubectl get modelcatalogsource {name}` for why it has published none"
    ))
}

/// What happened at each deployment; the policies of a namespace share it.
fn records(snapshot: Snapshot) -> BTreeMap<String, Record> {
    let deployments = snapshot.policies.into_iter().flat_map(|policy| policy.deployments);
    deployments
        .filter(|one| {
            !one.evidence.is_empty()
                || !one.penalties.is_empty()
                || !one.quarantines.is_empty()
                || one.billed().is_some()
        })
        .map(|one| {
            let (evidence, penalties) = (one.evidence.clone(), one.penalties.clone());
            let (quarantines, billed) = (one.quarantines.clone(), one.billed());
            (one.id.clone(), Record { evidence, penalties, quarantines, billed })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled() -> ObjectMeta {
        serde_json::from_value(serde_json::json!({ "labels": { "require.vox.dev/residency": "eu" } }))
            .unwrap()
    }

    /// A snapshot whose policy was compiled while the namespace demanded this.
    fn serving(tag: &str) -> Snapshot {
        let demands = Demands { tags: vec![tag.to_owned()], ..Demands::default() };
        let text = "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: { name: lab }\nspec: { catalogs: [{ name: a }] }\n";
        let written = super::super::read::policy(text, None).unwrap();
        let policy = Policy { demands, ..written.policy };
        let policies = vec![compile(policy, Vec::new(), &BTreeMap::new())];
        Snapshot::seal("shop".to_owned(), 1, policies).unwrap()
    }

    fn hidden() -> Result<Option<ObjectMeta>, Error> {
        Err(Error::Forbidden { verb: "get", resource: "namespaces", place: "shop".to_owned() })
    }

    #[test]
    fn what_a_namespace_demands_is_known_before_anything_serves_in_it() {
        assert_eq!(demanded(Ok(Some(labelled())), None).unwrap().tags, ["residency=eu"]);
    }

    #[test]
    fn the_namespaces_own_word_is_newer_than_its_snapshot() {
        let snapshot = serving("residency=us");
        assert_eq!(demanded(Ok(Some(labelled())), Some(&snapshot)).unwrap().tags, ["residency=eu"]);
    }

    #[test]
    fn who_may_not_read_namespaces_is_told_what_the_snapshot_has() {
        let snapshot = serving("residency=us");
        assert_eq!(demanded(hidden(), Some(&snapshot)).unwrap().tags, ["residency=us"]);
        assert!(demanded(hidden(), None).unwrap().is_empty());
    }

    #[test]
    fn an_api_server_that_is_away_is_an_error() {
        let away = Error::ApiServer { url: "https://x".to_owned(), reason: "refused".to_owned() };
        assert!(demanded(Err(away), None).is_err());
    }
}
