//! The variables by which clients find the sidecar. What the user set stays. Pure.

use serde_json::{Value, json};

/// Stands where a client wants a key and the sidecar has the real one. No key, and known as none.
pub(crate) const PLACEHOLDER: &str = "held-by-vox";

/// One dialect: where its clients look for the address, the address, and where they look for a key.
const DIALECTS: [(&str, &str, &str); 2] = [
    ("OPENAI_BASE_URL", "http://127.0.0.1:8811/v1", "OPENAI_API_KEY"),
    ("ANTHROPIC_BASE_URL", "http://127.0.0.1:8811", "ANTHROPIC_API_KEY"),
];

/// Sets what is not set. Clients refuse to start without a key, so there is one that is none; where the user kept another
/// address, the key is the user's affair too.
pub(crate) fn set(container: &mut Value, warnings: &mut Vec<String>) {
    let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(container) = container.as_object_mut() else { return };
    let env = container.entry("env").or_insert_with(|| json!([]));
    if env.is_null() {
        *env = json!([]);
    }
    let Some(env) = env.as_array_mut() else { return };
    for (variable, address, key) in DIALECTS {
        match find(env, variable) {
            Some(found) if found.get("value").and_then(Value::as_str) == Some(address) => {}
            Some(_) => {
                warnings.push(format!(
                    "vox: container {name} keeps its own {variable}; what it calls there does not pass through the sidecar"
                ));
                continue;
            }
            None => env.push(json!({ "name": variable, "value": address })),
        }
        match find(env, key) {
            Some(found) if found.get("value").and_then(Value::as_str) == Some(PLACEHOLDER) => {}
            Some(_) => warnings.push(format!(
                "vox: container {name} keeps its own {key}; the sidecar does not need it and does not pass it on"
            )),
            None => env.push(json!({ "name": key, "value": PLACEHOLDER })),
        }
    }
}

fn find<'a>(env: &'a [Value], variable: &str) -> Option<&'a Value> {
    env.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(variable))
}
