//! Patterns over ids, as policies write them: `*` stands for any run of characters, everything else for itself.

/// Whether the whole text matches.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = pattern.contains('*').then(|| pieces.next_back()).flatten() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_without_a_star_is_the_text_itself() {
        assert!(matches("a/b", "a/b"));
        assert!(!matches("a/b", "a/bc"));
        assert!(!matches("a/b", "xa/b"));
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters_and_for_none() {
        for (pattern, text) in [("*", ""), ("a*", "a"), ("a*c", "abbc"), ("*b*", "abc"), ("a**c", "ac")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn pieces_do_not_overlap() {
        assert!(!matches("ab*ba", "aba"));
        assert!(!matches("*ab*ab*", "aab"));
        assert!(!matches("a*b", "abc"));
    }
}
