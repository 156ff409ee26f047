//! What happened: finished calls with their tries, feedback, and the penalties that follow from it. A sidecar's lines come
//! in batches; each batch is one transaction, and a line that comes again changes nothing. A batch with a line that Postgres
//! itself does not take is halved until that line stands alone, so that it keeps no other one out.

mod attributes;
mod copy;
mod insert;
mod line;
mod part;
mod partition;
mod penalty;
mod refused;
mod row;

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use uuid::Uuid;

use crate::{Result, Store};

pub use line::{Batch, untakable};
use part::{Halves, Part};
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
    /// Lines that the database does not take for what is in them, by the id of the call or feedback, and its reason in words
    /// that have nothing of the line: at most [`MOST_UNTAKABLE`].
    pub untakable: BTreeMap<Uuid, String>,
}

/// More lines of one batch than this are not the lines' fault: then nothing may be given up.
pub const MOST_UNTAKABLE: usize = 16;

impl Stored {
    fn add(&mut self, part: Self) {
        self.stored = self.stored.saturating_add(part.stored);
        self.penalties = self.penalties.saturating_add(part.penalties);
        self.calls.extend(part.calls);
    }

    /// Where in the batch's body the lines of new calls stand, each call once.
    #[must_use]
    pub fn places(&self, batch: &Batch) -> Vec<Range<usize>> {
        let mut new: HashSet<&Uuid> = self.calls.iter().collect();
        let calls = batch.calls.iter().zip(&batch.places);
        calls.filter(|(call, _)| new.remove(&call.decision)).map(|(_, place)| place.clone()).collect()
    }
}

impl Store {
    /// Writes a batch that a sidecar of this namespace sent, and says which lines the database does not take. When this
    /// returns, all others are durable.
    ///
    /// # Errors
    /// When the database does not answer, takes no writes, or takes so few of the lines that it must be the database that is
    /// wrong. What is there by then is repeated when the batch comes again.
    pub async fn store_outcomes(&self, namespace: &str, sidecar: &str, batch: &Batch) -> Result<Stored> {
        let mut all = Stored::default();
        let mut parts = vec![Part::of(batch)];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.store_part(namespace, sidecar, &part).await {
                Ok(stored) => all.add(stored),
                Err(error) => match (error.of_the_data(), part.halves()) {
                    (Some(_), Halves::Two(halves)) => parts.extend(*halves),
                    (Some(why), Halves::One(line)) if all.untakable.len() < MOST_UNTAKABLE => {
                        all.untakable.insert(line, why);
                    }
                    _ => return Err(error),
                },
            }
        }
        let told = count(batch.calls.len().saturating_add(batch.feedback.len()));
        all.repeated = told.saturating_sub(all.stored).saturating_sub(count(all.untakable.len()));
        Ok(all)
    }

    /// In one transaction.
    async fn store_part(&self, namespace: &str, sidecar: &str, part: &Part<'_>) -> Result<Stored> {
        let (mut calls, mut feedback) = (part.calls.clone(), part.feedback.clone());
        let mut tx = self.pool.begin().await?;
        penalty::lock(&mut tx, namespace, &feedback).await?;
        let new = insert::calls(&mut tx, namespace, sidecar, &calls).await?;
        calls.retain(|call| new.contains(&call.decision));
        insert::attempts(&mut tx, &calls).await?;
        let told: HashSet<_> = insert::feedback(&mut tx, namespace, &feedback).await?.into_iter().collect();
        feedback.retain(|feedback| told.contains(&feedback.feedback));
        let penalties = penalty::follow(&mut tx, &calls, &feedback).await?;
        tx.commit().await?;
        let stored = count(calls.len().saturating_add(feedback.len()));
        Ok(Stored { stored, penalties, calls: new, ..Stored::default() })
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
