//! Every recorded answer of a provider in `VOX_RECORDED_DIR` through every parser: taken or refused with a reason.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

use std::path::{Path, PathBuf};

use vox_catalog::listing::{BodyError, Listing};
use vox_catalog::sources::{ollama, openai_compatible, openrouter};
use vox_contracts::ProviderType;

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "json" || ending == "txt") {
            found.push(path);
        }
    }
}

fn verdict(result: &Result<Listing, BodyError>) -> String {
    match result {
        Ok(listing) => format!("{} models, {} refused", listing.entries.len(), listing.refusals.total()),
        Err(error) => format!("{}: {}", error.class, error.what),
    }
}

/// How many models a recorded list must give at least, and through which parser; `None` where nothing is promised.
fn promised(name: &str) -> Option<(&'static str, usize)> {
    let list = !name.contains("/calls/") && !name.contains("http401");
    let folder = name.split('/').next().unwrap_or_default();
    match folder {
        "openrouter" if name.contains("/models-2") || name.contains("/roo-models-") => {
            Some(("openrouter", 200))
        }
        "ollama" if name.contains("api-tags") => Some(("ollama", 1)),
        "openai" | "mistral" if list => Some(("compatible", 20)),
        "deepseek" | "xai" | "gpustack" | "ollama" | "anthropic" | "azure" if list => Some(("compatible", 1)),
        _ => None,
    }
}

#[test]
fn every_recorded_answer_is_taken_or_refused_with_a_reason() {
    let Ok(dir) = std::env::var("VOX_RECORDED_DIR") else {
        println!("skipped: VOX_RECORDED_DIR is not set");
        return;
    };
    let dir = PathBuf::from(dir);
    let mut found = Vec::new();
    files(&dir, &mut found);
    found.sort();
    assert!(!found.is_empty(), "{} holds no recorded answer", dir.display());
    for path in found {
        let name = path.strip_prefix(&dir).unwrap().to_string_lossy().into_owned();
        let body = std::fs::read(&path).unwrap();
        let custom = ProviderType::Custom("recorded.acme.test".to_owned());
        let results = [
            (
                "openrouter",
                openrouter::parse_models(&body, &ProviderType::OpenRouter).map(|page| page.listing),
            ),
            ("ollama", ollama::parse_tags(&body, &ProviderType::Ollama)),
            ("compatible", openai_compatible::parse(&body, &custom)),
        ];
        let endpoints = openrouter::parse_endpoints(&body);
        let shown: Vec<String> =
            results.iter().map(|(parser, result)| format!("{parser}: {}", verdict(result))).collect();
        println!("{name} | {}", shown.join(" | "));
        if let Some((parser, least)) = promised(&name) {
            let (_, result) = results.iter().find(|(of, _)| *of == parser).unwrap();
            let listing = result.as_ref().unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert!(listing.entries.len() >= least, "{name}: {}", verdict(result));
            assert_eq!(listing.refusals.named(), [], "{name}");
        }
        if name.contains("http401") || name.contains("/calls/") {
            assert!(results.iter().all(|(_, result)| result.as_ref().is_ok_and(|l| l.entries.is_empty()) || result.is_err()), "{name}");
        }
        if name.contains("roo-endpoints") {
            assert_eq!(endpoints.unwrap().unwrap().endpoints, Some(2), "{name}");
        }
    }
}
