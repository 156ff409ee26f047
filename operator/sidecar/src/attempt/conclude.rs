//! What the client is told when nobody answered.

use std::time::Duration;

use vox_dialects::Dialect;
use vox_routing::Decision;

use super::failed::{Failed, Verdict};
use crate::ids::now_ms;
use crate::problem::Problem;
use crate::record::Name;
use crate::serving::Served;

/// The client's own mistake, or who failed and how, after so many attempts.
pub(super) fn conclude(
    dialect: Dialect,
    served: &Served,
    decision: &Decision,
    mut failures: Vec<(Name, Failed)>,
    count: usize,
) -> Problem {
    let tried: Vec<String> = failures
        .iter()
        .map(|(id, failed)| match failed.status {
            0 => format!("{id}: {}", failed.class),
            status => format!("{id}: {} ({status})", failed.class),
        })
        .collect();
    let all = |verdict: fn(Verdict) -> bool| failures.iter().all(|(_, failed)| verdict(failed.verdict));
    let status = if failures.is_empty() {
        503
    } else if all(|verdict| matches!(verdict, Verdict::Limited)) {
        429
    } else if all(|verdict| matches!(verdict, Verdict::Limited | Verdict::Full)) {
        503
    } else if failures.iter().any(|(_, failed)| failed.class.ends_with("_timeout")) {
        504
    } else {
        502
    };
    let now = now_ms();
    let soonest = decision
        .picks
        .iter()
        .filter_map(|pick| served.targets.get(pick.deployment))
        .map(|target| target.breaker.available_at_ms().saturating_sub(now))
        .min()
        .filter(|wait| *wait > 0)
        .map(Duration::from_millis);
    // Where one upstream was in trouble, the same request may yet be served: that is no mistake of the client's.
    let misfit = all(|verdict| matches!(verdict, Verdict::Misfit));
    match failures.pop() {
        Some((_, failed)) if misfit || failed.verdict == Verdict::Clients => own(dialect, failed, &tried),
        Some((_, failed)) => {
            let said =
                if failed.message.is_empty() { String::new() } else { format!("; last: {}", failed.message) };
            let message = format!("each attempt failed ({count}): {}{said}", tried.join("; "));
            Problem::all_failed(status, message, soonest)
        }
        None => {
            let message = "no candidate could be called any more when its turn came: try again in a moment";
            Problem::all_failed(status, message.to_owned(), soonest.or(Some(Duration::from_secs(1))))
        }
    }
}

/// A mistake of the client's own, found by the last upstream: in that upstream's words.
fn own(dialect: Dialect, failed: Failed, tried: &[String]) -> Problem {
    let status = if (400..500).contains(&failed.status) { failed.status } else { 400 };
    let same = failed.body.filter(|body| is_error(dialect, body));
    let message = if failed.message.is_empty() { tried.join("; ") } else { failed.message };
    Problem::of_upstream(status, message, same)
}

/// Whether a body is an error as clients of this dialect read it: compatible servers answer in forms of their own, too.
fn is_error(dialect: Dialect, body: &[u8]) -> bool {
    let Ok(said) = serde_json::from_slice::<serde_json::Value>(body) else { return false };
    let told =
        said.get("error").is_some_and(|error| error.get("message").is_some_and(|text| text.is_string()));
    match dialect {
        Dialect::AnthropicMessages => told && said.get("type").is_some_and(|kind| kind == "error"),
        _ => told,
    }
}
