//! Text of others, made fit to stand in a message.

use vox_contracts::text::is_shown;

/// How much of a provider's own words a message holds, in characters.
pub(crate) const MAX_QUOTED: usize = 200;

/// One line of at most so many characters, control characters and runs of white space made one space.
pub(crate) fn clip(text: &str, max: usize) -> String {
    let mut line = String::new();
    let mut kept = 0;
    for word in text.split(|c: char| c.is_whitespace() || !is_shown(c)).filter(|word| !word.is_empty()) {
        let gap = usize::from(kept > 0);
        for c in " ".chars().take(gap).chain(word.chars()) {
            if kept == max {
                line.push('…');
                return line;
            }
            line.push(c);
            kept += 1;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line_of_bounded_length() {
        assert_eq!(clip(" a\n\tb\u{1b}[31m  c ", 200), "a b [31m c");
        assert_eq!(clip(&"é".repeat(300), 3), "ééé…");
        assert_eq!(clip("abc", 3), "abc");
    }
}
