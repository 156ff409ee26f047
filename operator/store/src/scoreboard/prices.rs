//! What models are listed at, and what they were billed at.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::{PgConnection, Row as _};
use vox_contracts::model_key::server_key;

use super::rules::{Rules, begin, last_day};
use crate::routing::SourceUpstream;
use crate::{Error, Result};

/// How many of a model's newest calls its price is read from.
const PRICED_CALLS: i64 = 1000;

/// Writes down what the catalogs say of the models on the scoreboard, and forgets what models were billed at before their
/// catalog said another price.
pub(super) async fn listings(tx: &mut PgConnection) -> Result<()> {
    let sources = sqlx::query(
        "SELECT source_uid, upstream FROM catalog_source WHERE upstream IS NOT NULL AND revision > 0",
    )
    .fetch_all(&mut *tx)
    .await?;
    let (mut uids, mut servers) = (Vec::<String>::new(), Vec::new());
    for source in sources {
        let upstream: SourceUpstream = serde_json::from_value(source.try_get("upstream")?)
            .map_err(|source| Error::Convert { what: "a source's upstream", source })?;
        uids.push(source.try_get("source_uid")?);
        servers.push(server_key(&upstream.provider, &upstream.base_url));
    }
    sqlx::query("DELETE FROM model_listing").execute(&mut *tx).await?;
    sqlx::query(
        "INSERT INTO model_listing (model_key, tier, input_usd_per_mtok, output_usd_per_mtok, repriced_at)
         SELECT DISTINCT ON (k.model_key) k.model_key, e.entry ->> 'tier',
            (e.entry #>> '{pricing,input_usd_per_mtok}')::numeric, (e.entry #>> '{pricing,output_usd_per_mtok}')::numeric,
            (SELECT max(r.published_at) FROM catalog_change AS c JOIN catalog_revision AS r USING (source_uid, revision)
                WHERE c.source_uid = e.source_uid AND c.model_id = e.model_id AND c.change = 'repriced')
         FROM (SELECT DISTINCT model_key FROM model_scoreboard) AS k
         JOIN unnest($1::text[], $2::text[]) AS s (source_uid, server) ON starts_with(k.model_key, s.server || '/')
         JOIN catalog_entry AS e ON e.source_uid = s.source_uid AND e.model_id = substr(k.model_key, length(s.server) + 2)
         JOIN catalog_source AS o ON o.source_uid = s.source_uid
         ORDER BY k.model_key, o.retired_at IS NULL DESC, o.refreshed_at DESC NULLS LAST, s.source_uid",
    )
    .bind(uids)
    .bind(servers)
    .execute(&mut *tx)
    .await?;
    // What was observed at another price would decide before the one that is listed now.
    sqlx::query(
        "DELETE FROM model_pricing_catalog AS p USING model_listing AS l
         WHERE l.model_key = p.model_key AND p.first_at < l.repriced_at",
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Replaces the observed prices of these models, or of all.
pub(super) async fn observe(
    tx: &mut PgConnection,
    rules: &Rules,
    models: Option<&[String]>,
    now: Timestamp,
) -> Result<u64> {
    sqlx::query("DELETE FROM model_pricing_catalog WHERE $1 OR model_key = ANY ($2)")
        .bind(models.is_none())
        .bind(models.unwrap_or_default())
        .execute(&mut *tx)
        .await?;
    let [medium, high] = rules.price_samples;
    let inserted = sqlx::query(include_str!("prices.sql"))
        .bind(begin(now, rules.price_window_days).to_sqlx())
        .bind(last_day(now).to_sqlx())
        .bind(models.is_none())
        .bind(models.unwrap_or_default())
        .bind(PRICED_CALLS)
        .bind(i64::from(medium))
        .bind(i64::from(high))
        .bind(now.to_sqlx())
        .execute(tx)
        .await?;
    Ok(inserted.rows_affected())
}
