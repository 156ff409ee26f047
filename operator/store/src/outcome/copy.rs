//! Rows as `COPY … FROM STDIN (FORMAT binary)` takes them, in network order. Source: PostgreSQL's manual, COPY, "Binary
//! Format", and the `…recv` functions of the types.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// No flags, and no extension of the header.
const HEADER_REST: [u8; 8] = [0; 8];
/// Stands in a field count's place after the last row.
const TRAILER: i16 = -1;
/// Stands in a length's place.
const NULL: i32 = -1;
/// Postgres counts days and microseconds from 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MS: i64 = 946_684_800_000;
/// `text` in `pg_type`.
const TEXT_OID: u32 = 25;

/// Rows of one table, as they are sent.
pub(super) struct Rows(Vec<u8>);

impl Rows {
    pub(super) fn new() -> Self {
        Self([SIGNATURE, &HEADER_REST].concat())
    }

    /// One row: what `fill` puts, in the order of the columns.
    pub(super) fn row(&mut self, fill: impl FnOnce(&mut Fields<'_>)) {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        let mut fields = Fields { out: &mut self.0, count: 0 };
        fill(&mut fields);
        let count = fields.count;
        if let Some(place) = self.0.get_mut(at..at + 2) {
            place.copy_from_slice(&count.to_be_bytes());
        }
    }

    /// Sends them.
    pub(super) async fn copy(mut self, into: &mut PgConnection, table: &str, columns: &str) -> Result<()> {
        self.0.extend_from_slice(&TRAILER.to_be_bytes());
        let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
        let mut copy = into.copy_in_raw(&statement).await?;
        copy.send(self.0).await?;
        copy.finish().await?;
        Ok(())
    }
}

/// The fields of a row, as they are put.
pub(super) struct Fields<'a> {
    out: &'a mut Vec<u8>,
    count: i16,
}

impl Fields<'_> {
    pub(super) fn put(&mut self, value: impl Field) -> &mut Self {
        self.count = self.count.saturating_add(1);
        if value.is_null() {
            self.out.extend_from_slice(&NULL.to_be_bytes());
            return self;
        }
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        value.write(self.out);
        // A field is far below a gigabyte: its texts are bounded where lines are read.
        let length = i32::try_from(self.out.len() - at - 4).unwrap_or(i32::MAX);
        if let Some(place) = self.out.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self
    }
}

/// A value of a column's type.
pub(super) trait Field {
    fn is_null(&self) -> bool {
        false
    }

    fn write(&self, out: &mut Vec<u8>);
}

/// A day of `date`, counted from 1970-01-01.
pub(super) struct Day(pub(super) i32);

/// A moment of `timestamptz`, in milliseconds since 1970 UTC.
pub(super) struct Moment(pub(super) i64);

impl<T: Field> Field for Option<T> {
    fn is_null(&self) -> bool {
        self.is_none()
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.write(out);
        }
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Field for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        })*
    };
}
numbers!(i16, i32, i64, f64);

impl Field for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Field for Uuid {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Field for &str {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Field for Day {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.saturating_sub(EPOCH_DAYS).write(out);
    }
}

impl Field for Moment {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.saturating_sub(EPOCH_MS).saturating_mul(1000).write(out);
    }
}

/// `text[]`.
impl Field for &[String] {
    fn write(&self, out: &mut Vec<u8>) {
        let count = i32::try_from(self.len()).unwrap_or(i32::MAX);
        // Of none dimension where nothing is in it.
        out.extend_from_slice(&i32::from(count > 0).to_be_bytes());
        out.extend_from_slice(&0_i32.to_be_bytes());
        out.extend_from_slice(&TEXT_OID.to_be_bytes());
        if count == 0 {
            return;
        }
        let first_index = 1_i32;
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(&first_index.to_be_bytes());
        let mut texts = Fields { out, count: 0 };
        for text in *self {
            texts.put(text.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_fields_counted_and_measured() {
        let mut rows = Rows::new();
        rows.row(|row| {
            row.put(7_i16).put(None::<i64>).put("ab");
        });
        let row = rows.0.split_off(SIGNATURE.len() + HEADER_REST.len());
        assert_eq!(row, [0, 3, 0, 0, 0, 2, 0, 7, 255, 255, 255, 255, 0, 0, 0, 2, b'a', b'b']);
    }

    #[test]
    fn the_epoch_is_postgres_own() {
        let written = |field: &dyn Field| {
            let mut out = Vec::new();
            field.write(&mut out);
            out
        };
        assert_eq!(written(&Day(10_958)), 1_i32.to_be_bytes());
        assert_eq!(written(&Moment(946_684_800_001)), 1000_i64.to_be_bytes());
        assert_eq!(written(&Moment(0)), (-946_684_800_000_000_i64).to_be_bytes());
    }
}
