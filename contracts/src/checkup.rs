//! What the operator tells, in its admin API, of what only it can see: its database, its certificates, its clock and the
//! sidecars that it serves. It tells facts; what they mean is for whoever asks to say.
//!
//! ```text
//! GET /v1/checkup -> Checkup
//! ```

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What one replica of the operator sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkup {
    /// Its clock when it answered.
    pub now: Timestamp,
    /// The certificates that it uses now, those of its authorities the newest first.
    pub certificates: Vec<CertificateFacts>,
    /// Who calls it for the API server; absent where it keeps no webhooks itself, or may not look at them.
    #[serde(default)]
    pub webhooks: Option<WebhookFacts>,
    /// Absent when the database did not answer in time.
    #[serde(default)]
    pub database: Option<DatabaseFacts>,
    /// The sidecars of each namespace that has any, ascending by namespace. Empty when the database did not answer.
    #[serde(default)]
    pub followers: Vec<Followers>,
    /// Keys with which providers refused calls of the last hour and took none since, ascending by namespace; at most fifty.
    /// Empty when the database did not answer.
    #[serde(default)]
    pub refused_keys: Vec<RefusedKey>,
}

/// The key of a provider in the gateways of a policy, as the provider's answers to calls show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedKey {
    /// The namespace of the calls.
    pub namespace: String,
    /// The policy that decided them; absent where none did.
    #[serde(default)]
    pub policy: Option<String>,
    /// Who refused them.
    pub provider: String,
    /// The newest refusal: 401, 402 or 403.
    pub status: u16,
    /// How many were refused.
    pub calls: u64,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CertificateUse {
    /// The operator shows it to its callers, and as a webhook to the API server.
    Serving,
    /// Callers trust it.
    Authority,
}

/// One certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateFacts {
    /// What it is for.
    pub used_as: CertificateUse,
    /// Good from then on.
    pub not_before: Timestamp,
    /// Good until then.
    pub not_after: Timestamp,
}

/// The webhooks of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookFacts {
    /// How many there are.
    pub all: u32,
    /// How many of them name the operator's authority as it is now. The API server calls the others in vain.
    pub trusting: u32,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseFacts {
    /// As it says itself: `17.2 (Debian 17.2-1.pgdg120+1)`.
    pub version: String,
    /// The same as a number: 170002.
    pub version_number: u32,
    /// How far its clock is ahead of the operator's, in milliseconds; negative when it is behind.
    pub clock_ahead_ms: i64,
    /// How long the question for its clock took, in milliseconds: the figure above may be off by half of it.
    pub round_trip_ms: u64,
    /// The size of the whole database, in bytes.
    pub size_bytes: u64,
    /// Its schema.
    pub migrations: MigrationFacts,
    /// The tables that have a partition for each day. Empty while the schema lacks them.
    pub partitions: Vec<PartitionFacts>,
    /// The tables with the most dead rows, at most ten.
    pub tables: Vec<TableFacts>,
}

/// The migrations of the schema, by their numbers, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MigrationFacts {
    /// How many this operator knows.
    pub expected: u32,
    /// Those of them that the database does not have.
    pub missing: Vec<i64>,
    /// Those that were begun and did not end.
    pub failed: Vec<i64>,
    /// Those of the database that this operator does not know.
    pub unknown: Vec<i64>,
}

/// One partitioned table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionFacts {
    /// Its name.
    pub table: String,
    /// Days (UTC) from today on that should have a partition by now and have none.
    pub missing_days: Vec<Date>,
    /// Rows of days without a partition; nobody counts beyond [`MOST_COUNTED`].
    pub rows_in_default: u64,
}

/// Rows are counted up to here.
pub const MOST_COUNTED: u64 = 10_000;

/// One table. Rows are as the database estimates them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableFacts {
    /// Its name.
    pub table: String,
    /// Rows.
    pub live_rows: u64,
    /// Rows that were deleted or replaced and still take room.
    pub dead_rows: u64,
    /// With its indexes, in bytes.
    pub size_bytes: u64,
    /// When it was last vacuumed, by whomever.
    #[serde(default)]
    pub vacuumed_at: Option<Timestamp>,
}

/// The sidecars of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Followers {
    /// Which.
    pub namespace: String,
    /// The newest version of its snapshot.
    pub version: u64,
    /// Since when there is that version, by the clock of the operator that published it.
    pub published_at: Timestamp,
    /// How many sidecars follow it.
    pub sidecars: u64,
    /// How many of them were not yet sent that version.
    pub behind: u64,
    /// The pods of some of those, at most five, ascending.
    pub pods_behind: Vec<String>,
}
