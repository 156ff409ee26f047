//! Who may start a run where many want to. While sources of another namespace wait, no namespace holds more than half of
//! the places; while none does, it may hold all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use vox_crds::ModelCatalogSource;

use super::due::CROWDED;

/// Who has not asked again for so long, waits no more.
const FORGOTTEN: SignedDuration = SignedDuration::from_secs(CROWDED.as_secs() * 6);

/// A source that waits for a place, ordered by its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiting {
    namespace: String,
    name: String,
}

impl Waiting {
    pub(crate) fn of(source: &ModelCatalogSource) -> Self {
        Self { namespace: source.namespace().unwrap_or_default(), name: source.name_any() }
    }
}

/// The sources that wait, with the time at which they last asked.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<BTreeMap<Waiting, Timestamp>>);

impl Places {
    /// Whether the source has to wait: `all` runs are under way, `own` of them in its namespace, and `limit` may be.
    pub(crate) fn crowded(
        &self,
        source: &Waiting,
        all: usize,
        own: usize,
        limit: usize,
        now: Timestamp,
    ) -> bool {
        all >= limit || (own >= (limit / 2).max(1) && self.others_wait(source, now))
    }

    /// Notes whether a source waits.
    pub(crate) fn note(&self, source: Waiting, waits: bool, now: Timestamp) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A source that was deleted while it waited does not come back to say so.
        waiting.retain(|_, asked| now.duration_since(*asked) < FORGOTTEN);
        if waits {
            waiting.insert(source, now);
        } else {
            waiting.remove(&source);
        }
    }

    fn others_wait(&self, source: &Waiting, now: Timestamp) -> bool {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().any(|(other, asked)| {
            other.namespace != source.namespace && now.duration_since(*asked) < FORGOTTEN
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(namespace: &str) -> Waiting {
        Waiting { namespace: namespace.to_owned(), name: "s".to_owned() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_namespace_alone_may_hold_all_places() {
        let places = Places::default();
        places.note(source("a"), true, at(0));
        assert!(!places.crowded(&source("a"), 15, 15, 16, at(0)));
        assert!(places.crowded(&source("a"), 16, 16, 16, at(0)));
    }

    #[test]
    fn while_another_namespace_waits_the_freed_place_is_its_own() {
        let places = Places::default();
        places.note(source("b"), true, at(0));
        assert!(places.crowded(&source("a"), 15, 15, 16, at(1)));
        assert!(!places.crowded(&source("b"), 15, 0, 16, at(1)));
        assert!(!places.crowded(&source("a"), 14, 7, 16, at(1)), "below its half it need not give way");
        places.note(source("b"), false, at(2));
        assert!(!places.crowded(&source("a"), 15, 15, 16, at(2)));
    }

    #[test]
    fn who_asks_no_more_is_not_waited_for() {
        let places = Places::default();
        places.note(source("b"), true, at(0));
        assert!(!places.crowded(&source("a"), 15, 15, 16, at(60)));
    }

    #[test]
    fn with_a_single_place_two_namespaces_do_not_block_each_other() {
        let places = Places::default();
        places.note(source("a"), true, at(0));
        places.note(source("b"), true, at(0));
        assert!(!places.crowded(&source("a"), 0, 0, 1, at(0)));
    }
}
