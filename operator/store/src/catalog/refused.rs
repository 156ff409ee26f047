//! Rows of a provider's list that are no model, told in a line. Pure.

use vox_contracts::discovery::CatalogUpload;
use vox_contracts::text::one_line;

/// So many rows are told; the rest are counted.
const TOLD: usize = 3;
/// The longest id of a row, and the longest reason, in characters.
const LONGEST: (usize, usize) = (80, 200);

/// The first few refused rows and why: `acme/m1: it has no id; acme/m2: … and 5 more`. Empty where all were taken.
pub(super) fn told(upload: &CatalogUpload) -> String {
    let rows = upload.refusals.iter().take(TOLD);
    let rows: Vec<String> = rows
        .map(|one| format!("{}: {}", one_line(&one.row, LONGEST.0), one_line(&one.reason, LONGEST.1)))
        .collect();
    let rest = count(upload).saturating_sub(rows.len());
    let more = if rest > 0 && !rows.is_empty() { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", rows.join("; "))
}

/// How many rows were refused. Whoever holds a Job's token may name more than he counts.
pub(super) fn count(upload: &CatalogUpload) -> usize {
    usize::try_from(upload.refused).unwrap_or(usize::MAX).max(upload.refusals.len())
}

#[cfg(test)]
mod tests {
    use vox_contracts::discovery::RowRefusal;

    use super::*;

    fn upload(rows: &[(&str, &str)], refused: u32) -> CatalogUpload {
        let refusal = |(row, reason): &(&str, &str)| RowRefusal {
            row: (*row).to_owned(),
            reason: (*reason).to_owned(),
        };
        CatalogUpload {
            plan_digest: "p".to_owned(),
            etag: None,
            inferred_with: None,
            entries: Vec::new(),
            refusals: rows.iter().map(refusal).collect(),
            refused,
        }
    }

    #[test]
    fn the_first_rows_are_told_and_the_others_counted() {
        let four = [("a", "no id"), ("b", "price \"x\""), ("c", "no id"), ("d", "no id")];
        assert_eq!(told(&upload(&four, 20)), "a: no id; b: price \"x\"; c: no id and 17 more");
        assert_eq!(told(&upload(&four[..1], 1)), "a: no id");
        assert_eq!(told(&upload(&[], 0)), "");
        assert_eq!(count(&upload(&four, 0)), 4);
    }

    #[test]
    fn what_is_told_is_short_and_one_line() {
        let long = "x".repeat(5000);
        let told = told(&upload(&[(&long, "a\nb"), (&long, &long), (&long, &long)], 3));
        assert!(told.chars().count() < 900 && !told.contains('\n'), "{told}");
    }
}
