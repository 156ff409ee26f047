use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use vox_store::Store;

use crate::args::DatabaseSettings;

/// How long to wait between two tries while the database is away.
const RETRY: Duration = Duration::from_secs(2);

/// Opens the store that the settings name. Does not connect.
pub(crate) fn open(settings: &DatabaseSettings) -> anyhow::Result<Store> {
    let file: &Path = &settings.database_url_file;
    let url = std::fs::read_to_string(file).with_context(|| {
        format!(
            "failed to read the database URL from {}; mount the Secret that holds it there",
            file.display()
        )
    })?;
    Ok(Store::open(&url, settings.database_connections)?)
}

/// Brings the schema up to date, once the database answers.
pub(crate) async fn migrate(settings: &DatabaseSettings) -> anyhow::Result<()> {
    until_migrated(&open(settings)?).await
}

/// Tries until the database answers. A schema that cannot be migrated is an error at once.
pub(crate) async fn until_migrated(store: &Store) -> anyhow::Result<()> {
    let mut said = false;
    loop {
        match store.migrate().await {
            Ok(()) => {
                tracing::info!("the database schema is up to date");
                return Ok(());
            }
            Err(error) if error.is_unavailable() => {
                // Once is enough for a log; the readiness probe keeps saying it.
                if !said {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the database does not answer; waiting for it"
                    );
                }
                said = true;
            }
            Err(error) => return Err(error).context("failed to bring the database up to date"),
        }
        tokio::time::sleep(RETRY).await;
    }
}
