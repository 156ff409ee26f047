use super::*;
use crate::commands::policy::judge;

const SHOP: &str = include_str!("../../litellm/tests/shop.yaml");

fn imported() -> Imported {
    let target = Target {
        policy: "litellm".to_owned(),
        secret: "litellm-keys".to_owned(),
        namespace: Some("shop".to_owned()),
    };
    litellm::import(SHOP, &target).unwrap()
}

#[test]
fn the_report_says_line_by_line_what_is_otherwise() {
    insta::assert_snapshot!(report(&imported(), Some("shop")));
}

#[test]
fn what_is_written_is_read_back_as_what_was_made() {
    let imported = imported();
    check(&imported).unwrap();
    let text = policies(&imported).unwrap();
    let read: Vec<RoutingPolicy> = serde_saphyr::from_multiple(&text).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&imported.policies).unwrap());
    let mut read: Vec<ModelCatalogSource> =
        serde_saphyr::from_multiple(&sources(&imported).unwrap()).unwrap();
    // The kind's default, which is not written.
    read.iter_mut().for_each(|source| source.spec.time_zone = None);
    assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&imported.sources).unwrap());
}

/// With the code of `vox policy test`, over the compiled-in catalog.
#[test]
fn a_policy_with_fall_backs_puts_the_models_of_its_name_first() {
    let imported = imported();
    let text = policies(&imported).unwrap();
    let chat = |policy: &str| {
        let picks = judge(&text, policy).unwrap();
        picks.into_iter().find(|serves| serves.category == vox_contracts::TaskCategory::Chat).unwrap()
    };
    let model = |policy: &str, place: usize| {
        let policy =
            imported.policies.iter().find(|one| one.metadata.name.as_deref() == Some(policy)).unwrap();
        Some(policy.spec.allow.as_ref().unwrap().models[place].clone())
    };
    let smart = chat("litellm-smart");
    assert_eq!(smart.pick, model("litellm-smart", 0));
    assert!([model("litellm-smart", 1), model("litellm-smart", 2)].contains(&smart.runner_up));
    let fast = chat("litellm-fast");
    assert_eq!((fast.pick, fast.runner_up), (model("litellm-fast", 0), model("litellm-fast", 1)));
}

#[test]
fn files_are_written_once_and_never_over_others() {
    let folder = std::env::temp_dir().join(format!("vox-import-{}", std::process::id()));
    let imported = imported();
    write(&folder, &imported, "report").unwrap();
    let again = write(&folder, &imported, "report").unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(again.contains("sources.yaml") && again.contains("--output-dir"), "{again}");
}

#[test]
fn a_file_of_fifty_megabytes_is_not_read_to_its_end() {
    let path = std::env::temp_dir().join(format!("vox-import-large-{}", std::process::id()));
    std::fs::File::create(&path).unwrap().set_len(50 << 20).unwrap();
    let error = input::file_up_to(&path, litellm::LONGEST).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(error.contains("larger than 4 MiB"), "{error}");
}

#[test]
fn a_namespace_is_one_that_kubernetes_takes() {
    assert!(is_namespace("shop-2"));
    for wrong in ["", "Bad NS", "a.b", "-a", "a-", &"x".repeat(64)] {
        assert!(!is_namespace(wrong), "{wrong}");
    }
}
