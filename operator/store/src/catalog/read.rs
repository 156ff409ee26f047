use jiff::Timestamp;
use sqlx::{PgConnection, Row as _};
use vox_contracts::ModelCatalogEntry;
use vox_contracts::entry::{CatalogSourceRef, ModelCatalog};

use super::attempt::{failure_class, last_attempt};
use super::gate::LastAttempt;
use crate::{Error, Result, Store};

/// All that is known of a source, as far as a status tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceState {
    /// The last good catalog.
    pub catalog: Option<CatalogState>,
    /// When the provider last confirmed it.
    pub refreshed_at: Option<Timestamp>,
    /// The newest attempt that ended.
    pub finished: Option<AttemptState>,
    /// The newest attempt, ended or not, as the gate looks at it.
    pub last: Option<LastAttempt>,
}

/// A published revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogState {
    /// Its number.
    pub revision: i64,
    /// sha256 of its entries.
    pub digest: String,
    /// Models in it.
    pub models: i64,
    /// Models that the revision before did not have.
    pub added: i64,
    /// Models of the revision before that it does not have.
    pub removed: i64,
    /// Models with another price than before.
    pub repriced: i64,
    /// Models in it that the provider did not list when it was last asked.
    pub suspect: i64,
    /// Rows of the newest list that are no model.
    pub refused: i64,
    /// The first few of them and why; empty where there are none.
    pub refusals: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// The plan that brought it.
    pub plan_digest: Option<String>,
}

/// A model that was in a catalog once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneModel {
    /// Its id.
    pub model_id: String,
    /// When the revision without it was published.
    pub at: Timestamp,
    /// The model that its provider last named in its place.
    pub replaced_by: Option<String>,
}

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptState {
    /// The run that made it.
    pub run: String,
    /// What it was made for.
    pub plan_digest: String,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Published, Unchanged, NotModified, or the class of the failure.
    pub outcome: String,
    /// Why it failed; empty when it did not.
    pub message: String,
    /// Failures in a row, this one included.
    pub failures: i64,
}

impl AttemptState {
    /// Whether it failed.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        failure_class(&self.outcome).is_some()
    }
}

impl Store {
    /// The state of the source with this uid; empty when nothing is known of it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn source_state(&self, uid: &str) -> Result<SourceState> {
        let mut connection = self.pool.acquire().await?;
        let (catalog, refreshed_at) = published(&mut connection, uid).await?;
        Ok(SourceState {
            catalog,
            refreshed_at,
            finished: finished(&mut connection, uid).await?,
            last: last_attempt(&mut connection, uid).await?,
        })
    }

    /// The published catalog of a source, `None` when there is none.
    ///
    /// # Errors
    /// When the database does not answer, or an entry in it is not of this program's form.
    pub async fn catalog(&self, source: &CatalogSourceRef) -> Result<Option<ModelCatalog>> {
        let mut tx = self.pool.begin().await?;
        let uid: Option<String> = sqlx::query_scalar(
            "SELECT source_uid FROM catalog_source WHERE namespace = $1 AND name = $2 AND retired_at IS NULL
             ORDER BY refreshed_at DESC NULLS LAST LIMIT 1",
        )
        .bind(&source.namespace)
        .bind(&source.name)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(uid) = uid else { return Ok(None) };
        // The lock keeps revision and entries of one publication together.
        sqlx::query("SELECT 1 FROM catalog_source WHERE source_uid = $1 FOR SHARE")
            .bind(&uid)
            .execute(&mut *tx)
            .await?;
        published_catalog(&mut tx, &uid, source).await
    }

    /// Marks every source as gone whose uid is not among `alive`. Its history stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retire_missing(&self, alive: &[String]) -> Result<u64> {
        let done = sqlx::query(
            "UPDATE catalog_source SET retired_at = now() WHERE retired_at IS NULL AND source_uid <> ALL($1)",
        )
        .bind(alive)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}

/// The newest revision of a source with its entries, `None` before the first. The caller holds the source's row.
pub(crate) async fn published_catalog(
    tx: &mut PgConnection,
    uid: &str,
    source: &CatalogSourceRef,
) -> Result<Option<ModelCatalog>> {
    let (Some(state), _) = published(tx, uid).await? else { return Ok(None) };
    Ok(Some(ModelCatalog {
        schema_version: 1,
        source: Some(source.clone()),
        revision: Some(state.revision),
        digest: Some(state.digest),
        published_at: Some(state.published_at.to_string()),
        aliases: Default::default(),
        entries: entries(tx, uid).await?,
    }))
}

/// The current entries of a source, ascending by id.
pub(super) async fn entries(tx: &mut PgConnection, uid: &str) -> Result<Vec<ModelCatalogEntry>> {
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT entry::text FROM catalog_entry WHERE source_uid = $1 ORDER BY model_id COLLATE \"C\"",
    )
    .bind(uid)
    .fetch_all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            serde_json::from_str(row)
                .map_err(|source| Error::Convert { what: "a stored catalog entry", source })
        })
        .collect()
}

/// How many models that are gone are remembered of a source: the last ones.
const GONE: i64 = 1000;

/// The models that a source had and has no longer, the last that went first.
pub(crate) async fn gone_models(tx: &mut PgConnection, uid: &str) -> Result<Vec<GoneModel>> {
    let rows = sqlx::query(
        "SELECT went.model_id, max(r.published_at) AS at, (
             SELECT named.after #>> '{deprecation,replaced_by}' FROM catalog_change AS named
             WHERE named.source_uid = $1 AND named.model_id = went.model_id AND named.change = 'superseded'
             ORDER BY named.revision DESC LIMIT 1) AS replaced_by
         FROM catalog_change AS went JOIN catalog_revision AS r USING (source_uid, revision)
         WHERE source_uid = $1 AND went.change = 'removed' AND NOT EXISTS (
             SELECT 1 FROM catalog_entry AS here WHERE here.source_uid = $1 AND here.model_id = went.model_id)
         GROUP BY went.model_id ORDER BY at DESC, went.model_id COLLATE \"C\" LIMIT $2",
    )
    .bind(uid)
    .bind(GONE)
    .fetch_all(tx)
    .await?;
    rows.iter()
        .map(|row| -> Result<GoneModel> {
            let at: jiff_sqlx::Timestamp = row.try_get("at")?;
            Ok(GoneModel {
                model_id: row.try_get("model_id")?,
                at: at.to_jiff(),
                replaced_by: row.try_get("replaced_by")?,
            })
        })
        .collect()
}

async fn published(tx: &mut PgConnection, uid: &str) -> Result<(Option<CatalogState>, Option<Timestamp>)> {
    let row = sqlx::query(
        "SELECT s.refreshed_at, s.plan_digest, s.refused, s.refusals, r.revision, r.digest, r.models, r.added, r.removed, r.repriced, r.suspect, r.published_at
         FROM catalog_source s JOIN catalog_revision r ON r.source_uid = s.source_uid AND r.revision = s.revision
         WHERE s.source_uid = $1",
    )
    .bind(uid)
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok((None, None)) };
    let refreshed: Option<jiff_sqlx::Timestamp> = row.try_get("refreshed_at")?;
    let published: jiff_sqlx::Timestamp = row.try_get("published_at")?;
    let state = CatalogState {
        revision: row.try_get("revision")?,
        digest: row.try_get("digest")?,
        models: row.try_get("models")?,
        added: row.try_get("added")?,
        removed: row.try_get("removed")?,
        repriced: row.try_get("repriced")?,
        suspect: row.try_get("suspect")?,
        refused: row.try_get("refused")?,
        refusals: row.try_get("refusals")?,
        published_at: published.to_jiff(),
        plan_digest: row.try_get("plan_digest")?,
    };
    Ok((Some(state), refreshed.map(|time| time.to_jiff())))
}

async fn finished(tx: &mut PgConnection, uid: &str) -> Result<Option<AttemptState>> {
    let row = sqlx::query(
        "SELECT run, plan_digest, finished_at, outcome, message, failures FROM catalog_attempt
         WHERE source_uid = $1 AND finished_at IS NOT NULL ORDER BY started_at DESC, run DESC LIMIT 1",
    )
    .bind(uid)
    .fetch_optional(tx)
    .await?;
    row.map(|row| -> Result<AttemptState> {
        let finished: jiff_sqlx::Timestamp = row.try_get("finished_at")?;
        Ok(AttemptState {
            run: row.try_get("run")?,
            plan_digest: row.try_get("plan_digest")?,
            finished_at: finished.to_jiff(),
            outcome: row.try_get::<Option<String>, _>("outcome")?.unwrap_or_default(),
            message: row.try_get::<Option<String>, _>("message")?.unwrap_or_default(),
            failures: row.try_get("failures")?,
        })
    })
    .transpose()
}
