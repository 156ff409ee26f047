//! What a policy makes of a source that it names: its models, and what is wrong with it. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use vox_contracts::entry::ModelCatalog;
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::reasons;
use vox_crds::routing_policy::RoutingPolicySpec;
use vox_store::catalog::GoneModel;
use vox_store::routing::{KnownSource, SourceUpstream};

use crate::model_catalog_source::validate::validate;

/// Sources by name; each is read once, however many policies name it.
pub(crate) type Catalogs = BTreeMap<String, Resolved>;

/// A source that a policy names.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Its models; the last good ones while something is wrong. `None` when it never had any.
    pub(crate) models: Option<Models>,
    /// What is wrong with it.
    pub(crate) trouble: Option<Trouble>,
}

/// What a source offers, and where.
#[derive(Debug)]
pub(crate) struct Models {
    pub(crate) upstream: SourceUpstream,
    pub(crate) catalog: ModelCatalog,
    /// Models that it had and has no longer.
    pub(crate) gone: Vec<GoneModel>,
    /// Uid under which the upstream is to be remembered, when it is not yet.
    pub(crate) remember: Option<String>,
}

/// Why a source does not count as resolved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is no such object.
    Missing,
    /// No fetch of this object has worked yet.
    NeverFetched,
    /// Its spec cannot work, and why.
    Invalid(String),
}

/// From the object and what is remembered under its name.
pub(crate) fn resolve(source: Option<&ModelCatalogSource>, known: Option<KnownSource>) -> Resolved {
    let last_good = |known: Option<KnownSource>, trouble| Resolved {
        models: known.and_then(|known| {
            let KnownSource { upstream, catalog, gone, .. } = known;
            upstream.map(|upstream| Models { upstream, catalog, gone, remember: None })
        }),
        trouble: Some(trouble),
    };
    let Some(source) = source else { return last_good(known, Trouble::Missing) };
    let target = match validate(source) {
        Ok(valid) => valid.target,
        Err(problem) => return last_good(known, Trouble::Invalid(problem.to_string())),
    };
    match known {
        Some(KnownSource { uid, upstream: before, catalog, gone }) if source.uid().as_ref() == Some(&uid) => {
            let upstream = SourceUpstream {
                provider: target.provider,
                base_url: target.endpoint,
                tags: source.spec.tags.clone(),
            };
            let remember = (before.as_ref() != Some(&upstream)).then_some(uid);
            Resolved { models: Some(Models { upstream, catalog, gone, remember }), trouble: None }
        }
        // Made anew under the name of one that is gone, whose models serve until this one has its own.
        known => last_good(known, Trouble::NeverFetched),
    }
}

/// Something that a policy names and that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unresolved {
    /// Of `ResolvedRefs`.
    pub(crate) reason: &'static str,
    /// What is wrong, where, and what to do.
    pub(crate) sentence: String,
    /// Whether its last good models are there.
    pub(crate) has_models: bool,
}

/// What the policy names and what is not as it should be.
pub(crate) fn unresolved(spec: &RoutingPolicySpec, namespace: &str, catalogs: &Catalogs) -> Vec<Unresolved> {
    let one = |name: &str| {
        let resolved = catalogs.get(name);
        let trouble = resolved.map_or(Some(&Trouble::Missing), |resolved| resolved.trouble.as_ref())?;
        let has_models = resolved.is_some_and(|resolved| resolved.models.is_some());
        let (reason, what) = trouble.tell(name, namespace);
        let stays = if has_models { "; its last good catalog is used meanwhile" } else { "" };
        Some(Unresolved { reason, sentence: format!("{what}{stays}"), has_models })
    };
    spec.catalogs.iter().filter_map(|reference| one(&reference.name)).collect()
}

impl Trouble {
    /// The reason, and what is wrong and what to do.
    fn tell(&self, name: &str, namespace: &str) -> (&'static str, String) {
        match self {
            Self::Missing => (
                reasons::CATALOG_NOT_FOUND,
                format!(
                    "source {name} does not exist in this namespace; apply a ModelCatalogSource of that name, or take it out \
                     of spec.catalogs"
                ),
            ),
            Self::NeverFetched => (
                reasons::CATALOG_NOT_FOUND,
                format!(
                    "source {name} has no catalog yet; `kubectl describe mcat {name} -n {namespace}` says why"
                ),
            ),
            Self::Invalid(problem) => (
                reasons::SOURCE_INVALID,
                format!(
                    "source {name} cannot be used: {problem}; correct it with `kubectl edit mcat {name} -n {namespace}`"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use vox_contracts::ProviderType;

    use super::*;

    fn source(uid: &str, spec: serde_json::Value) -> ModelCatalogSource {
        let mut source = ModelCatalogSource::new("acme", serde_json::from_value(spec).unwrap());
        source.metadata.uid = Some(uid.to_owned());
        source
    }

    fn valid(uid: &str) -> ModelCatalogSource {
        source(
            uid,
            serde_json::json!({ "provider": { "ollama": {} }, "endpoint": "http://new:11434", "tags": ["residency=ch"] }),
        )
    }

    fn invalid(uid: &str) -> ModelCatalogSource {
        source(
            uid,
            serde_json::json!({ "provider": { "ollama": {} }, "endpoint": "ftp://new", "tags": ["residency=ch"] }),
        )
    }

    fn old() -> SourceUpstream {
        SourceUpstream {
            provider: ProviderType::Ollama,
            base_url: "http://old:11434".to_owned(),
            tags: vec!["residency=eu".to_owned()],
        }
    }

    fn known(upstream: Option<SourceUpstream>) -> Option<KnownSource> {
        let catalog =
            serde_json::from_value(serde_json::json!({ "schema_version": 1, "entries": [] })).unwrap();
        Some(KnownSource { uid: "a".to_owned(), upstream, catalog, gone: Vec::new() })
    }

    fn address(resolved: &Resolved) -> Option<&str> {
        resolved.models.as_ref().map(|models| models.upstream.base_url.as_str())
    }

    #[test]
    fn a_source_that_works_is_called_where_its_spec_says_and_that_is_remembered_once() {
        let first = resolve(Some(&valid("a")), known(Some(old())));
        assert_eq!(address(&first), Some("http://new:11434"));
        assert_eq!(first.trouble, None);
        let models = first.models.unwrap();
        assert_eq!(models.remember.as_deref(), Some("a"));
        let again = resolve(Some(&valid("a")), known(Some(models.upstream)));
        assert_eq!(again.models.unwrap().remember, None);
    }

    #[test]
    fn a_source_whose_spec_became_invalid_serves_from_where_it_last_worked() {
        let resolved = resolve(Some(&invalid("a")), known(Some(old())));
        assert_eq!(address(&resolved), Some("http://old:11434"));
        assert!(matches!(resolved.trouble, Some(Trouble::Invalid(_))));
    }

    #[test]
    fn a_source_that_is_gone_serves_on_and_so_does_its_successor_without_a_catalog() {
        let gone = resolve(None, known(Some(old())));
        assert_eq!(address(&gone), Some("http://old:11434"));
        assert_eq!(gone.trouble, Some(Trouble::Missing));
        let anew = resolve(Some(&valid("b")), known(Some(old())));
        assert_eq!(address(&anew), Some("http://old:11434"));
        assert_eq!(anew.trouble, Some(Trouble::NeverFetched));
    }

    #[test]
    fn the_tags_are_those_of_the_server_that_is_called() {
        let tags = |resolved: Resolved| resolved.models.unwrap().upstream.tags;
        assert_eq!(tags(resolve(Some(&valid("a")), known(Some(old())))), ["residency=ch"]);
        for resolved in [
            resolve(Some(&invalid("a")), known(Some(old()))),
            resolve(Some(&valid("b")), known(Some(old()))),
            resolve(None, known(Some(old()))),
        ] {
            assert_eq!(tags(resolved), ["residency=eu"], "the old server is called");
        }
    }

    #[test]
    fn a_source_that_never_worked_has_no_models() {
        for resolved in [
            resolve(None, None),
            resolve(Some(&valid("a")), None),
            resolve(Some(&invalid("a")), None),
            resolve(Some(&invalid("a")), known(None)),
        ] {
            assert!(resolved.models.is_none() && resolved.trouble.is_some());
        }
    }

    #[test]
    fn the_sentence_names_the_source_what_to_do_and_what_serves() {
        let spec: RoutingPolicySpec =
            serde_json::from_value(serde_json::json!({ "catalogs": [{ "name": "acme" }] })).unwrap();
        let catalogs =
            Catalogs::from([("acme".to_owned(), resolve(Some(&invalid("a")), known(Some(old()))))]);
        let [one] = &unresolved(&spec, "shop", &catalogs)[..] else { panic!("one") };
        assert_eq!(one.reason, reasons::SOURCE_INVALID);
        assert!(one.has_models);
        for part in ["source acme", "spec.endpoint", "kubectl edit mcat acme -n shop", "last good catalog"] {
            assert!(one.sentence.contains(part), "{}", one.sentence);
        }
        let [missing] = &unresolved(&spec, "shop", &Catalogs::new())[..] else { panic!("one") };
        assert_eq!((missing.reason, missing.has_models), (reasons::CATALOG_NOT_FOUND, false));
    }
}
