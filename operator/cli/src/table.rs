//! Columns for people.

use vox_contracts::text::is_shown;

/// No cell is wider, in letters, but of the last column: one long name must not push all others off the screen. Machine
/// output has it whole.
const WIDEST: usize = 120;

/// Between two columns.
const GAP: &str = "   ";

/// Lays rows out below their headers, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> String {
    let cell = |row: &[String; N], column: usize| {
        let cell = printable(&row[column]);
        if column + 1 < N { cut(cell) } else { cell }
    };
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| std::array::from_fn(|column| cell(row, column))).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headers[column].len()]).max().unwrap_or_default()
    });
    let mut text = line(&headers.map(str::to_owned), &widths);
    for row in &rows {
        text.push_str(&line(row, &widths));
    }
    text
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let padded: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    format!("{}\n", padded.join(GAP).trim_end())
}

fn cut(cell: String) -> String {
    match cell.char_indices().nth(WIDEST) {
        Some(_) => cell.chars().take(WIDEST - 1).chain(['\u{2026}']).collect(),
        None => cell,
    }
}

/// Model ids and messages come from providers; none of them may move the cursor or colour the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if !is_shown(c) { '\u{fffd}' } else { c }).collect()
}

/// What an unknown cell holds.
pub(crate) fn or_none(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_blanks() {
        let rows = [["a-long-name".to_owned(), "1".to_owned()], ["b".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "MODELS"], &rows), "NAME          MODELS\na-long-name   1\nb\n");
    }

    #[test]
    fn a_long_name_does_not_push_the_others_off_the_screen_and_a_long_sentence_is_whole() {
        let rows = [["n".repeat(1000), "1".to_owned(), "w".repeat(1000)]];
        let text = table(["NAME", "CALLS", "WHY"], &rows);
        let cells: Vec<usize> =
            text.lines().nth(1).unwrap().split_whitespace().map(|cell| cell.chars().count()).collect();
        assert_eq!(cells, [WIDEST, 1, 1000]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    }
}
