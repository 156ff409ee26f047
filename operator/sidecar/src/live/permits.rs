//! The right to call a deployment: its own, and that of its upstream, which may be away with all it has.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::{Breaker, Permit};

/// Both rights; what is said of the call is said to both.
#[derive(Debug)]
pub struct Permits {
    deployment: Permit,
    upstream: Permit,
}

impl Permits {
    /// If both may be called.
    #[must_use]
    pub fn begin(deployment: &Arc<Breaker>, upstream: &Arc<Breaker>, now_ms: u64) -> Option<Self> {
        Some(Self { deployment: deployment.begin(now_ms)?, upstream: upstream.begin(now_ms)? })
    }

    /// Its answer has begun.
    pub fn began(&mut self) {
        self.deployment.began();
        self.upstream.began();
    }

    /// It answered.
    pub fn succeeded(self, now_ms: u64) {
        self.deployment.succeeded(now_ms);
        self.upstream.succeeded(now_ms);
    }

    /// It failed in a way that says something about it.
    pub fn failed(self, now_ms: u64) {
        self.deployment.failed(now_ms);
        self.upstream.failed(now_ms);
    }

    /// The deployment said that it is limited; whoever says so is there.
    pub fn limited(self, retry_after: Option<Duration>, now_ms: u64) {
        self.deployment.limited(retry_after, now_ms);
        self.upstream.succeeded(now_ms);
    }

    /// The deployment said that it is full. Of the upstream that says something only where nobody says until when.
    pub fn full(self, retry_after: Option<Duration>, now_ms: u64) {
        self.deployment.full(retry_after, now_ms);
        match retry_after {
            Some(_) => self.upstream.succeeded(now_ms),
            None => self.upstream.failed(now_ms),
        }
    }

    /// The deployment said that it is full, which is usual there; whoever says so is there.
    pub fn busy(self, retry_after: Option<Duration>, now_ms: u64) {
        self.deployment.busy(retry_after, now_ms);
        self.upstream.succeeded(now_ms);
    }
}
