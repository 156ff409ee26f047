//! What a sidecar tells the operator of finished calls, and what it hears back.
//!
//! ```text
//! POST /v1/namespaces/{namespace}/outcomes?sidecar={pod}   lines of JSON -> OutcomesReceipt
//! ```
//! The call carries a ServiceAccount token of the same namespace, of audience [`crate::discovery::AUDIENCE`]. Each line of
//! the body (`application/x-ndjson`) is one record as the sidecar's spool has it: a `call` (a turn's event with its
//! attempts, in the names of `model-telemetry.v1.yaml`) or a `feedback`. Each has an id of its own, a UUIDv7: a line that
//! comes again changes nothing. An answer of 200 says that every line is either in the database, durably, or refused for
//! good: the sidecar forgets them all. Anything else says nothing about any line, and the sidecar sends them again.

use serde::{Deserialize, Serialize};

/// Most bytes of one body.
pub const LARGEST_BODY: usize = 4 << 20;
/// Most refusals that a receipt tells in words; the others are only counted.
pub const TOLD: usize = 20;

/// What became of a body's lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomesReceipt {
    /// Lines that are new, and are in the database now.
    pub stored: u64,
    /// Lines that were there already.
    pub repeated: u64,
    /// Lines that are not taken: the same again would be refused again.
    pub refused: u64,
    /// The first [`TOLD`] of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
}

/// One line that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its number in the body, from 1.
    pub line: u64,
    /// Why. No text of the line stands in it.
    pub message: String,
}
