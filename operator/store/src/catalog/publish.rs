use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::change::ChangeKind;
use vox_contracts::discovery::{CatalogUpload, FailureClass, FetchFailure, UploadReceipt};
use vox_contracts::entry::digest;

use super::attempt::{
    Known, finish_failed, finish_good, finish_outdated, has_ended_well, is_outdated, lock, outcome, register,
};
use super::diff::{CatalogDiff, diff, shrank_too_far};
use super::read::entries;
use super::refused;
use super::suspect::{Misses, suspects};
use super::{RunIdentity, SourceIdentity};
use crate::{Error, Result, Store};

/// What a publication is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishLimits {
    /// A catalog that loses more than this share of its models at once is refused, per mille.
    pub shrink_limit_per_mille: u32,
    /// A model that so many fetches in a row do not list is removed; until then it stays, as a suspect.
    pub missed_fetches_until_removed: u32,
    /// Digest of a shrunken catalog that a person has looked at and accepted.
    pub accepted_digest: Option<String>,
}

/// What a publication came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What its run is told.
    pub receipt: UploadReceipt,
    /// How often each kind of change happened; nothing of a first catalog, of which everything is new.
    pub changes: BTreeMap<ChangeKind, u64>,
}

impl Store {
    /// Publishes an upload: revision, entries, changes and the attempt's end, in one transaction. The same upload twice
    /// is one publication.
    ///
    /// # Errors
    /// [`Error::Refused`] for a catalog that shrank too far (the attempt is recorded as failed, the last good catalog
    /// stays); [`Error::Outdated`] when a run that began later has ended well (recorded, too); [`Error::Superseded`] when
    /// the run was not started for this plan; else when the database does not answer, and then nothing is written.
    pub async fn publish(
        &self,
        source: &SourceIdentity,
        run: &RunIdentity,
        upload: &CatalogUpload,
        limits: &PublishLimits,
        now: Timestamp,
    ) -> Result<Published> {
        let mut tx = self.pool.begin().await?;
        register(&mut tx, source).await?;
        let known = lock(&mut tx, &source.uid).await?;
        if is_outdated(&mut tx, &source.uid, run).await? {
            finish_outdated(&mut tx, &source.uid, run, now).await?;
            tx.commit().await?;
            return Err(Error::Outdated { run: run.run.clone() });
        }
        let before = entries(&mut tx, &source.uid).await?;
        if let Some(failure) = shrunk(&known, &before, upload, limits)? {
            finish_failed(&mut tx, &source.uid, run, &failure, now).await?;
            tx.commit().await?;
            return Err(Error::Refused { class: failure.class, message: failure.message });
        }
        let counts = !has_ended_well(&mut tx, &source.uid, run).await?;
        let kept = kept(&known, &before, upload, limits, counts, now)?;
        let all = || upload.entries.iter().chain(&kept);
        let changes = diff(&before, all());
        let publishes = known.revision == 0 || !changes.is_empty();
        let revision = known.revision + i64::from(publishes);
        let receipt = receipt(revision, digest_of(all())?, upload.entries.len() + kept.len(), &changes);
        if publishes {
            write_revision(&mut tx, &source.uid, &receipt, kept.len(), &changes, now).await?;
        }
        let outcome = if publishes { outcome::PUBLISHED } else { outcome::UNCHANGED };
        finish_good(&mut tx, &source.uid, run, outcome, now).await?;
        sqlx::query(
            "UPDATE catalog_source SET plan_digest = $2, revision = $3, etag = $4, refreshed_at = $5, inferred_with = $6,
                 refused = $7, refusals = $8
             WHERE source_uid = $1",
        )
        .bind(&source.uid)
        .bind(&run.plan_digest)
        .bind(revision)
        .bind(&upload.etag)
        .bind(now.to_sqlx())
        .bind(upload.inferred_with)
        .bind(i64::try_from(refused::count(upload)).unwrap_or(i64::MAX))
        .bind(refused::told(upload))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        let changes = if revision > 1 { changes.counts() } else { BTreeMap::new() };
        Ok(Published { receipt, changes })
    }
}

fn receipt(revision: i64, digest: String, models: usize, changes: &CatalogDiff<'_>) -> UploadReceipt {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    UploadReceipt {
        revision,
        digest,
        models: count(models),
        added: count(changes.count(ChangeKind::Added)),
        removed: count(changes.count(ChangeKind::Removed)),
        repriced: count(changes.count(ChangeKind::Repriced)),
    }
}

fn digest_of<'a>(entries: impl IntoIterator<Item = &'a ModelCatalogEntry>) -> Result<String> {
    digest(entries).map_err(|source| Error::Convert { what: "the catalog", source })
}

/// Whether what an upload lacks is meant to be gone: another plan brought what is published (a narrower filter shrinks it), or a
/// person has looked at exactly this list.
fn is_meant(known: &Known, upload: &CatalogUpload, limits: &PublishLimits) -> Result<bool> {
    if known.plan_digest.as_deref() != Some(upload.plan_digest.as_str()) {
        return Ok(true);
    }
    match limits.accepted_digest.as_deref() {
        Some(accepted) => Ok(digest_of(&upload.entries)? == accepted),
        None => Ok(false),
    }
}

/// The models that stay although the upload does not list them.
fn kept(
    known: &Known,
    before: &[ModelCatalogEntry],
    upload: &CatalogUpload,
    limits: &PublishLimits,
    counts: bool,
    now: Timestamp,
) -> Result<Vec<ModelCatalogEntry>> {
    if is_meant(known, upload, limits)? {
        return Ok(Vec::new());
    }
    let misses = Misses { until_removed: limits.missed_fetches_until_removed, counts };
    Ok(suspects(before, &upload.entries, misses, now))
}

/// Suspects count as there: a catalog may not vanish by halves.
fn shrunk(
    known: &Known,
    before: &[ModelCatalogEntry],
    upload: &CatalogUpload,
    limits: &PublishLimits,
) -> Result<Option<FetchFailure>> {
    let (had, has) = (before.len(), upload.entries.len());
    if !shrank_too_far(had, has, limits.shrink_limit_per_mille) || is_meant(known, upload, limits)? {
        return Ok(None);
    }
    let digest = digest_of(&upload.entries)?;
    let not_taken = match refused::count(upload) {
        0 => String::new(),
        rows => format!("; {rows} of its rows are no models ({})", refused::told(upload)),
    };
    Ok(Some(FetchFailure {
        class: FailureClass::CatalogShrunk,
        message: format!(
            "the provider now lists {has} models where it listed {had}{not_taken}; more than {} % lost at once is taken for an \
             accident and the last good catalog is kept; if it is right, annotate the source with vox.dev/acceptCatalog={digest} \
             and request a run",
            f64::from(limits.shrink_limit_per_mille) / 10.0
        ),
        retry_after_ms: None,
    }))
}

async fn write_revision(
    tx: &mut PgConnection,
    uid: &str,
    receipt: &UploadReceipt,
    suspect: usize,
    changes: &CatalogDiff<'_>,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO catalog_revision
             (source_uid, revision, digest, models, added, removed, repriced, suspect, published_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(uid)
    .bind(receipt.revision)
    .bind(&receipt.digest)
    .bind(i64::from(receipt.models))
    .bind(i64::from(receipt.added))
    .bind(i64::from(receipt.removed))
    .bind(i64::from(receipt.repriced))
    .bind(i64::try_from(suspect).unwrap_or(i64::MAX))
    .bind(now.to_sqlx())
    .execute(&mut *tx)
    .await?;
    // The first revision is all "added": its entries say so by since_revision, and need no second copy.
    if receipt.revision > 1 {
        write_changes(tx, uid, receipt.revision, changes).await?;
    }
    let gone = changes.changes.iter().filter(|change| change.kind == ChangeKind::Removed);
    let removed: Vec<&str> = gone.map(super::diff::Change::model).collect();
    sqlx::query("DELETE FROM catalog_entry WHERE source_uid = $1 AND model_id = ANY($2)")
        .bind(uid)
        .bind(removed)
        .execute(&mut *tx)
        .await?;
    let ids: Vec<&str> = changes.written.iter().map(|entry| entry.model_id.as_str()).collect();
    let rows = changes.written.iter().map(json).collect::<Result<Vec<String>>>()?;
    sqlx::query(
        "INSERT INTO catalog_entry (source_uid, model_id, since_revision, entry)
         SELECT $1, model_id, $2, entry::jsonb FROM UNNEST($3::text[], $4::text[]) AS new (model_id, entry)
         ON CONFLICT (source_uid, model_id) DO UPDATE SET entry = EXCLUDED.entry",
    )
    .bind(uid)
    .bind(receipt.revision)
    .bind(ids)
    .bind(rows)
    .execute(tx)
    .await?;
    Ok(())
}

async fn write_changes(
    tx: &mut PgConnection,
    uid: &str,
    revision: i64,
    changes: &CatalogDiff<'_>,
) -> Result<()> {
    let (mut ids, mut kinds, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for change in &changes.changes {
        let facts =
            change.facts().map_err(|source| Error::Convert { what: "a change of a model", source })?;
        ids.push(change.model());
        kinds.push(change.kind.as_str());
        before.push(facts.0.map(|fact| fact.to_string()));
        after.push(facts.1.map(|fact| fact.to_string()));
    }
    sqlx::query(
        "INSERT INTO catalog_change (source_uid, revision, model_id, change, before, after)
         SELECT $1, $2, model_id, change, before::jsonb, after::jsonb
         FROM UNNEST($3::text[], $4::text[], $5::text[], $6::text[]) AS new (model_id, change, before, after)",
    )
    .bind(uid)
    .bind(revision)
    .bind(ids)
    .bind(kinds)
    .bind(before)
    .bind(after)
    .execute(tx)
    .await?;
    Ok(())
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|source| Error::Convert { what: "a catalog entry", source })
}
