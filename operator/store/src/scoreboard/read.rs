//! What rows of Postgres hold, as the messages have it.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use vox_contracts::UsdPerMTok;
use vox_contracts::price::Usd;

use crate::Result;

/// An amount of a column `numeric::text` of whole pico-USD.
pub(super) fn usd(row: &PgRow, column: &str) -> Result<Option<Usd>> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| {
        let pico = text.parse().ok().and_then(Usd::of_pico_usd);
        pico.ok_or_else(|| decode(column, "no amount in pico-USD"))
    })
    .transpose()
}

/// A price of a column `numeric::text`.
pub(super) fn price(row: &PgRow, column: &str) -> Result<Option<UsdPerMTok>> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| UsdPerMTok::try_from(text).map_err(|_| decode(column, "no price"))).transpose()
}

/// A moment.
pub(super) fn moment(row: &PgRow, column: &str) -> Result<jiff::Timestamp> {
    Ok(row.try_get::<jiff_sqlx::Timestamp, _>(column)?.to_jiff())
}

/// A count, which is never negative.
pub(super) fn count(row: &PgRow, column: &str) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}

fn decode(column: &str, reason: &str) -> crate::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: reason.into() }.into()
}
