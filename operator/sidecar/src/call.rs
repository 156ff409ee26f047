//! One request from its head to its end, whichever way it ends: what is known of it becomes its record.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::HeaderValue;
use uuid::Uuid;
use vox_routing::{Cost, Decision, Request};

use crate::app::{App, InFlight, Remembered};
use crate::ids::{self, Moment, millis};
use crate::line::Line;
use crate::live::Recorded;
use crate::problem::Problem;
use crate::record::{Attempt, Outcome, Record};
use crate::serving::Served;
use crate::spool::Kind;
use crate::trace::{self, Span};

thread_local! {
    /// Where a worker puts its lines together, one after the other.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One request under way. Dropped, it is finished; where nobody has said how, the client went away.
pub struct Call {
    /// What all workers share.
    pub app: Arc<App>,
    /// Our span.
    pub span: Span,
    /// What will be written.
    pub record: Box<Record>,
    started: Moment,
    /// How long the upstreams took until the first byte of the answer.
    waited: Duration,
    /// Whether what the gateway added has been measured.
    measured: bool,
    served: Option<Arc<Served>>,
    kept: Option<Arc<Remembered>>,
    /// Its place among the requests under way, and the bytes that it holds.
    pub in_flight: InFlight,
}

impl Call {
    /// A request whose head came at this moment.
    #[must_use]
    pub fn new(
        app: Arc<App>,
        in_flight: InFlight,
        span: Span,
        endpoint: &'static str,
        started: Moment,
    ) -> Self {
        let decision = ids::uuid(started.unix_ms);
        let turn = span.turn().unwrap_or_else(|| ids::uuid(started.unix_ms));
        // A call changes hands often: what is large of it stays where it is.
        let record = Box::new(Record {
            decision,
            interaction: turn,
            trace: turn,
            caller_trace: span.caller.then_some(span.trace).filter(|trace| *trace != turn.as_u128()),
            caller_sampled: span.caller.then(|| span.is_sampled()),
            span: span.span,
            parent: span.parent,
            started_unix_ms: started.unix_ms,
            endpoint,
            ..Record::default()
        });
        Self {
            app,
            span,
            record,
            started,
            waited: Duration::ZERO,
            measured: false,
            served: None,
            kept: None,
            in_flight,
        }
    }

    /// The decision's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.record.decision
    }

    /// Random bits of the decision's id.
    #[must_use]
    pub const fn lot(&self) -> u64 {
        self.record.decision.as_u64_pair().1
    }

    /// The client says which turn this is. The trace is the turn's, unless the caller has one.
    pub fn of_turn(&mut self, interaction: Uuid) {
        self.record.interaction = interaction;
        if trace::is_turn(interaction) {
            self.record.trace = interaction;
            if self.span.caller {
                self.record.caller_trace =
                    Some(self.span.trace).filter(|trace| *trace != interaction.as_u128());
            } else {
                self.span.trace = interaction.as_u128();
            }
        }
    }

    /// The policy that decided, as answers carry it.
    #[must_use]
    pub fn policy(&self) -> Option<HeaderValue> {
        self.served.as_ref().map(|served| served.label.clone())
    }

    /// The request's body is here: from now on time is the gateway's or an upstream's.
    pub fn begin(&mut self) {
        self.started = self.started.later();
        self.record.started_unix_ms = self.started.unix_ms;
    }

    /// When its body had come.
    #[must_use]
    pub const fn started(&self) -> Moment {
        self.started
    }

    /// What was decided from, and what it found.
    pub fn decided(
        &mut self,
        served: &Arc<Served>,
        request: Request,
        live: Recorded,
        decision: Option<&Decision>,
    ) {
        self.record.policy = served.name.clone();
        self.record.generation = served.generation;
        self.record.snapshot = served.version;
        if let Some(decision) = decision {
            self.record.category = Some(decision.category.as_str());
            self.record.complexity = decision.complexity;
            let picks = decision.picks.iter().filter_map(|pick| served.targets.get(pick.deployment));
            self.record.picks = picks.map(|target| target.id.clone()).collect();
            self.record.probability = decision.probability();
        }
        let kept = Arc::new(Remembered {
            id: self.record.decision,
            served: Arc::downgrade(served),
            request,
            live,
            at_ms: self.record.started_unix_ms,
            record: OnceLock::new(),
        });
        self.app.remember(Arc::clone(&kept));
        self.kept = Some(kept);
        self.served = Some(Arc::clone(served));
    }

    /// An upstream was waited for.
    pub fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// The first byte of the answer goes out.
    pub fn first_byte(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.measured, true) {
            self.app.metrics.added(self.started.until(now).saturating_sub(self.waited));
        }
    }

    /// An attempt ended, and its reservation is settled.
    pub fn attempted(&mut self, attempt: Attempt, now_ms: u64) {
        if let Some(peer) = &attempt.peer {
            self.app.metrics.attempt(&peer.upstream, attempt.class);
        }
        if let Some(served) = &self.served {
            self.app.metrics.spent(served.budget.spent(now_ms).pico_usd());
        }
        // Most requests have one, and records are kept for a while: without room for more they are a kilobyte smaller.
        self.record.attempts.reserve_exact(1);
        self.record.attempts.push(attempt);
    }

    /// How it ended.
    pub fn ended(&mut self, outcome: Outcome, status: u16) {
        self.record.outcome = outcome;
        self.record.status = status;
    }

    /// It ended with an error.
    pub fn failed(&mut self, problem: &Problem) {
        self.record.code = Some(problem.code);
        self.ended(problem.outcome, problem.status);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut record = std::mem::take(&mut *self.record);
        record.duration_ms = millis(self.started.until(Instant::now()));
        let mut costs =
            record.attempts.iter().filter(|attempt| attempt.usage.is_some() || attempt.class == "ok");
        record.cost_usd = costs.try_fold(Cost::ZERO, |sum, attempt| Some(sum.plus(attempt.cost_usd?)));
        self.app.metrics.request(record.outcome);
        if record.outcome != Outcome::Dry {
            let request = self.kept.as_ref().map(|kept| &kept.request);
            let answered = record.outcome == Outcome::Answered;
            let kind = if answered { Kind::Answered } else { Kind::Call };
            LINE.with_borrow_mut(|line| {
                line.clear();
                Line { record: &record, request }.write(line);
                self.app.records.put(kind, line);
            });
        }
        if let Some(kept) = &self.kept {
            // It ends once.
            let _ = kept.record.set(record);
        }
    }
}
