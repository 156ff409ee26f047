//! The `Link` header (RFC 8288), as far as lists in pages need it: the target whose relation is `next`.

use http::header::{HeaderMap, LINK};

/// The address of the next page, as the server writes it.
pub(super) fn next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_of)
}

/// In `<target>; rel="next", <target>; rel="prev"`. Targets may hold commas and semicolons, so they are cut out first.
fn next_of(mut text: &str) -> Option<String> {
    while let Some((_, rest)) = text.split_once('<') {
        let (target, rest) = rest.split_once('>')?;
        let (parameters, others) =
            rest.split_once('<').map_or((rest, ""), |(own, _)| (own, &rest[own.len()..]));
        if parameters.split([';', ',']).any(is_next) {
            return Some(target.to_owned());
        }
        text = others;
    }
    None
}

/// `rel=next`, with quotes or without; several relations may stand in one.
fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let mut relations = value.trim().trim_matches('"').split_whitespace();
    name.trim().eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_others() {
        for (text, target) in [
            (r#"<https://a.test/x?cursor=1>; rel="next""#, Some("https://a.test/x?cursor=1")),
            (r#"<https://a.test/x?a=1,2;3>; rel="prev", </x?b=2>; rel=next"#, Some("/x?b=2")),
            (r#"</x>; title="t"; REL="last NEXT""#, Some("/x")),
            (r#"<https://a.test/x>; rel="prev""#, None),
            ("<https://a.test/x", None),
            ("", None),
            ("rel=next", None),
        ] {
            assert_eq!(next_of(text).as_deref(), target, "{text}");
        }
    }
}
