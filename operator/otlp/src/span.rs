//! A line of a sidecar's spool as spans, and as what metrics are made of. Pure.
//!
//! A call is two kinds of spans. Its turn is the gateway's own, of kind `SERVER`, below the caller's span. Each try is a
//! GenAI client span of kind `CLIENT` below it, with the span id that the provider saw. Tokens stand on tries only, so that
//! whoever adds them up counts them once.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;
use vox_contracts::generated::telemetry::TURN_ATTRIBUTES;

use crate::attribute::{KeyValue, as_text, wanted};

/// `SpanKind` of OTLP.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// `StatusCode` of OTLP.
const ERROR: u8 = 2;
/// `SpanFlags` of OTLP: the trace is recorded; whether the parent is another program's is known; and it is.
const SAMPLED: u32 = 1;
const KNOWS_PARENT: u32 = 0x100;
const FOREIGN_PARENT: u32 = 0x200;
/// `error.type` of a try that the client did not wait for.
const CANCELLED: &str = "cancelled";
/// Of a turn's attributes those that a span has a place for, those of the provider, which is not this server, and tokens,
/// which stand on the tries.
const NOT_OF_A_TURN: [&str; 4] =
    ["vox.span_id", "vox.parent_span_id", "vox.caller_trace_id", "vox.caller_sampled"];
const NOT_OF_A_TURN_BEGINNING: [&str; 3] = ["server.", "gen_ai.usage.", "vox.usage."];

/// What a line says.
#[derive(Debug, Default)]
pub struct Told {
    /// Spans in OTLP's JSON form. None where the caller does not record its trace.
    pub spans: Vec<Box<RawValue>>,
    /// Its tries, for metrics.
    pub(crate) operations: Vec<Operation>,
}

/// One try, as metrics know it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operation {
    /// What it was and who was asked; nothing that a client or a provider makes up.
    pub(crate) attributes: Vec<KeyValue>,
    /// `error.type`.
    pub(crate) error: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallLine {
    started_unix_ms: u64,
    attributes: Map<String, Value>,
    attempts: Vec<AttemptLine>,
}

#[derive(Deserialize)]
struct AttemptLine {
    attributes: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: &'a str,
    span_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<&'a str>,
    flags: u32,
    name: String,
    kind: u8,
    #[serde(serialize_with = "as_text")]
    start_time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    end_time_unix_nano: u64,
    attributes: Vec<KeyValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

/// Unset where nothing failed, as the conventions want it.
#[derive(Serialize)]
struct Status {
    code: u8,
}

impl Status {
    fn of(error: Option<&str>) -> Option<Self> {
        error.map(|_| Self { code: ERROR })
    }
}

/// Reads a line of kind `call`. Nothing where it is none: the store has taken it, so that does not happen.
#[must_use]
pub fn read(line: &[u8]) -> Option<Told> {
    let line: CallLine = serde_json::from_slice(line).ok()?;
    let turn = Turn::of(&line)?;
    let mut told = Told::default();
    // What the caller does not record nobody could put together; it is counted all the same.
    let recorded = line.attributes.get("vox.caller_sampled").and_then(Value::as_bool) != Some(false);
    if recorded {
        told.spans.extend(turn.span());
    }
    for (place, attempt) in (1..).zip(&line.attempts) {
        let attempt = Try { turn: &turn, of: &attempt.attributes, last: place == line.attempts.len() };
        if recorded {
            told.spans.extend(attempt.span(place));
        }
        told.operations.push(attempt.operation());
    }
    Some(told)
}

struct Turn<'a> {
    of: &'a Map<String, Value>,
    started_ms: u64,
    trace: String,
    span: String,
    /// Of the call, where ids have to be made.
    lot: u64,
}

impl<'a> Turn<'a> {
    fn of(line: &'a CallLine) -> Option<Self> {
        let of = &line.attributes;
        let id = |name: &str| text(of, name)?.parse::<Uuid>().ok();
        // A collector refuses a whole batch for one id that is none.
        let callers = text(of, "vox.caller_trace_id").filter(|digits| is_id(digits, 32));
        let trace = callers.map_or_else(
            || id("vox.trace_id").map(|id| id.simple().to_string()),
            |trace| Some(trace.to_owned()),
        )?;
        let lot = id("vox.decision.id")?.as_u64_pair().1;
        Some(Self { of, started_ms: line.started_unix_ms, trace, span: span_id(of, lot), lot })
    }

    fn span(&self) -> Option<Box<RawValue>> {
        let parent = text(self.of, "vox.parent_span_id").filter(|digits| is_id(digits, 16));
        let operation = text(self.of, "gen_ai.operation.name").unwrap_or("chat");
        // The name that a client writes is one of few only where somebody could be asked.
        let model = text(self.of, "gen_ai.request.model").filter(|_| self.of.contains_key("vox.deployment"));
        let name = model.map_or_else(|| operation.to_owned(), |model| format!("{operation} {model}"));
        let of_turn = |name: &str| {
            !NOT_OF_A_TURN.contains(&name)
                && !NOT_OF_A_TURN_BEGINNING.iter().any(|begin| name.starts_with(begin))
        };
        let foreign = if parent.is_some() { FOREIGN_PARENT } else { 0 };
        raw(&Span {
            trace_id: &self.trace,
            span_id: &self.span,
            parent_span_id: parent,
            flags: SAMPLED | KNOWS_PARENT | foreign,
            name,
            kind: SERVER,
            start_time_unix_nano: nanos(self.started_ms),
            end_time_unix_nano: nanos(self.started_ms.saturating_add(number(self.of, "vox.latency_ms"))),
            attributes: wanted(self.of, of_turn).collect(),
            status: Status::of(text(self.of, "error.type")),
        })
    }
}

struct Try<'a> {
    turn: &'a Turn<'a>,
    of: &'a Map<String, Value>,
    last: bool,
}

impl Try<'_> {
    fn span(&self, place: usize) -> Option<Box<RawValue>> {
        let lot = self.turn.lot.wrapping_add(u64::try_from(place).unwrap_or(u64::MAX));
        let started = self.turn.started_ms.saturating_add(number(self.of, "vox.attempt.started_ms"));
        raw(&Span {
            trace_id: &self.turn.trace,
            span_id: &span_id(self.of, lot),
            parent_span_id: Some(&self.turn.span),
            flags: SAMPLED | KNOWS_PARENT,
            name: self.name(),
            kind: CLIENT,
            start_time_unix_nano: nanos(started),
            end_time_unix_nano: nanos(started.saturating_add(number(self.of, "vox.latency_ms"))),
            attributes: self.attributes(),
            status: Status::of(self.error()),
        })
    }

    fn name(&self) -> String {
        let operation = text(self.turn.of, "gen_ai.operation.name").unwrap_or("chat");
        self.model().map_or_else(|| operation.to_owned(), |model| format!("{operation} {model}"))
    }

    /// The model that the provider was asked for, which is not what the client asked for.
    fn model(&self) -> Option<&str> {
        let deployment = text(self.of, "vox.deployment")?;
        let upstream = text(self.of, "vox.upstream").unwrap_or_default();
        let model = deployment.strip_prefix(upstream).and_then(|rest| rest.strip_prefix('/'));
        Some(model.unwrap_or(deployment))
    }

    fn error(&self) -> Option<&str> {
        let cancelled = text(self.of, "vox.attempt.outcome") == Some(CANCELLED);
        text(self.of, "error.type").or(cancelled.then_some(CANCELLED))
    }

    /// Its own; what it shares with its turn and what was asked; and of the last one what came of the turn.
    fn attributes(&self) -> Vec<KeyValue> {
        let of_turn = |name: &str| {
            let shared = TURN_ATTRIBUTES.contains(&name) && !NOT_OF_A_TURN.contains(&name);
            let asked = name.starts_with("gen_ai.request.") || name == "gen_ai.output.type";
            let answered = self.last && name.starts_with("gen_ai.response.");
            (shared || asked || answered) && name != "gen_ai.request.model" && !self.of.contains_key(name)
        };
        let mut attributes: Vec<KeyValue> = wanted(self.of, |name| name != "vox.span_id").collect();
        attributes.extend(wanted(self.turn.of, of_turn));
        attributes.extend(self.model().map(|model| KeyValue::text("gen_ai.request.model", model)));
        if let Some(error) = self.error().filter(|_| !self.of.contains_key("error.type")) {
            attributes.push(KeyValue::text("error.type", error));
        }
        attributes
    }

    fn operation(&self) -> Operation {
        let of_try = |name: &str| ["gen_ai.provider.name", "server.address", "server.port"].contains(&name);
        let of_turn = |name: &str| ["gen_ai.operation.name", "vox.policy"].contains(&name);
        let mut attributes: Vec<KeyValue> = wanted(self.turn.of, of_turn).collect();
        attributes.extend(wanted(self.of, of_try));
        attributes.extend(self.model().map(|model| KeyValue::text("gen_ai.request.model", model)));
        let tokens = |name: &str| self.of.get(name).and_then(Value::as_u64);
        Operation {
            attributes,
            error: self.error().map(str::to_owned),
            seconds: std::time::Duration::from_millis(number(self.of, "vox.latency_ms")).as_secs_f64(),
            input_tokens: tokens("gen_ai.usage.input_tokens"),
            output_tokens: tokens("gen_ai.usage.output_tokens"),
        }
    }
}

fn text<'a>(of: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    of.get(name).and_then(Value::as_str)
}

fn number(of: &Map<String, Value>, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The span's own id, or one that is always the same for the same call: of a try that was never sent nobody saw one.
fn span_id(of: &Map<String, Value>, lot: u64) -> String {
    let own = text(of, "vox.span_id").filter(|digits| is_id(digits, 16));
    own.map_or_else(|| format!("{:016x}", lot.max(1)), str::to_owned)
}

/// So many lower-case hexadecimal digits, and not all of them zeros.
fn is_id(digits: &str, length: usize) -> bool {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits.len() == length && digits.bytes().all(hex) && digits.bytes().any(|byte| byte != b'0')
}

fn nanos(unix_ms: u64) -> u64 {
    unix_ms.saturating_mul(1_000_000)
}

fn raw(span: &Span<'_>) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(span).ok()
}

#[cfg(test)]
mod tests;
