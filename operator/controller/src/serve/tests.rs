//! Databases of the tests of what is served, in the Postgres that `VOX_TEST_DATABASE_URL` names.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use sqlx::{Connection as _, PgConnection};

/// The URL of a new database of one's own, or nothing where no Postgres is named.
pub(crate) async fn database(name: &str) -> Option<String> {
    let Ok(url) = std::env::var("VOX_TEST_DATABASE_URL") else {
        eprintln!("skipped: VOX_TEST_DATABASE_URL is not set; `make test` sets it");
        return None;
    };
    let mut admin = PgConnection::connect(&url).await.unwrap();
    for statement in
        [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")]
    {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    }
    let mut url: url::Url = url.parse().unwrap();
    url.set_path(name);
    Some(url.to_string())
}
