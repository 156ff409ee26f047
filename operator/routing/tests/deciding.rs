//! What a decision does, one rule at a time.

mod support;

use support::*;
use vox_contracts::{ModelTier, StrengthTag, TaskCategory};
use vox_routing::policy::{Alias, Budget, Prefer, Require, Route, WhenSpent};
use vox_routing::{Asked, Band, Choice, Needs, Offline, Policy, Refusal, Request, Unavailable};

fn route(category: TaskCategory, require: Require, prefer: Prefer) -> Route {
    Route {
        category,
        require,
        prefer,
        max_latency_ms: None,
        fall_back: vox_routing::policy::FallBack::default(),
    }
}

fn named(name: &str) -> Request {
    Request { choice: Choice::Named(name.to_owned()), ..chat() }
}

#[test]
fn without_evidence_the_cheaper_of_equals_comes_first() {
    let all = vec![at("u/c", "2.5"), at("u/a", "0.9"), at("u/b", "1.7")];
    assert_eq!(decided(&router(Policy::default(), all), &chat()), ["u/a", "u/b", "u/c"]);
}

#[test]
fn the_last_of_several_picks_is_of_another_upstream_than_all_before_it() {
    let all = vec![at("u/a", "0.1"), at("u/b", "0.2"), at("u/c", "0.3"), at("u/d", "0.4"), at("own/x", "9")];
    assert_eq!(decided(&router(Policy::default(), all), &chat()), ["u/a", "u/b", "own/x"]);
    let spread = vec![at("u/a", "0.1"), at("own/x", "0.2"), at("u/c", "0.3"), at("own/y", "9")];
    assert_eq!(
        decided(&router(Policy::default(), spread), &chat()),
        ["u/a", "own/x", "u/c"],
        "they differ anyway"
    );
}

#[test]
fn a_cheap_model_with_a_bad_record_loses_to_a_proven_one() {
    let category = TaskCategory::Chat;
    let all =
        vec![proven(at("u/cheap", "0.1"), category, 30, 200), proven(at("u/good", "2"), category, 30, 950)];
    assert_eq!(decided(&router(Policy::default(), all), &chat()), ["u/good", "u/cheap"]);
}

#[test]
fn a_quick_model_that_everybody_found_useless_loses_to_one_that_nobody_knows() {
    let category = TaskCategory::Chat;
    let all = vec![proven(at("u/quick", "0.1"), category, 60, 0), at("u/new", "0.1")];
    assert_eq!(decided(&router(Policy::default(), all), &chat()), ["u/new", "u/quick"]);
}

#[test]
fn a_record_of_too_few_calls_does_not_count() {
    let category = TaskCategory::Chat;
    let all =
        vec![proven(at("u/cheap", "0.1"), category, 29, 0), proven(at("u/dear", "2"), category, 29, 1000)];
    assert_eq!(decided(&router(Policy::default(), all), &chat()), ["u/cheap", "u/dear"]);
}

#[test]
fn complexity_category_and_their_rules() {
    use TaskCategory::{Chat, Codegen, Embedding, Research, Security};
    let of = |complexity, category, tool_hints, research_hint| {
        let request = Request { complexity, category, tool_hints, research_hint, ..Request::default() };
        let asked = Asked::of(&request, None);
        (asked.category, asked.complexity)
    };
    assert_eq!(of(None, None, 0, false), (Chat, 5));
    assert_eq!(of(Some(0), None, 0, false), (Chat, 1));
    assert_eq!(of(Some(255), None, 0, false), (Chat, 10));
    assert_eq!(of(Some(3), None, 1, false), (Chat, 3));
    assert_eq!(of(Some(3), None, 2, false), (Chat, 7));
    assert_eq!(of(Some(8), None, 9, false), (Chat, 8));
    assert_eq!(of(Some(1), Some(Codegen), 0, false), (Codegen, 4));
    assert_eq!(of(Some(1), Some(Security), 0, false), (Security, 7));
    assert_eq!(of(Some(1), Some(Codegen), 0, true), (Research, 6));
    let vectors = Request { needs: Needs { embedding: true, ..Needs::default() }, ..Request::default() };
    assert_eq!(Asked::of(&vectors, Some(Chat)).category, Embedding);
    assert_eq!(Asked::of(&Request { research_hint: true, ..chat() }, Some(Chat)).category, Chat);
}

#[test]
fn bands_end_at_the_contracts_figures() {
    assert_eq!([1, 4, 5, 6, 7, 8, 9, 10].map(Band::of), {
        use Band::{Demanding, Plain, Premium, Usual};
        [Plain, Plain, Usual, Usual, Demanding, Demanding, Premium, Premium]
    });
}

#[test]
fn the_most_complex_code_goes_to_the_premium_alias_of_the_contract() {
    let router = vox_routing::Router::new(bootstrap(Policy::default()));
    for (category, family, tier) in [
        (TaskCategory::Codegen, "anthropic", ModelTier::Premium),
        (TaskCategory::Security, "anthropic", ModelTier::Premium),
        (TaskCategory::Research, "google", ModelTier::Pro),
        (TaskCategory::Reasoning, "openai", ModelTier::Pro),
    ] {
        let request = Request { complexity: Some(9), ..asking(category) };
        let decision = router.decide(&request, &Offline, NOW).unwrap();
        let entry = &router.policy_snapshot().deployments[decision.picks[0].deployment].entry;
        assert_eq!((entry.family.as_deref(), entry.tier), (Some(family), tier), "{category}");
        let usual = router.decide(&asking(category), &Offline, NOW).unwrap();
        assert_eq!(usual.picks.len(), 3, "{category}");
    }
}

#[test]
fn a_policys_family_overrides_the_premium_alias() {
    let prefer = Prefer { family: Some("google".to_owned()), ..Prefer::default() };
    let policy = Policy {
        routes: vec![route(TaskCategory::Codegen, Require::default(), prefer)],
        ..Policy::default()
    };
    let router = vox_routing::Router::new(bootstrap(policy));
    let request = Request { complexity: Some(9), ..asking(TaskCategory::Codegen) };
    let decision = router.decide(&request, &Offline, NOW).unwrap();
    let entry = &router.policy_snapshot().deployments[decision.picks[0].deployment].entry;
    assert_eq!(entry.family.as_deref(), Some("google"));
}

#[test]
fn a_family_hint_comes_before_the_score_and_an_unknown_one_is_ignored() {
    let all = vec![at("u/a", "0.9"), of_family(at("u/b", "2"), "acme")];
    let router = router(Policy::default(), all);
    let hinted = |family: &str| Request { family_hint: Some(family.to_owned()), ..chat() };
    assert_eq!(decided(&router, &hinted("ACME")), ["u/b", "u/a"]);
    assert_eq!(decided(&router, &hinted("nobody")), ["u/a", "u/b"]);
}

#[test]
fn hardware_of_ones_own_comes_first_where_the_route_prefers_it_whatever_the_contracts_floor() {
    let prefer = Prefer { local: true, ..Prefer::default() };
    let routes = vec![route(TaskCategory::Codegen, Require::default(), prefer)];
    let all = vec![at("own/free", "0"), at("u/a", "2")];
    let preferring = router(Policy { routes, ..Policy::default() }, all.clone());
    assert_eq!(decided(&preferring, &asking(TaskCategory::Codegen)), ["own/free", "u/a"]);
    assert_eq!(decided(&router(Policy::default(), all), &asking(TaskCategory::Codegen)), ["u/a"]);
}

#[test]
fn an_unknown_price_serves_only_where_money_is_not_limited() {
    let free_of_limits = router(Policy::default(), vec![model("u/a", ModelTier::Standard, None)]);
    assert_eq!(decided(&free_of_limits, &chat()), ["u/a"]);
    let limited = Request { max_cost: Some(usd("100")), ..chat() };
    assert_eq!(
        refused(&free_of_limits, &limited).to_string(),
        "no model is left for category chat: 1 PriceUnknown"
    );
}

#[test]
fn a_request_is_refused_with_the_price_of_the_cheapest_when_all_are_too_dear() {
    let router = router(Policy::default(), vec![at("u/a", "10"), at("u/b", "20")]);
    let request = Request { max_cost: Some(usd("0.001")), ..chat() };
    let expected = Refusal::TooDear { limit: usd("0.001"), cheapest: usd("0.02") };
    assert_eq!(refused(&router, &request), expected);
}

#[test]
fn the_longest_answer_counts_into_the_worst_case() {
    let router = router(Policy::default(), vec![model("u/a", ModelTier::Standard, Some(("1", "2")))]);
    let worst = |max_output_tokens| {
        let request = Request { max_output_tokens, input_tokens: 1_000, ..Request::default() };
        router.decide(&request, &Offline, NOW).unwrap().picks[0].worst_case.unwrap()
    };
    assert_eq!(worst(Some(500)), usd("0.002"));
    assert_eq!(worst(None), usd("0.021"));
    assert_eq!(worst(Some(1_000_000)), usd("0.021"));
}

#[test]
fn a_long_prompt_costs_what_long_prompts_cost() {
    let mut dear = at("u/a", "1");
    dear.entry.pricing.long_context = vec![vox_contracts::entry::LongContextPrice {
        above_input_tokens: 1_000,
        input_usd_per_mtok: "4".parse().ok(),
        output_usd_per_mtok: None,
        cache_read_usd_per_mtok: None,
    }];
    let router = router(Policy::default(), vec![dear]);
    let worst = |input_tokens| {
        let request = Request { input_tokens, ..chat() };
        router.decide(&request, &Offline, NOW).unwrap().picks[0].worst_case.unwrap()
    };
    assert_eq!((worst(1_000), worst(1_001)), (usd("0.002"), usd("0.005004")));
}

#[test]
fn what_does_not_fit_the_context_is_no_candidate() {
    let mut small = at("u/small", "0.1");
    small.entry.context_length_tokens = Some(8_500);
    let router = router(Policy::default(), vec![small, at("u/large", "2")]);
    let request = Request { input_tokens: 8_000, ..chat() };
    assert_eq!(decided(&router, &request), ["u/large"]);
}

#[test]
fn a_penalised_model_serves_only_where_nobody_else_does_and_comes_back() {
    let poor = |until| penalised(at("u/a", "0.1"), TaskCategory::Chat, until);
    let both = router(Policy::default(), vec![poor(NOW + 1), at("u/b", "2")]);
    assert_eq!(decided(&both, &chat()), ["u/b"]);
    assert_eq!(decided(&router(Policy::default(), vec![poor(NOW + 1)]), &chat()), ["u/a"]);
    let later = router(Policy::default(), vec![poor(NOW), at("u/b", "2")]);
    assert_eq!(decided(&later, &chat()), ["u/a", "u/b"]);
}

#[test]
fn the_generic_fall_back_serves_only_where_nobody_else_does() {
    let snapshot = bootstrap(Policy::default());
    let generic = vox_contracts::entry::bootstrap().unwrap().aliases["generic"].clone();
    let id = format!("hub/{generic}");
    let router = vox_routing::Router::new(snapshot.clone());
    assert!(!decided(&router, &chat()).contains(&id));
    let alone = vox_routing::Router::new(vox_routing::PolicySnapshot {
        deployments: snapshot.deployments.into_iter().filter(|one| one.id == id).collect(),
        ..snapshot
    });
    assert_eq!(decided(&alone, &chat()), [id]);
}

#[test]
fn a_named_model_is_the_only_candidate_and_floors_do_not_hold() {
    let all = vec![at("u/a", "0.1"), at("v/a", "0.2"), at("u/b", "9")];
    let aliases = vec![
        Alias { name: "quick".into(), category: None, model: Some("u/b".into()), force_cost: false },
        Alias { name: "gone".into(), category: None, model: Some("u/z".into()), force_cost: false },
        Alias { name: "cheap".into(), category: Some(TaskCategory::Codegen), model: None, force_cost: true },
    ];
    let router = router(Policy { aliases, ..Policy::default() }, all);
    let code = |name: &str| Request { category: Some(TaskCategory::Codegen), ..named(name) };
    assert_eq!(decided(&router, &code("u/a")), ["u/a"]);
    assert_eq!(decided(&router, &code("a")), ["u/a", "v/a"]);
    assert_eq!(decided(&router, &code("quick")), ["u/b"]);
    assert_eq!(decided(&router, &named("vox/chat")), ["u/a", "v/a", "u/b"]);
    assert_eq!(decided(&router, &named("cheap")), ["u/b"]);
    assert_eq!(
        refused(&router, &named("gone")),
        Refusal::UnknownModel { name: "u/z".into(), alias: Some("gone".into()) }
    );
    let told = refused(&router, &named("gone")).to_string();
    assert!(told.starts_with("model \"u/z\", for which alias \"gone\" stands, is not known here"), "{told}");
    assert_eq!(refused(&router, &named("nothing")).code(), "unknown_model");
}

#[test]
fn the_cheapest_for_this_request_comes_first_when_cost_is_forced() {
    let all = vec![
        model("u/talker", ModelTier::Economy, Some(("0.1", "5"))),
        model("u/reader", ModelTier::Standard, Some(("2", "1"))),
    ];
    let router = router(Policy::default(), all);
    let forced = |input_tokens, answer| Request {
        input_tokens,
        max_output_tokens: Some(answer),
        force_cost: true,
        ..Request::default()
    };
    assert_eq!(decided(&router, &forced(100, 5_000)), ["u/reader", "u/talker"]);
    assert_eq!(decided(&router, &forced(50_000, 10)), ["u/talker", "u/reader"]);
}

#[test]
fn a_tier_lower_serves_from_the_declared_share_of_the_day_on() {
    let budget = Budget { per_day: Some(usd("10")), descend_at_per_mille: Some(800), ..Budget::default() };
    let all = vec![at("u/economy", "0.1"), at("u/standard", "2"), at("u/pro", "6")];
    let router = router(Policy { budget, ..Policy::default() }, all);
    let today = |left: &str| Today { left: Some(usd(left)), ..Today::default() };
    let request = asking(TaskCategory::Codegen);
    let before = router.decide(&request, &today("2.01"), NOW).unwrap();
    assert_eq!((ids(&router, &before), before.descended), (vec!["u/standard".into(), "u/pro".into()], false));
    let after = router.decide(&request, &today("2"), NOW).unwrap();
    assert_eq!((ids(&router, &after), after.descended), (vec!["u/economy".into()], true));
}

#[test]
fn a_policys_own_floor_does_not_yield_to_money() {
    let budget = Budget { per_day: Some(usd("10")), descend_at_per_mille: Some(0), ..Budget::default() };
    let require = Require { tier_floor: Some(ModelTier::Standard), ..Require::default() };
    let routes = vec![route(TaskCategory::Codegen, require, Prefer::default())];
    let all = vec![at("u/economy", "0.1"), at("u/standard", "2")];
    let router = router(Policy { budget, routes, ..Policy::default() }, all);
    let today = Today { left: Some(usd("1")), ..Today::default() };
    let decision = router.decide(&asking(TaskCategory::Codegen), &today, NOW).unwrap();
    assert_eq!((ids(&router, &decision), decision.descended), (vec!["u/standard".into()], false));
}

#[test]
fn a_spent_day_refuses_or_leaves_the_free() {
    let all = || vec![at("u/a", "1"), at("own/b", "0"), model("u/c", ModelTier::Standard, None)];
    let with = |when_spent| {
        let budget = Budget { per_day: Some(usd("10")), when_spent, ..Budget::default() };
        router(Policy { budget, ..Policy::default() }, all())
    };
    let spent = Today { left: Some(usd("0")), ..Today::default() };
    let refusal = with(WhenSpent::Refuse).decide(&chat(), &spent, NOW).unwrap_err();
    assert_eq!(refusal.code(), "budget_spent");
    let frugal = with(WhenSpent::FreeOnly);
    let decision = frugal.decide(&chat(), &spent, NOW).unwrap();
    assert_eq!(ids(&frugal, &decision), ["own/b"]);
}

#[test]
fn what_cannot_be_called_is_skipped_and_counted() {
    let router = router(Policy::default(), vec![at("u/a", "1"), at("u/b", "2"), at("u/c", "3")]);
    let away = vec![(0, Unavailable::CircuitOpen), (2, Unavailable::CircuitOpen)];
    let decision = router.decide(&chat(), &Today { left: None, away: away.clone() }, NOW).unwrap();
    assert_eq!(ids(&router, &decision), ["u/b"]);
    let mut all = away;
    all.push((1, Unavailable::KeyMissing));
    let refusal = router.decide(&chat(), &Today { left: None, away: all }, NOW).unwrap_err();
    assert_eq!(refusal.to_string(), "no model is left for category chat: 2 CircuitOpen, 1 KeyMissing");
}

#[test]
fn a_capability_that_nobody_tells_of_counts_as_missing_unless_the_model_is_named() {
    let mut silent = at("u/a", "1");
    silent.entry.supports.tools = None;
    let router = router(Policy::default(), vec![silent]);
    let needs = Needs { tools: true, streaming: true, ..Needs::default() };
    assert_eq!(refused(&router, &Request { needs, ..chat() }).code(), "no_candidate");
    assert_eq!(decided(&router, &Request { needs, ..named("u/a") }), ["u/a"]);
}

#[test]
fn vectors_come_from_models_that_make_vectors_and_cost_no_answer() {
    let mut vectors = model("u/vectors", ModelTier::Economy, None);
    vectors.entry.strengths = vec![StrengthTag::Embedding];
    vectors.entry.output_modalities.clear();
    vectors.entry.pricing.input_usd_per_mtok = "1".parse().ok();
    let router = router(Policy::default(), vec![vectors, at("u/text", "0.1")]);
    let needs = Needs { embedding: true, ..Needs::default() };
    let request = Request { needs, max_cost: Some(usd("1")), input_tokens: 10, ..Request::default() };
    let decision = router.decide(&request, &Offline, NOW).unwrap();
    assert_eq!(ids(&router, &decision), ["u/vectors"]);
    assert_eq!(decision.picks[0].worst_case, Some(usd("0.00001")));
    assert_eq!(decided(&router, &chat()), ["u/text"]);
}

#[test]
fn the_list_of_names_has_choices_aliases_and_allowed_deployments() {
    let mut policy = Policy::default();
    policy.allow.deny_models = vec!["u/b*".into()];
    policy.aliases =
        vec![Alias { name: "mine".into(), category: None, model: Some("u/a".into()), force_cost: false }];
    let router = router(policy, vec![at("u/a", "1"), at("u/b", "1")]);
    let names: Vec<String> = router.models().into_iter().map(|one| one.name).collect();
    assert_eq!(names.first().unwrap(), "vox/auto");
    assert!(names.contains(&"vox/chat".to_owned()) && !names.contains(&"vox/embedding".to_owned()));
    assert_eq!(names[names.len() - 2..], ["mine".to_owned(), "u/a".to_owned()]);
}
