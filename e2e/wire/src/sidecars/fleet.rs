//! All sidecars together: who is there, and who has what.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

use super::document::{Holds, check};
use super::stream::{Event, Shared, Sidecar};

/// The fleet, as its sidecars tell of themselves.
pub(super) struct Fleet {
    policy: String,
    events: UnboundedReceiver<Event>,
    /// The newest version of each sidecar, and since when it has it.
    newest: Vec<(u64, Option<Instant>)>,
    /// What the documents of each version hold of the policy.
    holds: HashMap<u64, Option<Holds>>,
    /// How many streams are open.
    pub(super) open: usize,
    /// Why streams ended, and how often.
    pub(super) ends: BTreeMap<String, usize>,
    /// What must not be.
    pub(super) wrong: Vec<String>,
    /// Bytes of the newest document, and in how many it was sent.
    pub(super) bytes: (usize, usize),
}

impl Fleet {
    /// Starts a sidecar for each token.
    pub(super) fn start(shared: Arc<Shared>, events: UnboundedReceiver<Event>, tokens: Vec<String>) -> Self {
        let newest = vec![(0, None); tokens.len()];
        for (number, token) in tokens.into_iter().enumerate() {
            tokio::spawn(Sidecar { number, token, shared: Arc::clone(&shared), version: 0 }.run());
        }
        let policy = shared.policy.clone();
        Self {
            policy,
            events,
            newest,
            holds: HashMap::new(),
            open: 0,
            ends: BTreeMap::new(),
            wrong: Vec::new(),
            bytes: (0, 0),
        }
    }

    /// Waits until all are there and have a version with this generation of the policy or a newer one; when each got it.
    pub(super) async fn all_have(
        &mut self,
        generation: i64,
        limit: Duration,
    ) -> anyhow::Result<Vec<Instant>> {
        let until = Instant::now() + limit;
        let mut since: Vec<Option<Instant>> = vec![None; self.newest.len()];
        loop {
            for (since, (version, at)) in since.iter_mut().zip(&self.newest) {
                let has = self.held(*version).is_some_and(|holds| holds.generation >= generation);
                if since.is_none() && has {
                    *since = *at;
                }
            }
            if self.open == self.newest.len()
                && let Some(all) = since.iter().copied().collect::<Option<Vec<_>>>()
            {
                return Ok(all);
            }
            let have = since.iter().flatten().count();
            let event = timeout_at(until, self.events.recv()).await;
            let event = event.with_context(|| {
                format!(
                    "{have} of {} have generation {generation} after {limit:?}, {} are connected; streams ended: {:?}",
                    self.newest.len(), self.open, self.ends
                )
            })?;
            self.take(event.context("no sidecar is left")?)?;
            // Whatever came meanwhile, so that looking at all is not done a thousand times.
            while let Ok(event) = self.events.try_recv() {
                self.take(event)?;
            }
        }
    }

    /// What is known of the newest document.
    pub(super) fn holds(&self) -> Option<Holds> {
        self.held(self.newest.iter().map(|(version, _)| *version).max()?)
    }

    fn held(&self, version: u64) -> Option<Holds> {
        self.holds.get(&version).copied().flatten()
    }

    fn take(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Opened => self.open += 1,
            Event::Ended { was_open, why } => {
                self.open -= usize::from(was_open);
                *self.ends.entry(why).or_default() += 1;
            }
            Event::Document { version, line, sent } => {
                self.bytes = (line.len(), sent);
                self.holds.insert(version, check(&line, &self.policy)?);
            }
            Event::Snapshot { sidecar, version, at } => {
                if let Some(newest) = self.newest.get_mut(sidecar) {
                    *newest = (version, Some(at));
                }
            }
            Event::Wrong(what) => self.wrong.push(what),
        }
        if self.wrong.len() > 100 {
            bail!("too much is wrong: {}", self.wrong.join("; "));
        }
        Ok(())
    }
}
