//! What happened decides: by the rule, by bounds, with exploration, with prices as billed and contexts that are too small.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use support::*;
use vox_contracts::TaskCategory;
use vox_contracts::generated::routing::CONTEXT_UTILISATION_TIMES;
use vox_routing::policy::{Budget, EvidenceMode, EvidenceRule, Override, Require, Route};
use vox_routing::score::Criterion;
use vox_routing::snapshot::{Layer, Penalty, Quarantine};
use vox_routing::{
    Billed, CatalogInput, Choice, Cost, Deployment, Offline, Policy, PolicySnapshot, Record, Request, Router,
    compile,
};

fn by_bounds() -> Policy {
    exploring(EvidenceMode::Bounds, 0)
}

fn exploring(mode: EvidenceMode, exploration_per_million: u32) -> Policy {
    let evidence = EvidenceRule { mode, exploration_per_million, ..EvidenceRule::default() };
    Policy { evidence, ..Policy::default() }
}

/// One server's models, each with a record.
fn compiled(policy: Policy, models: Vec<(Deployment, Record)>) -> PolicySnapshot {
    let records: BTreeMap<String, Record> =
        models.iter().map(|(model, record)| (model.id.clone(), record.clone())).collect();
    let entries = models.into_iter().map(|(model, _)| model.entry).collect();
    let input = CatalogInput { source: None, upstream: upstream("u"), entries, tags: Vec::new() };
    compile(policy, vec![input], &records)
}

fn billed(input: &str, output: &str) -> Record {
    let price = |text: &str| text.parse().unwrap();
    let billed = Billed {
        input_usd_per_mtok: Some(price(input)),
        output_usd_per_mtok: Some(price(output)),
        blended_usd_per_mtok: price(input),
        listed_usd_per_mtok: None,
    };
    Record { billed: Some(billed), ..Record::default() }
}

fn happened(calls: u64, success: u32) -> Record {
    let mut model = proven(at("u/x", "1"), TaskCategory::Chat, calls, 1000);
    model.evidence[0].success_per_mille = success;
    Record { evidence: model.evidence, ..Record::default() }
}

#[test]
fn a_bad_record_decides_from_the_thirtieth_call_on_and_the_explanation_shows_it() {
    let of = |calls| {
        let models =
            vec![(at("u/cheap", "0.1"), happened(calls, 200)), (at("u/good", "2"), happened(calls, 950))];
        Router::new(compiled(Policy::default(), models))
    };
    assert_eq!(decided(&of(29), &chat())[0], "u/cheap");
    let router = of(30);
    assert_eq!(decided(&router, &chat()), ["u/good", "u/cheap"]);
    let shown = router.explain(&chat(), &Offline, NOW);
    let cheap = shown.candidates.iter().find(|one| one.deployment == "u/cheap").unwrap();
    assert_eq!(cheap.layers["evidence"], Layer::Observed);
    let proof = cheap.evidence.unwrap();
    assert_eq!((proof.calls, proof.success_per_mille, proof.merit_per_mille), (30, 200, 200));
}

#[test]
fn a_penalty_keeps_a_model_away_until_its_end_unless_nobody_else_is_left() {
    let penalty = Penalty { category: TaskCategory::Chat, until_unix_ms: NOW + 1 };
    let record = Record { penalties: vec![penalty], ..Record::default() };
    let two = vec![(at("u/a", "0.1"), record.clone()), (at("u/b", "2"), Record::default())];
    let router = Router::new(compiled(Policy::default(), two));
    assert_eq!(decided(&router, &chat()), ["u/b"]);
    let later = router.decide(&chat(), &Offline, NOW + 1).unwrap();
    assert_eq!(ids(&router, &later), ["u/a", "u/b"]);
    let alone = Router::new(compiled(Policy::default(), vec![(at("u/a", "0.1"), record)]));
    assert_eq!(decided(&alone, &chat()), ["u/a"]);
}

#[test]
fn a_provider_that_bills_more_than_it_lists_loses_its_rank_and_the_worst_case_is_the_dearer() {
    let models = vec![(at("u/a", "0.5"), billed("9", "9")), (at("u/b", "1"), Record::default())];
    let snapshot = compiled(Policy::default(), models);
    let router = Router::new(snapshot.clone());
    assert_eq!(decided(&router, &chat()), ["u/b", "u/a"]);
    let dear = &snapshot.deployments[0];
    assert_eq!(dear.layers["inputPrice"], Layer::Observed);
    assert_eq!(dear.entry.tier, at("u/x", "9").entry.tier);
    assert_eq!(dear.charged().input_usd_per_mtok, "0.5".parse().ok());
    let drift = dear.drift().unwrap();
    assert_eq!((drift.listed.to_string(), drift.billed.to_string()), ("0.5".to_owned(), "9".to_owned()));

    let cheaper = compiled(Policy::default(), vec![(at("u/a", "9"), billed("0.5", "0.5"))]);
    let worst = Router::new(cheaper).decide(&chat(), &Offline, NOW).unwrap().picks[0].worst_case;
    assert_eq!(
        worst,
        Router::new(compiled(Policy::default(), vec![(at("u/a", "9"), Record::default())]))
            .decide(&chat(), &Offline, NOW)
            .unwrap()
            .picks[0]
            .worst_case
    );
}

#[test]
fn a_billed_price_of_both_together_keeps_the_listed_relation_and_an_unknown_price_becomes_known() {
    let price = |text: &str| text.parse().unwrap();
    let mixed = |listed: Option<&str>| Record {
        billed: Some(Billed {
            input_usd_per_mtok: None,
            output_usd_per_mtok: None,
            blended_usd_per_mtok: price("3"),
            listed_usd_per_mtok: listed.map(price),
        }),
        ..Record::default()
    };
    let known = model("u/a", vox_contracts::ModelTier::Standard, Some(("1", "4")));
    let unknown = model("u/b", vox_contracts::ModelTier::Standard, None);
    let snapshot = compiled(Policy::default(), vec![(known, mixed(Some("2"))), (unknown, mixed(None))]);
    let told: Vec<_> = snapshot
        .deployments
        .iter()
        .map(|one| (one.entry.pricing.input_usd_per_mtok, one.entry.pricing.output_usd_per_mtok))
        .collect();
    assert_eq!(told, [(Some(price("1.5")), Some(price("6"))), (Some(price("3")), Some(price("3")))]);
}

#[test]
fn what_the_policy_says_of_a_price_comes_before_what_was_billed() {
    let said = Override {
        models: "u/a".into(),
        input_usd_per_mtok: "1".parse().ok(),
        output_usd_per_mtok: "1".parse().ok(),
        ..Override::default()
    };
    let policy = Policy { overrides: vec![said], ..Policy::default() };
    let snapshot = compiled(policy, vec![(at("u/a", "0.5"), billed("9", "9"))]);
    let one = &snapshot.deployments[0];
    assert_eq!((one.layers["inputPrice"], one.drift(), one.billed()), (Layer::Policy, None, None));
    assert_eq!(one.charged().input_usd_per_mtok, "1".parse().ok());
}

#[test]
fn amounts_that_were_rounded_are_no_other_price() {
    let snapshot = compiled(Policy::default(), vec![(at("u/a", "0.5"), billed("0.505", "0.499"))]);
    assert_eq!(snapshot.deployments[0].entry, at("u/a", "0.5").entry);
}

#[test]
fn by_bounds_many_good_calls_come_before_few_perfect_ones() {
    let models = || vec![(at("u/few", "1"), happened(3, 1000)), (at("u/many", "1"), happened(300, 970))];
    assert_eq!(decided(&Router::new(compiled(by_bounds(), models())), &chat()), ["u/many", "u/few"]);
    let shown = Router::new(compiled(by_bounds(), models())).explain(&chat(), &Offline, NOW);
    let bounds: Vec<_> = shown.candidates.iter().map(|one| one.bound.unwrap()).collect();
    assert!(bounds[0].low_per_mille > bounds[1].low_per_mille);
    assert!(
        bounds
            .iter()
            .all(|one| one.low_per_mille <= one.mean_per_mille && one.mean_per_mille <= one.high_per_mille)
    );
    assert!(shown.figures.iter().any(|figure| figure.name == "evidence" && figure.value == "bounds"));
}

#[test]
fn by_bounds_a_model_that_served_longer_is_not_ahead_for_that_alone() {
    let points = |calls, criterion| {
        let router = Router::new(compiled(by_bounds(), vec![(at("u/a", "1"), happened(calls, 1000))]));
        let shown = router.explain(&chat(), &Offline, NOW);
        shown.candidates[0].parts.iter().find(|part| part.criterion == criterion).unwrap().points
    };
    for calls in [1, 5, 20, 29] {
        let (few, more) =
            (points(calls, Criterion::Availability), points(calls + 1, Criterion::Availability));
        assert!(few < more && more - few < 90_000, "{calls} calls: {few}, one more: {more}");
    }
    assert_eq!(points(5, Criterion::Availability), 750_000, "half of it is what was taken for granted");
}

#[test]
fn by_bounds_a_cell_without_calls_borrows_from_the_same_model_elsewhere() {
    let elsewhere = proven(at("v/maker/same", "1"), TaskCategory::Chat, 300, 1000);
    let all = vec![at("u/maker/same:free", "1"), at("u/other", "1"), elsewhere];
    let router = router(by_bounds(), all);
    assert_eq!(decided(&router, &chat()), ["v/maker/same", "u/maker/same:free", "u/other"]);
}

#[test]
fn a_model_whose_context_is_often_nearly_full_makes_room_for_the_next_larger() {
    let sized = |id: &str, price: &str, context: u64, above: u64| {
        let mut one = proven(at(id, price), TaskCategory::Chat, 40, 900);
        one.entry.context_length_tokens = Some(context);
        one.evidence[0].context_above = above;
        one
    };
    let times = u64::from(CONTEXT_UTILISATION_TIMES);
    let of = |above| {
        let all = vec![
            sized("u/full", "0.1", 32_000, above),
            sized("u/small", "0.2", 16_000, 0),
            sized("u/vast", "0.3", 1_000_000, 0),
            sized("u/next", "3", 64_000, 0),
        ];
        router(Policy::default(), all)
    };
    assert_eq!(decided(&of(times - 1), &chat())[0], "u/full");
    let router = of(times);
    assert_eq!(decided(&router, &chat()), ["u/next", "u/full", "u/small"]);
    let shown = router.explain(&chat(), &Offline, NOW);
    let context = shown.figures.iter().find(|figure| figure.name == "context").unwrap();
    assert!(context.value.starts_with("u/next before u/full"), "{}", context.value);
    assert_eq!(shown.candidates[0].deployment, "u/next");
    assert_eq!(
        decided(&router, &asking(TaskCategory::Parsing))[0],
        "u/full",
        "another category is another matter"
    );
}

fn of_lot(lot: u64) -> Request {
    Request { lot: Some(lot), ..chat() }
}

fn three() -> Vec<Deployment> {
    vec![at("u/a", "0.1"), at("u/b", "0.2"), at("u/c", "0.3")]
}

#[test]
fn the_share_that_explores_and_the_probabilities_are_as_declared() {
    let router = router(exploring(EvidenceMode::Rule, 100_000), three());
    let mut first: HashMap<String, (u32, u32)> = HashMap::new();
    const DRAWS: u32 = 20_000;
    for lot in 0..DRAWS {
        let decision = router.decide(&of_lot(u64::from(lot) << 7), &Offline, NOW).unwrap();
        let pick = ids(&router, &decision).remove(0);
        assert_eq!(decision.explored, pick != "u/a");
        let told = first.entry(pick).or_insert((0, decision.probability_ppb));
        assert_eq!(told.1, decision.probability_ppb);
        told.0 += 1;
    }
    assert_eq!((first["u/a"].1, first["u/b"].1, first["u/c"].1), (900_000_000, 50_000_000, 50_000_000));
    for (count, probability) in first.values() {
        let expected = f64::from(DRAWS) * f64::from(*probability) / 1e9;
        // Five standard deviations.
        assert!((f64::from(*count) - expected).abs() < 5.0 * expected.sqrt(), "{count} of {expected}");
    }
}

#[test]
fn nothing_is_explored_where_the_client_named_a_model_wants_the_cheapest_or_nobody_else_is_there() {
    let everything = exploring(EvidenceMode::Rule, 1_000_000);
    let all = router(everything.clone(), three());
    for request in [
        Request { choice: Choice::Named("u/b".into()), ..of_lot(1) },
        Request { force_cost: true, ..of_lot(1) },
        chat(),
    ] {
        let decision = all.decide(&request, &Offline, NOW).unwrap();
        assert_eq!((decision.explored, decision.probability()), (false, None));
    }
    let alone = router(everything, vec![at("u/a", "0.1")]);
    assert_eq!(alone.decide(&of_lot(1), &Offline, NOW).unwrap().probability(), None);
}

#[test]
fn hardware_of_ones_own_is_not_left_to_explore_where_the_route_prefers_it() {
    let route = Route {
        category: TaskCategory::Chat,
        require: Require::default(),
        prefer: vox_routing::policy::Prefer { local: true, ..Default::default() },
        max_latency_ms: None,
        fall_back: Default::default(),
    };
    let policy = Policy { routes: vec![route], ..exploring(EvidenceMode::Rule, 1_000_000) };
    let router = router(policy, vec![at("own/a", "0"), at("own/b", "0"), at("u/c", "0.1")]);
    for lot in 0..50 {
        let decision = router.decide(&of_lot(lot), &Offline, NOW).unwrap();
        assert!(decision.explored);
        assert_eq!(ids(&router, &decision)[0], "own/b");
    }
}

fn some() -> impl Strategy<Value = Vec<Deployment>> {
    let one = (0_u32..300, 1_000_u64..300_000, prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    prop::collection::vec(one, 1..12).prop_map(|all| {
        let of = |(place, (price, context, tools, penalty)): (usize, (u32, u64, bool, bool))| {
            let mut one = at(&format!("u/m{place:02}"), &format!("{price}e-2"));
            one.entry.context_length_tokens = Some(context);
            one.entry.supports.tools = Some(!tools);
            if penalty { penalised(one, TaskCategory::Chat, NOW + 1) } else { one }
        };
        all.into_iter().enumerate().map(of).collect()
    })
}

proptest! {
    #[test]
    fn whoever_is_explored_could_have_served_for_the_money(
        all in some(), lot in any::<u64>(), money in 0_u64..2_000_000_000, tools in any::<bool>(), local in 1_u32..=1_000_000
    ) {
        let budget = Budget { per_request: Some(Cost::from_pico_usd(money)), ..Budget::default() };
        let router = router(Policy { budget, ..exploring(EvidenceMode::Rule, local) }, all);
        let needs = vox_routing::Needs { tools, ..Default::default() };
        let request = Request { needs, ..of_lot(lot) };
        let plain = router.explain(&Request { lot: None, ..request.clone() }, &Offline, NOW);
        let admitted: Vec<&str> =
            plain.candidates.iter().filter(|one| one.place.is_some()).map(|one| one.deployment.as_str()).collect();
        if let Ok(decision) = router.decide(&request, &Offline, NOW) {
            let picks = ids(&router, &decision);
            prop_assert!(picks.iter().all(|pick| admitted.contains(&pick.as_str())));
            prop_assert!(decision.picks.iter().all(|pick| pick.worst_case.unwrap().pico_usd() <= money));
            prop_assert_eq!(decision.explored, picks[0] != admitted[0]);
            let mut once = picks.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), picks.len());
            let shown = router.explain(&request, &Offline, NOW);
            let picked: Vec<String> =
                shown.candidates.iter().filter(|one| one.picked).map(|one| one.deployment.clone()).collect();
            prop_assert_eq!(picked, picks);
        }
    }

    #[test]
    fn by_bounds_a_success_more_never_lowers_what_a_model_surely_is(calls in 0_u64..500, success in 0_u32..=1000) {
        let low = |calls, success| {
            let router = Router::new(compiled(by_bounds(), vec![(at("u/a", "1"), happened(calls, success))]));
            router.explain(&chat(), &Offline, NOW).candidates[0].bound.unwrap().low_per_mille
        };
        prop_assert!(low(calls, success) <= low(calls, 1000));
        prop_assert!(low(calls, 1000) <= low(calls + 1, 1000));
    }
}

fn fallen(mut model: Deployment) -> Deployment {
    let quarantine = Quarantine { category: TaskCategory::Chat, was_per_mille: 970, is_per_mille: 400 };
    model.quarantines.push(quarantine);
    model
}

#[test]
fn a_model_that_fell_suddenly_serves_its_category_only_where_nobody_else_is_left() {
    let all = router(Policy::default(), vec![fallen(at("u/a", "0.1")), at("u/b", "2")]);
    assert_eq!(decided(&all, &chat()), ["u/b"]);
    assert_eq!(decided(&all, &asking(TaskCategory::Parsing))[0], "u/a");
    let shown = all.explain(&chat(), &Offline, NOW);
    let stopped =
        shown.candidates.iter().find(|one| one.deployment == "u/a").unwrap().stopped.as_ref().unwrap();
    assert_eq!(stopped.filter, "Quarantined");
    assert!(stopped.sentence.contains("fell from 97.0 % to 40.0 %"), "{}", stopped.sentence);
    let alone = router(Policy::default(), vec![fallen(at("u/a", "0.1"))]);
    assert_eq!(decided(&alone, &chat()), ["u/a"]);
    assert!(alone.explain(&chat(), &Offline, NOW).candidates[0].picked);
}

#[test]
fn one_request_in_a_hundred_probes_a_model_that_fell_and_never_above_the_money() {
    let all = || vec![fallen(at("u/a", "0.1")), at("u/b", "2"), at("u/c", "3")];
    let router_ = router(Policy::default(), all());
    let mut probes = 0;
    for lot in 0..20_000 {
        let decision = router_.decide(&of_lot(lot), &Offline, NOW).unwrap();
        let first = ids(&router_, &decision).remove(0);
        let expected = if first == "u/a" { 10_000_000 } else { 990_000_000 };
        assert_eq!((decision.explored, decision.probability_ppb), (first == "u/a", expected));
        if decision.explored {
            probes += 1;
            let shown = router_.explain(&of_lot(lot), &Offline, NOW);
            assert_eq!(
                (shown.candidates[0].deployment.as_str(), shown.candidates[0].place),
                ("u/a", Some(1))
            );
        }
    }
    assert!((130..270).contains(&probes), "{probes}");
    let dear = router(Policy::default(), vec![fallen(at("u/a", "50")), at("u/b", "2")]);
    let limited = |lot| Request { max_cost: Some(usd("0.01")), ..of_lot(lot) };
    assert!((0..2_000).all(|lot| !dear.decide(&limited(lot), &Offline, NOW).unwrap().explored));
}
