use sqlx::Row as _;
use uuid::Uuid;
use vox_contracts::checkup::Followers;

use crate::{Result, Store};

/// After how many seconds a sidecar that nobody has seen counts as gone: three times and a half what lies between two looks.
const GONE_AFTER_SECONDS: f64 = 90.0;

/// One sidecar that follows the snapshots of its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarPresence {
    /// Its namespace.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// The policy that it names; `None` when it follows the namespace's default.
    pub policy: Option<String>,
    /// The stream over which it is served.
    pub stream: Uuid,
    /// The newest version that it has or was sent; 0 for none.
    pub version: u64,
    /// The keys that it misses, as `policy/provider`.
    pub missing: Vec<String>,
}

/// A key that sidecars miss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingKey {
    /// Their namespace.
    pub namespace: String,
    /// Which, as `policy/provider`.
    pub key: String,
    /// How many sidecars miss it.
    pub sidecars: u64,
}

/// How many sidecars of one namespace follow one policy at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarCount {
    /// The namespace.
    pub namespace: String,
    /// The policy that they name; `None` for those that follow the default.
    pub policy: Option<String>,
    /// The version that they have or were sent.
    pub version: u64,
    /// How many.
    pub sidecars: u64,
}

impl Store {
    /// Records that these sidecars are there now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn see_sidecars(&self, seen: &[SidecarPresence]) -> Result<()> {
        let column = |of: fn(&SidecarPresence) -> &str| seen.iter().map(of).collect::<Vec<_>>();
        // A pod that connects anew is served twice for a moment; one statement may write a row only once.
        sqlx::query(
            "INSERT INTO sidecar_presence (namespace, pod, policy, stream, version, missing, seen_at)
             SELECT DISTINCT ON (namespace, pod, policy) namespace, pod, policy, stream, version, missing, now()
             FROM UNNEST($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::text[])
                 AS seen (namespace, pod, policy, stream, version, missing)
             ORDER BY namespace, pod, policy, version DESC, stream DESC
             ON CONFLICT (namespace, pod, policy) DO UPDATE
             SET stream = excluded.stream, version = excluded.version, missing = excluded.missing,
                 seen_at = excluded.seen_at",
        )
        .bind(column(|one| &one.namespace))
        .bind(column(|one| &one.pod))
        .bind(column(|one| one.policy.as_deref().unwrap_or_default()))
        .bind(seen.iter().map(|one| one.stream).collect::<Vec<_>>())
        .bind(seen.iter().map(|one| i64::try_from(one.version).unwrap_or(i64::MAX)).collect::<Vec<_>>())
        .bind(seen.iter().map(|one| one.missing.join(",")).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Removes the sidecars of streams that ended, and those that nobody has seen for long.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_sidecars(&self, ended: &[Uuid]) -> Result<()> {
        sqlx::query(
            "DELETE FROM sidecar_presence WHERE stream = ANY($1) OR seen_at < now() - make_interval(secs => $2)",
        )
        .bind(ended)
        .bind(GONE_AFTER_SECONDS)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The sidecars that are there now, counted, ascending by namespace and policy, newest version first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_sidecars(&self) -> Result<Vec<SidecarCount>> {
        let rows = sqlx::query(
            "SELECT namespace, policy, version, count(*) AS sidecars FROM sidecar_presence
             WHERE seen_at >= now() - make_interval(secs => $1)
             GROUP BY namespace, policy, version
             ORDER BY namespace COLLATE \"C\", policy COLLATE \"C\", version DESC",
        )
        .bind(GONE_AFTER_SECONDS)
        .fetch_all(&self.pool)
        .await?;
        let count = |row: &sqlx::postgres::PgRow| {
            Ok(SidecarCount {
                namespace: row.try_get("namespace")?,
                policy: Some(row.try_get::<String, _>("policy")?).filter(|policy| !policy.is_empty()),
                version: unsigned(row.try_get("version")?),
                sidecars: unsigned(row.try_get("sidecars")?),
            })
        };
        rows.iter().map(count).collect()
    }

    /// The sidecars that are there now, by namespace, ascending, and which of them lack the newest snapshot.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn followers(&self) -> Result<Vec<Followers>> {
        let rows = sqlx::query(
            "SELECT s.namespace, s.version, s.published_at, count(*) AS sidecars,
                 count(*) FILTER (WHERE p.version < s.version) AS behind,
                 coalesce((array_agg(p.pod ORDER BY p.pod COLLATE \"C\") FILTER (WHERE p.version < s.version))[1:5],
                     '{}') AS pods_behind
             FROM sidecar_presence p JOIN routing_snapshot s USING (namespace)
             WHERE p.seen_at >= now() - make_interval(secs => $1)
             GROUP BY s.namespace ORDER BY s.namespace COLLATE \"C\"",
        )
        .bind(GONE_AFTER_SECONDS)
        .fetch_all(&self.pool)
        .await?;
        let followers = |row: &sqlx::postgres::PgRow| {
            Ok(Followers {
                namespace: row.try_get("namespace")?,
                version: unsigned(row.try_get("version")?),
                published_at: row.try_get::<jiff_sqlx::Timestamp, _>("published_at")?.to_jiff(),
                sidecars: unsigned(row.try_get("sidecars")?),
                behind: unsigned(row.try_get("behind")?),
                pods_behind: row.try_get("pods_behind")?,
            })
        };
        rows.iter().map(followers).collect()
    }

    /// The keys that sidecars miss now, ascending by namespace and key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn missing_keys(&self) -> Result<Vec<MissingKey>> {
        let rows = sqlx::query(
            "SELECT namespace, key, count(*) AS sidecars
             FROM sidecar_presence, unnest(string_to_array(missing, ',')) AS key
             WHERE seen_at >= now() - make_interval(secs => $1)
             GROUP BY namespace, key ORDER BY namespace COLLATE \"C\", key COLLATE \"C\"",
        )
        .bind(GONE_AFTER_SECONDS)
        .fetch_all(&self.pool)
        .await?;
        let missing = |row: &sqlx::postgres::PgRow| {
            Ok(MissingKey {
                namespace: row.try_get("namespace")?,
                key: row.try_get("key")?,
                sidecars: unsigned(row.try_get("sidecars")?),
            })
        };
        rows.iter().map(missing).collect()
    }
}

/// Counts and versions are never negative.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
