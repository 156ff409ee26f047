//! A finished request as the spool and `explain` have it: the event of a turn and, within it, one event for each try,
//! with the names of `model-telemetry.v1.yaml`. What belongs together is one line. Written as it is read, without a tree.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use vox_routing::{Choice, Request};

use crate::record::{Attempt, Outcome, Peer, Record, Tokens};

/// A record, and the request as far as it was understood.
pub struct Line<'a> {
    /// What came of it.
    pub record: &'a Record,
    /// What was decided about.
    pub request: Option<&'a Request>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let answered = self.record.outcome == Outcome::Answered;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", "call")?;
        map.serialize_entry("event", if answered { "vox.model.response" } else { "vox.model.error" })?;
        map.serialize_entry("startedUnixMs", &self.record.started_unix_ms)?;
        map.serialize_entry("attributes", &Turn { line: self, answered })?;
        map.serialize_entry("attempts", &Attempts(&self.record.attempts))?;
        map.end()
    }
}

/// Writes one attribute where there is one.
fn maybe<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &'static str,
    value: Option<T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

/// Zero is "none".
fn given<T: PartialEq + Default>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

/// The attributes of a turn.
struct Turn<'a> {
    line: &'a Line<'a>,
    answered: bool,
}

impl Serialize for Turn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.ids(&mut map)?;
        self.asked(&mut map)?;
        self.decided(&mut map)?;
        self.came_of_it(&mut map)?;
        map.end()
    }
}

impl Turn<'_> {
    fn ids<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let record = self.line.record;
        map.serialize_entry("vox.trace_id", &record.trace)?;
        maybe(map, "vox.caller_trace_id", record.caller_trace.map(Hex::<32>::of))?;
        map.serialize_entry("vox.span_id", &Hex::<16>::of(u128::from(record.span)))?;
        maybe(map, "vox.parent_span_id", given(record.parent).map(|span| Hex::<16>::of(u128::from(span))))?;
        map.serialize_entry("vox.interaction.id", &record.interaction)?;
        map.serialize_entry("vox.decision.id", &record.decision)
    }

    fn asked<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let record = self.line.record;
        map.serialize_entry("vox.endpoint", record.endpoint)?;
        let operation = if record.endpoint == "embeddings" { "embeddings" } else { "chat" };
        map.serialize_entry("gen_ai.operation.name", operation)?;
        if let Some(request) = self.line.request {
            let model = match &request.choice {
                Choice::Named(name) => name.as_str(),
                Choice::Auto => vox_routing::AUTO,
            };
            map.serialize_entry("gen_ai.request.model", model)?;
            maybe(map, "gen_ai.request.max_tokens", request.max_output_tokens)?;
        }
        maybe(map, "gen_ai.request.temperature", record.temperature)?;
        maybe(map, "gen_ai.output.type", record.json.then_some("json"))?;
        map.serialize_entry("vox.request.stream", &record.stream)
    }

    fn decided<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let record = self.line.record;
        if record.policy.is_empty() {
            return Ok(());
        }
        map.serialize_entry("vox.policy", &*record.policy)?;
        map.serialize_entry("vox.policy.generation", &record.generation)?;
        map.serialize_entry("vox.snapshot.version", &record.snapshot)?;
        map.serialize_entry("vox.decision.time_us", &record.decided_us)?;
        maybe(map, "vox.task.category", record.category)?;
        maybe(map, "vox.task.complexity", given(record.complexity))?;
        if record.picks.is_empty() {
            Ok(())
        } else {
            map.serialize_entry("vox.decision.picks", &record.picks)
        }
    }

    fn came_of_it<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let record = self.line.record;
        map.serialize_entry("vox.outcome", record.outcome.as_str())?;
        maybe(map, "vox.client.status_code", given(record.status))?;
        map.serialize_entry("vox.latency_ms", &record.duration_ms)?;
        map.serialize_entry("vox.attempts", &record.attempts.len())?;
        maybe(map, "vox.cost_usd", record.cost_usd)?;
        let last = record.attempts.last();
        if !self.answered {
            let failed = last.map(|attempt| attempt.class).filter(|class| *class != "ok");
            map.serialize_entry("error.type", record.code.or(failed).unwrap_or(record.outcome.as_str()))?;
            maybe(map, "vox.http.status_code", last.and_then(|attempt| given(attempt.status)))?;
        }
        let Some(attempt) = last else { return Ok(()) };
        peer(map, attempt)?;
        map.serialize_entry("vox.deployment", &*attempt.deployment)?;
        maybe(map, "gen_ai.response.id", attempt.answer.as_deref())?;
        maybe(map, "gen_ai.response.model", served(attempt))?;
        maybe(map, "gen_ai.response.finish_reasons", attempt.finish.as_deref().map(|finish| [finish]))?;
        maybe(map, "vox.time_to_first_token_ms", attempt.first_token_ms)?;
        tokens(map, attempt.usage.as_ref())
    }
}

/// The tries of a turn.
struct Attempts<'a>(&'a [Attempt]);

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((1_usize..).zip(self.0).map(|(number, attempt)| Tried { number, attempt }))
    }
}

/// One try.
struct Tried<'a> {
    number: usize,
    attempt: &'a Attempt,
}

impl Serialize for Tried<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event", "vox.model.attempt")?;
        map.serialize_entry("attributes", &TriedAttributes(self))?;
        map.end()
    }
}

/// The attributes of a try; those that it shares with its turn are there.
struct TriedAttributes<'a>(&'a Tried<'a>);

impl Serialize for TriedAttributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Tried { number, attempt } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("vox.attempt.number", number)?;
        let outcome = match attempt.class {
            "ok" => "succeeded",
            "cancelled" => "cancelled",
            _ => "failed",
        };
        map.serialize_entry("vox.attempt.outcome", outcome)?;
        maybe(&mut map, "error.type", (outcome == "failed").then_some(attempt.class))?;
        maybe(&mut map, "vox.http.status_code", given(attempt.status))?;
        map.serialize_entry("vox.deployment", &*attempt.deployment)?;
        peer(&mut map, attempt)?;
        if let Some(peer) = &attempt.peer {
            map.serialize_entry("vox.upstream", &*peer.upstream)?;
            map.serialize_entry("vox.route_kind", peer.route)?;
        }
        maybe(&mut map, "vox.span_id", given(attempt.span).map(|span| Hex::<16>::of(u128::from(span))))?;
        map.serialize_entry("vox.attempt.started_ms", &attempt.started_ms)?;
        map.serialize_entry("vox.latency_ms", &attempt.duration_ms)?;
        maybe(&mut map, "vox.time_to_first_token_ms", attempt.first_token_ms)?;
        maybe(&mut map, "gen_ai.response.model", served(attempt))?;
        tokens(&mut map, attempt.usage.as_ref())?;
        maybe(&mut map, "vox.cost_usd", attempt.cost_usd)?;
        maybe(&mut map, "vox.assumed_cost_usd", attempt.assumed_usd)?;
        map.end()
    }
}

/// Whom a try asked. A host that no contract knows is a provider by its own name.
fn peer<M: SerializeMap>(map: &mut M, attempt: &Attempt) -> Result<(), M::Error> {
    let Some(Peer { provider, address, port, .. }) = attempt.peer.as_deref() else { return Ok(()) };
    map.serialize_entry("gen_ai.provider.name", provider)?;
    maybe(map, "server.address", Some(address).filter(|address| !address.is_empty()))?;
    maybe(map, "server.port", given(*port))
}

/// The model that answered: in its own words, else the one that was called.
fn served(attempt: &Attempt) -> Option<&str> {
    let called = || {
        let upstream = attempt.peer.as_ref()?.upstream.len();
        attempt.deployment.get(upstream.saturating_add(1)..).filter(|_| attempt.class == "ok")
    };
    attempt.served.as_deref().or_else(called)
}

fn tokens<M: SerializeMap>(map: &mut M, tokens: Option<&Tokens>) -> Result<(), M::Error> {
    let Some(tokens) = tokens else { return Ok(()) };
    maybe(map, "gen_ai.usage.input_tokens", tokens.input)?;
    maybe(map, "gen_ai.usage.output_tokens", tokens.output)?;
    maybe(map, "vox.usage.cache_read_tokens", tokens.cache_read)?;
    maybe(map, "vox.usage.cache_write_tokens", tokens.cache_write)?;
    maybe(map, "vox.usage.reasoning_tokens", tokens.reasoning)
}

/// A number in so many lower-case hexadecimal digits.
struct Hex<const DIGITS: usize>([u8; DIGITS]);

impl<const DIGITS: usize> Hex<DIGITS> {
    fn of(number: u128) -> Self {
        let mut digits = [b'0'; DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            // Four bits fit everywhere.
            let four = u8::try_from(rest & 0xf).unwrap_or_default();
            *digit = if four < 10 { b'0' + four } else { b'a' + four - 10 };
            rest >>= 4;
        }
        Self(digits)
    }
}

impl<const DIGITS: usize> Serialize for Hex<DIGITS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}
