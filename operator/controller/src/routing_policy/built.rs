//! Policies that were built a moment ago. After a change each policy of a namespace publishes all of them; without this,
//! twenty policies would be built four hundred times.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use vox_contracts::model_key::server_key;
use vox_crds::routing_policy::{PolicyError, RoutingPolicySpec};
use vox_routing::PolicySnapshot;
use vox_routing::policy::Demands;
use vox_store::routing::{ProgrammedPolicy, SourceUpstream};

use super::build;
use super::evidence::{Observations, Server};
use super::resolve::Catalogs;

/// How long one is kept that nobody asks for: the passes of a namespace follow each other within seconds.
const KEPT: Duration = Duration::from_secs(60);
/// The most models of all that are kept, each of one or two kilobytes.
const MODELS: u64 = 20_000;

/// All that a policy is built from, short enough to compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Inputs {
    uid: String,
    generation: i64,
    sources: Vec<Source>,
    demands: Demands,
}

/// What of a source makes a difference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Source {
    name: String,
    digest: Option<String>,
    upstream: SourceUpstream,
    /// What happened at its server.
    seen: Option<Arc<Server>>,
}

/// What was built.
#[derive(Debug)]
pub(crate) struct Built(Cache<Inputs, Arc<PolicySnapshot>>);

impl Default for Built {
    fn default() -> Self {
        let models = |_: &Inputs, policy: &Arc<PolicySnapshot>| {
            u32::try_from(policy.deployments.len()).unwrap_or(u32::MAX).max(1)
        };
        Self(Cache::builder().weigher(models).max_capacity(MODELS).time_to_idle(KEPT).build())
    }
}

impl Built {
    /// A programmed policy over these catalogs. `spec` is the policy's.
    pub(crate) async fn get(
        &self,
        policy: &ProgrammedPolicy,
        spec: &RoutingPolicySpec,
        catalogs: &Catalogs,
        demands: &Demands,
        observations: &Observations,
    ) -> Result<Arc<PolicySnapshot>, PolicyError> {
        let inputs = inputs(policy, spec, catalogs, demands, observations);
        if let Some(built) = self.0.get(&inputs).await {
            return Ok(built);
        }
        let (name, generation) = (&policy.name, policy.generation);
        let built = build::policy_snapshot(spec, name, generation, catalogs, demands, observations)?;
        let built = Arc::new(built);
        self.0.insert(inputs, Arc::clone(&built)).await;
        Ok(built)
    }
}

fn inputs(
    policy: &ProgrammedPolicy,
    spec: &RoutingPolicySpec,
    catalogs: &Catalogs,
    demands: &Demands,
    observations: &Observations,
) -> Inputs {
    let sources = spec.catalogs.iter().filter_map(|reference| {
        let models = catalogs.get(&reference.name)?.models.as_ref()?;
        let digest = models.catalog.digest.clone();
        let upstream = models.upstream.clone();
        let seen = observations.at(&server_key(&upstream.provider, &upstream.base_url)).cloned();
        Some(Source { name: reference.name.clone(), digest, upstream, seen })
    });
    Inputs {
        uid: policy.uid.clone(),
        generation: policy.generation,
        sources: sources.collect(),
        demands: demands.clone(),
    }
}

#[cfg(test)]
mod tests {
    use vox_contracts::ProviderType;
    use vox_store::evidence::Scored;

    use super::super::resolve::{Models, Resolved};
    use super::*;

    fn catalogs(digest: &str, base_url: &str) -> Catalogs {
        let catalog = serde_json::from_value(
            serde_json::json!({ "schema_version": 1, "digest": digest, "entries": [] }),
        );
        let upstream = SourceUpstream {
            provider: ProviderType::Ollama,
            base_url: base_url.to_owned(),
            tags: Vec::new(),
        };
        let models = Models { upstream, catalog: catalog.unwrap(), gone: Vec::new(), remember: None };
        Catalogs::from([("acme".to_owned(), Resolved { models: Some(models), trouble: None })])
    }

    #[tokio::test]
    async fn a_policy_is_built_again_only_when_something_that_it_is_built_from_changed() {
        let spec = serde_json::json!({ "catalogs": [{ "name": "acme" }] });
        let policy = |generation| ProgrammedPolicy {
            uid: "a".to_owned(),
            namespace: "shop".to_owned(),
            name: "main".to_owned(),
            generation,
            spec: spec.clone(),
        };
        let read: RoutingPolicySpec = serde_json::from_value(spec.clone()).unwrap();
        let built = Built::default();
        let none = Demands::default();
        let nothing = Observations::default();
        let get = async |generation, digest, base_url| {
            let catalogs = catalogs(digest, base_url);
            built.get(&policy(generation), &read, &catalogs, &none, &nothing).await.unwrap()
        };
        let row = |model_key: &str| Scored {
            model_key: model_key.to_owned(),
            category: "chat".to_owned(),
            window_days: 7,
            calls: 30,
            successes: 30,
            p50_latency_ms: None,
            quality: None,
            judged: 0,
            context_above: 0,
        };
        let seen = |model_key| Observations::of(&[row(model_key)], &[], &[], &[]);
        let demands = Demands { tags: vec!["residency=eu".to_owned()], ..Demands::default() };
        let first = get(1, "sha256:1", "http://one.example").await;
        assert!(Arc::ptr_eq(&first, &get(1, "sha256:1", "http://one.example").await));
        for other in [
            get(2, "sha256:1", "http://one.example").await,
            get(1, "sha256:2", "http://one.example").await,
            get(1, "sha256:1", "http://two.example").await,
            built
                .get(&policy(1), &read, &catalogs("sha256:1", "http://one.example"), &demands, &nothing)
                .await
                .unwrap(),
            built
                .get(
                    &policy(1),
                    &read,
                    &catalogs("sha256:1", "http://one.example"),
                    &none,
                    &seen("one.example/a"),
                )
                .await
                .unwrap(),
        ] {
            assert!(!Arc::ptr_eq(&first, &other));
        }
        let elsewhere = seen("two.example/a");
        let catalogs = catalogs("sha256:1", "http://one.example");
        let same = built.get(&policy(1), &read, &catalogs, &none, &elsewhere).await.unwrap();
        assert!(Arc::ptr_eq(&first, &same), "what happened at another server is nothing to it");
    }
}
