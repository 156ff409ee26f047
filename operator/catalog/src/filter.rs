//! `ModelFilter`: which models of a source are kept.

use vox_contracts::ModelCatalogEntry;
use vox_contracts::discovery::ModelFilter;

/// Whether the id alone lets a model through; asked before anything is fetched per model.
#[must_use]
pub fn keeps_id(filter: &ModelFilter, id: &str) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, id));
    (filter.include.is_empty() || any(&filter.include)) && !any(&filter.exclude)
}

/// Whether a model with everything inferred is kept.
#[must_use]
pub fn keeps(filter: &ModelFilter, entry: &ModelCatalogEntry) -> bool {
    let ModelFilter { include: _, exclude: _, tiers, strengths, min_context_tokens } = filter;
    keeps_id(filter, &entry.model_id)
        && (tiers.is_empty() || tiers.contains(&entry.tier))
        && (strengths.is_empty() || entry.strengths.iter().any(|strength| strengths.contains(strength)))
        && min_context_tokens
            .is_none_or(|least| entry.context_length_tokens.is_some_and(|tokens| tokens >= least))
}

/// Whether the whole text fits the pattern, where `*` stands for any run of characters.
/// Goes back only to the last star, so that no pattern takes more than pattern times text steps.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, fits) in [
            ("acme/*", "acme/alpha-1", true),
            ("*:free", "acme/alpha-1:free", true),
            ("*alpha*", "acme/alpha-1", true),
            ("acme/alpha-1", "acme/alpha-1", true),
            ("acme/alpha", "acme/alpha-1", false),
            ("*", "", true),
            ("", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!matches(&"*a".repeat(2000), &"b".repeat(20_000)));
    }

    #[test]
    fn include_keeps_and_exclude_then_drops() {
        let filter = ModelFilter {
            include: vec!["acme/*".to_owned()],
            exclude: vec!["*:free".to_owned()],
            ..ModelFilter::default()
        };
        assert!(keeps_id(&filter, "acme/alpha-1"));
        assert!(!keeps_id(&filter, "acme/alpha-1:free"));
        assert!(!keeps_id(&filter, "other/alpha-1"));
        assert!(keeps_id(&ModelFilter::default(), "anything"));
    }
}
