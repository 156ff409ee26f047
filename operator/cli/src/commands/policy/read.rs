//! A `RoutingPolicy` as it is written: read, checked against the kind's schema, and turned into one that decides.

use serde::Deserialize;
use vox_crds::{RoutingPolicy, RoutingPolicySpec};
use vox_routing::Policy;

use crate::schema;

/// A policy of a file.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) spec: RoutingPolicySpec,
    pub(super) policy: Policy,
}

/// What every object has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    api_version: String,
    kind: String,
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
}

/// The policy of a text of YAML documents: the only one, or the one of this name. The error says where and what to do.
pub(super) fn policy(text: &str, name: Option<&str>) -> Result<Written, String> {
    let mut found = Vec::new();
    for document in documents(text) {
        let object: Object = read(&document)?;
        if object.kind == "RoutingPolicy" && object.api_version.starts_with("vox.dev/") {
            found.push((object.metadata.name, document));
        }
    }
    let names = found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let (name, document) = match (name, found.len()) {
        (_, 0) => return Err("it holds no RoutingPolicy of vox.dev".to_owned()),
        (None, 1) => found.swap_remove(0),
        (None, _) => return Err(format!("it holds several policies; name one with --policy: {names}")),
        (Some(name), _) => {
            let wanted = found.into_iter().find(|(found, _)| found == name);
            wanted.ok_or_else(|| format!("it holds no policy {name}; it holds: {names}"))?
        }
    };
    let mistakes = schema::mistakes("RoutingPolicy", &read(&document)?)?;
    if !mistakes.is_empty() {
        return Err(mistakes.join("; "));
    }
    let object: RoutingPolicy = read(&document)?;
    let generation = object.metadata.generation.unwrap_or_default();
    let policy = object.spec.to_policy(&name, generation).map_err(|error| error.to_string())?;
    Ok(Written { spec: object.spec, policy })
}

/// The documents of a stream. What stands before one is blank, so that its lines keep their numbers.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line == "---" || line.starts_with("--- ") {
            let before = documents.last().map_or(0, |document| document.lines().count());
            documents.push("\n".repeat(before + 1));
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    documents.retain(|document| document.lines().any(says_something));
    documents
}

fn read<T: serde::de::DeserializeOwned>(document: &str) -> Result<T, String> {
    serde_saphyr::from_str(document).map_err(|error| {
        let plain = error.without_snippet().to_string();
        plain.lines().next().unwrap_or_default().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: vox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: { name: shop }\n";

    fn refused(spec: &str) -> String {
        policy(&format!("{HEAD}{spec}"), None).unwrap_err()
    }

    #[test]
    fn the_policy_of_the_demo_is_read_as_it_stands() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/demo/40-policy.yaml");
        let written = policy(&std::fs::read_to_string(file).unwrap(), Some("shop")).unwrap();
        assert_eq!((written.policy.name.as_str(), written.policy.tests.len()), ("shop", 1));
        assert_eq!(written.spec.catalogs.len(), 2);
    }

    #[test]
    fn a_mistake_in_the_text_has_its_line_in_the_file_and_not_in_the_document() {
        let text = format!("# a comment\nkind: Secret\n---\n{HEAD}spec: {{ catalogs: [ }}\n");
        let error = policy(&text, None).unwrap_err();
        assert!(error.contains("line 7"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn a_field_that_the_kind_does_not_have_is_named_with_those_that_it_has() {
        let error = refused("spec: { catalogs: [{ name: a }], routes: [{ category: chat, requires: {} }] }");
        assert!(error.starts_with("spec.routes[0].requires: there is no such field; there are: "), "{error}");
        assert!(error.ends_with(", require"), "{error}");
    }

    #[test]
    fn a_value_that_the_schema_does_not_take_is_named_with_its_place() {
        let error = refused("spec: { catalogs: [{ name: a }], routes: [{ category: cooking }] }");
        assert!(error.starts_with("spec.routes[0].category: \"cooking\" is not one of"), "{error}");
        let error = refused("spec: { catalogs: [{ name: a }], budget: { perRequestUsd: much } }");
        assert!(error.starts_with("spec.budget.perRequestUsd: "), "{error}");
    }

    #[test]
    fn how_long_a_busy_model_is_waited_for_is_read_and_is_not_at_all_by_default() {
        let spec = "spec: { catalogs: [{ name: a }], routes: [{ category: chat, fallBack: { waitWhenBusy: 1500ms } }, { category: review }] }";
        let routes = policy(&format!("{HEAD}{spec}"), None).unwrap().policy.routes;
        let waits: Vec<u64> = routes.iter().map(|route| route.fall_back.wait_when_busy_ms).collect();
        assert_eq!(waits, [1500, 0]);
    }

    #[test]
    fn a_file_without_the_wanted_policy_says_what_it_holds() {
        assert_eq!(policy("kind: Secret\n", None).unwrap_err(), "it holds no RoutingPolicy of vox.dev");
        let two = format!("{HEAD}---\n{}", HEAD.replace("shop", "lab"));
        assert_eq!(
            policy(&two, None).unwrap_err(),
            "it holds several policies; name one with --policy: shop, lab"
        );
        assert_eq!(policy(&two, Some("x")).unwrap_err(), "it holds no policy x; it holds: shop, lab");
    }
}
