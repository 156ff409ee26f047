//! Answers of every family, changed at random, are read or refused: no panic, no endless time, no endless memory.
//!
//! The seeds are the lists of the stand-in. Without FUZZ_SECONDS each family is tried for a moment; `make fuzz` takes longer.
//! A failure leaves the answer in a file and says which; FUZZ_SEED repeats a run.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not in `#[test]` functions.

#[path = "fuzz/mutate.rs"]
mod mutate;

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use mutate::{Mutator, seed};
use vox_catalog::listing::Listing;
use vox_catalog::sources::openrouter::endpoints;
use vox_catalog::sources::{
    anthropic, google, huggingface, llama_cpp, mens, ollama, openai_compatible, openrouter,
};
use vox_contracts::{ModelCatalogEntry, ProviderType};
use vox_wire::{Running, client};

/// One answer may take so long, in a build without optimisation on a machine with other work.
const LONGEST: Duration = Duration::from_secs(5);
/// The process may become so large, in KiB: answers here have a quarter of a MiB at most.
const MOST_KIB: u64 = 512 << 10;

/// How long each family is tried.
fn time() -> Duration {
    let given = std::env::var("FUZZ_SECONDS").ok();
    let seconds =
        given.map(|text| text.parse().unwrap_or_else(|_| panic!("FUZZ_SECONDS is a number, not {text}")));
    seconds.map_or(Duration::from_millis(300), Duration::from_secs_f64)
}

/// Reads changed answers until the time is over.
fn fuzz(family: &str, seeds: Vec<Vec<u8>>, read: fn(&[u8])) {
    assert!(seeds.iter().all(|seed| !seed.is_empty()), "{family}: a seed is empty");
    let number = seed();
    let mut mutator = Mutator::new(number, seeds);
    let (begun, time) = (Instant::now(), time());
    let (mut answers, mut longest) = (0_u64, Duration::ZERO);
    while begun.elapsed() < time {
        let answer = mutator.next();
        let start = Instant::now();
        let panicked = catch_unwind(|| read(&answer)).is_err();
        let took = start.elapsed();
        if panicked || took > LONGEST {
            let path = std::env::temp_dir().join(format!("vox-fuzz-{family}-{number}"));
            std::fs::write(&path, &answer).unwrap();
            let what = if panicked { "panicked" } else { "took too long" };
            panic!("{family}: reading {} {what}, after {took:?}; FUZZ_SEED={number}", path.display());
        }
        (answers, longest) = (answers + 1, longest.max(took));
    }
    let peak = peak_kib();
    println!(
        "{family}: {answers} answers, the longest in {longest:?}, the process at most {peak} KiB; FUZZ_SEED={number}"
    );
    assert!(peak < MOST_KIB, "{family}: the process grew to {peak} KiB");
}

/// The most memory that this process ever had; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Answers of the stand-in.
fn answers(paths: &[&str]) -> Vec<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Running::start().await.unwrap();
        let mut answers = Vec::new();
        for path in paths {
            let answer = client::send(&server.address.to_string(), "GET", path, None).await;
            answers.push(answer.unwrap_or_else(|error| panic!("{path}: {error:#}")).into_bytes());
        }
        answers
    })
}

/// What is kept of an answer can be sent to the operator, and is read back as it was.
fn keeps(listing: Result<Listing, impl Sized>) {
    let Ok(listing) = listing else { return };
    assert!(listing.refusals.named().len() <= 20);
    listing.entries.iter().for_each(survives);
}

fn survives(entry: &ModelCatalogEntry) {
    assert!(!entry.model_id.is_empty());
    let json = serde_json::to_string(entry).unwrap();
    assert_eq!(serde_json::from_str::<ModelCatalogEntry>(&json).unwrap(), *entry);
}

#[test]
fn openrouter_lists() {
    let seeds = answers(&["/openrouter/api/v1/models", "/openrouter/api/v1/endpoints/zdr"]);
    fuzz("openrouter", seeds, |answer| {
        keeps(openrouter::parse_models(answer, &ProviderType::OpenRouter).map(|page| page.value));
        let _ = endpoints::parse_endpoints(answer);
        let _ = endpoints::parse_zero_retention(answer);
    });
}

#[test]
fn anthropic_lists() {
    fuzz("anthropic", answers(&["/anthropic/v1/models"]), |answer| {
        keeps(anthropic::parse(answer, &ProviderType::Anthropic).map(|page| page.value));
    });
}

#[test]
fn google_lists() {
    fuzz("google", answers(&["/google/v1beta/models"]), |answer| {
        keeps(google::parse(answer, &ProviderType::Google).map(|page| page.value));
    });
}

#[test]
fn ollama_lists() {
    let show = br#"{"model_info":{"general.architecture":"a","a.context_length":32768},"parameters":"num_ctx 8192"}"#;
    let mut seeds = answers(&["/ollama/api/tags"]);
    seeds.push(show.to_vec());
    fuzz("ollama", seeds, |answer| {
        keeps(ollama::parse_tags(answer, &ProviderType::Ollama));
        let _ = ollama::parse_show(answer);
    });
}

#[test]
fn huggingface_lists() {
    fuzz("huggingface", answers(&["/huggingface/api/models", "/huggingface/v1/models"]), |answer| {
        let _ = huggingface::parse_page(answer);
        keeps(openai_compatible::parse(answer, &ProviderType::HuggingFace));
    });
}

#[test]
fn llama_cpp_and_lm_studio_lists() {
    let paths =
        ["/llama-cpp/v1/models", "/llama-cpp/props", "/lm-studio/api/v1/models", "/lm-studio/v1/models"];
    fuzz("local", answers(&paths), |answer| {
        let _ = llama_cpp::parse_props(answer);
        keeps(openai_compatible::parse(answer, &ProviderType::LlamaCpp));
        keeps(openai_compatible::parse(answer, &ProviderType::LmStudio));
    });
}

#[test]
fn openai_compatible_lists() {
    let paths = [
        "/openai/v1/models",
        "/groq/openai/v1/models",
        "/mistral/v1/models",
        "/vllm/v1/models",
        "/cerebras/v1/models",
        "/sambanova/v1/models",
        "/together/v1/models",
        "/xai/v1/language-models",
        "/cohere/v1/models",
    ];
    fuzz("openai-compatible", answers(&paths), |answer| {
        for provider in [
            ProviderType::Custom("models.acme.test".to_owned()),
            ProviderType::XAi,
            ProviderType::Mistral,
            ProviderType::Cohere,
            ProviderType::Vllm,
            ProviderType::Together,
        ] {
            keeps(openai_compatible::parse(answer, &provider));
        }
    });
}

#[test]
fn mens_manifests() {
    let example = include_bytes!("../../../contracts/orchestration/training-manifest.example.v1.json");
    fuzz("mens", vec![example.to_vec()], |answer| {
        if let Ok(Some(entry)) = mens::parse(answer, "run-1", &ProviderType::Mens) {
            survives(&entry);
        }
    });
}
