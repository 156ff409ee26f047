use vox_contracts::discovery::FailureClass;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database URL is not one.
    #[error("failed to read the database URL: write postgres://user:password@host:port/database")]
    Url,
    /// The database did not answer, or answered with an error.
    #[error("failed to query the database: {}", told(.0))]
    Query(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("failed to migrate the database schema: {0}")]
    Migration(String),
    /// Something in the database or for it is not of its type.
    #[error("failed to convert {what}")]
    Convert {
        /// What was to be converted.
        what: &'static str,
        /// Why it failed.
        source: serde_json::Error,
    },
    /// An answer would be longer than any is.
    #[error("failed to tell of all {what}: there are more than {most}; ask for a shorter time")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: i64,
    },
    /// An upload that breaks the rules of publication.
    #[error("{message}")]
    Refused {
        /// Also the reason of the condition.
        class: FailureClass,
        /// What is wrong, and what to do.
        message: String,
    },
    /// An upload or report for a plan that is no longer the source's, or a run that was never started.
    #[error(
        "failed to match the run {run:?} with its plan: the source has changed since; the next run will use the new plan"
    )]
    Superseded {
        /// The run.
        run: String,
    },
    /// An upload or a 304 of a run when one that began later has already ended well.
    #[error(
        "failed to take what the run {run:?} brings: a run that began later has ended well, and what it brought stays"
    )]
    Outdated {
        /// The run.
        run: String,
    },
}

impl Error {
    /// Whether the database itself is the trouble, so that the caller waits and tries again.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        let Self::Query(error) = self else { return false };
        match error {
            // SQLSTATE classes 22 (data), 23 (constraint) and 42 (statement): the same again would fail the same again.
            sqlx::Error::Database(error) => {
                let code = error.code();
                !code.is_some_and(|code| ["22", "23", "42"].iter().any(|class| code.starts_with(class)))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => true,
            // It answered, and the answer is not what is read here.
            _ => false,
        }
    }

    /// Why a row is refused for what is in it: SQLSTATE classes 22 (data) and 23 (constraint); other rows may be fine. The
    /// database's own message is left out, as it can quote the row.
    pub(crate) fn of_the_data(&self) -> Option<String> {
        let Self::Query(error) = self else { return None };
        let error = error.as_database_error()?;
        error.code().filter(|code| code.starts_with("22") || code.starts_with("23"))?;
        Some(sqlstate(error))
    }

    /// A migration fails because the database is away (try again) or because of what is in it (do not).
    pub(crate) fn from_migration(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(source) => Self::Query(source),
            other => Self::Migration(other.to_string()),
        }
    }
}

/// What failed, for whoever runs the operator.
fn told(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => sqlstate(&**error),
        other => other.to_string(),
    }
}

/// A database's error without its message, which can quote a row.
fn sqlstate(error: &dyn sqlx::error::DatabaseError) -> String {
    let of =
        |what: &str, name: Option<&str>| name.map_or_else(String::new, |name| format!(", {what} {name}"));
    let (table, constraint) = (of("table", error.table()), of("constraint", error.constraint()));
    format!("SQLSTATE {}{table}{constraint}", error.code().unwrap_or_default())
}
