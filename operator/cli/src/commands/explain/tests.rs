//! What is decided over the catalog that is compiled in, and how it is told.

use std::collections::BTreeMap;

use vox_contracts::TaskCategory;
use vox_contracts::entry::{CatalogSourceRef, bootstrap};
use vox_crds::RoutingPolicySpec;
use vox_routing::policy::{Alias, Override, Policy};
use vox_routing::snapshot::Evidence;
use vox_routing::{CatalogInput, Choice, Request, compile};

use super::*;
use crate::args::HintArgs;
use crate::table::table;

fn policy(name: &str) -> Policy {
    let overridden = Override {
        models: "hub/*mini".to_owned(),
        output_usd_per_mtok: "1".parse().ok(),
        ..Override::default()
    };
    let fast = Alias {
        name: "fast".to_owned(),
        category: Some(TaskCategory::Parsing),
        model: None,
        force_cost: true,
    };
    Policy {
        name: name.to_owned(),
        generation: 3,
        overrides: vec![overridden],
        aliases: vec![fast],
        ..Policy::default()
    }
}

/// The compiled-in models, as if source `hub` had discovered them.
fn compiled(policy: Policy) -> PolicySnapshot {
    let entries = bootstrap().unwrap().entries;
    let provider = entries[0].provider.clone();
    let upstream = RoutingPolicySpec::default().upstream(&policy.name, "hub", provider, String::new());
    let source = CatalogSourceRef { namespace: "lab".to_owned(), name: "hub".to_owned() };
    let input = CatalogInput { source: Some(source), upstream, entries, tags: Vec::new() };
    compile(policy, vec![input], &BTreeMap::new())
}

#[test]
fn a_record_that_decides_is_shown_and_one_of_too_few_calls_is_not() {
    let text = |calls| {
        let mut policy = compiled(policy("only"));
        for deployment in &mut policy.deployments {
            let evidence = Evidence {
                category: TaskCategory::Chat,
                calls,
                success_per_mille: 905,
                quality_per_mille: None,
                p50_ms: Some(1_200),
                judged: 0,
                context_above: 0,
                decayed: None,
            };
            std::sync::Arc::make_mut(deployment).evidence.push(evidence);
        }
        let snapshot = Snapshot::seal("lab".to_owned(), 7, vec![policy]).unwrap();
        let asked = Asked::new("which way is north", &HintArgs::default(), false).unwrap();
        show::text(&decide(snapshot, None, asked, 0).unwrap(), false, false)
    };
    let told = text(30);
    assert!(told.contains("RECORD OF") && told.contains("90.5%"), "{told}");
    assert!(!text(29).contains("RECORD OF"));
}

#[test]
fn deployments_of_one_model_are_shown_together() {
    let mut policy = compiled(policy("only"));
    let resold = policy.deployments.iter().take(2).map(|deployment| {
        let mut deployment = (**deployment).clone();
        deployment.id = deployment.id.replace("hub/", "cloud/");
        std::sync::Arc::new(deployment)
    });
    let resold: Vec<_> = resold.collect();
    policy.deployments.extend(resold);
    let snapshot = Snapshot::seal("lab".to_owned(), 7, vec![policy]).unwrap();
    let asked = Asked::new("which way is north", &HintArgs::default(), false).unwrap();
    let text = show::text(&decide(snapshot, None, asked, 0).unwrap(), true, false);
    let (_, shown) = text.split_once("ONE MODEL").unwrap();
    let lines: Vec<&str> = shown.lines().take(6).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let alone = show::text(&explained("x", &HintArgs::default(), false), true, false);
    assert!(!alone.contains("ONE MODEL"));
}

fn snapshot(policies: &[&str]) -> Snapshot {
    let policies = policies.iter().map(|name| compiled(policy(name))).collect();
    Snapshot::seal("lab".to_owned(), 7, policies).unwrap()
}

fn explained(text: &str, hints: &HintArgs, force_cost: bool) -> Explained {
    decide(snapshot(&["only"]), None, Asked::new(text, hints, force_cost).unwrap(), 0).unwrap()
}

#[test]
fn an_explanation_fills_one_screen() {
    let text = show::text(&explained("which way is north", &HintArgs::default(), false), false, false);
    assert!(text.lines().count() < 40, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn layers_say_who_set_each_figure_and_field() {
    let hints = HintArgs { category: Some(TaskCategory::Codegen), ..HintArgs::default() };
    insta::assert_snapshot!(show::text(&explained("x", &hints, false), true, true));
}

#[test]
fn the_top_picks_at_complexity_nine_stay_what_they_are() {
    let router = Router::new(compiled(policy("only")));
    let rows: Vec<[String; 3]> = TaskCategory::ALL
        .iter()
        .map(|category| {
            let request = Request { category: Some(*category), complexity: Some(9), ..Request::default() };
            let picks = router.decide(&request, &Offline, 0).map_or_else(
                |refusal| [refusal.to_string(), String::new()],
                |decision| {
                    let id = |place: usize| {
                        decision.picks.get(place).map_or_else(String::new, |pick| {
                            router.policy_snapshot().deployments[pick.deployment].id.clone()
                        })
                    };
                    [id(0), id(1)]
                },
            );
            let [first, second] = picks;
            [category.to_string(), first, second]
        })
        .collect();
    insta::assert_snapshot!(table(["CATEGORY", "PICK", "THEN"], &rows));
}

#[test]
fn no_pick_is_dearer_than_the_limit_and_those_that_are_say_by_how_much() {
    let hints = HintArgs { max_usd: "0.05".parse().ok(), max_tokens: Some(4_000), ..HintArgs::default() };
    let explained = explained("which way is north", &hints, false);
    let explanation = explained.explanation.as_ref().unwrap();
    let limit = hints.max_usd.unwrap();
    let ranked: Vec<_> = explanation.candidates.iter().filter(|one| one.place.is_some()).collect();
    assert!(!ranked.is_empty());
    assert!(ranked.iter().all(|one| one.worst_case_usd.is_some_and(|cost| cost <= limit)));
    let text = show::text(&explained, false, false);
    assert!(text.contains("TooDear") && text.contains("more than the USD 0.05 allowed"), "{text}");
}

#[test]
fn with_nobody_left_the_refusal_says_what_the_cheapest_would_cost() {
    let hints = HintArgs { max_usd: "0.000000001".parse().ok(), ..HintArgs::default() };
    let text = show::text(&explained("which way is north", &hints, false), false, false);
    assert!(
        text.contains("refused      no model may serve this request for at most USD 0.000000001"),
        "{text}"
    );
    assert!(text.contains("(too_dear)"), "{text}");
}

#[test]
fn the_cheapest_serves_where_cost_is_forced() {
    let explained = explained("which way is north", &HintArgs::default(), true);
    let explanation = explained.explanation.as_ref().unwrap();
    let costs =
        || explanation.candidates.iter().filter(|one| one.stopped.is_none()).map(|one| one.worst_case_usd);
    let request = Asked::new("which way is north", &HintArgs::default(), true).unwrap().request;
    let router = Router::new(compiled(policy("only")));
    let pick = router.decide(&request, &Offline, 0).unwrap().picks[0].worst_case;
    assert_eq!(pick, costs().flatten().min());
}

#[test]
fn a_forced_model_is_the_only_candidate_and_the_others_were_not_asked() {
    let id = compiled(policy("only")).deployments[0].id.clone();
    let hints = HintArgs { model: Some(id.clone()), ..HintArgs::default() };
    let explained = explained("which way is north", &hints, false);
    let explanation = explained.explanation.unwrap();
    let ranked: Vec<_> = explanation.candidates.iter().filter(|one| one.place.is_some()).collect();
    assert_eq!(ranked.iter().map(|one| &one.deployment).collect::<Vec<_>>(), [&id]);
    let asked = Asked::new("x", &HintArgs { model: Some("vox/auto".to_owned()), ..hints }, false).unwrap();
    assert_eq!(asked.request.choice, Choice::Auto);
}

#[test]
fn the_policy_is_the_named_one_else_the_only_one() {
    assert_eq!(choose(snapshot(&["a"]), None).unwrap().policy.name, "a");
    assert_eq!(choose(snapshot(&["a", "b"]), Some("b")).unwrap().policy.name, "b");
    let error = choose(snapshot(&["a", "b"]), None).unwrap_err().to_string();
    assert_eq!(error, "which policy of namespace lab? name one with --policy: a, b");
    let error = choose(snapshot(&["a"]), Some("c")).unwrap_err();
    assert_eq!((error.exit(), error.to_string().contains("it has: a")), (Exit::NotFound, true));
}

#[test]
fn a_call_that_was_made_is_told_with_its_trace_and_attempts() {
    let explained: Explained = serde_json::from_value(serde_json::json!({
        "decision": "01980000-0000-7000-8000-000000000000",
        "decidedUnixMs": 1,
        "record": {
            "kind": "call", "event": "vox.model.response", "startedUnixMs": 1,
            "attributes": {
                "vox.trace_id": "019ac0de-0000-7000-8000-000000000000", "vox.latency_ms": 812,
                "vox.caller_trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "vox.outcome": "answered",
                "vox.client.status_code": 200, "vox.cost_usd": "0.0012",
            },
            "attempts": [
                { "event": "vox.model.attempt", "attributes": {
                    "vox.deployment": "hub/one", "vox.http.status_code": 503, "vox.attempt.outcome": "failed",
                    "error.type": "overloaded", "vox.latency_ms": 12,
                } },
                { "event": "vox.model.attempt", "attributes": {
                    "vox.deployment": "hub/two", "vox.http.status_code": 200, "vox.attempt.outcome": "succeeded",
                    "vox.latency_ms": 790, "vox.cost_usd": "0.0012",
                } },
            ],
        },
    }))
    .unwrap();
    insta::assert_snapshot!(show::text(&explained, false, false), @r"
    decision     01980000-0000-7000-8000-000000000000
    trace        019ac0de-0000-7000-8000-000000000000, in the caller's 4bf92f3577b34da6a3ce929d0e0e4736
    outcome      answered, status 200, 812 ms, USD 0.0012
    attempt 1    hub/one: overloaded, status 503, 12 ms
    attempt 2    hub/two: succeeded, status 200, 790 ms

    The gateway holds the snapshot of that time no longer, so that the reasons are gone.
    ");
}

#[test]
fn what_the_gateway_says_is_read_back_as_it_was_explained() {
    let explained = explained("which way is north", &HintArgs::default(), false);
    let sent = serde_json::to_string(&explained).unwrap();
    let read: Explained = serde_json::from_str(&sent).unwrap();
    assert_eq!(read.explanation, explained.explanation);
}
