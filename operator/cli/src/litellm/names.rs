//! Names of Kubernetes' objects, made from whatever the file calls things.

/// The text as a DNS label of at most `longest` letters; `x` where nothing of it can stand in one.
pub(super) fn label(text: &str, longest: usize) -> String {
    let mut label = String::new();
    for letter in text.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            label.push(letter);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
        if label.len() >= longest {
            break;
        }
    }
    let label = label.trim_end_matches('-');
    if label.is_empty() { "x".to_owned() } else { label.to_owned() }
}

/// The label, with a number behind it where it is taken.
pub(super) fn free(label: String, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(&label) {
        return label;
    }
    let mut number = 2_u32;
    while is_taken(&format!("{label}-{number}")) {
        number += 1;
    }
    format!("{label}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_the_letters_that_kubernetes_takes() {
        assert_eq!(label("AZURE_API_BASE", 60), "azure-api-base");
        assert_eq!(label("--[::1]:8000--", 60), "1-8000");
        assert_eq!(label("日本", 60), "x");
        assert_eq!(label(&"ab-".repeat(100), 6), "ab-ab");
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let taken = ["a", "a-2"];
        assert_eq!(free("a".to_owned(), |name| taken.contains(&name)), "a-3");
        assert_eq!(free("b".to_owned(), |name| taken.contains(&name)), "b");
    }
}
