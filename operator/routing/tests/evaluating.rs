//! A policy judged on calls that another one decided: on simulated logs, of which the truth is known.

// Clippy knows tests by their attribute and does not know their helpers.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::*;
use vox_contracts::TaskCategory;
use vox_contracts::generated::routing::MIN_EVIDENCE_CALLS;
use vox_routing::evaluate::{Figure, NotEnough, Sums, Tally, Weighted, estimate};
use vox_routing::policy::{Allow, EvidenceRule};
use vox_routing::{Alike, Evaluation, Offline, Policy, Request, Router, evaluate};

/// Splitmix64: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

const MODELS: [&str; 3] = ["u/cheap", "u/middle", "u/dear"];
/// Plain work and demanding work.
const COMPLEXITIES: [u8; 2] = [5, 8];

fn models() -> Vec<vox_routing::Deployment> {
    vec![at(MODELS[0], "0.1"), at(MODELS[1], "2"), at(MODELS[2], "6")]
}

/// What really happens: better models succeed more often, more so at demanding work, and cost more.
fn rate(model: &str, complexity: u8) -> f64 {
    let place = MODELS.iter().position(|name| *name == model).unwrap();
    [[0.6, 0.8, 0.9], [0.3, 0.6, 0.95]][usize::from(complexity > 5)][place]
}

fn mean_cost(model: &str) -> f64 {
    [0.001, 0.02, 0.06][MODELS.iter().position(|name| *name == model).unwrap()]
}

fn exploring(share_per_million: u32) -> Policy {
    let evidence = EvidenceRule { exploration_per_million: share_per_million, ..EvidenceRule::default() };
    Policy { evidence, ..Policy::default() }
}

fn only(models: &[&str], policy: Policy) -> Router {
    let models_ = models.iter().map(|name| (*name).to_owned()).collect();
    router(Policy { allow: Allow { models: models_, ..Allow::default() }, ..policy }, self::models())
}

fn asked(complexity: u8) -> Request {
    Request { category: Some(TaskCategory::Chat), complexity: Some(complexity), ..chat() }
}

/// Each first choice with its probability.
fn odds(router: &Router, complexity: u8) -> Vec<(String, f64)> {
    let odds = router.odds(&asked(complexity), &Offline, NOW).unwrap();
    let name = |place: usize| router.policy_snapshot().deployments[place].id.clone();
    odds.iter().map(|odd| (name(odd.deployment), odd.probability())).collect()
}

/// Calls that a policy decided, as the database tells of them.
fn simulate(logging: &Router, calls: u64, seed: u64) -> Vec<Alike> {
    let mut dice = Dice(seed);
    let each: Vec<_> = COMPLEXITIES.map(|complexity| (complexity, odds(logging, complexity))).into();
    let mut tallies: BTreeMap<(u8, usize), Tally> = BTreeMap::new();
    for _ in 0..calls {
        let (complexity, odds) = &each[usize::from(dice.next().is_multiple_of(3))];
        let mut left = dice.share();
        let chosen = odds.iter().position(|(_, odd)| {
            left -= odd;
            left <= 0.0
        });
        let place = chosen.unwrap_or(0);
        let model = &odds[place].0;
        let tally = tallies.entry((*complexity, place)).or_default();
        tally.calls += 1;
        // Skewed, as costs are.
        add(&mut tally.cost_usd, mean_cost(model) * 3.0 * dice.share().powi(2));
        if dice.share() < rate(model, *complexity) {
            tally.successes += 1;
            add(&mut tally.latency_ms, 400.0 + 200.0 * dice.share());
        }
    }
    let of = |complexity: u8| &each.iter().find(|(one, _)| *one == complexity).unwrap().1;
    let tallied = tallies.into_iter();
    tallied
        .map(|((complexity, place), tally)| Alike {
            request: asked(complexity),
            category: TaskCategory::Chat,
            complexity,
            first: of(complexity)[place].0.clone(),
            probability: of(complexity)[place].1,
            tally,
        })
        .collect()
}

fn add(sums: &mut Sums, number: f64) {
    sums.count += 1;
    sums.sum += number;
    sums.squares += number * number;
}

/// What a policy really comes to: success and cost.
fn truth(router: &Router) -> (f64, f64) {
    let (mut success, mut cost) = (0.0, 0.0);
    for (complexity, share) in [(COMPLEXITIES[0], 2.0 / 3.0), (COMPLEXITIES[1], 1.0 / 3.0)] {
        for (model, odd) in odds(router, complexity) {
            success += share * odd * rate(&model, complexity);
            cost += share * odd * mean_cost(&model);
        }
    }
    (success, cost)
}

/// Success and cost, where there is an estimate.
fn judged(new: &Router, logged: &[Alike]) -> Option<(Figure, Figure)> {
    let evaluation = evaluate(new, logged);
    let figures = evaluation.categories[0].estimated?;
    assert_eq!(evaluation.all.unwrap().success.mean, figures.success.mean, "there is one category");
    Some((figures.success, figures.cost_usd.unwrap()))
}

#[test]
fn a_policy_is_estimated_without_bias_and_the_interval_has_the_truth_as_often_as_it_says() {
    let logging = router(exploring(200_000), models());
    for new in [
        only(&[MODELS[1]], Policy::default()),
        only(&[MODELS[2]], Policy::default()),
        only(&MODELS[1..], exploring(300_000)),
        router(Policy::default(), models()),
    ] {
        let (success, cost) = truth(&new);
        let rounds = 600_u32;
        let (mut sums, mut hits, mut estimated) = ([0.0; 2], [0_u32; 2], 0_u32);
        for seed in 0..rounds {
            let logged = simulate(&logging, 3_000, u64::from(seed));
            let Some((seen, paid)) = judged(&new, &logged) else { continue };
            estimated += 1;
            for (place, (figure, truth)) in [(seen, success), (paid, cost)].into_iter().enumerate() {
                sums[place] += figure.mean / truth;
                hits[place] += u32::from((figure.low..=figure.high).contains(&truth));
            }
        }
        assert!(
            estimated * 100 >= rounds * 97,
            "chance alone rarely looks like missing overlap: {estimated}"
        );
        for (place, what) in ["success", "cost"].into_iter().enumerate() {
            let mean = sums[place] / f64::from(estimated);
            assert!((0.99..1.01).contains(&mean), "{what}: {mean} of the truth");
            let share = f64::from(hits[place]) / f64::from(estimated);
            assert!(share > 0.93, "{what}: the interval has the truth in {share}");
        }
    }
}

#[test]
fn decisions_come_out_as_often_as_the_odds_say_and_are_logged_with_them() {
    let logging = router(exploring(200_000), models());
    let mut dice = Dice(7);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let odds = odds(&logging, 5);
    for _ in 0..20_000 {
        let request = Request { lot: Some(dice.next()), ..asked(5) };
        let decision = logging.decide(&request, &Offline, NOW).unwrap();
        let first = ids(&logging, &decision).swap_remove(0);
        let odd = odds.iter().find(|(name, _)| *name == first).unwrap().1;
        assert_eq!(decision.probability().unwrap(), odd);
        *seen.entry(first).or_default() += 1;
    }
    assert!((odds.iter().map(|(_, odd)| odd).sum::<f64>() - 1.0).abs() < 1e-6);
    for (name, odd) in odds {
        let share = f64::from(seen[&name]) / 20_000.0;
        assert!((share - odd).abs() < 0.01, "{name}: {share} and not {odd}");
    }
}

/// Of one category, whatever the overlap.
fn of_logs(new: &Router, logging: &Router, calls: u64) -> Evaluation {
    evaluate(new, &simulate(logging, calls, 1))
}

#[test]
fn a_policy_that_never_explored_tells_of_another_only_what_both_choose() {
    let logging = router(Policy::default(), models());
    let same = of_logs(&logging, &logging, 1_000);
    let one = &same.categories[0];
    let (logged, estimated) = (one.logged.unwrap(), one.estimated.unwrap());
    assert_eq!((logged, one.overlap.matched), (estimated, 1_000));
    let other = of_logs(&only(&[MODELS[2]], Policy::default()), &logging, 1_000);
    let one = &other.categories[0];
    assert_eq!(one.not_enough_overlap, Some(NotEnough::NoneMatched));
    assert_eq!((one.estimated, other.all, other.all_covers), (None, None, 0.0));
    assert_eq!((one.never_tried[0].deployment.as_str(), one.never_tried[0].calls), (MODELS[2], 1_000));
}

#[test]
fn where_a_part_of_the_calls_tells_nothing_the_whole_is_not_guessed() {
    // Everything would go to a model that was never tried for demanding work.
    let mut logged = simulate(&router(exploring(200_000), models()), 3_000, 1);
    logged.retain(|one| one.complexity == COMPLEXITIES[0] || one.first != MODELS[2]);
    let one = evaluate(&only(&[MODELS[2]], Policy::default()), &logged).categories.remove(0);
    assert!(matches!(one.not_enough_overlap, Some(NotEnough::Uncovered { .. })), "{one:?}");
    assert!(one.overlap.effective_calls > 100.0, "plain work alone would be enough: {one:?}");
}

#[test]
fn calls_that_the_policy_refuses_are_counted_and_nothing_else() {
    let logging = router(exploring(200_000), models());
    let evaluation = of_logs(&only(&["u/none"], Policy::default()), &logging, 500);
    assert_eq!((evaluation.calls, evaluation.refused), (500, 500));
    assert!(evaluation.categories.is_empty() && evaluation.all.is_none());
    assert!(evaluation.refusal.unwrap().contains("no model is left"));
}

fn tally(calls: u64, successes: u64) -> Tally {
    Tally { calls, successes: successes.min(calls), ..Tally::default() }
}

proptest! {
    #[test]
    fn nothing_is_estimated_below_the_least_worth_and_what_is_lies_in_its_interval(
        groups in proptest::collection::vec((0.0_f64..300.0, any::<bool>(), 0_u64..200, 0_u64..200), 1..12),
    ) {
        let tallies: Vec<_> = groups.iter().map(|(_, _, calls, successes)| tally(*calls, *successes)).collect();
        let calls: Vec<_> = groups.iter().zip(&tallies)
            .map(|((weight, hopeless, _, _), tally)| {
                let weight = if *hopeless { 0.0 } else { *weight };
                Weighted { weight, hopeless: *hopeless, tally }
            })
            .collect();
        let (overlap, estimated) = estimate(&calls);
        prop_assert!(overlap.matched <= overlap.calls && (0.0..=1.0).contains(&overlap.covered));
        prop_assert!(overlap.effective_calls <= overlap.matched as f64 + 1e-6);
        if let Ok(figures) = estimated {
            prop_assert!(overlap.effective_calls >= f64::from(MIN_EVIDENCE_CALLS) && overlap.covered >= 0.9);
            let Figure { mean, low, high } = figures.success;
            prop_assert!(0.0 <= low && low <= mean && mean <= high && high <= 1.0);
            prop_assert!(low < high, "nobody knows for sure");
        }
    }

    #[test]
    fn how_alike_calls_are_put_together_makes_no_difference(
        calls in proptest::collection::vec((1.0_f64..3.0, any::<bool>()), 60..120),
    ) {
        let one_by_one: Vec<_> = calls.iter().map(|(weight, won)| (weight.round(), tally(1, u64::from(*won)))).collect();
        let mut together: BTreeMap<u64, Tally> = BTreeMap::new();
        for (weight, one) in &one_by_one {
            let all = together.entry(weight.to_bits()).or_default();
            *all = tally(all.calls + 1, all.successes + one.successes);
        }
        let apart: Vec<_> = one_by_one.iter()
            .map(|(weight, tally)| Weighted { weight: *weight, hopeless: false, tally }).collect();
        let together: Vec<_> = together.iter()
            .map(|(weight, tally)| Weighted { weight: f64::from_bits(*weight), hopeless: false, tally }).collect();
        let (apart, together) = (estimate(&apart).1.unwrap().success, estimate(&together).1.unwrap().success);
        for (a, b) in [(apart.mean, together.mean), (apart.low, together.low), (apart.high, together.high)] {
            prop_assert!((a - b).abs() < 1e-9);
        }
    }
}
