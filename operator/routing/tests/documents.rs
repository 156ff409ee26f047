//! What a snapshot is as a document: shared, checked, and refused when it is not of this form.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use serde_json::Value;
use support::{model, snapshot};
use vox_contracts::ModelTier;
use vox_routing::snapshot::SCHEMA_VERSION;
use vox_routing::{Deployment, Policy, PolicySnapshot, Snapshot, SnapshotError};

fn models(count: usize) -> Vec<Deployment> {
    (0..count).map(|n| model(&format!("acme/m{n:03}"), ModelTier::Standard, Some(("1", "2")))).collect()
}

fn policy(name: &str, models: Vec<Deployment>) -> PolicySnapshot {
    snapshot(Policy { name: name.to_owned(), ..Policy::default() }, models)
}

fn sealed(policies: Vec<PolicySnapshot>) -> Snapshot {
    Snapshot::seal("shop".to_owned(), 7, policies).unwrap()
}

fn changed(document: &[u8], change: impl Fn(&mut Value)) -> Result<Snapshot, SnapshotError> {
    let mut value: Value = serde_json::from_slice(document).unwrap();
    change(&mut value);
    Snapshot::read(&serde_json::to_vec(&value).unwrap())
}

#[test]
fn policies_over_the_same_catalogs_share_their_models() {
    let length = |policies: usize| {
        let policies = (0..policies).map(|n| policy(&format!("p{n:02}"), models(312))).collect();
        sealed(policies).write().unwrap().len()
    };
    assert!(length(20) < length(1) * 3 / 2, "{} {}", length(20), length(1));
}

#[test]
fn a_model_that_one_policy_overrides_is_its_own_there() {
    let mut others = models(3);
    others[1].entry.tier = ModelTier::Premium;
    let whole = sealed(vec![policy("a", models(3)), policy("b", others)]);
    let document: Value = serde_json::from_slice(&whole.write().unwrap()).unwrap();
    assert_eq!(document["deployments"].as_array().unwrap().len(), 4);
    assert_eq!(Snapshot::read(&whole.write().unwrap()).unwrap(), whole);
}

#[test]
fn a_document_of_the_former_form_is_refused_as_such() {
    let document = sealed(vec![policy("a", models(2))]).write().unwrap();
    let former = changed(&document, |value| value["schemaVersion"] = (SCHEMA_VERSION - 1).into());
    assert!(matches!(former, Err(SnapshotError::Form { found }) if found == SCHEMA_VERSION - 1));
}

#[test]
fn a_change_of_any_part_is_seen() {
    let document = sealed(vec![policy("a", models(2))]).write().unwrap();
    let changes: [fn(&mut Value); 5] = [
        |value| value["version"] = 8.into(),
        |value| value["seal"] = "".into(),
        |value| value["namespace"] = "office".into(),
        |value| value["deployments"][0]["entry"]["tier"] = "economy".into(),
        |value| value["policies"][0]["deployments"] = serde_json::json!([1, 0]),
    ];
    for change in changes {
        assert!(matches!(changed(&document, change), Err(SnapshotError::Digest)));
    }
}

proptest! {
    #[test]
    fn whatever_policies_share_is_read_as_it_was_written(
        policies in prop::collection::vec(prop::collection::btree_map(0_usize..6, 0_usize..3, 0..6), 0..5)
    ) {
        let tiers = [ModelTier::Economy, ModelTier::Standard, ModelTier::Premium];
        let one = |(n, of): (usize, &std::collections::BTreeMap<usize, usize>)| {
            let models = of.iter().map(|(id, tier)| model(&format!("acme/m{id}"), tiers[*tier], None));
            policy(&format!("p{n}"), models.collect())
        };
        let whole = sealed(policies.iter().enumerate().map(one).collect());
        prop_assert_eq!(Snapshot::read(&whole.write().unwrap()).unwrap(), whole);
    }

    #[test]
    fn a_damaged_document_is_an_error_and_no_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let whole = sealed(vec![policy("a", models(2))]);
        let mut document = whole.write().unwrap();
        let at = at.index(document.len());
        document[at] = byte;
        if let Ok(read) = Snapshot::read(&document) {
            prop_assert_eq!(read, whole);
        }
    }
}
