//! Names, labels and annotations of what the operator makes. One place, because the control API derives from them who may
//! speak for a source.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The longest name a CronJob may have: Kubernetes adds eleven characters for its Jobs.
const CRON_JOB_NAME: usize = 52;

/// Label with the name of the source that an object belongs to.
pub(crate) const SOURCE_LABEL: &str = "vox.dev/source";

/// Annotation with the digest of what the operator last applied.
pub(crate) const APPLIED_ANNOTATION: &str = "vox.dev/applied";

/// Annotation of a source that accepts one shrunken catalog, by its digest.
pub(crate) const ACCEPT_ANNOTATION: &str = "vox.dev/acceptCatalog";

/// Selects everything that this operator made.
pub(crate) const MANAGED_SELECTOR: &str = "app.kubernetes.io/managed-by=vox,vox.dev/source";

/// Name of a source's CronJob and ServiceAccount: `vox-<source>`, or `voxs-<its beginning>-<hash>` when that is too long.
/// The two beginnings keep a source from taking a name that another one's was shortened to.
pub(crate) fn child(source: &str) -> String {
    let whole = format!("vox-{source}");
    if whole.len() <= CRON_JOB_NAME { whole } else { shortened(&format!("voxs-{source}"), CRON_JOB_NAME) }
}

/// Name of a Job that the operator itself makes. The same cause gives the same name, so that a crash between making it
/// and remembering it makes no second one.
pub(crate) fn job(source: &str, cause: &str) -> String {
    format!("{}-{}", child(source), &sha256(cause.as_bytes())[..8])
}

/// Whether a text is a name that Kubernetes gives to objects: what comes in a URL may be anything.
pub(crate) fn is_object_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 253 && text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().last())
}

/// Labels of everything that belongs to a source.
pub(crate) fn labels(source: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "vox"),
        ("app.kubernetes.io/component", "discovery"),
        ("app.kubernetes.io/managed-by", "vox"),
        (SOURCE_LABEL, source),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// The user name that the API server gives to a source's ServiceAccount.
pub(crate) fn service_account_user(namespace: &str, source: &str) -> String {
    format!("system:serviceaccount:{namespace}:{}", child(source))
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn shortened(name: &str, limit: usize) -> String {
    let hash = &sha256(name.as_bytes())[..8];
    let kept: String = name.chars().take(limit - 9).collect();
    format!("{}-{hash}", kept.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_source_can_take_the_name_that_another_ones_was_shortened_to() {
        let long = child(&"l".repeat(63));
        let beginning = long.trim_start_matches("voxs-").trim_start_matches("vox-");
        assert_ne!(child(beginning), long);
    }

    proptest! {
        #[test]
        fn whatever_a_caller_calls_a_source_is_named_without_a_panic(name in "\\PC*") {
            prop_assert!(child(&name).chars().count() <= CRON_JOB_NAME || child(&name).starts_with("vox-"));
            let _ = is_object_name(&name);
        }

        #[test]
        fn names_fit_and_differ_when_sources_differ(a in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", b in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?") {
            prop_assert!(child(&a).len() <= CRON_JOB_NAME);
            prop_assert!(job(&a, "cause").len() <= 63);
            prop_assert_eq!(a == b, child(&a) == child(&b));
        }
    }
}
