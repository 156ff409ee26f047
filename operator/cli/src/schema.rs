//! What the API server checks of an object without evaluating rules: its kind's schema.

use serde_json::Value;

/// So many mistakes are told at once.
const TOLD: usize = 5;

/// What the API server would refuse: values that the kind's schema does not take, and fields that it does not have.
pub(crate) fn mistakes(kind: &str, object: &Value) -> Result<Vec<String>, String> {
    let schema = schema(kind).ok_or_else(|| "failed to read the schema of the kind".to_owned())?;
    let validator = jsonschema::draft202012::new(&schema).map_err(|error| error.to_string())?;
    let mut told: Vec<String> = validator
        .iter_errors(object)
        .map(|error| format!("{}: {error}", place(&error.instance_path().to_string())))
        .collect();
    unknown(object, &schema, "", &mut told);
    let more = told.len().saturating_sub(TOLD);
    told.truncate(TOLD);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Ok(told)
}

fn schema(kind: &str) -> Option<Value> {
    let crds = vox_crds::generate::crds().ok()?;
    let kind = crds.into_iter().find(|crd| crd["spec"]["names"]["kind"] == kind)?;
    kind.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned()
}

/// `/spec/routes/0/category` as people write it.
fn place(pointer: &str) -> String {
    let mut place = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            place.push_str(&format!("[{part}]"));
        } else {
            place.push_str(if place.is_empty() { "" } else { "." });
            place.push_str(part);
        }
    }
    place
}

/// The API server drops these silently, or kubectl refuses them; a policy without what its author meant is neither.
fn unknown(value: &Value, schema: &Value, pointer: &str, told: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            // Metadata is the API server's own, and has no properties here.
            let Some(known) = schema["properties"].as_object() else { return };
            for (name, field) in fields {
                let pointer = format!("{pointer}/{name}");
                match known.get(name) {
                    Some(schema) => unknown(field, schema, &pointer, told),
                    // The derived schema leaves these to the API server.
                    None if matches!(pointer.as_str(), "/apiVersion" | "/kind" | "/metadata") => {}
                    None => {
                        let known = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                        told.push(format!("{}: there is no such field; there are: {known}", place(&pointer)));
                    }
                }
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                unknown(item, &schema["items"], &format!("{pointer}/{number}"), told);
            }
        }
        _ => {}
    }
}
