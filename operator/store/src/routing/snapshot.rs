use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgListener;

use crate::{Error, Result, Store};

/// Channel on which replicas hear of a new snapshot; the payload is the namespace.
const CHANNEL: &str = "vox_routing_snapshot";

/// The newest snapshot of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// Its version.
    pub version: u64,
    /// The document as it was published.
    pub document: Vec<u8>,
}

/// The newest snapshot of one namespace, without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Whose it is.
    pub namespace: String,
    /// Its version.
    pub version: u64,
    /// The digest of its content.
    pub digest: String,
}

/// What a publication came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedSnapshot {
    /// The version that serves.
    pub version: u64,
    /// The digest of its content.
    pub digest: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// Nothing changed, so nothing was written.
    pub unchanged: bool,
}

/// Hears of new snapshots.
pub struct SnapshotWatch(PgListener);

impl SnapshotWatch {
    /// The namespace of the next snapshot; `None` when the connection was lost meanwhile and anything may be new.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next(&mut self) -> Result<Option<String>> {
        Ok(self.0.try_recv().await?.map(|notice| notice.payload().to_owned()))
    }
}

impl Store {
    /// Publishes a namespace's snapshot unless the one that serves has the same digest. `document` writes it under the
    /// version that it gets: milliseconds since 1970, or one more than before, so that versions go forwards even when
    /// this database is lost and begun anew while sidecars keep what they have.
    ///
    /// # Errors
    /// When the database does not answer, or the document cannot be written.
    pub async fn publish_snapshot(
        &self,
        namespace: &str,
        digest: &str,
        document: impl FnOnce(u64) -> std::result::Result<Vec<u8>, serde_json::Error>,
    ) -> Result<PublishedSnapshot> {
        let mut tx = self.pool.begin().await?;
        // Two publications of one namespace follow each other, also before its first row is there.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('routing_snapshot/' || $1, 0))")
            .bind(namespace)
            .execute(&mut *tx)
            .await?;
        let before =
            sqlx::query("SELECT version, digest, published_at FROM routing_snapshot WHERE namespace = $1")
                .bind(namespace)
                .fetch_optional(&mut *tx)
                .await?;
        let mut last = 0_i64;
        if let Some(row) = before {
            last = row.try_get("version")?;
            if row.try_get::<String, _>("digest")? == digest {
                let published: jiff_sqlx::Timestamp = row.try_get("published_at")?;
                return Ok(PublishedSnapshot {
                    version: unsigned(last),
                    digest: digest.to_owned(),
                    published_at: published.to_jiff(),
                    unchanged: true,
                });
            }
        }
        let now = Timestamp::now();
        let version = now.as_millisecond().max(last.saturating_add(1));
        let document =
            document(unsigned(version)).map_err(|source| Error::Convert { what: "a snapshot", source })?;
        sqlx::query(
            "INSERT INTO routing_snapshot (namespace, version, digest, document, published_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (namespace) DO UPDATE SET version = excluded.version, digest = excluded.digest,
                 document = excluded.document, published_at = excluded.published_at",
        )
        .bind(namespace)
        .bind(version)
        .bind(digest)
        .bind(document)
        .bind(jiff_sqlx::Timestamp::from(now))
        .execute(&mut *tx)
        .await?;
        sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(namespace).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(PublishedSnapshot {
            version: unsigned(version),
            digest: digest.to_owned(),
            published_at: now,
            unchanged: false,
        })
    }

    /// The newest snapshot of a namespace if it is newer than `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn snapshot_after(&self, namespace: &str, after: u64) -> Result<Option<StoredSnapshot>> {
        let row = sqlx::query(
            "SELECT version, document FROM routing_snapshot WHERE namespace = $1 AND version > $2",
        )
        .bind(namespace)
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| -> Result<StoredSnapshot> {
            Ok(StoredSnapshot {
                version: unsigned(row.try_get("version")?),
                document: row.try_get("document")?,
            })
        })
        .transpose()
    }

    /// The newest snapshots of all namespaces, ascending by namespace.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn snapshot_heads(&self) -> Result<Vec<SnapshotHead>> {
        let rows = sqlx::query(
            "SELECT namespace, version, digest FROM routing_snapshot ORDER BY namespace COLLATE \"C\"",
        )
        .fetch_all(&self.pool)
        .await?;
        let head = |row: &sqlx::postgres::PgRow| {
            Ok(SnapshotHead {
                namespace: row.try_get("namespace")?,
                version: unsigned(row.try_get("version")?),
                digest: row.try_get("digest")?,
            })
        };
        rows.iter().map(head).collect()
    }

    /// Listens for new snapshots of all namespaces, on a connection of its own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn watch_snapshots(&self) -> Result<SnapshotWatch> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(SnapshotWatch(listener))
    }
}

/// Versions are never negative.
fn unsigned(version: i64) -> u64 {
    u64::try_from(version).unwrap_or_default()
}
