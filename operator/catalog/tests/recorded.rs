//! Every recorded answer of a provider in `VOX_RECORDED_DIR` through its own parser: taken, or refused with a reason that
//! names source, field and value. Prints the table.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vox_catalog::listing::{BodyError, Listing};
use vox_catalog::sources::openrouter::endpoints;
use vox_catalog::sources::{anthropic, google, ollama, openai_compatible, openrouter};
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

/// Reads an answer as the source of its folder would.
fn read(name: &str, body: &[u8]) -> Result<Listing, BodyError> {
    let folder = name.split('/').next().unwrap_or_default();
    let custom = || ProviderType::Custom("recorded.acme.test".to_owned());
    match folder {
        "openrouter" => openrouter::parse_models(body, &ProviderType::OpenRouter).map(|page| page.value),
        "anthropic" => anthropic::parse(body, &ProviderType::Anthropic).map(|page| page.value),
        "gemini" => google::parse(body, &ProviderType::Google).map(|page| page.value),
        "ollama" if name.contains("api-tags") => ollama::parse_tags(body, &ProviderType::Ollama),
        "azure" => openai_compatible::parse(body, &ProviderType::AzureOpenAi),
        "bedrock" | "bedrock-mantle" => openai_compatible::parse(body, &ProviderType::Bedrock),
        other => openai_compatible::parse(body, &other.parse().unwrap_or_else(|_| custom())),
    }
}

/// How many models an answer must give at least; none where it is no list of a kind that is read.
fn promised(name: &str) -> Option<usize> {
    let is_list =
        !["/calls/", "http401", "roo-endpoints", "headers.json"].iter().any(|part| name.contains(part));
    let folder = name.split('/').next().unwrap_or_default();
    match folder {
        _ if !is_list => None,
        "openrouter" => Some(100),
        "openai" | "mistral" | "gemini" | "azure" => Some(20),
        "anthropic" | "cohere" => Some(5),
        "ollama" | "xai" | "deepseek" | "gpustack" | "parsera" => Some(1),
        // Vertex and Bedrock have lists of their own, which no source reads.
        _ => None,
    }
}

fn line(name: &str, result: &Result<Listing, BodyError>) -> String {
    match result {
        Ok(listing) => {
            let reasons: Vec<String> = listing
                .refusals
                .named()
                .iter()
                .map(|refusal| format!("{}: {}", refusal.row, refusal.reason))
                .collect();
            format!(
                "| {name} | {} | {} | {} |",
                listing.entries.len(),
                listing.refusals.total(),
                reasons.join("; ")
            )
        }
        Err(error) => format!("| {name} | – | all | {}: {} |", error.class, error.what),
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
    println!("| answer | models | refused | reasons |\n| --- | ---: | ---: | --- |");
    let mut totals: BTreeMap<String, (usize, u32)> = BTreeMap::new();
    for path in found {
        let name = path.strip_prefix(&dir).unwrap().to_string_lossy().into_owned();
        let body = std::fs::read(&path).unwrap();
        if name.contains("roo-endpoints") {
            let availability = endpoints::parse_endpoints(&body).unwrap();
            println!("| {name} | 1, with {} endpoints | 0 | |", availability.served_by.len());
            assert_eq!(availability.served_by.len(), 2, "{name}");
            continue;
        }
        let result = read(&name, &body);
        println!("{}", line(&name, &result));
        match promised(&name) {
            Some(least) => {
                let listing = result.as_ref().unwrap_or_else(|error| panic!("{name}: {error:?}"));
                assert!(listing.entries.len() >= least, "{}", line(&name, &result));
                assert!(listing.refusals.named().iter().all(|refusal| !refusal.reason.is_empty()), "{name}");
                let total = totals.entry(name.split('/').next().unwrap_or_default().to_owned()).or_default();
                total.0 += listing.entries.len();
                total.1 += listing.refusals.total();
            }
            None => {
                let taken = result.is_ok_and(|listing| !listing.entries.is_empty());
                assert!(!taken, "{name} is no list of models");
            }
        }
    }
    for (source, (models, refused)) in &totals {
        println!("{source}: {models} models, {refused} rows refused");
    }
    assert!(totals.values().all(|(_, refused)| *refused == 0), "{totals:?}");
}
