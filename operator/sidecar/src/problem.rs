//! What a client is told when there is no answer: a code with a page in `docs/errors`, a sentence, and the decision's id.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use uuid::Uuid;
use vox_dialects::{Dialect, error_body};
use vox_routing::Refusal;

use crate::live::NoMoney;
use crate::record::Outcome;
use crate::serve::Body;

/// Bytes of a message about a mistake of the client's.
const LONGEST_MESSAGE: usize = 1024;

/// Why there is no answer.
#[derive(Debug, Clone)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// One of [`vox_contracts::refusal::CODES`], or an upstream's own.
    pub code: &'static str,
    /// What happened, where, what to do.
    pub message: String,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// How the record calls it.
    pub outcome: Outcome,
    /// An upstream's own answer, in the client's dialect already.
    pub verbatim: Option<bytes::Bytes>,
}

impl Problem {
    fn new(status: u16, code: &'static str, outcome: Outcome, message: String) -> Self {
        Self { status, code, message, retry_after: None, outcome, verbatim: None }
    }

    /// The request is not what its dialect says, or a header of ours is wrong.
    #[must_use]
    pub fn malformed(mut message: String) -> Self {
        // It may quote the request.
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        Self::new(400, "malformed_request", Outcome::ClientError, message)
    }

    /// The request chooses what the policy chooses.
    #[must_use]
    pub fn not_the_clients(member: &str) -> Self {
        Self::malformed(match member {
            "service_tier" | "speed" => format!(
                "`{member}` asks for what costs more than the prices that are known: leave it out, or ask for the standard one"
            ),
            _ => format!(
                "`{member}` is not taken: which models, hosts and add-ons serve is for the RoutingPolicy to say. Leave it \
                 out, and name an alias, a model or vox/<category> in `model`"
            ),
        })
    }

    /// The body is too long.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let message =
            format!("the request's body is longer than {limit} bytes: send less, or raise --max-body");
        Self::new(413, "body_too_large", Outcome::ClientError, message)
    }

    /// The body did not come in time.
    #[must_use]
    pub fn body_late(limit: Duration) -> Self {
        let message = format!(
            "the request's body did not come within {} s: send it faster, or raise --body-timeout",
            limit.as_secs_f64()
        );
        Self::new(408, "body_timeout", Outcome::ClientError, message)
    }

    /// The body is compressed.
    #[must_use]
    pub fn encoding(given: &str) -> Self {
        let given: String = given.chars().take(50).collect();
        let message = format!("the request's body is encoded as {given:?}: send it without Content-Encoding");
        Self::new(415, "unsupported_encoding", Outcome::ClientError, message)
    }

    /// Nothing has come to decide from.
    #[must_use]
    pub fn no_snapshot(why: &str) -> Self {
        let mut problem = Self::new(
            503,
            "no_snapshot",
            Outcome::Refused,
            format!("there is nothing to decide from: {why}"),
        );
        problem.retry_after = Some(Duration::from_secs(5));
        problem
    }

    /// Nobody knows which policy decides.
    #[must_use]
    pub fn no_policy(why: String) -> Self {
        Self::new(503, "no_policy", Outcome::Refused, why)
    }

    /// Too much is under way.
    #[must_use]
    pub fn overloaded(limit: usize) -> Self {
        Self::full(format!("{limit} requests are under way, and no more are taken: try again in a moment"))
    }

    /// Too many bytes are held.
    #[must_use]
    pub fn overloaded_bytes(limit: usize) -> Self {
        Self::full(format!(
            "the requests under way hold as many bytes as --max-in-flight-bytes allows ({limit}): try again in a moment"
        ))
    }

    fn full(message: String) -> Self {
        let mut problem = Self::new(503, "overloaded", Outcome::Refused, message);
        problem.retry_after = Some(Duration::from_secs(1));
        problem
    }

    /// There is no such path.
    #[must_use]
    pub fn not_found(path: &str) -> Self {
        let path: String = path.chars().take(100).collect();
        Self::new(404, "not_found", Outcome::ClientError, format!("there is nothing at {path:?}"))
    }

    /// The path takes another method.
    #[must_use]
    pub fn method(allowed: &'static str) -> Self {
        Self::new(405, "method_not_allowed", Outcome::ClientError, format!("this path takes {allowed} only"))
    }

    /// The model is not one that may serve.
    #[must_use]
    pub fn unknown_model(name: String) -> Self {
        Self::refused(&Refusal::UnknownModel { name, alias: None })
    }

    /// The decision is not kept (any more).
    #[must_use]
    pub fn unknown_decision() -> Self {
        let message = "this sidecar knows no such decision: it keeps the last 1024 since it started";
        Self::new(404, "unknown_decision", Outcome::ClientError, message.to_owned())
    }

    /// The policy has nobody for it.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        // 402 and not 429: client libraries try again after 429, and money does not come back in a second.
        let (status, outcome) = match refusal {
            Refusal::UnknownModel { .. } => (404, Outcome::ClientError),
            // No client library tries again after 400, and the next try would be as long.
            Refusal::TooLong { .. } => (400, Outcome::ClientError),
            Refusal::BudgetSpent { .. } | Refusal::TooDear { .. } => (402, Outcome::Refused),
            Refusal::NoCandidate { .. } => (503, Outcome::Refused),
        };
        Self::new(status, refusal.code(), outcome, refusal.to_string())
    }

    /// Nothing of the day's budget could be had for it.
    #[must_use]
    pub fn unpaid(why: NoMoney, policy: &str) -> Self {
        match why {
            NoMoney::Spent => Self::refused(&Refusal::BudgetSpent { policy: policy.to_owned() }),
            NoMoney::Away => {
                let message = format!(
                    "what this sidecar leased of the day's budget of policy {policy:?} does not suffice, and the operator \
                     cannot be asked for more: try again in a moment"
                );
                let mut problem = Self::new(503, "no_lease", Outcome::Refused, message);
                problem.retry_after = Some(Duration::from_secs(2));
                problem
            }
        }
    }

    /// Each attempt failed.
    #[must_use]
    pub fn all_failed(status: u16, message: String, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..Self::new(status, "all_attempts_failed", Outcome::Failed, message) }
    }

    /// An upstream found the client's own mistake.
    #[must_use]
    pub fn of_upstream(status: u16, message: String, verbatim: Option<bytes::Bytes>) -> Self {
        Self { verbatim, ..Self::new(status, "malformed_request", Outcome::ClientError, message) }
    }

    /// As the client's dialect has it.
    #[must_use]
    pub fn response(self, dialect: Dialect, decision: Option<Uuid>) -> Response<Body> {
        let id = decision.map(|id| id.to_string());
        let body = self.verbatim.clone().unwrap_or_else(|| {
            error_body(dialect, self.status, self.code, &self.message, id.as_deref()).into()
        });
        let mut response = Response::new(Body::whole(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.retry_after {
            // Rounded up: a client that comes back early is refused again.
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(id) = id.and_then(|id| HeaderValue::try_from(id).ok()) {
            headers.insert("x-vox-decision", id);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let problem = Problem::all_failed(429, String::new(), Some(Duration::from_millis(1200)));
        let response = problem.response(Dialect::OpenAiChat, None);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
