//! What holds for every policy, every catalog and every request.

mod support;

use proptest::prelude::*;
use support::*;
use vox_contracts::{StrengthTag, TaskCategory};
use vox_routing::policy::{Budget, FallBack, Require, Route};
use vox_routing::{
    Asked, Choice, Cost, Decision, Deployment, Needs, Policy, Refusal, Request, Router, Unavailable,
};

const CATEGORIES: [TaskCategory; 4] =
    [TaskCategory::Chat, TaskCategory::Codegen, TaskCategory::Parsing, TaskCategory::Embedding];

fn category() -> impl Strategy<Value = TaskCategory> {
    prop::sample::select(CATEGORIES.to_vec())
}

fn deployment() -> impl Strategy<Value = Deployment> {
    let price = prop::option::of((0_u32..2_000, 0_u32..4_000));
    let record = prop::option::of((category(), 0_u64..60, 0_u32..=1000, prop::bool::ANY));
    let sizes = (prop::option::of(1_000_u64..300_000), prop::option::of(100_u64..20_000));
    let flags = (prop::option::of(prop::bool::ANY), prop::bool::weighted(0.1), 0_u8..4);
    (price, record, sizes, flags).prop_map(|(price, record, (context, output), (tools, vectors, family))| {
        let text = price.map(|(input, output)| (format!("{input}e-2"), format!("{output}e-2")));
        let mut one = match &text {
            Some((input, output)) => {
                let mut one = at("u/x", input);
                one.entry.pricing.output_usd_per_mtok = output.parse().ok();
                one
            }
            None => model("u/x", vox_contracts::ModelTier::Standard, None),
        };
        one.entry.context_length_tokens = context;
        one.entry.max_output_tokens = output;
        one.entry.supports.tools = tools;
        if vectors {
            one.entry.strengths = vec![StrengthTag::Embedding];
        }
        one.entry.family = (family > 0).then(|| format!("family-{family}"));
        if let Some((category, calls, quality, penalised_too)) = record {
            one = proven(one, category, calls, quality);
            if penalised_too {
                one = penalised(one, category, NOW + 1);
            }
        }
        one
    })
}

fn deployments() -> impl Strategy<Value = Vec<Deployment>> {
    prop::collection::vec(deployment(), 0..12).prop_map(|mut all| {
        for (place, one) in all.iter_mut().enumerate() {
            one.upstream = if place % 3 == 0 { "own".to_owned() } else { "u".to_owned() };
            one.entry.model_id = format!("m{place:02}");
            one.id = format!("{}/m{place:02}", one.upstream);
        }
        all
    })
}

fn request() -> impl Strategy<Value = Request> {
    let choice = prop_oneof![
        4 => Just(Choice::Auto),
        1 => Just(Choice::Named("own/m00".to_owned())),
        1 => Just(Choice::Named("m01".to_owned())),
    ];
    let needs = (prop::bool::ANY, prop::bool::weighted(0.1));
    let money = prop::option::of(0_u64..100_000_000_000);
    let sizes = (0_u64..50_000, prop::option::of(1_u64..9_000));
    let rules = (prop::option::of(category()), prop::option::of(any::<u8>()), 0_u8..4, prop::bool::ANY);
    let hints = (prop::option::of("family-[1-4]"), prop::bool::weighted(0.2));
    (choice, needs, money, sizes, rules, hints).prop_map(
        |(choice, (tools, embedding), money, (input_tokens, max_output_tokens), rules, hints)| Request {
            choice,
            category: rules.0,
            complexity: rules.1,
            tool_hints: rules.2,
            research_hint: rules.3,
            family_hint: hints.0,
            needs: Needs { tools, embedding, ..Needs::default() },
            input_tokens,
            max_output_tokens,
            answers: 1,
            images: 0,
            max_cost: money.map(Cost::from_pico_usd),
            force_cost: hints.1,
            lot: None,
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    let money = prop::option::of(0_u64..200_000_000_000);
    (money, prop::option::of(0_u32..1_000), prop::bool::ANY, 1_u32..5).prop_map(
        |(per_request, descend, local, max_attempts)| {
            let mut policy = Policy {
                budget: Budget {
                    per_request: per_request.map(Cost::from_pico_usd),
                    per_day: descend.map(|_| usd("1")),
                    descend_at_per_mille: descend,
                    ..Budget::default()
                },
                ..Policy::default()
            };
            policy.routes.push(Route {
                category: TaskCategory::Chat,
                require: Require { min_context_tokens: Some(0), ..Require::default() },
                prefer: vox_routing::policy::Prefer { local, ..Default::default() },
                max_latency_ms: None,
                fall_back: FallBack { max_attempts, total_timeout_ms: 1, wait_when_busy_ms: 0 },
            });
            policy
        },
    )
}

fn today() -> impl Strategy<Value = Today> {
    let left = prop::option::of(1_u64..1_000_000_000_000);
    (left, prop::collection::vec(0_usize..12, 0..3)).prop_map(|(left, away)| Today {
        left: left.map(Cost::from_pico_usd),
        away: away.into_iter().map(|place| (place, Unavailable::CircuitOpen)).collect(),
    })
}

fn limit(policy: &Policy, request: &Request, today: &Today) -> Option<Cost> {
    [policy.budget.per_request, request.max_cost, today.left].into_iter().flatten().min()
}

fn outcome(router: &Router, request: &Request, today: &Today) -> Result<Decision, Refusal> {
    router.decide(request, today, NOW)
}

proptest! {
    #[test]
    fn no_pick_costs_more_than_any_ceiling_and_none_has_an_unknown_price_where_money_is_limited(
        all in deployments(), request in request(), policy in policy(), today in today()
    ) {
        let router = router(policy.clone(), all);
        if let Ok(decision) = outcome(&router, &request, &today) {
            for pick in &decision.picks {
                match limit(&policy, &request, &today) {
                    Some(limit) => prop_assert!(pick.worst_case.is_some_and(|worst| worst <= limit)),
                    None => prop_assert!(pick.worst_case.is_some() || !policy.budget.limits_money()),
                }
            }
        }
    }

    #[test]
    fn a_decision_is_the_first_unfiltered_candidates_of_its_explanation(
        all in deployments(), request in request(), policy in policy(), today in today()
    ) {
        let router = router(policy, all.clone());
        let explanation = router.explain(&request, &today, NOW);
        let picked: Vec<String> =
            explanation.candidates.iter().filter(|one| one.picked).map(|one| one.deployment.clone()).collect();
        match outcome(&router, &request, &today) {
            Ok(decision) => {
                prop_assert_eq!(ids(&router, &decision), picked);
                prop_assert_eq!(explanation.candidates.len(), all.len());
                prop_assert_eq!(explanation.descended, decision.descended);
            }
            Err(refusal) => {
                prop_assert!(picked.is_empty());
                prop_assert_eq!(explanation.refusal.unwrap().message, refusal.to_string());
            }
        }
    }

    #[test]
    fn nobody_who_is_away_or_makes_something_else_is_picked(
        all in deployments(), request in request(), policy in policy(), today in today()
    ) {
        let router = router(policy, all);
        if let Ok(decision) = outcome(&router, &request, &today) {
            for pick in &decision.picks {
                prop_assert!(today.away.iter().all(|(place, _)| *place != pick.deployment));
                let strengths = &router.policy_snapshot().deployments[pick.deployment].entry.strengths;
                let vectors = strengths.contains(&StrengthTag::Embedding);
                prop_assert_eq!(vectors, decision.category == TaskCategory::Embedding);
            }
        }
    }

    #[test]
    fn the_order_of_the_deployments_does_not_matter(
        (all, shuffled) in deployments().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        request in request(),
        policy in policy(),
    ) {
        let (one, other) = (router(policy.clone(), all), router(policy, shuffled));
        let today = Today::default();
        let named = |router: &Router| outcome(router, &request, &today).map(|it| ids(router, &it));
        prop_assert_eq!(named(&one), named(&other));
    }

    #[test]
    fn more_money_never_leaves_fewer_candidates_or_a_dearer_refusal(
        all in deployments(), request in request(), more in 0_u64..100_000_000_000
    ) {
        let router = router(Policy::default(), all);
        let today = Today::default();
        let richer = Request {
            max_cost: request.max_cost.map(|cost| cost.plus(Cost::from_pico_usd(more))),
            ..request.clone()
        };
        let count = |request| router.candidates(request, &today, NOW);
        if let (Err(Refusal::TooDear { cheapest: poor, .. }), Err(Refusal::TooDear { cheapest: rich, .. })) =
            (outcome(&router, &request, &today), outcome(&router, &richer, &today))
        {
            prop_assert_eq!(poor, rich);
        }
        // A penalty gives way only where nobody else is left, so that money may put it back in force.
        let penalties = router.policy_snapshot().deployments.iter().any(|one| !one.penalties.is_empty());
        prop_assert!(penalties || count(&richer) >= count(&request));
        prop_assert!(count(&richer) > 0 || count(&request) == 0);
    }

    #[test]
    fn better_quality_never_lowers_a_rank(
        all in deployments(), request in request(), place in any::<prop::sample::Index>(), quality in 0_u32..=1000
    ) {
        prop_assume!(!all.is_empty());
        let place = place.index(all.len());
        let mut better = all.clone();
        for evidence in &mut better[place].evidence {
            evidence.quality_per_mille = evidence.quality_per_mille.map(|before| before.max(quality));
        }
        let id = all[place].id.clone();
        let rank = |all: Vec<Deployment>| {
            let explanation = router(Policy::default(), all).explain(&request, &Today::default(), NOW);
            explanation.candidates.iter().position(|one| one.deployment == id)
        };
        prop_assert!(rank(better) <= rank(all));
    }

    #[test]
    fn complexity_is_between_one_and_ten_whatever_is_asked(request in request()) {
        let asked = Asked::of(&request, None);
        prop_assert!((1..=10).contains(&asked.complexity));
        prop_assert!(asked.complexity >= asked.category.info().complexity_floor);
    }
}
