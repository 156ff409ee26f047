//! Which ids are one model. Ids as providers write them stand in the tables of the folder beside this file.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use vox_contracts::entry::{LocalWeights, bootstrap};
use vox_contracts::identity::{MAX_IDENTITY_BYTES, family, of_entry, of_id, release};
use vox_contracts::{ModelCatalogEntry, ProviderType};

fn identity(id: &str) -> Option<String> {
    of_id(id, None, None)
}

fn same() -> Vec<(String, Vec<String>)> {
    serde_json::from_str(include_str!("identity/same.json")).unwrap()
}

fn different() -> Vec<Vec<String>> {
    serde_json::from_str(include_str!("identity/different.json")).unwrap()
}

#[test]
fn ids_of_one_model_have_one_identity() {
    let mut wrong = Vec::new();
    for (expected, ids) in same() {
        for id in ids {
            let is = identity(&id);
            if is.as_deref() != Some(expected.as_str()) {
                wrong.push(format!("{id}: {is:?}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn ids_of_two_models_never_have_one_identity() {
    let mut wrong = Vec::new();
    for group in different() {
        let mut by_identity: BTreeMap<Option<String>, Vec<&String>> = BTreeMap::new();
        for id in &group {
            by_identity.entry(identity(id)).or_default().push(id);
        }
        for (is, ids) in by_identity {
            if is.is_some() && ids.len() > 1 {
                wrong.push(format!("{ids:?} are all {is:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_id_that_tells_no_model_has_no_identity() {
    let ids: Vec<String> = serde_json::from_str(include_str!("identity/none.json")).unwrap();
    for id in ids {
        assert_eq!(identity(&id), None, "{id:?}");
    }
    assert_eq!(identity(&"a".repeat(1_000)), None);
    assert_eq!(identity(&"a".repeat(MAX_IDENTITY_BYTES + 1)), None);
}

#[test]
fn a_size_that_the_server_tells_is_added_where_the_name_has_none() {
    let sized: Vec<[String; 3]> = serde_json::from_str(include_str!("identity/sized.json")).unwrap();
    for [id, parameters, expected] in sized {
        assert_eq!(of_id(&id, None, Some(&parameters)), Some(expected), "{id} of {parameters:?}");
    }
}

#[test]
fn only_a_server_of_ones_own_tells_the_size_of_what_it_runs() {
    let entry = |provider| ModelCatalogEntry {
        local: Some(LocalWeights { parameters: Some("684.5B".to_owned()), ..LocalWeights::default() }),
        ..ModelCatalogEntry::bare("deepseek-ai/DeepSeek-R9".to_owned(), provider)
    };
    assert_eq!(of_entry(&entry(ProviderType::HuggingFace)).as_deref(), Some("deepseek/deepseek-r9"));
    assert_eq!(of_entry(&entry(ProviderType::Ollama)).as_deref(), Some("deepseek/deepseek-r9-684b"));
}

#[test]
fn an_adapter_is_its_own_whatever_it_is_called() {
    let entry = ModelCatalogEntry {
        parent: Some("some-base".to_owned()),
        ..ModelCatalogEntry::bare("Llama-3.3-70B-Instruct".to_owned(), ProviderType::Vllm)
    };
    let identity = of_entry(&entry).unwrap();
    assert_eq!(identity, "own/llama-3.3-70b-instruct");
    assert_eq!(family(&identity), None);
}

#[test]
fn the_bootstrap_catalog_holds_the_identities_that_follow() {
    let catalog = bootstrap().unwrap();
    for entry in &catalog.entries {
        assert_eq!(of_entry(entry), entry.identity, "{}", entry.model_id);
        assert!(entry.identity.is_some());
    }
}

#[test]
fn a_family_stands_before_the_name() {
    assert_eq!(family("meta/llama-3.3-70b"), Some("meta"));
    assert_eq!(family("some-name"), None);
}

#[test]
fn of_two_releases_of_one_line_the_newer_is_greater() {
    let pairs: Vec<[String; 2]> = serde_json::from_str(include_str!("identity/newer.json")).unwrap();
    for [newer, older] in pairs {
        let ((line, new), (other, old)) = (release(&newer), release(&older));
        assert_eq!(line, other, "{newer} {older}");
        assert!(new > old, "{newer} {older}: {new:?} {old:?}");
    }
    assert_ne!(release("maker/line-3.1-70b").0, release("maker/line-3.1-8b").0);
    assert_ne!(release("maker/line-4o").0, release("maker/line-4").0);
}

/// What names are made of, so that rules meet each other.
fn names() -> impl Strategy<Value = String> {
    let words = vec![
        "llama",
        "3",
        "3.3",
        "70b",
        "instruct",
        "it",
        "chat",
        "-",
        "-",
        "-",
        ":",
        "/",
        ".",
        "_",
        "@",
        "us.",
        "eu.",
        "meta",
        "meta.",
        "meta-",
        "anthropic.",
        "claude",
        "sonnet",
        "20250929",
        "2024-08-06",
        "v1",
        ":0",
        "q4_K_M",
        "fp8",
        "gguf",
        "latest",
        "free",
        "cloud",
        "qwen",
        "Qwen2.5",
        "7B",
        "gemma",
        "openrouter",
        "auto",
        "own",
        "mens",
        "lora",
        "ft:",
        "zhipu",
        "hf",
        "turbo",
        "maas",
        "gpt-35-",
        "p",
        "1",
        "12",
        "~",
        " ",
        "deepseek",
        "r1",
    ];
    prop::collection::vec(prop::sample::select(words), 0..14).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_identity_is_its_own_identity(id in prop_oneof![names(), "\\PC{0,40}", "[a-z0-9:./_@-]{0,60}"]) {
        if let Some(once) = identity(&id) {
            prop_assert_eq!(identity(&once), Some(once.clone()), "{}", id);
            prop_assert!(once.len() <= MAX_IDENTITY_BYTES);
        }
    }

    #[test]
    fn case_does_not_matter(id in names()) {
        let (lower, upper) = (identity(&id.to_lowercase()), identity(&id.to_uppercase()));
        prop_assert_eq!(lower, upper);
    }

    #[test]
    fn no_text_breaks_it(id in any::<String>(), maker in any::<Option<String>>(), size in any::<Option<String>>()) {
        let is = of_id(&id, maker.as_deref(), size.as_deref());
        if let Some(is) = is {
            let _ = (release(&is), family(&is));
        }
    }
}

#[test]
fn the_longest_id_takes_no_time() {
    let started = std::time::Instant::now();
    for word in ["a1", "1-1", "-fp8", "abc1abc", "1p1-", ":free", "us.", "a/"] {
        let _ = identity(&word.repeat(512 / word.len()));
    }
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
