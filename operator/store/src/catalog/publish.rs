use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::{CatalogUpload, FailureClass, FetchFailure, UploadReceipt};
use vox_contracts::entry::digest;

use super::attempt::{
    Known, finish_failed, finish_good, finish_outdated, is_outdated, lock, outcome, register,
};
use super::diff::{CatalogDiff, diff, shrank_too_far};
use super::read::entries;
use super::{RunIdentity, SourceIdentity};
use crate::{Error, Result, Store};

/// What a publication is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishLimits {
    /// A catalog that loses more than this share of its models at once is refused, per mille.
    pub shrink_limit_per_mille: u32,
    /// Digest of a shrunken catalog that a person has looked at and accepted.
    pub accepted_digest: Option<String>,
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
    ) -> Result<UploadReceipt> {
        let digest =
            digest(&upload.entries).map_err(|source| Error::Convert { what: "the catalog", source })?;
        let mut tx = self.pool.begin().await?;
        register(&mut tx, source).await?;
        let known = lock(&mut tx, &source.uid).await?;
        if is_outdated(&mut tx, &source.uid, run).await? {
            finish_outdated(&mut tx, &source.uid, run, now).await?;
            tx.commit().await?;
            return Err(Error::Outdated { run: run.run.clone() });
        }
        let before = entries(&mut tx, &source.uid).await?;
        if let Some(failure) = shrunk(&known, &before, upload, &digest, limits) {
            finish_failed(&mut tx, &source.uid, run, &failure, now).await?;
            tx.commit().await?;
            return Err(Error::Refused { class: failure.class, message: failure.message });
        }
        let changes = diff(&before, &upload.entries);
        let publishes = known.revision == 0 || !changes.is_empty();
        let revision = known.revision + i64::from(publishes);
        let receipt = receipt(revision, digest, upload, &changes);
        if publishes {
            write_revision(&mut tx, &source.uid, &receipt, &changes, now).await?;
        }
        let outcome = if publishes { outcome::PUBLISHED } else { outcome::UNCHANGED };
        finish_good(&mut tx, &source.uid, run, outcome, now).await?;
        sqlx::query(
            "UPDATE catalog_source SET plan_digest = $2, revision = $3, etag = $4, refreshed_at = $5 WHERE source_uid = $1",
        )
        .bind(&source.uid)
        .bind(&run.plan_digest)
        .bind(revision)
        .bind(&upload.etag)
        .bind(now.to_sqlx())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(receipt)
    }
}

fn receipt(
    revision: i64,
    digest: String,
    upload: &CatalogUpload,
    changes: &CatalogDiff<'_>,
) -> UploadReceipt {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    UploadReceipt {
        revision,
        digest,
        models: count(upload.entries.len()),
        added: count(changes.added.len()),
        removed: count(changes.removed.len()),
        repriced: count(changes.repriced.len()),
    }
}

/// A catalog is only compared with one that the same plan brought: a narrower filter is meant to shrink it.
fn shrunk(
    known: &Known,
    before: &[ModelCatalogEntry],
    upload: &CatalogUpload,
    digest: &str,
    limits: &PublishLimits,
) -> Option<FetchFailure> {
    let same_plan = known.plan_digest.as_deref() == Some(upload.plan_digest.as_str());
    let accepted = limits.accepted_digest.as_deref() == Some(digest);
    let (had, has) = (before.len(), upload.entries.len());
    if !same_plan || accepted || !shrank_too_far(had, has, limits.shrink_limit_per_mille) {
        return None;
    }
    Some(FetchFailure {
        class: FailureClass::CatalogShrunk,
        message: format!(
            "the provider now lists {has} models where it listed {had}; more than {} per mille lost at once is taken for an \
             accident and the last good catalog is kept; if it is right, annotate the source with vox.dev/acceptCatalog={digest} \
             and request a run",
            limits.shrink_limit_per_mille
        ),
        retry_after_ms: None,
    })
}

async fn write_revision(
    tx: &mut PgConnection,
    uid: &str,
    receipt: &UploadReceipt,
    changes: &CatalogDiff<'_>,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO catalog_revision (source_uid, revision, digest, models, added, removed, repriced, published_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(uid)
    .bind(receipt.revision)
    .bind(&receipt.digest)
    .bind(i64::from(receipt.models))
    .bind(i64::from(receipt.added))
    .bind(i64::from(receipt.removed))
    .bind(i64::from(receipt.repriced))
    .bind(now.to_sqlx())
    .execute(&mut *tx)
    .await?;
    // The first revision is all "added": its entries say so by since_revision, and need no second copy.
    if receipt.revision > 1 {
        write_changes(tx, uid, receipt.revision, changes).await?;
    }
    let removed: Vec<&str> = changes.removed.iter().map(|entry| entry.model_id.as_str()).collect();
    sqlx::query("DELETE FROM catalog_entry WHERE source_uid = $1 AND model_id = ANY($2)")
        .bind(uid)
        .bind(removed)
        .execute(&mut *tx)
        .await?;
    let written: Vec<&ModelCatalogEntry> = changes.added.iter().chain(&changes.changed).copied().collect();
    let ids: Vec<&str> = written.iter().map(|entry| entry.model_id.as_str()).collect();
    let rows = written.iter().map(json).collect::<Result<Vec<String>>>()?;
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
    let mut rows: Vec<(&str, &str, Option<String>, Option<String>)> = Vec::new();
    for entry in &changes.added {
        rows.push((&entry.model_id, "added", None, Some(json(&entry.pricing)?)));
    }
    for entry in &changes.removed {
        rows.push((&entry.model_id, "removed", Some(json(&entry.pricing)?), None));
    }
    for (before, entry) in &changes.repriced {
        rows.push((&entry.model_id, "repriced", Some(json(before)?), Some(json(&entry.pricing)?)));
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.0).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row.1).collect();
    let before: Vec<Option<&str>> = rows.iter().map(|row| row.2.as_deref()).collect();
    let after: Vec<Option<&str>> = rows.iter().map(|row| row.3.as_deref()).collect();
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
