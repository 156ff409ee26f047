//! Lines of a sidecar's spool as rows. Pure: what was refused once is refused again.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;
use vox_contracts::TaskCategory;
use vox_contracts::generated::telemetry::{validate_attempt_of_turn, validate_event_strict};

use super::attributes::{Attributes, LAST_MS, is_v7};
use super::refused::Refused;
use super::row::{Attempt, Call, Feedback};

/// No call has more tries, and no decision more candidates that are told.
const MOST_ATTEMPTS: usize = 64;
const MOST_PICKS: usize = 256;
/// There are not as many things that a request can need.
const MOST_NEEDS: usize = 16;

/// A body's lines, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Finished calls.
    pub calls: Vec<Call>,
    /// Where in the body the line of each stands.
    pub places: Vec<Range<usize>>,
    /// What was thought of calls.
    pub feedback: Vec<Feedback>,
    /// Lines that are not taken, by their number from 1.
    pub refused: Vec<(u64, Refused)>,
}

impl Batch {
    /// The lines of a body that this namespace sends. Empty ones count and say nothing.
    #[must_use]
    pub fn read(namespace: &str, body: &[u8]) -> Self {
        let mut batch = Self::default();
        let mut next = 0;
        for (number, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
            let begin = next;
            next = begin + line.len() + 1;
            if line.is_empty() {
                continue;
            }
            match Record::read(namespace, line) {
                Ok(Record::Call(call)) => {
                    batch.calls.push(*call);
                    batch.places.push(begin..begin + line.len());
                }
                Ok(Record::Feedback(feedback)) => batch.feedback.push(feedback),
                Err(refused) => batch.refused.push((number, refused)),
            }
        }
        batch
    }
}

/// The lines of a body that the database did not take, by their number from 1. Reads the body again: for the rare case that
/// there are some.
#[must_use]
pub fn untakable(namespace: &str, body: &[u8], ids: &BTreeMap<Uuid, String>) -> Vec<(u64, Refused)> {
    let why = |line: &[u8]| {
        let id = match Record::read(namespace, line).ok()? {
            Record::Call(call) => call.decision,
            Record::Feedback(feedback) => feedback.feedback,
        };
        ids.get(&id).cloned().map(Refused::Untakable)
    };
    let lines = (1..).zip(body.split(|byte| *byte == b'\n'));
    lines.filter_map(|(number, line)| Some((number, why(line)?))).collect()
}

enum Record {
    Call(Box<Call>),
    Feedback(Feedback),
}

/// The kinds of lines: a type of one value each, so that a line of the other kind is none of this one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum OfCall {
    Call,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum OfFeedback {
    Feedback,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CallLine {
    #[serde(rename = "kind")]
    _kind: OfCall,
    event: String,
    started_unix_ms: i64,
    attributes: Map<String, Value>,
    attempts: Vec<AttemptLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttemptLine {
    event: String,
    attributes: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FeedbackLine {
    #[serde(rename = "kind")]
    _kind: OfFeedback,
    id: Uuid,
    received_unix_ms: i64,
    decision: Uuid,
    thumb: Option<Thumb>,
    score: Option<f64>,
    abstain: Option<bool>,
    confidence: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Thumb {
    Up,
    Down,
}

impl Record {
    fn read(namespace: &str, line: &[u8]) -> Result<Self, Refused> {
        // Nearly all are calls, and each is read once.
        let Ok(read) = serde_json::from_slice::<CallLine>(line) else {
            let read = serde_json::from_slice(line).map_err(|_| Refused::Malformed)?;
            return feedback(read).map(Self::Feedback);
        };
        // Hardly any line has one: the search through it is cheap, the one through its texts is not.
        let escaped = line.windows(6).any(|six| six == br"\u0000");
        if escaped && has_nul(&read) {
            return Err(Refused::Nul);
        }
        call(namespace, read).map(|call| Self::Call(Box::new(call)))
    }
}

fn has_nul(line: &CallLine) -> bool {
    fn nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(values) => values.iter().any(nul),
            Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || nul(value)),
            _ => false,
        }
    }
    let maps = line.attempts.iter().map(|attempt| &attempt.attributes);
    maps.chain([&line.attributes]).flatten().any(|(name, value)| name.contains('\0') || nul(value))
}

fn call(namespace: &str, line: CallLine) -> Result<Call, Refused> {
    if !["vox.model.response", "vox.model.error"].contains(&line.event.as_str()) {
        return Err(Refused::Event);
    }
    validate_event_strict(&line.event, &line.attributes)?;
    if line.attempts.len() > MOST_ATTEMPTS {
        return Err(Refused::Value("vox.attempts"));
    }
    if !(0..=LAST_MS).contains(&line.started_unix_ms) {
        return Err(Refused::Value("startedUnixMs"));
    }
    let turn = line.attributes;
    let attempts = line.attempts.into_iter().map(|attempt| tried(&turn, attempt));
    let attempts = attempts.collect::<Result<Vec<_>, _>>()?;
    if attempts.iter().enumerate().any(|(place, attempt)| usize::try_from(attempt.number) != Ok(place + 1)) {
        return Err(Refused::Value("vox.attempt.number"));
    }
    let mut of = Attributes(turn);
    let trace = of.id("vox.trace_id")?;
    let policy = of.text("vox.policy")?.map(|policy| name_in(namespace, &policy)).transpose()?;
    let category = of.text("vox.task.category")?;
    if category.as_deref().is_some_and(|category| !TaskCategory::NAMES.contains(&category)) {
        return Err(Refused::Value("vox.task.category"));
    }
    Ok(Call {
        decision: of.id("vox.decision.id")?,
        trace,
        interaction: of.uuid("vox.interaction.id")?.unwrap_or(trace),
        started_ms: line.started_unix_ms,
        policy,
        policy_generation: of.number("vox.policy.generation")?,
        snapshot: of.number("vox.snapshot.version")?,
        endpoint: of.needed("vox.endpoint")?,
        session: of.text("vox.session.id")?,
        category,
        complexity: of.number("vox.task.complexity")?,
        streamed: of.flag("vox.request.stream"),
        asked: of.text("gen_ai.request.model")?,
        estimated_tokens: of.number("vox.request.input_tokens")?,
        // The client's own number: however large it is, the call happened.
        max_output_tokens: of.number("gen_ai.request.max_tokens").unwrap_or_default(),
        needs: of.texts("vox.request.needs", MOST_NEEDS)?,
        narrowed: of.flag("vox.request.narrowed"),
        outcome: of.needed("vox.outcome")?,
        status: of.number("vox.client.status_code")?,
        error_type: of.text("error.type")?,
        model_key: of.text("vox.model.key")?,
        deployment: of.text("vox.deployment")?,
        provider: of.text("gen_ai.provider.name")?,
        served: of.text("gen_ai.response.model")?,
        latency_ms: of.number("vox.latency_ms")?.ok_or(Refused::Missing("vox.latency_ms"))?,
        first_token_ms: of.number("vox.time_to_first_token_ms")?,
        decided_us: of.number("vox.decision.time_us")?,
        tokens: of.tokens()?,
        cost_pusd: of.money("vox.cost_usd")?,
        cache_savings_pusd: of.money("vox.cache_savings_usd")?,
        context_utilisation: of.share("vox.context.utilisation")?,
        finish: of.texts("gen_ai.response.finish_reasons", MOST_ATTEMPTS)?.into_iter().next(),
        signal: of.text("vox.answer.signal")?,
        probability: of.share("vox.decision.probability")?.unwrap_or(1.0),
        picks: of.texts("vox.decision.picks", MOST_PICKS)?,
        attempts,
    })
}

fn tried(turn: &Map<String, Value>, line: AttemptLine) -> Result<Attempt, Refused> {
    if line.event != "vox.model.attempt" {
        return Err(Refused::Event);
    }
    validate_attempt_of_turn(&line.event, turn, &line.attributes)?;
    let mut of = Attributes(line.attributes);
    Ok(Attempt {
        number: of.number("vox.attempt.number")?.ok_or(Refused::Missing("vox.attempt.number"))?,
        model_key: of.needed("vox.model.key")?,
        deployment: of.needed("vox.deployment")?,
        provider: of.text("gen_ai.provider.name")?,
        served: of.text("gen_ai.response.model")?,
        outcome: of.needed("vox.attempt.outcome")?,
        error_type: of.text("error.type")?,
        status: of.number("vox.http.status_code")?,
        span: of.text("vox.span_id")?,
        started_ms: of.number("vox.attempt.started_ms")?.unwrap_or_default(),
        latency_ms: of.number("vox.latency_ms")?.ok_or(Refused::Missing("vox.latency_ms"))?,
        first_token_ms: of.number("vox.time_to_first_token_ms")?,
        tokens: of.tokens()?,
        cost_pusd: of.money("vox.cost_usd")?,
        assumed_cost_pusd: of.money("vox.assumed_cost_usd")?,
    })
}

/// The name of `namespace/name`, where that namespace is the caller's.
fn name_in(namespace: &str, policy: &str) -> Result<String, Refused> {
    let (of, name) = policy.split_once('/').ok_or(Refused::Value("vox.policy"))?;
    if of == namespace { Ok(name.to_owned()) } else { Err(Refused::Namespace) }
}

fn feedback(line: FeedbackLine) -> Result<Feedback, Refused> {
    for (name, id) in [("id", line.id), ("decision", line.decision)] {
        if !is_v7(id) {
            return Err(Refused::Id(name));
        }
    }
    let within = |value: Option<f64>, least: f64| value.is_none_or(|value| (least..=1.0).contains(&value));
    if !within(line.score, -1.0) {
        return Err(Refused::Value("score"));
    }
    if !within(line.confidence, 0.0) {
        return Err(Refused::Value("confidence"));
    }
    if !(0..=LAST_MS).contains(&line.received_unix_ms) {
        return Err(Refused::Value("receivedUnixMs"));
    }
    Ok(Feedback {
        feedback: line.id,
        decision: line.decision,
        received_ms: line.received_unix_ms,
        thumb: line.thumb.map(|thumb| match thumb {
            Thumb::Up => 1,
            Thumb::Down => -1,
        }),
        score: line.score,
        abstain: line.abstain,
        confidence: line.confidence,
    })
}
