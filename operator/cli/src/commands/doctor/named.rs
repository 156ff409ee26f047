//! Lists that are to be read: of many, the first few by name. Pure.

/// How many a line names.
const SHOWN: usize = 10;

/// `a, b and 3 more`.
pub(super) fn named<T: AsRef<str>>(all: &[T]) -> String {
    let shown = all.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `1 source`, `2 sources`.
pub(super) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_twelve_ten_are_named() {
        let all: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(named(&all), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
        assert_eq!(named(&all[..2]), "0, 1");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(1, "call"), "1 call");
        assert_eq!(counted(2, "call"), "2 calls");
    }
}
