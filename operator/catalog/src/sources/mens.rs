//! MENS: checkpoints of one's own training runs, by the manifest in each run's folder of a mounted volume. Asks nobody:
//! the server that serves them is the source's endpoint.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use async_trait::async_trait;
use vox_contracts::discovery::{FailureClass, FetchFailure, FetchTarget, RowRefusal};
use vox_contracts::entry::{LocalWeights, Training};
use vox_contracts::training::{MANIFEST, RUNS, RunStatus, TrainingManifest};
use vox_contracts::{ModelCatalogEntry, ProviderType};

use super::ollama::free;
use crate::http::Http;
use crate::listing::{BodyError, Listing, Refusals, read_body};
use crate::object::Object;
use crate::read::{blank, check_id, date_or_time, display_name, fact, tokens};
use crate::registry::{Answer, ModelCatalog};
use crate::text::{MAX_QUOTED, clip};

/// How many runs are read; a volume with more is not one of training runs.
const MAX_RUNS: usize = 20_000;
/// How many metrics of a run are kept.
const MAX_METRICS: usize = 64;

/// The source.
#[derive(Debug)]
pub struct Mens;

#[async_trait]
impl ModelCatalog for Mens {
    async fn fetch(
        &self,
        _http: &Http,
        target: &FetchTarget,
        _etag: Option<&str>,
    ) -> Result<Answer, FetchFailure> {
        let target = target.clone();
        // Files of a slow volume must not hold up the runtime.
        let read = tokio::task::spawn_blocking(move || read_volume(&target)).await;
        let listing = read.map_err(|_| unreadable(Path::new(RUNS), "reading it was given up"))??;
        Ok(Answer::Listing(listing))
    }
}

/// Reads every run of the volume. A broken manifest is named, and the others are taken.
fn read_volume(target: &FetchTarget) -> Result<Listing, FetchFailure> {
    let volume = target.volume.as_deref().unwrap_or_default();
    let runs = Path::new(volume).join(RUNS);
    let folders = folders(&runs)?;
    let mut found: BTreeMap<String, (String, ModelCatalogEntry)> = BTreeMap::new();
    let mut refusals = Refusals::default();
    for run in folders {
        match read_run(&runs, &run, target) {
            Ok(None) => {}
            Ok(Some(entry)) => keep_newest(&mut found, run, entry),
            Err(reason) => {
                refusals.push(RowRefusal {
                    row: clip(&format!("{RUNS}/{run}"), MAX_QUOTED),
                    reason: clip(&reason, MAX_QUOTED),
                });
            }
        }
    }
    let entries = found.into_values().map(|(_, entry)| entry).collect();
    Ok(Listing { entries, refusals, etag: None })
}

/// The names of the runs' folders, ascending.
fn folders(runs: &Path) -> Result<Vec<String>, FetchFailure> {
    let listing = fs::read_dir(runs).map_err(|error| unreadable(runs, &error.to_string()))?;
    let mut names = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|error| unreadable(runs, &error.to_string()))?;
        // A link could lead out of the volume.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // A name that is no text cannot be told to anyone.
        names.extend(entry.file_name().into_string());
        if names.len() > MAX_RUNS {
            return Err(unreadable(runs, &format!("it holds more than {MAX_RUNS} runs")));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn unreadable(place: &Path, reason: &str) -> FetchFailure {
    let message = format!(
        "failed to read {} of the volume ({reason}); see that spec.volume is the volume that training writes to, and that \
         user 65532 may read it",
        place.display()
    );
    FetchFailure { class: FailureClass::EndpointNotFound, message, retry_after_ms: None }
}

/// Of two runs that made the same model, the one that ended later serves.
fn keep_newest(
    found: &mut BTreeMap<String, (String, ModelCatalogEntry)>,
    run: String,
    entry: ModelCatalogEntry,
) {
    let newer = |known: &(String, ModelCatalogEntry)| {
        (known.1.created_at.as_deref(), known.0.as_str()) > (entry.created_at.as_deref(), run.as_str())
    };
    if !found.get(&entry.model_id).is_some_and(newer) {
        found.insert(entry.model_id.clone(), (run, entry));
    }
}

/// The model of a run; none while there is no manifest, and while or when the run has no checkpoint.
fn read_run(runs: &Path, run: &str, target: &FetchTarget) -> Result<Option<ModelCatalogEntry>, String> {
    let path = runs.join(run).join(MANIFEST);
    let kind = match fs::symlink_metadata(&path) {
        Ok(kind) => kind,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{MANIFEST} cannot be read: {error}")),
    };
    if !kind.is_file() {
        return Err(format!("{MANIFEST} is no file of the volume itself"));
    }
    let limit = target.max_body_bytes;
    let mut text = Vec::new();
    let file = fs::File::open(&path).map_err(|error| format!("{MANIFEST} cannot be read: {error}"))?;
    file.take(limit + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("{MANIFEST} cannot be read: {error}"))?;
    if text.len() as u64 > limit {
        return Err(format!("{MANIFEST} is larger than {limit} bytes"));
    }
    parse(&text, run, &target.provider).map_err(|error| match error.class {
        FailureClass::BodyCut => format!("{MANIFEST}: {}; the run may be writing it", error.what),
        _ => format!("{MANIFEST}: {}", error.what),
    })
}

/// Reads a manifest; `None` when its run has no checkpoint, because it still runs or did not succeed.
///
/// # Errors
/// When it is no manifest of this version.
pub fn parse(
    text: &[u8],
    run: &str,
    provider: &ProviderType,
) -> Result<Option<ModelCatalogEntry>, BodyError> {
    let Object(manifest) = read_body::<Object<TrainingManifest>>(text)?;
    if manifest.schema_version != 1 {
        let version = manifest.schema_version;
        return Err(BodyError::invalid(format!(
            "at schema_version: {version} is not 1, which this version reads"
        )));
    }
    if manifest.status != RunStatus::Succeeded {
        return Ok(None);
    }
    entry(manifest, run, provider).map(Some).map_err(BodyError::invalid)
}

fn entry(
    manifest: TrainingManifest,
    run: &str,
    provider: &ProviderType,
) -> Result<ModelCatalogEntry, String> {
    let mut entry = blank(&manifest.model_id, provider).map_err(|reason| format!("at model_id: {reason}"))?;
    check_id(&manifest.base_model).map_err(|reason| format!("at base_model: {reason}"))?;
    let parent = manifest.parent.unwrap_or_else(|| manifest.base_model.clone());
    check_id(&parent).map_err(|reason| format!("at parent: {reason}"))?;
    if parent == entry.model_id {
        return Err("at parent: a model is not its own parent".to_owned());
    }
    entry.display_name = display_name(manifest.display_name.as_deref(), &entry.model_id);
    entry.context_length_tokens = tokens(manifest.context_length_tokens);
    entry.created_at = date_or_time(manifest.finished_at.as_deref());
    entry.pricing = free();
    entry.parent = Some(parent);
    let weights = LocalWeights {
        size_bytes: tokens(manifest.size_bytes),
        parameters: fact(&manifest.parameters),
        quantization: fact(&manifest.quantization),
    };
    entry.local = Some(weights).filter(|weights| *weights != LocalWeights::default());
    let name = |text: &str| clip(text, MAX_QUOTED);
    entry.training = Some(Training {
        run: name(run),
        base_model: manifest.base_model,
        dataset_fingerprint: manifest
            .dataset_fingerprint
            .as_deref()
            .map(name)
            .filter(|text| !text.is_empty()),
        metrics: manifest
            .metrics
            .into_iter()
            .take(MAX_METRICS)
            .map(|(metric, value)| (name(&metric), value.to_string()))
            .collect(),
    });
    Ok(entry)
}
