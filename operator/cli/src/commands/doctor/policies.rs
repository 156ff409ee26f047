//! What the policies' statuses mean: which have nobody to serve, which do not serve as they are written. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use vox_crds::RoutingPolicy;
use vox_crds::conditions::{reasons, types};

use super::judge::{Check, Severity};
use super::named::named;

const NAME: &str = "policies";
/// How many models a line tells of.
const SHOWN: usize = 5;

pub(super) fn policies(policies: &[RoutingPolicy], now: Timestamp) -> Vec<Check> {
    if policies.is_empty() {
        return vec![Check::info(NAME, "there are none, so that no gateway has anything to decide from")];
    }
    let mut checks: Vec<Check> = Vec::new();
    for trouble in Trouble::ALL {
        let of: Vec<&RoutingPolicy> =
            policies.iter().filter(|policy| Trouble::of(policy) == Some(*trouble)).collect();
        checks.extend(trouble.check(&of));
    }
    if checks.is_empty() {
        checks.push(Check::ok(NAME, format!("all {} serve as they are written", policies.len())));
    }
    checks.extend(leaving(policies, now));
    checks
}

/// Policies that name models which are gone or go: one line for all, as a model that leaves is often named by many.
fn leaving(policies: &[RoutingPolicy], now: Timestamp) -> Option<Check> {
    let told: Vec<String> = policies
        .iter()
        .flat_map(|policy| {
            let leaving = policy.status.iter().flat_map(|status| &status.leaving);
            leaving.map(move |one| format!("{}: {}", full_name(policy), one.sentence(now)))
        })
        .collect();
    let first = policies
        .iter()
        .find(|policy| policy.status.as_ref().is_some_and(|status| !status.leaving.is_empty()))?;
    let shown = told.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(" | ");
    let more = told.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" | and {more} more") } else { String::new() };
    let fix = format!(
        "name a model that stays in its place: kubectl edit rpol -n {} {}",
        first.namespace().unwrap_or_default(),
        first.name_any()
    );
    Some(Check::warn(NAME, format!("models that they name leave, or are gone: {shown}{more}"), fix))
}

/// What is wrong with a policy, the worst first. A policy has the first of them that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    NoCandidate,
    ServesNobody,
    TestFails,
    Ambiguous,
    OlderServes,
    Unseen,
}

impl Trouble {
    const ALL: &'static [Self] = &[
        Self::NoCandidate,
        Self::ServesNobody,
        Self::TestFails,
        Self::Ambiguous,
        Self::OlderServes,
        Self::Unseen,
    ];

    fn of(policy: &RoutingPolicy) -> Option<Self> {
        let Some(programmed) = condition(policy, types::PROGRAMMED) else { return Some(Self::Unseen) };
        if programmed.status != "True" {
            let serves = policy.status.as_ref().is_some_and(|status| status.programmed_generation.is_some());
            return Some(match programmed.reason.as_str() {
                reasons::NO_CANDIDATE => Self::NoCandidate,
                reasons::TEST_FAILED => Self::TestFails,
                _ if serves => Self::OlderServes,
                _ => Self::ServesNobody,
            });
        }
        condition(policy, types::ACCEPTED)
            .is_some_and(|accepted| accepted.reason == reasons::DEFAULT_AMBIGUOUS)
            .then_some(Self::Ambiguous)
    }

    fn check(self, of: &[&RoutingPolicy]) -> Option<Check> {
        let first = of.first()?;
        let (namespace, name) = (first.namespace().unwrap_or_default(), first.name_any());
        let names = named(&of.iter().map(|policy| full_name(policy)).collect::<Vec<_>>());
        let describe = format!("kubectl describe rpol -n {namespace} {name}");
        let (severity, what, fix) = match self {
            Self::NoCandidate => (
                Severity::Fail,
                "have no model that may serve",
                format!("{describe} says in status.picks why; look at its sources and at spec.allow"),
            ),
            Self::ServesNobody => (
                Severity::Fail,
                "were never programmed, so that nobody is served by them",
                format!("{describe} says in Programmed what is missing"),
            ),
            Self::TestFails => (
                Severity::Warn,
                "fail a test of theirs",
                format!(
                    "{describe} says which; vox policy test -n {namespace} -f FILE runs it before you apply"
                ),
            ),
            Self::Ambiguous => (
                Severity::Warn,
                "are the default beside another of their namespace: calls that name no policy are refused",
                format!("set spec.default to false in all but one: kubectl get rpol -n {namespace}"),
            ),
            Self::OlderServes => (
                Severity::Warn,
                "do not serve as they are written",
                format!(
                    "{describe} says in Programmed why; an older generation, or a part, serves meanwhile"
                ),
            ),
            Self::Unseen => (
                Severity::Warn,
                "were not seen by the operator yet",
                "see the operator's line above".to_owned(),
            ),
        };
        let message = format!("{} of them {what}: {names}", of.len());
        Some(match severity {
            Severity::Fail => Check::fail(NAME, message, fix),
            _ => Check::warn(NAME, message, fix),
        })
    }
}

pub(super) fn condition<'a>(policy: &'a RoutingPolicy, kind: &str) -> Option<&'a Condition> {
    policy.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
}

pub(super) fn full_name(policy: &RoutingPolicy) -> String {
    format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A policy whose conditions have these statuses and reasons.
    pub(in super::super) fn policy(
        name: &str,
        conditions: &[(&str, &str, &str)],
        serves: Option<i64>,
    ) -> RoutingPolicy {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, reason)| {
                json!({ "type": kind, "status": status, "reason": reason, "message": format!("{reason} it is"),
                    "lastTransitionTime": "2026-01-01T00:00:00Z" })
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "vox.dev/v1alpha1",
            "kind": "RoutingPolicy",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": { "catalogs": [{ "name": "hub" }] },
            "status": { "conditions": conditions, "programmedGeneration": serves },
        }))
        .unwrap()
    }

    fn lines(of: &[RoutingPolicy]) -> Vec<String> {
        policies(of, Timestamp::UNIX_EPOCH).iter().map(Check::told).collect()
    }

    #[test]
    fn policies_that_serve_are_one_line() {
        let good = policy("a", &[("Programmed", "True", "Programmed")], Some(1));
        assert_eq!(lines(&[good]), ["OK    policies: all 1 serve as they are written"]);
    }

    #[test]
    fn a_policy_without_candidates_fails_also_while_an_older_generation_serves() {
        let empty = policy("a", &[("Programmed", "False", "NoCandidate")], Some(1));
        let [line] = &lines(&[empty])[..] else { panic!("one line") };
        assert!(line.starts_with("FAIL  policies: 1 of them have no model that may serve: shop/a; kubectl describe rpol -n shop a"), "{line}");
    }

    #[test]
    fn each_trouble_is_a_line_of_its_own_and_the_worst_stands_first() {
        let lines = lines(&[
            policy("unseen", &[], None),
            policy("older", &[("Programmed", "False", "InvalidSpec")], Some(1)),
            policy(
                "twice",
                &[("Programmed", "True", "Programmed"), ("Accepted", "False", "DefaultAmbiguous")],
                Some(1),
            ),
            policy("tested", &[("Programmed", "False", "TestFailed")], Some(1)),
            policy("never", &[("Programmed", "False", "CatalogNotFound")], None),
        ]);
        let begins = [
            "FAIL  policies: 1 of them were never programmed",
            "WARN  policies: 1 of them fail a test",
            "WARN  policies: 1 of them are the default beside another",
            "WARN  policies: 1 of them do not serve as they are written: shop/older",
            "WARN  policies: 1 of them were not seen",
        ];
        assert_eq!(lines.len(), begins.len());
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}");
        }
    }

    #[test]
    fn a_policy_whose_models_leave_is_told_with_the_place_the_day_and_the_successor() {
        let mut serves = policy("a", &[("Programmed", "True", "Programmed")], Some(1));
        serves.status.get_or_insert_default().leaving = serde_json::from_value(json!([{
            "model": "hub/maker/old", "reason": "ModelsDeprecated", "namedBy": "aliases[fast]",
            "date": "1969-12-24", "replacedBy": "maker/next",
        }]))
        .unwrap();
        assert_eq!(
            lines(&[serves])[1],
            "WARN  policies: models that they name leave, or are gone: shop/a: hub/maker/old, which aliases[fast] names, is deprecated by its provider and ended on 1969-12-24; its provider names maker/next instead; name a model that stays in its place: kubectl edit rpol -n shop a"
        );
    }

    #[test]
    fn without_policies_nothing_is_broken() {
        assert!(lines(&[])[0].starts_with("INFO  policies: there are none"));
    }
}
