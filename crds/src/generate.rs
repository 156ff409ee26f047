//! Everything that is made from the kinds: CRD YAML for people and for the chart, and the reference pages.

use std::fmt::Write as _;
use std::path::PathBuf;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::{Map, Value, json};

use crate::conditions::vocabulary;
use crate::{ModelCatalogSource, RoutingPolicy};

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A schema is not JSON; a mistake in the kinds.
    #[error("failed to write a kind as JSON")]
    Json(#[from] serde_json::Error),
    /// JSON that cannot be written as YAML.
    #[error("failed to write a kind as YAML: {0}")]
    Yaml(String),
}

/// Paths below the repository's root, and what they shall hold.
///
/// # Errors
/// When a kind cannot be serialised.
pub fn files() -> Result<Vec<(PathBuf, String)>, Error> {
    let mut files = vec![("docs/reference/conditions.md".into(), conditions_page())];
    for crd in crds()? {
        let name =
            |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (plural, singular) = (name("/spec/names/plural"), name("/spec/names/singular"));
        let head = "# Made by `make generate` from crds/src; do not edit.\n";
        let mut kept = crd.clone();
        // `helm uninstall` must not delete every object of every namespace.
        kept["metadata"]["annotations"] = json!({ "helm.sh/resource-policy": "keep" });
        files.extend([
            (format!("crds/generated/{plural}.yaml").into(), format!("{head}{}", yaml(&crd)?)),
            (format!("charts/vox-crds/templates/{plural}.yaml").into(), format!("{head}{}", yaml(&kept)?)),
            (format!("docs/reference/kinds/{singular}.md").into(), kind_page(&crd)),
        ]);
    }
    Ok(files)
}

/// The CRDs as they are installed.
///
/// # Errors
/// When one cannot be serialised.
pub fn crds() -> Result<Vec<Value>, Error> {
    [ModelCatalogSource::crd(), RoutingPolicy::crd()].into_iter().map(crd).collect()
}

fn crd(kind: CustomResourceDefinition) -> Result<Value, Error> {
    let mut crd = serde_json::to_value(kind)?;
    without_null(&mut crd);
    if let Some(status) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status") {
        // A new object has not been observed yet, and says so; the derive has no attribute for this.
        status["default"] = json!({ "observedGeneration": -1 });
    }
    Ok(crd)
}

/// The derive lists null among the values of an optional enum, and the API server would offer it to users as "null".
fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(values) = object.get_mut("enum").and_then(Value::as_array_mut) {
                values.retain(|value| !value.is_null());
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

fn yaml(value: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|error| Error::Yaml(error.to_string()))
}

fn kind_page(crd: &Value) -> String {
    let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut page = format!(
        "# {}\n\n<!-- Made by `make generate` from crds/src; do not edit. -->\n\n{}\n\n\
         `{}/{}`, short name `{}`, category `vox`, {}.\n",
        text("/spec/names/kind"),
        schema["description"].as_str().unwrap_or_default(),
        text("/spec/group"),
        text("/spec/versions/0/name"),
        text("/spec/names/shortNames/0"),
        text("/spec/scope").to_lowercase(),
    );
    for part in ["spec", "status"] {
        let _ = write!(page, "\n## {part}\n\n| field | type | meaning |\n| --- | --- | --- |\n");
        rows(&mut page, part, &schema["properties"][part]);
    }
    page.push_str("\n## Rules\n\nThe API server refuses an object that breaks one of these.\n\n");
    rules(&mut page, schema);
    page
}

/// One row a field, parents before children; `[]` stands for each of a list, `{}` for each of a map.
fn rows(page: &mut String, path: &str, schema: &Value) {
    let empty = Map::new();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().unwrap_or(&empty) {
        let path = format!("{path}.{name}");
        let must = if required.contains(&name.as_str()) { ", required" } else { "" };
        let meaning =
            field["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(page, "| `{path}` | {}{must} | {meaning} |", type_of(field));
        // Conditions are Kubernetes' own type; its fields are documented there.
        if name != "conditions" {
            rows(page, &path, field);
            rows(page, &format!("{path}[]"), &field["items"]);
            rows(page, &format!("{path}{{}}"), &field["additionalProperties"]);
        }
    }
}

fn type_of(field: &Value) -> String {
    let values: Vec<&str> =
        field["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !values.is_empty() {
        return format!("one of `{}`", values.join("`, `"));
    }
    match field["type"].as_str().unwrap_or("any") {
        "array" => format!("list of {}", type_of(&field["items"])),
        "string" if field["format"] == "date-time" => "time".to_owned(),
        "string" if field["pattern"] == crate::duration::PATTERN => "duration".to_owned(),
        other => other.to_owned(),
    }
}

fn rules(page: &mut String, schema: &Value) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let _ = writeln!(page, "- {}", rule["message"].as_str().unwrap_or_default());
    }
    for field in schema["properties"].as_object().into_iter().flat_map(Map::values) {
        rules(page, field);
        rules(page, &field["items"]);
    }
}

fn conditions_page() -> String {
    let mut page = String::from(
        "# Conditions, events and their reasons\n\n<!-- Made by `make generate` from crds/src/conditions.rs; do not edit. -->\n\n\
         Of a source `Ready` and `Fresh` are always present, `Reconciling`, `Stalled` and `PricesOutdated` only while True; of a policy `Accepted`, \
         `ResolvedRefs`, `Programmed` and `EvidenceSufficient` are always present, `Quarantined` and `ModelsLeaving` only while True. A reason means the same in a condition, in an event and in a metric's label.\n\n| reason | meaning |\n| --- | --- |\n",
    );
    for (reason, meaning) in vocabulary() {
        let _ = writeln!(page, "| [`{reason}`](../errors/{reason}.md) | {meaning} |");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(value: &Value, visit: &mut impl FnMut(&Map<String, Value>)) {
        if let Some(object) = value.as_object() {
            visit(object);
            object.values().for_each(|child| walk(child, visit));
        }
        value.as_array().into_iter().flatten().for_each(|child| walk(child, visit));
    }

    #[test]
    fn the_committed_files_are_what_the_kinds_say() {
        for (path, text) in files().unwrap() {
            let file = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(&path);
            assert_eq!(
                std::fs::read_to_string(file).unwrap_or_default(),
                text,
                "{}: run `make generate`",
                path.display()
            );
        }
    }

    #[test]
    fn the_schema_is_structural_and_types_every_list() {
        let crds = Value::Array(crds().unwrap());
        walk(&crds, &mut |object| {
            assert!(!object.contains_key("$ref"));
            assert!(
                !(object.contains_key("properties") && object.contains_key("additionalProperties")),
                "{object:?}"
            );
            if object.get("type") == Some(&json!("array")) {
                assert!(object.contains_key("x-kubernetes-list-type"), "a list without a type: {object:?}");
            }
            if let Some(format) = object.get("format").and_then(Value::as_str) {
                assert!(["date-time", "int64"].contains(&format), "{format}");
            }
        });
    }

    #[test]
    fn every_spec_field_says_what_it_is() {
        for crd in crds().unwrap() {
            walk(
                &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"],
                &mut |object| {
                    for (name, field) in
                        object.get("properties").and_then(Value::as_object).into_iter().flatten()
                    {
                        assert!(field["description"].is_string(), "{name} has no description");
                    }
                },
            );
        }
    }
}
