//! What a namespace demands of all who serve in it, whatever its policies say: those who may label a namespace bound
//! those who may only write policies in it. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use vox_routing::policy::Demands;

/// A label of a namespace: behind this, the name of a tag that is demanded, with its value.
const REQUIRE: &str = "require.vox.dev/";
/// An annotation of a namespace: the providers that may serve, with commas between them.
const PROVIDERS: &str = "vox.dev/allow-providers";

/// From a namespace's labels and annotations. A provider that nobody knows is one that nobody is: what cannot be read
/// narrows and never widens.
#[must_use]
pub fn of(namespace: &ObjectMeta) -> Demands {
    let labels = namespace.labels.iter().flatten();
    let tag = |(key, value): (&String, &String)| Some(format!("{}={value}", key.strip_prefix(REQUIRE)?));
    let providers = namespace.annotations.as_ref().and_then(|annotations| annotations.get(PROVIDERS));
    let read = |list: &String| list.split(',').filter_map(|name| name.trim().parse().ok()).collect();
    Demands { tags: labels.filter_map(tag).collect(), providers: providers.map(read) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vox_contracts::ProviderType;

    use super::*;

    fn demands(metadata: serde_json::Value) -> Demands {
        of(&serde_json::from_value(metadata).unwrap())
    }

    #[test]
    fn labels_demand_tags_and_an_annotation_names_providers() {
        let told = demands(json!({
            "labels": { "require.vox.dev/residency": "eu", "team": "shop", "require.vox.dev/retention": "none" },
            "annotations": { "vox.dev/allow-providers": "ollama, vllm" },
        }));
        assert_eq!(told.tags, ["residency=eu", "retention=none"]);
        assert_eq!(told.providers, Some(vec![ProviderType::Ollama, ProviderType::Vllm]));
        assert!(demands(json!({ "labels": { "team": "shop" } })).is_empty());
    }

    #[test]
    fn a_list_that_cannot_be_read_lets_nobody_serve() {
        let told = demands(json!({ "annotations": { "vox.dev/allow-providers": "no such provider" } }));
        assert_eq!(told.providers, Some(Vec::new()));
    }
}
