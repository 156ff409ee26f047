//! Windows of the scoreboard, put together from what was counted: for the board, and for whoever asks for a group of its rows.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use vox_contracts::scoreboard::GroupBy;

use super::rules::{begin, last_day};
use crate::Result;

/// The relation `counts`, and the statement that reads it; its parameters are bound by [`Asked::bind`].
macro_rules! with_counts {
    ($($select:expr),+) => { concat!(include_str!("counts.sql"), $($select),+) };
}
/// The relation `windows`, with the statement that reads it; its parameters are bound by [`Asked::bind`].
macro_rules! with_windows {
    ($($select:expr),+) => { concat!(include_str!("counts.sql"), include_str!("windows.sql"), $($select),+) };
}
pub(super) use {with_counts, with_windows};

/// Models and categories, as lists beside each other.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) all: bool,
    pub(super) models: Vec<String>,
    pub(super) categories: Vec<String>,
}

/// Which windows are asked for, and of what.
pub(super) struct Asked<'a> {
    pub(super) windows_days: &'a [u32],
    pub(super) now: Timestamp,
    pub(super) cells: &'a Cells,
    pub(super) namespace: Option<&'a str>,
    pub(super) group_by: Option<GroupBy>,
}

impl Asked<'_> {
    /// Binds `$1` to `$10`.
    pub(super) fn bind<'q>(
        &'q self,
        statement: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        let by = |group: GroupBy| self.group_by == Some(group);
        let each = self.group_by.is_none();
        let began: Vec<_> = self.windows_days.iter().map(|days| begin(self.now, *days).to_sqlx()).collect();
        statement
            .bind(columns(self.windows_days))
            .bind(began)
            .bind(last_day(self.now).to_sqlx())
            .bind(self.cells.all)
            .bind(&self.cells.models)
            .bind(&self.cells.categories)
            .bind(self.namespace)
            .bind(each || by(GroupBy::Model))
            .bind(each || by(GroupBy::Category))
            .bind(by(GroupBy::Provider))
    }
}

/// Windows as the tables have them.
pub(super) fn columns(windows_days: &[u32]) -> Vec<i32> {
    windows_days.iter().map(|days| i32::try_from(*days).unwrap_or(i32::MAX)).collect()
}

/// Between its relations the planner sees no statistics and takes each for a few rows, which nested loops are for.
pub(super) async fn without_nested_loops(tx: &mut PgConnection) -> Result<()> {
    sqlx::query("SET LOCAL enable_nestloop = off").execute(tx).await?;
    Ok(())
}
