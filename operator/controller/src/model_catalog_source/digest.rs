//! Which fetches are the same: a digest over all that shapes a catalog. Pure.

use vox_contracts::discovery::FetchTarget;
use vox_crds::model_catalog_source::{ModelCatalogSourceSpec, RunsVolume};

/// All that shapes the catalog: not its bounds, which only decide whether there is one. The credential counts by its
/// reference: another key may see other models, its value is nobody's business here. So do the authorities, so that a source
/// that was refused is fetched again at once when they change.
pub(super) fn plan_digest(
    target: &FetchTarget,
    spec: &ModelCatalogSourceSpec,
    volume: Option<&RunsVolume>,
) -> String {
    let FetchTarget {
        catalog,
        provider,
        endpoint,
        list_base,
        include_endpoints,
        hub,
        volume: _,
        ca_bundle: _,
        filter,
        timeout_ms: _,
        max_body_bytes: _,
        max_models: _,
    } = target;
    let mut shape = serde_json::json!({
        "catalog": catalog,
        "provider": provider,
        "endpoint": endpoint,
        "include_endpoints": include_endpoints,
        "filter": filter,
        "credential": spec.credentials_ref.as_ref().map(|reference| [&reference.name, &reference.key]),
    });
    // Absent where a source has no such thing, so that the plans of other sources stay what they were.
    if let Some(base) = list_base {
        shape["list_base"] = serde_json::json!(base);
    }
    if let Some(hub) = hub {
        shape["hub"] = serde_json::json!(hub);
    }
    if let Some(bundle) = &spec.ca_bundle_ref {
        shape["ca_bundle"] = serde_json::json!(bundle);
    }
    if let Some(volume) = volume {
        shape["volume"] = serde_json::json!(volume);
    }
    crate::names::sha256(shape.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use vox_crds::ModelCatalogSource;

    use crate::model_catalog_source::validate::validate;

    fn source(spec: serde_json::Value) -> ModelCatalogSource {
        ModelCatalogSource::new("s", serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn the_plan_changes_with_what_is_fetched_and_not_with_when() {
        let digest = |spec: serde_json::Value| validate(&source(spec)).unwrap().plan_digest;
        let plain = digest(serde_json::json!({ "provider": { "openRouter": {} } }));
        let other_time =
            digest(serde_json::json!({ "provider": { "openRouter": {} }, "schedule": "0 4 * * *" }));
        let filtered = digest(
            serde_json::json!({ "provider": { "openRouter": {} }, "filter": { "include": ["acme/*"] } }),
        );
        assert_eq!(plain, other_time);
        assert_ne!(plain, filtered);
    }

    #[test]
    fn other_authorities_are_another_plan() {
        let digest = |spec: serde_json::Value| validate(&source(spec)).unwrap().plan_digest;
        let plain = serde_json::json!({ "provider": { "openRouter": {} } });
        let mut trusting = plain.clone();
        trusting["caBundleRef"] = serde_json::json!({ "name": "authorities" });
        assert_ne!(digest(plain), digest(trusting));
    }
}
