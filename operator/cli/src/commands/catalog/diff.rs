//! `vox catalog diff`: what changed in catalogs, one line for each model and change.

use jiff::{Timestamp, Unit};
use serde::de::DeserializeOwned;
use serde_json::Value;
use vox_contracts::UsdPerMTok;
use vox_contracts::change::{
    Abilities, CatalogChanges, ChangeKind, ChangesQuery, Lifecycle, MOST_CHANGES, ModelChange, Window,
};
use vox_contracts::entry::Pricing;

use super::price;
use crate::args::DiffArgs;
use crate::cluster::{self, Cluster, Operator, Place};
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::progress::{Progress, say};
use crate::relative::ago;
use crate::table::table;

pub(in crate::commands) async fn diff(
    cluster: &Cluster,
    args: &DiffArgs,
    output: Format,
) -> Result<Exit, Error> {
    let now = Timestamp::now();
    let since = args.since.moment(now).map_err(Error::Usage)?;
    let query = query(cluster, args, since).await?;
    let read = async { Operator::find(cluster).await?.changes(&query).await };
    let changes = Progress::during("reading what changed from the operator", Box::pin(read)).await?;
    output.print(&changes, || lines(&changes, now))?;
    if output == Format::Table {
        say(&summary(&changes, since));
    }
    Ok(Exit::Ok)
}

/// A source that is named has to be there: of one that is not, "nothing changed" would be no answer.
async fn query(cluster: &Cluster, args: &DiffArgs, since: Timestamp) -> Result<ChangesQuery, Error> {
    let (namespace, source) = match (&args.source, &cluster.place) {
        (Some(named), place) => {
            let source = named.resolve(place)?;
            cluster::get(cluster, &source).await?;
            (Some(source.namespace), Some(source.name))
        }
        (None, Place::Namespace(namespace)) => (Some(namespace.clone()), None),
        (None, Place::All) => (None, None),
    };
    Ok(ChangesQuery { since, namespace, source, limit: MOST_CHANGES })
}

fn lines(changes: &CatalogChanges, now: Timestamp) -> String {
    let first = changes.first.iter().map(|first| {
        let source = format!("{}/{}", first.source.namespace, first.source.name);
        let models = format!("{} models", first.models);
        (first.at, [ago(now, first.at), source, models, "first catalog".to_owned(), String::new()])
    });
    let changed = changes.changes.iter().map(|change| (change.at, line(change, now)));
    let mut rows: Vec<(Timestamp, [String; 5])> = changed.chain(first).collect();
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let rows: Vec<[String; 5]> = rows.into_iter().map(|(_, row)| row).collect();
    if rows.is_empty() { String::new() } else { table(["WHEN", "SOURCE", "MODEL", "KIND", "CHANGE"], &rows) }
}

fn line(change: &ModelChange, now: Timestamp) -> [String; 5] {
    let source = format!("{}/{}", change.source.namespace, change.source.name);
    [ago(now, change.at), source, change.model.clone(), change.kind.to_string(), told(change)]
}

/// `before → after`. What cannot be read is shown as it is: an operator may know more than this command.
fn told(change: &ModelChange) -> String {
    let raw =
        || arrow(change.before.as_ref().map(Value::to_string), change.after.as_ref().map(Value::to_string));
    match change.kind {
        ChangeKind::Added | ChangeKind::Removed | ChangeKind::Repriced => read(change, prices),
        ChangeKind::Suspect => Some("→ missing".to_owned()),
        ChangeKind::Returned => Some("missing →".to_owned()),
        ChangeKind::Context => read(change, window),
        ChangeKind::Capability => abilities(change),
        ChangeKind::Deprecated => read(change, end),
        ChangeKind::Superseded => read(change, successor),
    }
    .unwrap_or_else(raw)
}

/// Both sides in words; none where one cannot be read.
fn read<T: DeserializeOwned>(change: &ModelChange, words: impl Fn(T) -> String) -> Option<String> {
    let side = |fact: &Option<Value>| {
        fact.as_ref().map(|fact| serde_json::from_value(fact.clone()).map(&words)).transpose().ok()
    };
    let (before, after) = (side(&change.before)?, side(&change.after)?);
    // A change of what the words leave out.
    if before.is_some() && before == after {
        return Some(format!("{} in other parts", after.unwrap_or_default()));
    }
    Some(arrow(before, after))
}

fn arrow(before: Option<String>, after: Option<String>) -> String {
    format!("{} → {}", before.unwrap_or_default(), after.unwrap_or_default()).trim().to_owned()
}

/// `0.15/0.6 $/MTok`, input and output.
fn prices(pricing: Pricing) -> String {
    let of = |one| price(one, pricing.dynamic);
    let is_free = |price: Option<UsdPerMTok>| price.is_some_and(|price| price.is_free());
    if is_free(pricing.input_usd_per_mtok) && is_free(pricing.output_usd_per_mtok) {
        return "free".to_owned();
    }
    format!("{}/{} $/MTok", of(pricing.input_usd_per_mtok), of(pricing.output_usd_per_mtok))
}

/// `128000 tokens, answers of 16384`.
fn window(window: Window) -> String {
    let known = |tokens: Option<u64>| tokens.map_or_else(|| "?".to_owned(), |tokens| tokens.to_string());
    format!("{} tokens, answers of {}", known(window.context_length_tokens), known(window.max_output_tokens))
}

fn end(lifecycle: Lifecycle) -> String {
    match (lifecycle.expires_at, lifecycle.deprecation) {
        (Some(at), _) => format!("ends {at}"),
        (None, Some(_)) => "deprecated".to_owned(),
        (None, None) => "no end".to_owned(),
    }
}

fn successor(lifecycle: Lifecycle) -> String {
    lifecycle.replaced_by().unwrap_or("nobody").to_owned()
}

/// `+tools -reads image`: what it can now and could not, and the other way round.
fn abilities(change: &ModelChange) -> Option<String> {
    let side = |fact: &Option<Value>| serde_json::from_value::<Abilities>(fact.clone()?).ok().map(can);
    let (before, after) = (side(&change.before)?, side(&change.after)?);
    let gained = after.iter().filter(|one| !before.contains(one)).map(|one| format!("+{one}"));
    let lost = before.iter().filter(|one| !after.contains(one)).map(|one| format!("-{one}"));
    let told: Vec<String> = gained.chain(lost).collect();
    // What was unknown is now known to be lacking, or the other way round.
    Some(if told.is_empty() { "nothing that it can".to_owned() } else { told.join(" ") })
}

fn can(abilities: Abilities) -> Vec<String> {
    let supports = abilities.supports;
    let said = [
        ("tools", supports.tools),
        ("json_mode", supports.json_mode),
        ("json_schema", supports.json_schema),
        ("streaming", supports.streaming),
        ("reasoning", supports.reasoning),
    ];
    let reads = abilities.input_modalities.iter().map(|modality| format!("reads {modality}"));
    let writes = abilities.output_modalities.iter().map(|modality| format!("writes {modality}"));
    let supported = said.into_iter().filter(|(_, said)| *said == Some(true)).map(|(name, _)| name.to_owned());
    reads.chain(writes).chain(supported).collect()
}

fn summary(changes: &CatalogChanges, since: Timestamp) -> String {
    let all: u64 = changes.counts.values().sum();
    let named = u64::try_from(changes.changes.len()).unwrap_or(u64::MAX);
    let left_out = all.saturating_sub(named);
    let more = if left_out > 0 { format!("; {left_out} older ones are not shown") } else { String::new() };
    // People need no nanoseconds of "a day ago".
    let since = since.round(Unit::Second).unwrap_or(since);
    match counted(changes) {
        None => format!("nothing changed since {since}"),
        Some(counted) => format!("since {since}: {counted}{more}"),
    }
}

/// `3 added, 1 removed, 2 repriced`; models of first catalogs count as added. Nothing where nothing changed.
pub(in crate::commands) fn counted(changes: &CatalogChanges) -> Option<String> {
    let mut counts = changes.counts.clone();
    let first: u64 = changes.first.iter().map(|first| first.models).sum();
    if first > 0 {
        *counts.entry(ChangeKind::Added).or_default() += first;
    }
    let told: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {}", word(*kind))).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

const fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Context => "with another context",
        ChangeKind::Capability => "with other capabilities",
        kind => kind.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(of: serde_json::Value) -> CatalogChanges {
        serde_json::from_value(of).unwrap()
    }

    fn change(kind: &str, before: Option<Value>, after: Option<Value>) -> Value {
        let mut change = json!({
            "at": "2026-02-01T10:00:00Z", "source": { "namespace": "shop", "name": "hub" }, "model": "maker/m", "kind": kind,
        });
        for (name, fact) in [("before", before), ("after", after)] {
            if let Some(fact) = fact {
                change[name] = fact;
            }
        }
        change
    }

    fn price(input: &str, cached: &str) -> Option<Value> {
        Some(json!({
            "input_usd_per_mtok": input, "output_usd_per_mtok": "0.6", "cache_read_usd_per_mtok": cached,
        }))
    }

    #[test]
    fn each_kind_of_change_is_a_line_with_what_was_and_what_is() {
        let missing = || Some(json!({ "since": "2026-02-01T10:00:00Z", "fetches": 1 }));
        let ends = |replaced_by: Option<&str>| {
            Some(json!({ "expires_at": "2026-12-31", "deprecation": { "replaced_by": replaced_by } }))
        };
        let all = changes(json!({
            "counts": {},
            "first": [{
                "at": "2026-02-01T09:00:00Z", "source": { "namespace": "shop", "name": "new" }, "models": 312,
            }],
            "changes": [
                change("added", None, price("0.15", "0.1")),
                change("removed", price("0.15", "0.1"), None),
                change("added", None, Some(json!({ "input_usd_per_mtok": "0", "output_usd_per_mtok": "0" }))),
                change("suspect", None, missing()),
                change("returned", missing(), None),
                change("repriced", price("0.15", "0.1"), price("0.2", "0.1")),
                change("repriced", price("0.15", "0.1"), price("0.15", "0.05")),
                change("context", Some(json!({ "context_length_tokens": 128_000 })), Some(json!({ "context_length_tokens": 64_000 }))),
                change(
                    "capability",
                    Some(json!({ "input_modalities": ["text"], "supports": { "tools": true } })),
                    Some(json!({ "input_modalities": ["image", "text"], "supports": { "tools": false } })),
                ),
                change("deprecated", Some(json!({})), ends(None)),
                change("superseded", ends(None), ends(Some("maker/next"))),
                change("repriced", Some(json!(1)), Some(json!(2))),
            ],
        }));
        insta::assert_snapshot!(lines(&all, "2026-02-01T12:00:00Z".parse().unwrap()));
    }

    #[test]
    fn the_summary_counts_first_catalogs_as_added_and_says_what_is_not_shown() {
        let since = "2026-02-01T00:00:00Z".parse().unwrap();
        let first = json!({ "at": since, "source": { "namespace": "shop", "name": "new" }, "models": 312 });
        let of = |counts: Value, first: Value| {
            summary(&changes(json!({ "counts": counts, "first": first, "changes": [] })), since)
        };
        let exact = "2026-02-01T00:00:00.123456789Z".parse().unwrap();
        assert_eq!(
            summary(&changes(json!({ "counts": {}, "first": [], "changes": [] })), exact),
            "nothing changed since 2026-02-01T00:00:00Z"
        );
        assert_eq!(of(json!({}), json!([])), "nothing changed since 2026-02-01T00:00:00Z");
        assert_eq!(of(json!({}), json!([first])), "since 2026-02-01T00:00:00Z: 312 added");
        assert_eq!(
            of(json!({ "added": 3, "removed": 1, "repriced": 2 }), json!([])),
            "since 2026-02-01T00:00:00Z: 3 added, 1 removed, 2 repriced; 6 older ones are not shown"
        );
    }
}
