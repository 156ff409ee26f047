//! Why an attempt failed, and what follows from it.

use std::time::Duration;

use bytes::Bytes;
use vox_dialects::{AnswerError, ErrorClass, Failure, TranslateError};

use crate::live::Permits;
use crate::upstream::{ConnectError, SendError};

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The client's own mistake: the same everywhere, so the client is told at once.
    Clients,
    /// This request does not fit this model: another may take it, and the upstream did nothing wrong.
    Misfit,
    /// The upstream did not like the key.
    Key,
    /// The upstream wants to be left alone for a while.
    Limited,
    /// The upstream is full.
    Full,
    /// The upstream failed.
    Broken,
    /// Something is wrong that says nothing about the upstream's health.
    Neutral,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failed {
    /// What follows.
    pub(super) verdict: Verdict,
    /// A closed word for records and metrics.
    pub(super) class: &'static str,
    /// The upstream's status; 0 without one.
    pub(super) status: u16,
    /// How long the upstream wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What the upstream said, where it says something to the client.
    pub(super) message: String,
    /// The upstream's body, as it came.
    pub(super) body: Option<Bytes>,
}

impl Failed {
    fn new(verdict: Verdict, class: &'static str, message: String) -> Self {
        Self { verdict, class, status: 0, retry_after: None, message, body: None }
    }

    /// No piece of the answer came in time.
    #[must_use]
    pub(super) fn late(class: &'static str) -> Self {
        Self::new(Verdict::Broken, class, "it did not answer in time".to_owned())
    }

    /// The answer broke before anything of it was passed on.
    #[must_use]
    pub(super) fn cut() -> Self {
        Self::new(Verdict::Broken, "cut", "its answer ended early".to_owned())
    }

    /// The answer is larger than is held.
    #[must_use]
    pub(super) fn too_large() -> Self {
        Self::new(Verdict::Broken, "answer_too_large", "its answer is too large".to_owned())
    }

    /// The snapshot has no usable URL for it.
    #[must_use]
    pub(super) fn no_url() -> Self {
        Self::new(Verdict::Neutral, "no_url", "its base URL is none".to_owned())
    }

    /// There is no answer at all.
    #[must_use]
    pub(super) fn sending(error: &SendError) -> Self {
        let class = match error {
            SendError::Connect(ConnectError::Dns { .. }) => "dns",
            SendError::Connect(ConnectError::Tls { .. }) => "tls",
            SendError::Connect(_) => "connect",
            SendError::ConnectTimeout { .. } => "connect_timeout",
            SendError::NoAnswer { .. } => "no_answer",
        };
        Self::new(Verdict::Broken, class, error.to_string())
    }

    /// The request cannot be said to this upstream.
    #[must_use]
    pub(super) fn translating(error: &TranslateError) -> Self {
        let verdict = match error {
            TranslateError::Malformed { .. } => Verdict::Clients,
            _ => Verdict::Misfit,
        };
        Self { status: 400, ..Self::new(verdict, "untranslatable", error.to_string()) }
    }

    /// The upstream said so.
    #[must_use]
    pub(super) fn said(failure: Failure, body: Option<Bytes>) -> Self {
        let class = failure.class;
        // Money and models that are gone do not come back in a second.
        let patience = (class == ErrorClass::Quota).then_some(Duration::from_secs(60));
        let verdict = match class {
            ErrorClass::BadRequest => Verdict::Clients,
            ErrorClass::ContextTooLong | ErrorClass::ContentFiltered => Verdict::Misfit,
            ErrorClass::Unauthorised | ErrorClass::Forbidden => Verdict::Key,
            ErrorClass::RateLimited | ErrorClass::Quota => Verdict::Limited,
            ErrorClass::Overloaded => Verdict::Full,
            ErrorClass::NotFound => Verdict::Broken,
            class if class.counts_against_provider() => Verdict::Broken,
            _ => Verdict::Neutral,
        };
        Self {
            status: failure.status.unwrap_or(0),
            retry_after: failure.retry_after.or(patience),
            body,
            ..Self::new(verdict, class.as_str(), failure.message)
        }
    }

    /// A 200 that is no answer.
    #[must_use]
    pub(super) fn answered(error: AnswerError) -> Self {
        match error {
            AnswerError::Upstream(failure) => Self::said(failure, None),
            other => {
                Self { status: 200, ..Self::new(Verdict::Broken, other.class().as_str(), other.to_string()) }
            }
        }
    }

    /// Whether no connection came about: no model of the upstream can be reached then.
    pub(super) fn is_unreached(&self) -> bool {
        matches!(self.class, "dns" | "tls" | "connect" | "connect_timeout")
    }

    /// Whether an upstream may have worked on it, and nobody will say for how much: the request went out, and no error
    /// came back.
    pub(super) fn may_have_cost(&self) -> bool {
        matches!(
            self.class,
            "no_answer"
                | "header_timeout"
                | "answer_timeout"
                | "total_timeout"
                | "first_token_timeout"
                | "body_timeout"
                | "cut"
                | "answer_too_large"
        )
    }

    /// Whether the upstream only has too much to do.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.verdict, Verdict::Limited | Verdict::Full)
    }

    /// Tells the breaker. `waits` is whether requests wait for those that are busy.
    pub(super) fn tell(&self, permit: Permits, waits: bool, now_ms: u64) {
        match self.verdict {
            Verdict::Full if waits => permit.busy(self.retry_after, now_ms),
            Verdict::Limited => permit.limited(self.retry_after, now_ms),
            Verdict::Full => permit.full(self.retry_after, now_ms),
            Verdict::Broken => permit.failed(now_ms),
            Verdict::Clients | Verdict::Misfit => permit.succeeded(now_ms),
            Verdict::Key | Verdict::Neutral => {}
        }
    }
}
