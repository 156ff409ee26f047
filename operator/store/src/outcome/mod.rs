//! What happened: finished calls with their tries, feedback, and the penalties that follow from it. A sidecar's lines come
//! in batches; each batch is one transaction, and a line that comes again changes nothing.

mod attributes;
mod copy;
mod insert;
mod line;
mod partition;
mod penalty;
mod refused;
mod row;

use std::collections::HashSet;
use std::ops::Range;

use uuid::Uuid;

use crate::{Result, Store};

pub use line::Batch;
pub use partition::Partitions;
pub use refused::Refused;
pub use row::{Attempt, Call, Feedback, Tokens, day};

/// What became of a batch's lines that were not refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// New, and in the database now.
    pub stored: u64,
    /// There already.
    pub repeated: u64,
    /// Penalties that hold from now on.
    pub penalties: u64,
    /// The calls among those that are new.
    pub calls: HashSet<Uuid>,
}

impl Stored {
    /// Where in the batch's body the lines of new calls stand, each call once.
    #[must_use]
    pub fn places(&self, batch: &Batch) -> Vec<Range<usize>> {
        let mut new: HashSet<&Uuid> = self.calls.iter().collect();
        let calls = batch.calls.iter().zip(&batch.places);
        calls.filter(|(call, _)| new.remove(&call.decision)).map(|(_, place)| place.clone()).collect()
    }
}

impl Store {
    /// Writes a batch that a sidecar of this namespace sent, whole or not at all. When this returns, it is durable.
    ///
    /// # Errors
    /// When the database does not answer, or takes no writes: then nothing of the batch is there.
    pub async fn store_outcomes(&self, namespace: &str, sidecar: &str, batch: &Batch) -> Result<Stored> {
        // In one order for all, so that two batches of the same lines never wait for each other crosswise.
        let mut calls: Vec<&Call> = batch.calls.iter().collect();
        calls.sort_by_key(|call| call.decision);
        calls.dedup_by_key(|call| call.decision);
        let mut feedback: Vec<&Feedback> = batch.feedback.iter().collect();
        feedback.sort_by_key(|feedback| feedback.feedback);
        feedback.dedup_by_key(|feedback| feedback.feedback);
        if calls.is_empty() && feedback.is_empty() {
            return Ok(Stored::default());
        }
        let mut tx = self.pool.begin().await?;
        penalty::lock(&mut tx, namespace, &feedback).await?;
        let new = insert::calls(&mut tx, namespace, sidecar, &calls).await?;
        calls.retain(|call| new.contains(&call.decision));
        insert::attempts(&mut tx, &calls).await?;
        let told: HashSet<_> = insert::feedback(&mut tx, namespace, &feedback).await?.into_iter().collect();
        feedback.retain(|feedback| told.contains(&feedback.feedback));
        let penalties = penalty::follow(&mut tx, &calls, &feedback).await?;
        tx.commit().await?;
        let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        let stored = count(calls.len().saturating_add(feedback.len()));
        let all = count(batch.calls.len().saturating_add(batch.feedback.len()));
        Ok(Stored { stored, repeated: all.saturating_sub(stored), penalties, calls: new })
    }
}
