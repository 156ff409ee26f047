use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row as _};
use vox_contracts::change::{
    CatalogChanges, ChangeKind, ChangesQuery, FirstCatalog, MOST_CHANGES, ModelChange,
};
use vox_contracts::entry::CatalogSourceRef;

use crate::{Result, Store};

/// How many models of each kind of change a summary names.
const NAMED: i64 = 3;

/// What one revision changed, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionChange {
    /// What happened.
    pub kind: ChangeKind,
    /// To how many models.
    pub models: u64,
    /// The first of them by id.
    pub named: Vec<String>,
}

impl Store {
    /// What a revision of the source with this uid changed; nothing for the first one, of which everything is new.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revision_changes(&self, uid: &str, revision: i64) -> Result<Vec<RevisionChange>> {
        let rows = sqlx::query(
            "SELECT change, count(*) AS models, (array_agg(model_id ORDER BY model_id COLLATE \"C\"))[1:$3::int] AS named
             FROM catalog_change WHERE source_uid = $1 AND revision = $2 GROUP BY change",
        )
        .bind(uid)
        .bind(revision)
        .bind(NAMED)
        .fetch_all(&self.pool)
        .await?;
        let mut changes = Vec::new();
        for row in rows {
            let Some(kind) = ChangeKind::named(row.try_get("change")?) else { continue };
            let models = unsigned(row.try_get("models")?);
            changes.push(RevisionChange { kind, models, named: row.try_get("named")? });
        }
        changes.sort_by_key(|change| change.kind);
        Ok(changes)
    }

    /// What changed in the catalogs of sources that are there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catalog_changes(&self, query: &ChangesQuery) -> Result<CatalogChanges> {
        let mut tx = self.pool.begin().await?;
        // Counts and rows of one moment.
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *tx).await?;
        Ok(CatalogChanges {
            counts: counts(&mut tx, query).await?,
            first: first(&mut tx, query).await?,
            changes: changes(&mut tx, query).await?,
        })
    }
}

/// Revisions of the sources that a query asks for; $1 to $3 are its bounds.
macro_rules! revisions {
    () => {
        "catalog_source AS s JOIN catalog_revision AS r USING (source_uid)
         WHERE s.retired_at IS NULL AND r.published_at >= $1 AND ($2::text IS NULL OR s.namespace = $2)
             AND ($3::text IS NULL OR s.name = $3)"
    };
}

async fn counts(tx: &mut PgConnection, query: &ChangesQuery) -> Result<BTreeMap<ChangeKind, u64>> {
    let statement = concat!(
        "SELECT c.change, count(*) AS models FROM catalog_change AS c
         JOIN (SELECT source_uid, r.revision FROM ",
        revisions!(),
        ") AS asked USING (source_uid, revision) GROUP BY c.change"
    );
    let rows = bound(statement, query).fetch_all(tx).await?;
    let mut counts = BTreeMap::new();
    for row in rows {
        if let Some(kind) = ChangeKind::named(row.try_get("change")?) {
            counts.insert(kind, unsigned(row.try_get("models")?));
        }
    }
    Ok(counts)
}

async fn first(tx: &mut PgConnection, query: &ChangesQuery) -> Result<Vec<FirstCatalog>> {
    let statement = concat!(
        "SELECT s.namespace, s.name, r.published_at, r.models FROM ",
        revisions!(),
        " AND r.revision = 1 ORDER BY r.published_at DESC, s.namespace, s.name"
    );
    let rows = bound(statement, query).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            Ok(FirstCatalog {
                at: time(row)?,
                source: source(row)?,
                models: unsigned(row.try_get("models")?),
            })
        })
        .collect()
}

async fn changes(tx: &mut PgConnection, query: &ChangesQuery) -> Result<Vec<ModelChange>> {
    let statement = concat!(
        "SELECT asked.namespace, asked.name, asked.published_at, c.model_id, c.change, c.before, c.after
         FROM catalog_change AS c
         JOIN (SELECT source_uid, r.revision, s.namespace, s.name, r.published_at FROM ",
        revisions!(),
        ") AS asked USING (source_uid, revision)
         ORDER BY asked.published_at DESC, asked.namespace, asked.name, c.model_id COLLATE \"C\", c.change LIMIT $4"
    );
    let limit = i64::from(query.limit.min(MOST_CHANGES));
    let rows = bound(statement, query).bind(limit).fetch_all(tx).await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(kind) = ChangeKind::named(row.try_get("change")?) else { continue };
        changes.push(ModelChange {
            at: time(row)?,
            source: source(row)?,
            model: row.try_get("model_id")?,
            kind,
            before: row.try_get("before")?,
            after: row.try_get("after")?,
        });
    }
    Ok(changes)
}

/// A statement over revisions with the query's bounds.
fn bound<'q>(statement: &'static str, query: &'q ChangesQuery) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(query.since.to_sqlx())
        .bind(query.namespace.as_deref())
        .bind(query.source.as_deref())
}

fn time(row: &PgRow) -> Result<Timestamp> {
    let at: jiff_sqlx::Timestamp = row.try_get("published_at")?;
    Ok(at.to_jiff())
}

fn source(row: &PgRow) -> Result<CatalogSourceRef> {
    Ok(CatalogSourceRef { namespace: row.try_get("namespace")?, name: row.try_get("name")? })
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
