//! `vox trace`: a turn with all its calls and their tries, as a tree of lines.

use std::fmt::Write as _;

use vox_contracts::scoreboard::{Trace, TracedAttempt, TracedCall, TracedFeedback};

use super::scoreboard::cost;
use crate::args::{Global, TraceArgs};
use crate::cluster::{Cluster, Operator};
use crate::error::{Error, Exit};
use crate::progress::Progress;
use crate::table::printable;

pub(super) async fn run(args: &TraceArgs, global: &Global) -> Result<Exit, Error> {
    let cluster = Cluster::new(global).await?;
    let read = async { Operator::find(&cluster).await?.trace(&args.id).await };
    let Some(trace) = Progress::during("reading the turn from the operator", Box::pin(read)).await? else {
        return Err(Error::NotFound(format!(
            "no turn and no call {} is known; what has just ended takes some seconds to come, and old ones are deleted",
            args.id
        )));
    };
    global.output.print(&trace, || text(&trace))?;
    Ok(Exit::Ok)
}

fn text(trace: &Trace) -> String {
    let mut text = String::new();
    if let Some(first) = trace.calls.first() {
        let _ = writeln!(text, "turn {}", first.trace);
    }
    for (place, call) in trace.calls.iter().enumerate() {
        let last = place + 1 == trace.calls.len();
        let (branch, stem) = if last { ("└─", "   ") } else { ("├─", "│  ") };
        let _ = writeln!(text, "{branch} {}", told(call));
        let mut leaves: Vec<String> = call.attempts.iter().map(tried).collect();
        leaves.extend(call.feedback.iter().map(judged));
        for (place, leaf) in leaves.iter().enumerate() {
            let branch = if place + 1 == leaves.len() { "└─" } else { "├─" };
            let _ = writeln!(text, "{stem}{branch} {leaf}");
        }
    }
    text
}

/// What is known of these words, in their order.
fn words(all: impl IntoIterator<Item = Option<String>>) -> String {
    let known: Vec<String> = all.into_iter().flatten().map(|word| printable(&word)).collect();
    known.join("  ")
}

fn told(call: &TracedCall) -> String {
    let policy = call.policy.as_ref().map(|policy| format!("{}/{policy}", call.namespace));
    let explored = (call.probability < 1.0).then(|| format!("explored (p {:.3})", call.probability));
    words([
        Some(format!("call {}", call.decision)),
        Some(call.started_at.to_string()),
        Some(call.endpoint.clone()),
        call.category.clone(),
        policy.or_else(|| Some(call.namespace.clone())),
        Some(ended(&call.outcome, call.status, call.error_type.as_deref())),
        Some(format!("{} ms", call.latency_ms)),
        tokens(call.input_tokens, call.output_tokens),
        Some(money(call.cost_usd)),
        call.signal.as_ref().map(|signal| format!("signal {signal}")),
        explored,
    ])
}

fn tried(attempt: &TracedAttempt) -> String {
    words([
        Some(format!("try {}", attempt.number)),
        Some(attempt.deployment.clone()),
        Some(ended(&attempt.outcome, attempt.status, attempt.error_type.as_deref())),
        Some(format!("from {} ms for {} ms", attempt.started_ms, attempt.latency_ms)),
        attempt.first_token_ms.map(|ms| format!("first token {ms} ms")),
        tokens(attempt.input_tokens, attempt.output_tokens),
        attempt.cost_usd.map(|usd| money(Some(usd))),
    ])
}

fn judged(feedback: &TracedFeedback) -> String {
    let thumb = feedback.thumb.map(|thumb| if thumb > 0 { "up" } else { "down" }.to_owned());
    let abstained = feedback.abstain.filter(|abstained| *abstained).map(|_| "abstained".to_owned());
    words([
        Some("feedback".to_owned()),
        thumb,
        feedback.score.map(|score| format!("score {score}")),
        abstained,
        feedback.confidence.map(|confidence| format!("confidence {confidence}")),
    ])
}

fn ended(outcome: &str, status: Option<i32>, error: Option<&str>) -> String {
    let mut text = outcome.to_owned();
    for word in [status.map(|status| status.to_string()), error.map(str::to_owned)].into_iter().flatten() {
        text.push(' ');
        text.push_str(&word);
    }
    text
}

fn tokens(input: Option<i64>, output: Option<i64>) -> Option<String> {
    let told = |count: Option<i64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    (input.is_some() || output.is_some()).then(|| format!("{} in, {} out", told(input), told(output)))
}

fn money(usd: Option<vox_contracts::price::Usd>) -> String {
    format!("{} USD", cost(usd, "?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_a_tree_of_its_calls_and_their_tries() {
        let call = |id: &str, rest: serde_json::Value| {
            let mut call = serde_json::json!({
                "decision": format!("0192f0c1-2d4e-7a3b-8c5d-6e7f8091{id}"), "trace": "0192f0c1-2d4e-7a3b-8c5d-6e7f80910000",
                "interaction": "0192f0c1-2d4e-7a3b-8c5d-6e7f80910000", "startedAt": "2026-11-26T10:00:00Z", "namespace": "shop",
                "policy": "main", "sidecar": "checkout-1", "endpoint": "chat", "category": "codegen", "outcome": "answered",
                "status": 200, "latencyMs": 950, "inputTokens": 1000, "outputTokens": 200, "costUsd": "0.00412",
                "probability": 1.0, "picks": [], "attempts": [], "feedback": [],
            });
            call.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            call
        };
        let trace: Trace = serde_json::from_value(serde_json::json!({ "calls": [
            call("0001", serde_json::json!({ "attempts": [
                { "number": 1, "deployment": "hub/maker/a", "outcome": "failed", "errorType": "server_error", "status": 503,
                  "startedMs": 0, "latencyMs": 120 },
                { "number": 2, "deployment": "hub/maker/b", "outcome": "succeeded", "status": 200, "startedMs": 121,
                  "latencyMs": 820, "firstTokenMs": 300, "inputTokens": 1000, "outputTokens": 200, "costUsd": "0.00412" },
            ], "feedback": [{ "receivedAt": "2026-11-26T10:01:00Z", "thumb": -1, "score": -0.5 }] })),
            call("0002", serde_json::json!({ "outcome": "refused", "status": 503, "errorType": "no_candidate", "costUsd": null,
                "inputTokens": null, "outputTokens": null, "probability": 0.05 })),
        ] }))
        .unwrap();
        insta::assert_snapshot!(text(&trace));
    }
}
