//! Postgres through sqlx: what was discovered, and every attempt to.
//!
//! Business rules that need the database's locks stand here (one revision at a time, at most one fetch per interval);
//! everything that can be decided from plain data is in pure modules ([`catalog::diff`], [`catalog::gate`]).

pub mod budget;
pub mod catalog;
mod checkup;
mod error;
pub mod evidence;
pub mod outcome;
pub mod routing;
pub mod scoreboard;

use std::time::Duration;

use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use error::{Error, Result};

/// The schema, compiled in.
static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// A pool of connections to the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Opens a pool without connecting: a database that is away is an error of each query, never of the start.
    ///
    /// # Errors
    /// When `url` is no Postgres URL. The error does not repeat it, because it holds the password.
    pub fn open(url: &str, max_connections: u32) -> Result<Self> {
        let options: PgConnectOptions = url.trim().parse().map_err(|_| Error::Url)?;
        // A query that takes longer than this waits for a lock or a broken disk; the caller tries again.
        let options = options.application_name("vox-operator").options([("statement_timeout", "30s")]);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Brings the schema up to date, under a lock that all replicas share.
    ///
    /// # Errors
    /// When the database does not answer, or its schema is newer than this program.
    pub async fn migrate(&self) -> Result<()> {
        MIGRATOR.run(&self.pool).await.map_err(Error::from_migration)
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
