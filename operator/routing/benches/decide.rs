//! How long a decision and an explanation take over 400 candidates: `cargo bench -p vox-routing`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use support::{NOW, asking, at, chat, of_family, proven, router, usd};
use vox_contracts::TaskCategory;
use vox_routing::policy::{Budget, EvidenceMode, EvidenceRule};
use vox_routing::{Offline, Policy, Request, Router, Shape, classify};

const CANDIDATES: u32 = 400;

fn many(evidence: EvidenceRule) -> Router {
    let deployments = (0..CANDIDATES)
        .map(|place| {
            let price = format!("0.{:03}", place % 997);
            let one =
                of_family(at(&format!("u{}/m{place:03}", place % 7), &price), &format!("f{}", place % 29));
            proven(one, TaskCategory::Chat, u64::from(place), 500 + place)
        })
        .collect();
    let budget = Budget { per_day: Some(usd("100")), ..Budget::default() };
    router(Policy { budget, evidence, ..Policy::default() }, deployments)
}

fn measure(name: &str, turns: usize, mut one: impl FnMut()) {
    const BATCH: u32 = 10;
    let mut times: Vec<Duration> = (0..turns)
        .map(|_| {
            let start = Instant::now();
            (0..BATCH).for_each(|_| one());
            start.elapsed() / BATCH
        })
        .collect();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    println!("{name:<32} p50 {:>10.2?}  p99 {:>10.2?}", at(500), at(990));
}

fn main() {
    let router = many(EvidenceRule::default());
    let bounds = many(EvidenceRule {
        mode: EvidenceMode::Bounds,
        exploration_per_million: 20_000,
        ..EvidenceRule::default()
    });
    let refused = Request { max_cost: Some(usd("0.000000000001")), ..chat() };
    let hinted = Request { family_hint: Some("f7".to_owned()), ..chat() };
    let cheapest = Request { force_cost: true, ..chat() };
    println!("{CANDIDATES} candidates");
    for (name, request) in [
        ("decide", chat()),
        ("decide, other category", asking(TaskCategory::Parsing)),
        ("decide, family hint", hinted),
        ("decide, all compared by cost", cheapest),
        ("decide, all refused", refused),
    ] {
        measure(name, 2_000, || {
            let _ = black_box(router.decide(black_box(&request), &Offline, NOW));
        });
    }
    let mut lot = 0_u64;
    measure("decide, by bounds, 2% explored", 2_000, || {
        lot = lot.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let request = Request { lot: Some(lot), ..chat() };
        let _ = black_box(bounds.decide(black_box(&request), &Offline, NOW));
    });
    measure("explain", 100, || {
        black_box(router.explain(black_box(&chat()), &Offline, NOW));
    });
    let shape = Shape { bytes: 4_000, input_tokens: 1_000, messages: 4, ..Shape::default() };
    measure("classify", 2_000, || {
        black_box(classify(black_box(&shape)));
    });
    let snapshot = router.policy_snapshot().clone();
    measure("Router::new", 10, || {
        black_box(Router::new(snapshot.clone()));
    });
    let snapshot = bounds.policy_snapshot().clone();
    measure("Router::new, by bounds", 10, || {
        black_box(Router::new(snapshot.clone()));
    });
}
