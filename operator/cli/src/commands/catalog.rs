//! `vox catalog list`, `vox catalog show` and `vox catalog diff`.

mod diff;

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;
use vox_contracts::UsdPerMTok;
use vox_contracts::entry::{ModelCatalog, ModelCatalogEntry};
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::types;

use crate::args::{ListArgs, ModelFilter, ShowArgs};
use crate::cluster::{self, Cluster, Operator, condition};
use crate::error::{Error, Exit};
use crate::freshness::Freshness;
use crate::output::Format;
use crate::progress::{Progress, say};
use crate::relative::{ago, until};
use crate::table::{or_none, table};
pub(super) use diff::{counted, diff};

/// A source in machine output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    namespace: String,
    name: String,
    provider: Option<String>,
    models: Option<i64>,
    /// Of them, those that the provider did not list when it was last asked.
    suspect: Option<i64>,
    revision: Option<i64>,
    freshness: &'static str,
    last_refresh_time: Option<Timestamp>,
    next_refresh_time: Option<Timestamp>,
    stale_time: Option<Timestamp>,
    suspended: bool,
    ready: Option<String>,
    reason: Option<String>,
    message: Option<String>,
}

impl Row {
    fn of(source: &ModelCatalogSource, now: Timestamp) -> Self {
        let status = source.status.clone().unwrap_or_default();
        let ready = condition(source, types::READY);
        Self {
            namespace: source.namespace().unwrap_or_default(),
            name: source.name_any(),
            provider: status.provider,
            models: status.catalog.as_ref().map(|catalog| catalog.models),
            suspect: status.catalog.as_ref().map(|catalog| catalog.suspect),
            revision: status.catalog.as_ref().map(|catalog| catalog.revision),
            freshness: Freshness::of(source, now).name(),
            last_refresh_time: status.last_refresh_time.map(|time| time.0),
            next_refresh_time: status.next_refresh_time.map(|time| time.0),
            stale_time: status.stale_time.map(|time| time.0),
            suspended: source.spec.suspend,
            ready: ready.map(|ready| ready.status.clone()),
            reason: ready.map(|ready| ready.reason.clone()),
            message: ready.map(|ready| ready.message.clone()),
        }
    }
}

pub(super) async fn list(cluster: &Cluster, args: ListArgs, output: Format) -> Result<Exit, Error> {
    if let Some(source) = args.source {
        return show(cluster, &ShowArgs { source, models: ModelFilter::default() }, output).await;
    }
    let sources = Progress::during("reading the sources", cluster::list(cluster, &cluster.place)).await?;
    let now = Timestamp::now();
    let rows: Vec<Row> = sources.iter().map(|source| Row::of(source, now)).collect();
    if rows.is_empty() && output == Format::Table {
        say(&super::none_found(&cluster.place));
        return Ok(Exit::Ok);
    }
    output.print(&rows, || sources_table(&rows, now))?;
    Ok(Exit::Ok)
}

fn sources_table(rows: &[Row], now: Timestamp) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let next = row.next_refresh_time.map(|time| until(now, time));
            [
                row.namespace.clone(),
                row.name.clone(),
                or_none(row.provider.clone()),
                or_none(row.models.map(|models| models.to_string())),
                or_none(row.suspect.map(|suspect| suspect.to_string())),
                row.freshness.to_owned(),
                or_none(row.last_refresh_time.map(|time| ago(now, time))),
                if row.suspended { "suspended".to_owned() } else { or_none(next) },
                or_none(row.reason.clone()),
            ]
        })
        .collect();
    table(
        ["NAMESPACE", "NAME", "PROVIDER", "MODELS", "SUSPECT", "FRESHNESS", "REFRESHED", "NEXT", "READY"],
        &cells,
    )
}

pub(super) async fn show(cluster: &Cluster, args: &ShowArgs, output: Format) -> Result<Exit, Error> {
    let source = args.source.resolve(&cluster.place)?;
    let read = async { Operator::find(cluster).await?.catalog(&source).await };
    let Some(mut catalog) = Progress::during("reading the catalog from the operator", Box::pin(read)).await?
    else {
        // The operator knows catalogs, the API server knows whether there is such a source at all.
        let reason = cluster::get(cluster, &source).await.map(|found| unpublished(&found))?;
        return Err(Error::NotFound(reason));
    };
    let all = catalog.entries.len();
    catalog.entries.retain(|entry| wanted(entry, &args.models));
    output.print(&catalog, || entries_table(&catalog))?;
    if output == Format::Table && catalog.entries.len() < all {
        say(&format!("{} of {all} models", catalog.entries.len()));
    }
    Ok(Exit::Ok)
}

fn unpublished(source: &ModelCatalogSource) -> String {
    let why = condition(source, types::READY).map(|ready| format!(" ({}: {})", ready.reason, ready.message));
    format!(
        "source {}/{} has no catalog yet{}; vox discover --source {0}/{1} asks for one",
        source.namespace().unwrap_or_default(),
        source.name_any(),
        why.unwrap_or_default(),
    )
}

fn wanted(entry: &ModelCatalogEntry, args: &ModelFilter) -> bool {
    let holds = |text: &str, filter: &str| text.to_lowercase().contains(&filter.to_lowercase());
    let is = |filter: &String| entry.identity.as_ref().is_some_and(|identity| holds(identity, filter));
    args.filter.as_ref().is_none_or(|filter| holds(&entry.model_id, filter))
        && args.identity.as_ref().is_none_or(is)
        && args.tier.is_none_or(|tier| entry.tier == tier)
        && args.strength.is_none_or(|strength| entry.strengths.contains(&strength))
}

fn entries_table(catalog: &ModelCatalog) -> String {
    let cells: Vec<_> = catalog
        .entries
        .iter()
        .map(|entry| {
            let dynamic = entry.pricing.dynamic;
            // One that may be gone is told from the others.
            let mark = if entry.suspect.is_some() { " (suspect)" } else { "" };
            let strengths: Vec<&str> = entry.strengths.iter().map(|strength| strength.as_str()).collect();
            [
                format!("{}{mark}", entry.model_id),
                entry.tier.to_string(),
                entry.context_length_tokens.map_or_else(|| "?".to_owned(), |tokens| tokens.to_string()),
                price(entry.pricing.input_usd_per_mtok, dynamic),
                price(entry.pricing.output_usd_per_mtok, dynamic),
                or_none(entry.identity.clone()),
                strengths.join(","),
            ]
        })
        .collect();
    table(["MODEL", "TIER", "CONTEXT", "INPUT $/MTOK", "OUTPUT $/MTOK", "IDENTITY", "STRENGTHS"], &cells)
}

/// Unknown is not zero, and a price that depends on the request is neither.
fn price(price: Option<UsdPerMTok>, dynamic: bool) -> String {
    match price {
        Some(price) if price.is_free() => "free".to_owned(),
        Some(price) => price.to_string(),
        None if dynamic => "varies".to_owned(),
        None => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use vox_contracts::{ModelTier, StrengthTag};

    use super::*;
    use crate::freshness::tests::source;

    fn catalog() -> ModelCatalog {
        serde_json::from_value(serde_json::json!({
            "schema_version": 1,
            "entries": [
                { "model_id": "maker/cheap", "provider": "openrouter", "identity": "maker/cheap-7b", "tier": "economy", "context_length_tokens": 131_072,
                  "pricing": { "input_usd_per_mtok": "0.15", "output_usd_per_mtok": "0.6" }, "strengths": ["codegen", "logic"] },
                { "model_id": "maker/free", "provider": "openrouter", "tier": "economy",
                  "pricing": { "input_usd_per_mtok": "0", "output_usd_per_mtok": "0" } },
                { "model_id": "maker/Router", "provider": "openrouter", "tier": "premium", "pricing": { "dynamic": true } },
                { "model_id": "maker/unknown", "provider": "openrouter", "tier": "pro",
                  "suspect": { "since": "2026-01-01T00:00:00Z", "fetches": 1 } },
            ],
        }))
        .unwrap()
    }

    fn args(filter: Option<&str>, tier: Option<ModelTier>, strength: Option<StrengthTag>) -> ModelFilter {
        let filter = filter.map(str::to_owned);
        ModelFilter { filter, identity: None, tier, strength }
    }

    #[test]
    fn unknown_free_and_varying_prices_are_told_apart() {
        insta::assert_snapshot!(entries_table(&catalog()), @r"
        MODEL                     TIER      CONTEXT   INPUT $/MTOK   OUTPUT $/MTOK   IDENTITY         STRENGTHS
        maker/cheap               economy   131072    0.15           0.6             maker/cheap-7b   codegen,logic
        maker/free                economy   ?         free           free            -
        maker/Router              premium   ?         varies         varies          -
        maker/unknown (suspect)   pro       ?         ?              ?               -
        ");
    }

    #[test]
    fn every_filter_that_is_set_must_hold() {
        let kept = |args: ModelFilter| catalog().entries.iter().filter(|entry| wanted(entry, &args)).count();
        assert_eq!(kept(args(None, None, None)), 4);
        assert_eq!(kept(args(Some("ROUTER"), None, None)), 1);
        assert_eq!(kept(args(None, Some(ModelTier::Economy), None)), 2);
        assert_eq!(kept(args(None, Some(ModelTier::Economy), Some(StrengthTag::Codegen))), 1);
        assert_eq!(kept(args(Some("free"), Some(ModelTier::Pro), None)), 0);
        let of =
            |identity: &str| ModelFilter { identity: Some(identity.to_owned()), ..args(None, None, None) };
        assert_eq!((kept(of("Cheap-7B")), kept(of("free"))), (1, 0));
    }

    #[test]
    fn sources_are_listed_with_relative_times() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let mut suspended = source("hub", 90, Some(1_000_000 - 38 * 3600), 1_000_000 - 3600);
        suspended.spec.suspend = true;
        let sources =
            [source("ollama", 8, Some(1_000_000 - 41), 1_003_600), suspended, source("new", 0, None, 0)];
        let rows: Vec<Row> = sources.iter().map(|source| Row::of(source, now)).collect();
        insta::assert_snapshot!(sources_table(&rows, now), @r"
        NAMESPACE   NAME     PROVIDER   MODELS   SUSPECT   FRESHNESS      REFRESHED   NEXT        READY
        shop        ollama   ollama     8        0         Fresh          41s ago     -           -
        shop        hub      ollama     90       0         Stale          38h ago     suspended   -
        shop        new      -          -        -         NeverFetched   -           -           -
        ");
    }
}
