//! What the sources' statuses mean: which are not ready, how old their catalogs are, and what to do about each reason.
//! Pure. A line is to be read: it names ten sources at most.

use jiff::Timestamp;
use kube::ResourceExt as _;
use vox_contracts::discovery::FailureClass;
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::{reasons, types};

use super::judge::{Check, SourceFact};
use super::named::counted;
use crate::cluster::condition;
use crate::freshness::Freshness;
use crate::relative::ago;

/// How many sources a line names.
const SHOWN: usize = 10;

/// `changed` says what changed since yesterday, where anybody can tell.
pub(super) fn sources(sources: &[ModelCatalogSource], changed: Option<&str>, now: Timestamp) -> Vec<Check> {
    if sources.is_empty() {
        return vec![Check::warn("sources", "there are none", "apply one: kubectl apply -f examples/")];
    }
    vec![ready(sources), fresh(sources, changed, now)]
}

fn ready(sources: &[ModelCatalogSource]) -> Check {
    const NAME: &str = "sources";
    let unready: Vec<String> = sources
        .iter()
        .filter_map(|source| {
            let Some(ready) = condition(source, types::READY) else {
                return Some(format!("{} (not seen by the operator)", full_name(source)));
            };
            (ready.status != "True").then(|| format!("{} ({})", full_name(source), ready.reason))
        })
        .collect();
    if unready.is_empty() {
        return Check::ok(NAME, format!("all {} are ready", sources.len()));
    }
    let shown = unready.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let rest = unready.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let message = format!("{} of {} are not ready: {shown}{more}", unready.len(), sources.len());
    Check::warn(NAME, message, "kubectl describe modelcatalogsource says what to do")
}

/// `shop/hub: STALE (38h ago) | shop/openrouter: 312 models (fresh 2h ago) | and 988 more, 3 of them not fresh`.
fn fresh(sources: &[ModelCatalogSource], changed: Option<&str>, now: Timestamp) -> Check {
    const NAME: &str = "freshness";
    let mut aged: Vec<(Freshness, &ModelCatalogSource)> =
        sources.iter().map(|source| (Freshness::of(source, now), source)).collect();
    aged.sort_by_key(|(freshness, _)| match freshness {
        Freshness::Never => (0, None),
        Freshness::Stale(time) => (1, Some(*time)),
        Freshness::Fresh(time) => (2, Some(*time)),
    });
    let mut parts: Vec<String> =
        aged.iter().take(SHOWN).map(|(freshness, source)| told(*freshness, source, now)).collect();
    let is_unfresh = |(freshness, _): &&(Freshness, &ModelCatalogSource)| !freshness.is_fresh();
    let rest = aged.len().saturating_sub(SHOWN);
    if rest > 0 {
        let unfresh = aged.iter().skip(SHOWN).filter(is_unfresh).count();
        let unfresh = if unfresh > 0 { format!(", {unfresh} of them not fresh") } else { String::new() };
        parts.push(format!("and {rest} more{unfresh}"));
    }
    parts.extend(changed.map(str::to_owned));
    let line = parts.join(" | ");
    let unfresh: Vec<&ModelCatalogSource> =
        aged.iter().filter(is_unfresh).map(|(_, source)| *source).collect();
    let check =
        if unfresh.is_empty() { Check::ok(NAME, line) } else { Check::warn(NAME, line, advice(&unfresh)) };
    check.with_sources(aged.iter().map(|(freshness, source)| fact(*freshness, source)).collect())
}

fn fact(freshness: Freshness, source: &ModelCatalogSource) -> SourceFact {
    let status = source.status.as_ref();
    SourceFact {
        namespace: source.namespace().unwrap_or_default(),
        name: source.name_any(),
        freshness: freshness.name(),
        refreshed: status.and_then(|status| status.last_refresh_time.as_ref()).map(|time| time.0),
        next: status.and_then(|status| status.next_refresh_time.as_ref()).map(|time| time.0),
        reason: condition(source, types::READY).map(|ready| ready.reason.clone()),
    }
}

fn told(freshness: Freshness, source: &ModelCatalogSource, now: Timestamp) -> String {
    let catalog = source.status.as_ref().and_then(|status| status.catalog.as_ref());
    let state = match freshness {
        Freshness::Never => "NEVER FETCHED".to_owned(),
        Freshness::Stale(time) => format!("STALE ({})", ago(now, time)),
        Freshness::Fresh(time) => {
            let models = catalog.map_or(0, |catalog| catalog.models);
            let models = counted(models.try_into().unwrap_or_default(), "model");
            format!("{models} (fresh {})", ago(now, time))
        }
    };
    format!("{}: {state}", full_name(source))
}

fn full_name(source: &ModelCatalogSource) -> String {
    format!("{}/{}", source.namespace().unwrap_or_default(), source.name_any())
}

/// Why a catalog is not fresh, as far as it matters to whoever mends it. In the order in which it is told: first what
/// stays as it is until a person acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    InvalidSpec,
    Refused,
    Credential,
    NoCredential,
    Rights,
    Suspended,
    Provider,
    Store,
    Unseen,
    NeverFetched,
    Late,
}

fn cause(source: &ModelCatalogSource) -> Cause {
    use FailureClass::{CredentialMissing, Forbidden, Unauthorized};
    // Whatever failed before: nothing is tried until somebody wants it.
    if source.spec.suspend {
        return Cause::Suspended;
    }
    let Some(ready) = condition(source, types::READY) else { return Cause::Unseen };
    let class = FailureClass::ALL.iter().find(|class| class.as_str() == ready.reason);
    match (ready.reason.as_str(), class) {
        (reasons::INVALID_SPEC, _) => Cause::InvalidSpec,
        (reasons::APPLY_REFUSED, _) => Cause::Refused,
        (reasons::STORE_UNAVAILABLE, _) => Cause::Store,
        (_, Some(Unauthorized | Forbidden)) if source.spec.credentials_ref.is_none() => Cause::NoCredential,
        (_, Some(CredentialMissing | Unauthorized)) => Cause::Credential,
        (_, Some(Forbidden)) => Cause::Rights,
        (_, Some(_)) => Cause::Provider,
        (_, None) if source.status.as_ref().is_none_or(|status| status.catalog.is_none()) => {
            Cause::NeverFetched
        }
        (_, None) => Cause::Late,
    }
}

/// What to do, once for each cause: a command for the worst source, and how many others there are.
fn advice(sources: &[&ModelCatalogSource]) -> String {
    let mut causes: Vec<(Cause, &ModelCatalogSource, usize)> = Vec::new();
    for source in sources {
        let cause = cause(source);
        match causes.iter_mut().find(|(known, ..)| *known == cause) {
            Some((.., others)) => *others += 1,
            None => causes.push((cause, source, 0)),
        }
    }
    causes.sort_by_key(|(cause, ..)| *cause);
    let sentence = |(cause, source, others): &(Cause, &ModelCatalogSource, usize)| {
        let others = if *others > 0 { format!(" (and {others} more like it)") } else { String::new() };
        format!("{}{others}", remedy(*cause, source))
    };
    causes.iter().map(sentence).collect::<Vec<_>>().join("; ")
}

fn remedy(cause: Cause, source: &ModelCatalogSource) -> String {
    let (namespace, name) = (source.namespace().unwrap_or_default(), source.name_any());
    let of = full_name(source);
    let describe = format!("kubectl describe mcat -n {namespace} {name}");
    match cause {
        Cause::InvalidSpec => format!("mend the spec of {of}: {describe} says which field"),
        Cause::Refused => format!("the API server refuses what {of} needs: {describe} has its words"),
        Cause::Credential => {
            format!(
                "correct the Secret that spec.credentialsRef of {of} names: {describe} says what is wrong"
            )
        }
        Cause::NoCredential => {
            format!(
                "{of} shows no key and is refused: set spec.credentialsRef; {describe} has its provider's words"
            )
        }
        Cause::Rights => format!(
            "the provider of {of} knows the key and refuses: top up the account or give the key its rights there; {describe} has its words"
        ),
        Cause::Suspended => format!(
            "{of} is suspended; to resume: kubectl patch mcat -n {namespace} {name} --type=merge -p '{{\"spec\":{{\"suspend\":false}}}}'"
        ),
        Cause::Provider => format!("the provider of {of} fails: {describe} says how"),
        Cause::Store => format!("{of} waits for the operator's database"),
        Cause::Unseen => format!("{of} waits for the operator: see its line above"),
        Cause::NeverFetched => {
            format!(
                "the first run of {of} has not ended: kubectl get jobs,pods -n {namespace} -l vox.dev/source={name}"
            )
        }
        Cause::Late => format!("vox discover --source {of} asks its provider now"),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

    use super::*;
    use crate::commands::doctor::judge::Severity;
    use crate::freshness::tests::source;

    const NOW: i64 = 1_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn fresh_one(name: &str) -> ModelCatalogSource {
        with_ready(source(name, 312, Some(NOW - 7200), NOW + 3600), "True", "Published")
    }

    fn stale_one(name: &str, reason: &str) -> ModelCatalogSource {
        with_ready(source(name, 90, Some(NOW - 38 * 3600), NOW - 3600), "False", reason)
    }

    fn with_ready(mut source: ModelCatalogSource, status: &str, reason: &str) -> ModelCatalogSource {
        let ready: Condition = serde_json::from_value(serde_json::json!({
            "type": "Ready", "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        source.status.get_or_insert_default().conditions.push(ready);
        source
    }

    fn with_key(mut source: ModelCatalogSource) -> ModelCatalogSource {
        source.spec.credentials_ref = serde_json::from_str(r#"{ "name": "keys", "key": "hub" }"#).ok();
        source
    }

    /// The line about freshness.
    fn line(all: &[ModelCatalogSource]) -> String {
        sources(all, None, now())[1].told()
    }

    #[test]
    fn without_sources_there_is_one_line_that_says_how_to_make_one() {
        let checks = sources(&[], None, now());
        assert_eq!(checks.len(), 1);
        assert!(checks[0].told().contains("kubectl apply"));
    }

    #[test]
    fn one_fresh_source_is_named_with_its_namespace_and_needs_no_advice() {
        assert_eq!(
            line(&[fresh_one("openrouter")]),
            "OK    freshness: shop/openrouter: 312 models (fresh 2h ago)"
        );
    }

    #[test]
    fn what_changed_since_yesterday_ends_the_line() {
        let checks = sources(&[fresh_one("openrouter")], Some("since yesterday 3 added"), now());
        assert!(checks[1].told().ends_with("312 models (fresh 2h ago) | since yesterday 3 added"));
    }

    #[test]
    fn of_twelve_sources_ten_are_named_the_worst_first() {
        let mut all: Vec<_> = (0..10).map(|n| fresh_one(&format!("fresh-{n}"))).collect();
        all.push(stale_one("hub", "ProviderError"));
        all.push(with_ready(source("new", 0, None, 0), "Unknown", "Discovering"));
        let line = line(&all);
        assert!(
            line.starts_with(
                "WARN  freshness: shop/new: NEVER FETCHED | shop/hub: STALE (38h ago) | shop/fresh-0: 312 models (fresh 2h ago) | "
            ),
            "{line}"
        );
        assert!(line.contains("shop/fresh-7: 312 models (fresh 2h ago) | and 2 more; "), "{line}");
    }

    #[test]
    fn programs_read_of_every_source_what_the_line_leaves_out() {
        let all: Vec<_> = (0..12).map(|n| fresh_one(&format!("fresh-{n}"))).collect();
        let told = serde_json::to_value(&sources(&all, None, now())[1]).unwrap();
        assert_eq!(told["sources"].as_array().unwrap().len(), 12);
        assert_eq!(
            told["sources"][11],
            serde_json::json!({
                "namespace": "shop", "name": "fresh-11", "freshness": "Fresh", "refreshed": "1970-01-12T11:46:40Z",
                "next": null, "reason": "Published",
            })
        );
    }

    #[test]
    fn of_two_stale_catalogs_the_older_is_worse() {
        let older = with_ready(source("older", 1, Some(NOW - 40 * 3600), NOW - 1), "False", "Unreachable");
        let line = line(&[stale_one("hub", "Unreachable"), older]);
        assert!(line.find("shop/older: ").unwrap() < line.find("shop/hub: ").unwrap(), "{line}");
    }

    #[test]
    fn a_thousand_stale_sources_are_still_one_line_that_can_be_read() {
        let all: Vec<_> = (0..1000).map(|n| stale_one(&format!("hub-{n}"), "RateLimited")).collect();
        for check in sources(&all, None, now()) {
            assert!(check.told().len() < 800 && !check.told().contains('\n'), "{}", check.told());
        }
        let line = line(&all);
        assert!(line.contains(" | and 990 more, 990 of them not fresh; "), "{line}");
        assert!(line.ends_with("(and 999 more like it)"), "{line}");
    }

    #[test]
    fn the_advice_fits_the_reason() {
        let describe = "kubectl describe mcat -n shop hub";
        for (reason, expected) in [
            ("InvalidSpec", format!("mend the spec of shop/hub: {describe} says which field")),
            (
                "Unauthorized",
                format!(
                    "correct the Secret that spec.credentialsRef of shop/hub names: {describe} says what is wrong"
                ),
            ),
            (
                "Forbidden",
                format!(
                    "the provider of shop/hub knows the key and refuses: top up the account or give the key its rights there; {describe} has its words"
                ),
            ),
            ("TimedOut", format!("the provider of shop/hub fails: {describe} says how")),
            ("StoreUnavailable", "shop/hub waits for the operator's database".to_owned()),
            ("Published", "vox discover --source shop/hub asks its provider now".to_owned()),
        ] {
            let line = line(&[with_key(stale_one("hub", reason))]);
            assert!(line.ends_with(&format!("; {expected}")), "{reason}: {line}");
        }
    }

    #[test]
    fn a_source_without_a_key_is_not_told_what_to_do_with_its_key() {
        for reason in ["Unauthorized", "Forbidden"] {
            let line = line(&[stale_one("hub", reason)]);
            assert!(
                line.contains("shop/hub shows no key and is refused: set spec.credentialsRef; "),
                "{line}"
            );
        }
    }

    #[test]
    fn a_source_that_was_never_fetched_is_looked_for_among_the_jobs() {
        let line = line(&[with_ready(source("new", 0, None, 0), "Unknown", "Discovering")]);
        assert!(line.ends_with("kubectl get jobs,pods -n shop -l vox.dev/source=new"), "{line}");
    }

    #[test]
    fn a_suspended_source_is_resumed_and_its_provider_not_blamed() {
        let mut suspended = stale_one("hub", "ProviderError");
        suspended.spec.suspend = true;
        let line = line(&[suspended]);
        let patch = r#"kubectl patch mcat -n shop hub --type=merge -p '{"spec":{"suspend":false}}'"#;
        assert!(line.ends_with(patch) && !line.contains("provider"), "{line}");
    }

    #[test]
    fn a_source_that_the_operator_has_not_seen_is_not_ready() {
        let checks = sources(&[source("hub", 90, None, 0)], None, now());
        assert_eq!(checks[0].severity, Severity::Warn);
        assert!(checks[0].told().contains("shop/hub (not seen by the operator)"));
        assert!(checks[1].told().ends_with("shop/hub waits for the operator: see its line above"));
    }
}
