//! Texts that come from elsewhere and are shown to people.

/// Whether a character takes a place of its own on a terminal: no control (Unicode's category Cc), and none of those that
/// reorder, join, hide or break what stands around them (Cf, Zl, Zp), with which one id passes for another.
#[must_use]
pub fn is_shown(c: char) -> bool {
    let hidden = matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}'
    );
    !c.is_control() && !hidden
}

/// At most so many characters of a text, in one line: what is not shown is a space, and what is left out is `…`.
#[must_use]
pub fn one_line(text: &str, longest: usize) -> String {
    let shown = |c: char| if is_shown(c) { c } else { ' ' };
    let mut line: String = text.chars().take(longest).map(shown).collect();
    if text.chars().nth(longest).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_every_script_are_shown_and_what_deceives_the_eye_is_not() {
        assert!("gpt-4o/Ünïcode 漢字 عربي 👍".chars().all(is_shown));
        for hidden in ['\u{1b}', '\u{9b}', '\n', '\u{202e}', '\u{2028}', '\u{200b}', '\u{feff}', '\u{e0041}']
        {
            assert!(!is_shown(hidden), "{hidden:?}");
        }
    }

    #[test]
    fn a_line_is_short_and_one_and_says_that_it_was_cut() {
        assert_eq!(one_line("a\nb\u{202e}c", 5), "a b c");
        assert_eq!(one_line("añb", 2), "añ…");
    }
}
