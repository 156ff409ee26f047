//! Models that a policy names and that are gone or on their way out. Pure.
//!
//! Looked at is every place where a policy names models: `aliases`, `overrides`, `tests` and `allow.models`. A name or pattern
//! that also stands for a model that stays is well. What `allow.denyModels` keeps away may go.

use std::collections::BTreeMap;

use vox_contracts::change::Lifecycle;
use vox_contracts::{ModelCatalogEntry, identity};
use vox_crds::conditions::reasons;
use vox_crds::routing_policy::{LeavingModel, RoutingPolicySpec};
use vox_routing::{PREFIX, pattern};
use vox_store::catalog::GoneModel;

use super::resolve::Catalogs;

/// How many models a status tells of.
const TOLD: usize = 16;

/// The models that `spec` names and that leave, those that are gone first.
pub(super) fn leaving(spec: &RoutingPolicySpec, catalogs: &Catalogs) -> Vec<LeavingModel> {
    let offered = Offered::of(spec, catalogs);
    // A model is told of once, with the first place that names it.
    let mut told: BTreeMap<String, LeavingModel> = BTreeMap::new();
    for (place, name) in named(spec) {
        for model in offered.leaving(&place, name) {
            told.entry(model.model.clone()).or_insert(model);
        }
    }
    let mut told: Vec<LeavingModel> = told.into_values().collect();
    told.sort_by_key(|one| severity(&one.reason));
    told.truncate(TOLD);
    told
}

/// The worst first.
pub(super) fn severity(reason: &str) -> u8 {
    match reason {
        reasons::MODELS_REMOVED => 0,
        reasons::MODELS_SUSPECT => 1,
        _ => 2,
    }
}

/// Every place that names models, with the name or pattern.
fn named(spec: &RoutingPolicySpec) -> impl Iterator<Item = (String, &str)> {
    let aliases = spec
        .aliases
        .iter()
        .filter_map(|alias| Some((format!("aliases[{}]", alias.name), alias.model.as_deref()?)));
    let tests = spec.tests.iter();
    let tests =
        tests.filter_map(|test| Some((format!("tests[{}]", test.name), test.expect.model.as_deref()?)));
    let overrides = spec.overrides.iter().map(|given| ("overrides".to_owned(), given.model.as_str()));
    let allowed = spec.allow.iter().flat_map(|allow| &allow.models);
    let allowed = allowed.map(|pattern| ("allow.models".to_owned(), pattern.as_str()));
    aliases.chain(tests).chain(overrides).chain(allowed)
}

/// What the sources of a policy offer and once did, by `<source>/<model>`.
struct Offered<'a> {
    here: BTreeMap<String, &'a ModelCatalogEntry>,
    gone: BTreeMap<String, &'a GoneModel>,
    /// Whether a source has no catalog yet, which may well have what nobody else has.
    unknown: bool,
}

impl<'a> Offered<'a> {
    fn of(spec: &RoutingPolicySpec, catalogs: &'a Catalogs) -> Self {
        let mut offered = Self { here: BTreeMap::new(), gone: BTreeMap::new(), unknown: false };
        for source in &spec.catalogs {
            let Some(models) = catalogs.get(&source.name).and_then(|resolved| resolved.models.as_ref())
            else {
                offered.unknown = true;
                continue;
            };
            let id = |model: &str| format!("{}/{model}", source.name);
            offered.here.extend(models.catalog.entries.iter().map(|entry| (id(&entry.model_id), entry)));
            offered.gone.extend(models.gone.iter().map(|model| (id(&model.model_id), model)));
        }
        offered
    }

    /// The models that a name stands for, where all of them leave.
    fn leaving(&self, place: &str, name: &str) -> Vec<LeavingModel> {
        let here: Vec<_> = find(&self.here, name, |entry| &entry.model_id, known_identity);
        if !here.is_empty() {
            let told: Option<Vec<_>> = here.into_iter().map(|(id, entry)| going(id, entry, place)).collect();
            return told.unwrap_or_default();
        }
        let id_tells = |model: &&GoneModel| identity::of_id(&model.model_id, None, None);
        let gone: Vec<_> = find(&self.gone, name, |model| &model.model_id, id_tells);
        if gone.is_empty() && !name.contains('*') && !self.unknown {
            return vec![told(name, place, reasons::MODELS_REMOVED, None, None)];
        }
        let of = |(id, model): (&str, &&GoneModel)| {
            let date = Some(model.at.strftime("%Y-%m-%d").to_string());
            told(id, place, reasons::MODELS_REMOVED, date, model.replaced_by.clone())
        };
        gone.into_iter().map(of).collect()
    }
}

/// The identity of an entry, also of one that an earlier version discovered.
fn known_identity(entry: &&ModelCatalogEntry) -> Option<String> {
    entry.identity.clone().or_else(|| identity::of_entry(entry))
}

/// The models that a name or pattern stands for: an id of a deployment before an id of a model, and that before an identity,
/// as gateways read names.
fn find<'m, T>(
    models: &'m BTreeMap<String, T>,
    name: &str,
    model_id: impl Fn(&T) -> &str,
    identity: impl Fn(&T) -> Option<String>,
) -> Vec<(&'m str, &'m T)> {
    if name.contains('*') {
        let matching = models.iter().filter(|(id, _)| pattern::matches(name, id));
        return matching.map(|(id, model)| (id.as_str(), model)).collect();
    }
    if let Some((id, model)) = models.get_key_value(name) {
        return vec![(id, model)];
    }
    let of = |is: &dyn Fn(&T) -> bool| -> Vec<(&'m str, &'m T)> {
        models.iter().filter(|(_, model)| is(model)).map(|(id, model)| (id.as_str(), model)).collect()
    };
    let same = of(&|model| model_id(model) == name);
    match name.strip_prefix(PREFIX) {
        Some(wanted) if same.is_empty() => of(&|model| identity(model).as_deref() == Some(wanted)),
        _ => same,
    }
}

/// What is to be told of a model that is offered; nothing where it stays.
fn going(id: &str, entry: &ModelCatalogEntry, place: &str) -> Option<LeavingModel> {
    let lifecycle = Lifecycle::of(entry);
    let replaced_by = lifecycle.replaced_by().map(str::to_owned);
    if let Some(suspect) = &entry.suspect {
        return Some(told(id, place, reasons::MODELS_SUSPECT, Some(day(&suspect.since)), replaced_by));
    }
    let ends = lifecycle.expires_at.as_deref().map(day);
    let leaves = ends.is_some() || lifecycle.deprecation.is_some();
    leaves.then(|| told(id, place, reasons::MODELS_DEPRECATED, ends, replaced_by))
}

/// The day of an RFC 3339 date or time.
fn day(time: &str) -> String {
    time.split('T').next().unwrap_or(time).to_owned()
}

fn told(
    model: &str,
    place: &str,
    reason: &str,
    date: Option<String>,
    replaced_by: Option<String>,
) -> LeavingModel {
    LeavingModel {
        model: model.to_owned(),
        reason: reason.to_owned(),
        named_by: place.to_owned(),
        date,
        replaced_by,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use vox_contracts::ProviderType;
    use vox_contracts::entry::{Deprecation, ModelCatalog, Suspect};
    use vox_store::routing::SourceUpstream;

    use super::super::resolve::{Models, Resolved};
    use super::*;

    fn model(id: &str) -> ModelCatalogEntry {
        ModelCatalogEntry::bare(id.to_owned(), ProviderType::OpenRouter)
    }

    fn deprecated(id: &str) -> ModelCatalogEntry {
        let deprecation = Deprecation { since: None, replaced_by: Some("maker/next".to_owned()) };
        let expires_at = Some("2026-12-31".to_owned());
        ModelCatalogEntry { deprecation: Some(deprecation), expires_at, ..model(id) }
    }

    fn suspect(id: &str) -> ModelCatalogEntry {
        let since = "2026-01-02T03:04:05Z".to_owned();
        ModelCatalogEntry { suspect: Some(Suspect { since, fetches: 1 }), ..model(id) }
    }

    /// One source, `hub`, with a model that stays, one that is deprecated, a suspect, and one that is gone.
    fn catalogs() -> Catalogs {
        let catalog: ModelCatalog =
            serde_json::from_value(serde_json::json!({ "schema_version": 1, "entries": [] })).unwrap();
        let entries = vec![model("maker/stays"), deprecated("maker/old"), suspect("maker/odd")];
        let gone = GoneModel {
            model_id: "maker/gone".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            replaced_by: Some("maker/next".to_owned()),
        };
        let models = Models {
            upstream: SourceUpstream {
                provider: ProviderType::OpenRouter,
                base_url: "https://hub.example".to_owned(),
                tags: Vec::new(),
            },
            catalog: ModelCatalog { entries, ..catalog },
            gone: vec![gone],
            remember: None,
        };
        Catalogs::from([("hub".to_owned(), Resolved { models: Some(models), trouble: None })])
    }

    fn sentences(mut spec: serde_json::Value) -> Vec<String> {
        spec["catalogs"] = serde_json::json!([{ "name": "hub" }]);
        let spec: RoutingPolicySpec = serde_json::from_value(spec).unwrap();
        leaving(&spec, &catalogs()).iter().map(|one| one.sentence(Timestamp::UNIX_EPOCH)).collect()
    }

    fn alias(model: &str) -> serde_json::Value {
        serde_json::json!({ "aliases": [{ "name": "fast", "model": model }] })
    }

    #[test]
    fn a_name_is_told_with_its_place_the_date_and_the_successor() {
        assert_eq!(
            sentences(alias("hub/maker/old")),
            [
                "hub/maker/old, which aliases[fast] names, is deprecated by its provider and ends on 2026-12-31; its provider names maker/next instead"
            ]
        );
        assert_eq!(
            sentences(alias("maker/odd")),
            [
                "hub/maker/odd, which aliases[fast] names, is missing from its provider's list since 2026-01-02"
            ],
            "also by a bare id"
        );
        assert_eq!(
            sentences(alias("hub/maker/gone")),
            [
                "hub/maker/gone, which aliases[fast] names, is gone since 1970-01-01; its provider names maker/next instead"
            ]
        );
        assert_eq!(
            sentences(alias("vox/maker/gone")),
            [
                "hub/maker/gone, which aliases[fast] names, is gone since 1970-01-01; its provider names maker/next instead"
            ],
            "also by what the model is called everywhere"
        );
        assert!(sentences(alias("vox/maker/stays")).is_empty());
        assert_eq!(
            sentences(alias("hub/maker/never")),
            ["hub/maker/never, which aliases[fast] names, is in none of its catalogs"]
        );
    }

    #[test]
    fn every_place_that_names_models_is_looked_at_and_what_is_denied_may_go() {
        for (spec, place) in [
            (serde_json::json!({ "overrides": [{ "model": "hub/maker/o*", "tools": true }] }), "overrides"),
            (serde_json::json!({ "allow": { "models": ["hub/maker/old"] } }), "allow.models"),
            (
                serde_json::json!({ "tests": [{ "name": "t", "category": "chat", "expect": { "model": "hub/maker/old" } }] }),
                "tests[t]",
            ),
        ] {
            let told = sentences(spec);
            assert!(
                told.iter().any(|one| one.contains(&format!("maker/old, which {place} names"))),
                "{told:?}"
            );
        }
        assert!(sentences(serde_json::json!({ "allow": { "denyModels": ["hub/maker/old"] } })).is_empty());
    }

    #[test]
    fn a_pattern_is_told_only_where_all_that_it_matches_leave() {
        let allowed = |pattern: &str| sentences(serde_json::json!({ "allow": { "models": [pattern] } }));
        assert_eq!(allowed("hub/*"), [""; 0]);
        assert_eq!(allowed("hub/maker/o*").len(), 2);
        assert_eq!(allowed("hub/maker/g*").len(), 1, "of what is gone, too");
        assert_eq!(allowed("hub/maker/x*"), [""; 0], "what never was may come");
    }

    #[test]
    fn what_is_gone_comes_first_and_a_model_is_told_of_once() {
        let told = sentences(serde_json::json!({
            "aliases": [
                { "name": "a", "model": "hub/maker/old" },
                { "name": "b", "model": "hub/maker/odd" },
                { "name": "c", "model": "hub/maker/gone" },
                { "name": "d", "model": "hub/maker/old" },
            ],
        }));
        let models: Vec<&str> = told.iter().map(|one| one.split(',').next().unwrap()).collect();
        assert_eq!(models, ["hub/maker/gone", "hub/maker/odd", "hub/maker/old"]);
    }

    #[test]
    fn while_a_source_has_no_catalog_nobody_knows_what_is_gone() {
        let spec = serde_json::json!({
            "catalogs": [{ "name": "hub" }, { "name": "new" }], "aliases": [{ "name": "a", "model": "new/maker/x" }],
        });
        let spec: RoutingPolicySpec = serde_json::from_value(spec).unwrap();
        assert_eq!(leaving(&spec, &catalogs()), []);
    }
}
