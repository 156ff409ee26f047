//! A store of one's own for each test, and what to put into it.

// Each test file uses a part.
#![allow(dead_code, clippy::unwrap_used)]

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Connection as _, PgConnection};
use vox_contracts::discovery::{CatalogUpload, Permission, UploadReceipt};
use vox_contracts::entry::{CatalogSourceRef, Pricing};
use vox_contracts::inference::INFERRED_WITH;
use vox_contracts::{ModelCatalogEntry, ModelTier, ProviderType};
use vox_store::catalog::gate::Pace;
use vox_store::catalog::{PublishLimits, RunIdentity, SourceIdentity};
use vox_store::{Error, Store};

pub(crate) const PACE: Pace = Pace {
    min_interval: Duration::from_secs(3600),
    run_limit: Duration::from_secs(300),
    retry_base: Duration::from_secs(30),
    retry_max: Duration::from_secs(600),
    asked: None,
};

pub(crate) const LIMITS: PublishLimits =
    PublishLimits { shrink_limit_per_mille: 500, missed_fetches_until_removed: 2, accepted_digest: None };

/// A migrated database that nobody else uses, or `None` where no Postgres is named.
pub(crate) async fn store(name: &str) -> Option<Store> {
    let Ok(url) = std::env::var("VOX_TEST_DATABASE_URL") else {
        eprintln!("skipped: VOX_TEST_DATABASE_URL is not set; `make test` sets it");
        return None;
    };
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let database = database_of(name);
    for statement in
        [format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"), format!("CREATE DATABASE {database}")]
    {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    }
    let store = Store::open(&named(&url, &database), 8).unwrap();
    store.migrate().await.unwrap();
    Some(store)
}

/// A connection beside the store's, to see what is in the tables.
pub(crate) async fn connection(name: &str) -> PgConnection {
    let url = std::env::var("VOX_TEST_DATABASE_URL").unwrap();
    PgConnection::connect(&named(&url, &database_of(name))).await.unwrap()
}

fn database_of(test: &str) -> String {
    format!("store_{test}")
}

fn named(url: &str, database: &str) -> String {
    let mut url: url::Url = url.parse().unwrap();
    url.set_path(database);
    url.to_string()
}

pub(crate) fn source() -> SourceIdentity {
    SourceIdentity {
        uid: "uid-1".to_owned(),
        source: CatalogSourceRef { namespace: "shop".to_owned(), name: "acme".to_owned() },
        provider: ProviderType::OpenRouter,
    }
}

pub(crate) fn run(name: &str, plan: &str) -> RunIdentity {
    RunIdentity { run: name.to_owned(), plan_digest: plan.to_owned() }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn entry(n: usize, price: &str) -> ModelCatalogEntry {
    ModelCatalogEntry {
        context_length_tokens: Some(128_000),
        input_modalities: vec!["text".to_owned()],
        output_modalities: vec!["text".to_owned()],
        pricing: Pricing { input_usd_per_mtok: Some(price.parse().unwrap()), ..Pricing::default() },
        tier: ModelTier::ALL[0],
        ..ModelCatalogEntry::bare(format!("acme/m{n:05}"), ProviderType::OpenRouter)
    }
}

pub(crate) fn upload(entries: Vec<ModelCatalogEntry>, plan: &str) -> CatalogUpload {
    CatalogUpload {
        plan_digest: plan.to_owned(),
        etag: Some("\"e1\"".to_owned()),
        inferred_with: Some(INFERRED_WITH),
        entries,
        refusals: vec![],
        refused: 0,
    }
}

pub(crate) fn models(count: usize) -> Vec<ModelCatalogEntry> {
    (0..count).map(|n| entry(n, "1")).collect()
}

/// Begins a run and publishes with it.
pub(crate) async fn publish(
    store: &Store,
    name: &str,
    entries: Vec<ModelCatalogEntry>,
    second: i64,
) -> Result<UploadReceipt, Error> {
    let run = run(name, "p");
    let permission = store.begin_attempt(&source(), &run, &PACE, at(second)).await?;
    assert!(matches!(permission, Permission::Fetch { .. }), "{permission:?}");
    let published = store.publish(&source(), &run, &upload(entries, "p"), &LIMITS, at(second + 1)).await?;
    Ok(published.receipt)
}
