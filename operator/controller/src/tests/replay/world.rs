//! A table as traffic: each question is decided, written down as a gateway does, stored, judged, rolled up, and what that
//! comes to decides the next ones.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;
use vox_contracts::entry::{ModelCatalog, ModelCatalogEntry, Pricing};
use vox_contracts::inference::{ModelFacts, infer_family, infer_strengths, infer_tier};
use vox_contracts::model_key::model_key;
use vox_contracts::{ProviderType, TaskCategory};
use vox_crds::RoutingPolicySpec;
use vox_routing::{Cost, Offline, Request, Router};
use vox_sidecar::ids::now_ms;
use vox_sidecar::line::Line;
use vox_sidecar::record::{Attempt, Name, Outcome, Peer, Record, Tokens};
use vox_store::Store;
use vox_store::outcome::Batch;
use vox_store::routing::SourceUpstream;
use vox_store::scoreboard::{Pass, Rules as Rolled};

use super::Dice;
use super::report::Run;
use super::table::{Answer, Table};
use crate::routing_policy::replayed::{Catalogs, Known, Models, Resolved, policy_snapshot};

/// After so many questions what came in is rolled up: the live window, in questions.
pub(super) const EVERY: usize = 50;

const NAMESPACE: &str = "replay";
const SOURCE: &str = "table";
const SERVER: &str = "https://table.example/v1";

/// A table has no tokens. All questions are of one length, and a model's price is what makes its mean cost.
const INPUT_TOKENS: u64 = 750;
const OUTPUT_TOKENS: u64 = 250;

/// How a policy takes what happened.
pub(super) struct Rules {
    pub(super) name: &'static str,
    pub(super) mode: &'static str,
    pub(super) explored: Option<&'static str>,
    /// Whether nine tenths of the score are precision and the rest is price.
    pub(super) quality_first: bool,
}

fn provider() -> ProviderType {
    ProviderType::Custom("table.example".to_owned())
}

/// Plays a table so many times, its questions in an order of the seed, over a new database.
pub(super) async fn play(url: &str, table: &Table, rules: &Rules, seed: u64, passes: u32) -> Run {
    let store = Store::open(url, 4).unwrap();
    store.migrate().await.unwrap();
    let (spec, catalogs) = (spec(rules), catalogs(table));
    let mut dice = Dice(seed ^ 0x007e_91a7);
    let mut order = Vec::new();
    for _ in 0..passes {
        let mut pass: Vec<usize> = (0..table.questions.len()).collect();
        dice.shuffle(&mut pass);
        order.extend(pass);
    }
    let mut chosen = Vec::new();
    for questions in order.chunks(EVERY) {
        let router = router(&store, &spec, &catalogs).await;
        let mut lines = Vec::new();
        for question in questions {
            let decided = decide(&router, table, *question, &mut dice);
            let answer = table.questions[*question].answers[decided.model];
            chosen.push((*question, decided.model));
            lines.extend(decided.lines(answer, &mut dice));
        }
        let batch = Batch::read(NAMESPACE, &lines);
        assert!(batch.refused.is_empty(), "{:?}", batch.refused);
        store.store_outcomes(NAMESPACE, "pod", &batch).await.unwrap();
        store.roll_up(Pass::Live, &Rolled::default()).await.unwrap();
    }
    store.close().await;
    Run::of(table, &chosen)
}

/// What the leader would publish now.
async fn router(store: &Store, spec: &RoutingPolicySpec, catalogs: &Catalogs) -> Router {
    let happened = Known::default().now(store).await.unwrap();
    let demands = vox_routing::policy::Demands::default();
    Router::new(policy_snapshot(spec, "replay", 1, catalogs, &demands, &happened).unwrap())
}

/// The one frozen policy: no model is kept away by its price class, all else is as by default.
fn spec(rules: &Rules) -> RoutingPolicySpec {
    let routes: Vec<_> = TaskCategory::NAMES
        .iter()
        .map(|category| json!({ "category": category, "require": { "tierFloor": "economy" } }))
        .collect();
    let mut spec = json!({
        "catalogs": [{ "name": SOURCE }], "routes": routes, "evidence": { "mode": rules.mode },
    });
    if let Some(share) = rules.explored {
        spec["evidence"]["exploration"] = json!({ "share": share });
    }
    if rules.quality_first {
        spec["weights"] = json!({ "precision": 900, "efficiency": 100 });
    }
    serde_json::from_value(spec).unwrap()
}

/// The models as discovery would describe them.
fn catalogs(table: &Table) -> Catalogs {
    let entries = table.models.iter().enumerate().map(|(place, model)| entry(table, place, model)).collect();
    let catalog = json!({ "schema_version": 1, "entries": [] });
    let catalog = ModelCatalog { entries, ..serde_json::from_value(catalog).unwrap() };
    let upstream = SourceUpstream { provider: provider(), base_url: SERVER.to_owned(), tags: Vec::new() };
    let models = Some(Models { upstream, catalog, gone: Vec::new(), remember: None });
    Catalogs::from([(SOURCE.to_owned(), Resolved { models, trouble: None })])
}

fn entry(table: &Table, place: usize, model: &str) -> ModelCatalogEntry {
    let mean = table.mean(|question| question.answers[place].cost_usd);
    let tokens = (INPUT_TOKENS + OUTPUT_TOKENS) as f64;
    let price = Some(format!("{:.6}", mean * 1e6 / tokens).parse().unwrap());
    let text = vec!["text".to_owned()];
    let family = infer_family(model);
    let facts = ModelFacts { name: model, family, output_modalities: &text, ..ModelFacts::default() };
    ModelCatalogEntry {
        family: family.map(str::to_owned),
        context_length_tokens: Some(200_000),
        max_output_tokens: Some(OUTPUT_TOKENS),
        input_modalities: text.clone(),
        output_modalities: text.clone(),
        pricing: Pricing { input_usd_per_mtok: price, output_usd_per_mtok: price, ..Pricing::default() },
        strengths: infer_strengths(&facts),
        tier: infer_tier(price, price),
        ..ModelCatalogEntry::bare(model.to_owned(), provider())
    }
}

/// A question that was decided.
struct Decided {
    request: Request,
    record: Record,
    model: usize,
}

fn decide(router: &Router, table: &Table, question: usize, dice: &mut Dice) -> Decided {
    let (category, id) = (table.questions[question].category, id(dice));
    let request = Request {
        input_tokens: INPUT_TOKENS,
        max_output_tokens: Some(OUTPUT_TOKENS),
        lot: Some(id.as_u64_pair().1),
        ..Request::of_category(category, None)
    };
    let decision = router.decide(&request, &Offline, now_ms()).unwrap();
    let deployments = &router.policy_snapshot().deployments;
    let picks: Vec<_> = decision.picks.iter().map(|pick| &deployments[pick.deployment]).collect();
    let model = table.models.iter().position(|model| *model == picks[0].entry.model_id).unwrap();
    let record = Record {
        decision: id,
        trace: id,
        interaction: id,
        span: 1,
        started_unix_ms: now_ms(),
        endpoint: "chat",
        policy: Name::from("replay/replay"),
        generation: 1,
        snapshot: 1,
        category: Some(category.as_str()),
        complexity: decision.complexity,
        picks: picks.iter().map(|one| Name::from(one.id.as_str())).collect(),
        probability: decision.probability(),
        outcome: Outcome::Answered,
        status: 200,
        ..Record::default()
    };
    Decided { request, record, model }
}

impl Decided {
    /// The lines that a gateway would write down: of the call, and of what somebody thought of it.
    fn lines(mut self, answer: Answer, dice: &mut Dice) -> Vec<u8> {
        let cost = format!("{:.12}", answer.cost_usd).parse::<Cost>().unwrap();
        let deployment = self.record.picks[0].clone();
        let model = deployment.split_once('/').unwrap().1;
        let usage = Tokens { input: Some(INPUT_TOKENS), output: Some(OUTPUT_TOKENS), ..Tokens::default() };
        let peer = Peer {
            upstream: Name::from(SOURCE),
            provider: "table.example".into(),
            address: "table.example".into(),
            port: 443,
            route: "openai-compatible",
        };
        self.record.attempts = vec![Attempt {
            model_key: Name::from(model_key(&provider(), SERVER, model).as_str()),
            deployment,
            peer: Some(Arc::new(peer)),
            context_tokens: Some(200_000),
            status: 200,
            class: "ok",
            duration_ms: answer.latency_ms,
            usage: Some(usage),
            cost_usd: Some(cost),
            ..Attempt::default()
        }];
        self.record.duration_ms = answer.latency_ms;
        self.record.cost_usd = Some(cost);
        let mut lines = Line { record: &self.record, request: Some(&self.request) }.json();
        let feedback = json!({
            "kind": "feedback", "id": id(dice), "receivedUnixMs": now_ms(), "decision": self.record.decision,
            "score": 2.0 * answer.correct - 1.0,
        });
        lines.extend(format!("\n{feedback}\n").into_bytes());
        lines
    }
}

/// A `UUIDv7` of now, its random bits of the dice.
fn id(dice: &mut Dice) -> Uuid {
    let mut tail = [0; 10];
    let random = dice.next().to_be_bytes().into_iter().chain(dice.next().to_be_bytes());
    tail.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
    uuid::Builder::from_unix_timestamp_millis(now_ms(), &tail).into_uuid()
}
