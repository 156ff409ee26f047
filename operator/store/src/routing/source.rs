use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use vox_contracts::ProviderType;
use vox_contracts::entry::{CatalogSourceRef, ModelCatalog};

use crate::catalog::{GoneModel, gone_models, published_catalog};
use crate::{Error, Result, Store};

/// Where a source's models are called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceUpstream {
    /// Who runs the server.
    pub provider: ProviderType,
    /// Its API's base URL, without a trailing slash.
    pub base_url: String,
    /// What holds for all who serve them, as `name=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What is known of a source, whether its object is still there or not.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownSource {
    /// `metadata.uid` of the object that brought the catalog.
    pub uid: String,
    /// What [`Store::remember_upstream`] was last told of it.
    pub upstream: Option<SourceUpstream>,
    /// Its last good catalog.
    pub catalog: ModelCatalog,
    /// Models that it had and has no longer.
    pub gone: Vec<GoneModel>,
}

impl Store {
    /// The last good catalog under a source's name; `None` when there never was one. One of an object that is gone
    /// counts until a newer object of the name has a catalog of its own.
    ///
    /// # Errors
    /// When the database does not answer, or what it holds is not of this program's form.
    pub async fn known_source(&self, source: &CatalogSourceRef) -> Result<Option<KnownSource>> {
        let mut tx = self.pool.begin().await?;
        // The lock keeps revision and entries of one publication together.
        let row = sqlx::query(
            "SELECT source_uid, upstream FROM catalog_source WHERE namespace = $1 AND name = $2 AND revision > 0
             ORDER BY retired_at IS NULL DESC, refreshed_at DESC NULLS LAST LIMIT 1 FOR SHARE",
        )
        .bind(&source.namespace)
        .bind(&source.name)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let uid: String = row.try_get("source_uid")?;
        let upstream: Option<serde_json::Value> = row.try_get("upstream")?;
        let convert = |source| Error::Convert { what: "a source's upstream", source };
        let upstream = upstream.map(serde_json::from_value).transpose().map_err(convert)?;
        let Some(catalog) = published_catalog(&mut tx, &uid, source).await? else { return Ok(None) };
        let gone = gone_models(&mut tx, &uid).await?;
        Ok(Some(KnownSource { uid, upstream, catalog, gone }))
    }

    /// Remembers where the models of the source with this uid are called.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remember_upstream(&self, uid: &str, upstream: &SourceUpstream) -> Result<()> {
        let value = serde_json::to_value(upstream)
            .map_err(|source| Error::Convert { what: "a source's upstream", source })?;
        sqlx::query("UPDATE catalog_source SET upstream = $2 WHERE source_uid = $1")
            .bind(uid)
            .bind(value)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
