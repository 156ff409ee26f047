//! A finished request as the spool and `explain` have it: the event of a turn and, within it, one event for each try,
//! with the names of `model-telemetry.v1.yaml`. What belongs together is one line. Written as it is read, without a tree.

#[cfg(test)]
mod tests;
mod write;

use vox_routing::{Choice, Request};

use self::write::{Hex, Members, Word, Write as _, key};
use crate::record::{Attempt, Outcome, Peer, Record, Tokens};

/// Most lines are no longer, in bytes.
const USUAL: usize = 2048;

/// A record, and the request as far as it was understood.
pub struct Line<'a> {
    /// What came of it.
    pub record: &'a Record,
    /// What was decided about.
    pub request: Option<&'a Request>,
}

/// Zero is "none".
fn given<T: PartialEq + Default>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

impl Line<'_> {
    /// As JSON, without a line end.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(USUAL);
        self.write(&mut json);
        json
    }

    /// Appends it as JSON, without a line end.
    pub fn write(&self, json: &mut Vec<u8>) {
        let answered = self.record.outcome == Outcome::Answered;
        let mut out = Members(json);
        out.raw(r#"{"kind":"call""#);
        out.member(key!("event"), Word(if answered { "vox.model.response" } else { "vox.model.error" }));
        out.member(key!("startedUnixMs"), self.record.started_unix_ms);
        out.raw(r#","attributes":{"vox.trace_id":"#);
        self.record.trace.write(out.0);
        self.ids(&mut out);
        self.asked(&mut out);
        self.decided(&mut out);
        self.came_of_it(&mut out, answered);
        out.raw(r#"},"attempts":["#);
        for (number, attempt) in (1_usize..).zip(&self.record.attempts) {
            out.raw(if number == 1 { "" } else { "," });
            tried(&mut out, number, attempt);
        }
        out.raw("]}");
    }

    fn ids(&self, out: &mut Members<'_>) {
        let record = self.record;
        out.maybe(key!("vox.caller_trace_id"), record.caller_trace.map(Hex::Trace));
        out.maybe(key!("vox.caller_sampled"), record.caller_sampled);
        out.member(key!("vox.span_id"), Hex::Span(record.span));
        out.maybe(key!("vox.parent_span_id"), given(record.parent).map(Hex::Span));
        out.member(key!("vox.interaction.id"), record.interaction);
        out.maybe(key!("vox.session.id"), record.session.as_deref());
        out.member(key!("vox.decision.id"), record.decision);
    }

    fn asked(&self, out: &mut Members<'_>) {
        let record = self.record;
        out.member(key!("vox.endpoint"), Word(record.endpoint));
        let operation = if record.endpoint == "embeddings" { "embeddings" } else { "chat" };
        out.member(key!("gen_ai.operation.name"), Word(operation));
        if let Some(request) = self.request {
            let model = match &request.choice {
                Choice::Named(name) => name.as_str(),
                Choice::Auto => vox_routing::AUTO,
            };
            out.member(key!("gen_ai.request.model"), model);
            out.maybe(key!("gen_ai.request.max_tokens"), request.max_output_tokens);
            out.member(key!("vox.request.input_tokens"), request.input_tokens);
            if request.needs.of_models().next().is_some() {
                out.texts(key!("vox.request.needs"), request.needs.of_models());
            }
            let narrowed = request.family_hint.is_some() || request.max_cost.is_some();
            out.maybe(key!("vox.request.narrowed"), given(narrowed));
        }
        out.maybe(key!("gen_ai.request.temperature"), record.temperature);
        out.maybe(key!("gen_ai.output.type"), record.json.then_some(Word("json")));
        out.member(key!("vox.request.stream"), record.stream);
    }

    fn decided(&self, out: &mut Members<'_>) {
        let record = self.record;
        if record.policy.is_empty() {
            return;
        }
        out.member(key!("vox.policy"), &record.policy);
        out.member(key!("vox.policy.generation"), record.generation);
        out.member(key!("vox.snapshot.version"), record.snapshot);
        out.member(key!("vox.decision.time_us"), record.decided_us);
        out.maybe(key!("vox.task.category"), record.category.map(Word));
        out.maybe(key!("vox.task.complexity"), given(record.complexity));
        out.maybe(key!("vox.decision.probability"), record.probability);
        if !record.picks.is_empty() {
            out.texts(key!("vox.decision.picks"), record.picks.iter());
        }
    }

    fn came_of_it(&self, out: &mut Members<'_>, answered: bool) {
        let record = self.record;
        out.member(key!("vox.outcome"), Word(record.outcome.as_str()));
        out.maybe(key!("vox.client.status_code"), given(record.status));
        out.member(key!("vox.latency_ms"), record.duration_ms);
        out.member(key!("vox.attempts"), record.attempts.len());
        out.maybe(key!("vox.cost_usd"), record.cost_usd);
        let last = record.attempts.last();
        if !answered {
            let failed = last.map(|attempt| attempt.class).filter(|class| *class != "ok");
            out.member(key!("error.type"), Word(record.code.or(failed).unwrap_or(record.outcome.as_str())));
            out.maybe(key!("vox.http.status_code"), last.and_then(|attempt| given(attempt.status)));
        }
        let Some(attempt) = last else { return };
        peer(out, attempt);
        out.member(key!("vox.deployment"), &attempt.deployment);
        out.maybe(key!("vox.model.key"), Some(&attempt.model_key).filter(|key| !key.is_empty()));
        if answered {
            out.maybe(key!("vox.cache_savings_usd"), attempt.cache_savings_usd);
            out.maybe(key!("vox.context.utilisation"), utilisation(attempt));
            out.maybe(key!("vox.answer.signal"), attempt.signal.map(Word));
        }
        out.maybe(key!("gen_ai.response.id"), attempt.answer.as_deref());
        out.maybe(key!("gen_ai.response.model"), served(attempt));
        if let Some(finish) = attempt.finish.as_deref() {
            out.texts(key!("gen_ai.response.finish_reasons"), std::iter::once(finish));
        }
        out.maybe(key!("vox.time_to_first_token_ms"), attempt.first_token_ms);
        tokens(out, attempt.usage.as_ref());
    }
}

/// One try. The attributes that it shares with its turn are there.
fn tried(out: &mut Members<'_>, number: usize, attempt: &Attempt) {
    out.raw(r#"{"event":"vox.model.attempt","attributes":{"vox.attempt.number":"#);
    number.write(out.0);
    let outcome = match attempt.class {
        "ok" => "succeeded",
        "cancelled" => "cancelled",
        _ => "failed",
    };
    out.member(key!("vox.attempt.outcome"), Word(outcome));
    out.maybe(key!("error.type"), (outcome == "failed").then_some(Word(attempt.class)));
    out.maybe(key!("vox.http.status_code"), given(attempt.status));
    out.member(key!("vox.deployment"), &attempt.deployment);
    out.maybe(key!("vox.model.key"), Some(&attempt.model_key).filter(|key| !key.is_empty()));
    peer(out, attempt);
    if let Some(peer) = &attempt.peer {
        out.member(key!("vox.upstream"), &peer.upstream);
        out.member(key!("vox.route_kind"), Word(peer.route));
    }
    out.maybe(key!("vox.span_id"), given(attempt.span).map(Hex::Span));
    out.member(key!("vox.attempt.started_ms"), attempt.started_ms);
    out.member(key!("vox.latency_ms"), attempt.duration_ms);
    out.maybe(key!("vox.time_to_first_token_ms"), attempt.first_token_ms);
    out.maybe(key!("gen_ai.response.model"), served(attempt));
    tokens(out, attempt.usage.as_ref());
    out.maybe(key!("vox.cost_usd"), attempt.cost_usd);
    out.maybe(key!("vox.assumed_cost_usd"), attempt.assumed_usd);
    out.raw("}}");
}

/// Whom a try asked. A host that no contract knows is a provider by its own name.
fn peer(out: &mut Members<'_>, attempt: &Attempt) {
    let Some(Peer { provider, address, port, .. }) = attempt.peer.as_deref() else { return };
    out.member(key!("gen_ai.provider.name"), provider);
    out.maybe(key!("server.address"), Some(address).filter(|address| !address.is_empty()));
    out.maybe(key!("server.port"), given(*port));
}

/// The model that answered: in its own words, else the one that was called.
fn served(attempt: &Attempt) -> Option<&str> {
    let called = || {
        let upstream = attempt.peer.as_ref()?.upstream.len();
        attempt.deployment.get(upstream.saturating_add(1)..).filter(|_| attempt.class == "ok")
    };
    attempt.served.as_deref().or_else(called)
}

/// Input and output as a share of the context, to four places. Some providers count more than the catalog says there is.
fn utilisation(attempt: &Attempt) -> Option<f64> {
    let tokens = attempt.usage?;
    let used = tokens.input?.saturating_add(tokens.output.unwrap_or(0));
    let context = attempt.context_tokens.filter(|context| *context > 0)?;
    // Whole ten-thousandths, at most all of them.
    let share = u128::from(used).saturating_mul(10_000) / u128::from(context);
    Some(f64::from(u32::try_from(share.min(10_000)).unwrap_or(10_000)) / 10_000.0)
}

fn tokens(out: &mut Members<'_>, tokens: Option<&Tokens>) {
    let Some(tokens) = tokens else { return };
    out.maybe(key!("gen_ai.usage.input_tokens"), tokens.input);
    out.maybe(key!("gen_ai.usage.output_tokens"), tokens.output);
    out.maybe(key!("vox.usage.cache_read_tokens"), tokens.cache_read);
    out.maybe(key!("vox.usage.cache_write_tokens"), tokens.cache_write);
    out.maybe(key!("vox.usage.reasoning_tokens"), tokens.reasoning);
}
