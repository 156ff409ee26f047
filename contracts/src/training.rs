//! [`TrainingManifest`]: what a training run says of itself (`training-manifest.v1.schema.json`), in a file that it writes
//! into its folder.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name of the file, in the run's folder.
pub const MANIFEST: &str = "training_manifest.json";
/// Folder of the runs' folders, on the volume.
pub const RUNS: &str = "runs";

/// A training run. Keys that this version does not know are left alone: a trainer may write more than Vox reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingManifest {
    /// Always 1.
    pub schema_version: u32,
    /// How far the run is.
    pub status: RunStatus,
    /// The id by which the server of the checkpoint takes it.
    pub model_id: String,
    /// The published model that training began with.
    pub base_model: String,
    /// The model that this run went on from; absent where that is the base model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Input and output together, in tokens, as trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length_tokens: Option<u64>,
    /// Size of the checkpoint, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Parameters (`7.6B`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// Quantisation (`bf16`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// What it was trained on, so that two runs on the same data can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_fingerprint: Option<String>,
    /// What was measured at its end, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, serde_json::Number>,
    /// When it ended (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It still trains or writes: there is no checkpoint yet.
    Running,
    /// Its checkpoint is whole.
    Succeeded,
    /// It ended without a checkpoint.
    Failed,
    /// It was ended, and left no checkpoint that counts.
    Cancelled,
}
