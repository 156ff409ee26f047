//! Writes events. What is said again is counted up; what says something else is an event of its own.
//!
//! A [`Recorder`] takes two events of one object, reason and action for the same, whatever their notes say, and keeps the
//! first note. So each note has a recorder of its own.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, Recorder, Reporter};

/// How long a note counts as said: as long as a recorder remembers it.
const REMEMBERED: Duration = Duration::from_secs(360);
/// So many notes are remembered. Beyond, the one that was said longest ago is an event of its own when it is said again.
const MOST: usize = 1024;
/// The API's bound on a note.
const LONGEST_NOTE: usize = 1000;
/// The API's bound on an action.
const LONGEST_ACTION: usize = 128;

/// Tells of objects by events.
pub(crate) struct Teller {
    client: Client,
    reporter: Reporter,
    said: Mutex<Remembered<Recorder>>,
}

impl Teller {
    /// `instance` is the pod's name.
    pub(crate) fn new(client: Client, instance: String) -> Self {
        let reporter = Reporter { controller: "vox-operator".into(), instance: Some(instance) };
        Self { client, reporter, said: Mutex::default() }
    }

    /// Writes one event, cut to the API's bounds. One that cannot be written is not worth failing for: the status says the
    /// same.
    pub(crate) async fn tell(&self, mut event: Event, regarding: &ObjectReference) {
        event.note = event.note.map(|note| note.chars().take(LONGEST_NOTE).collect());
        event.action = event.action.chars().take(LONGEST_ACTION).collect();
        let recorder = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Recorder::new(self.client.clone(), self.reporter.clone());
            said.of(key(&event, regarding), Instant::now(), fresh)
        };
        if let Err(error) = recorder.publish(&event, regarding).await {
            tracing::info!(%error, reason = event.reason, "failed to write an event");
        }
    }
}

/// Which event this is, its note included. Of two that hash alike, which is unlikely, the second is counted as the first.
fn key(event: &Event, regarding: &ObjectReference) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&regarding.uid, &regarding.namespace, &regarding.name).hash(&mut hasher);
    (&event.reason, &event.action, &event.note).hash(&mut hasher);
    hasher.finish()
}

/// What belongs to each of the events that were told lately.
struct Remembered<T>(HashMap<u64, (Instant, T)>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Remembered<T> {
    /// What belongs to the event, which is told now.
    fn of(&mut self, key: u64, now: Instant, fresh: impl FnOnce() -> T) -> T {
        self.0.retain(|_, (told, _)| now.saturating_duration_since(*told) < REMEMBERED);
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            let oldest = self.0.iter().min_by_key(|(_, (told, _))| *told).map(|(key, _)| *key);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        let (told, found) = self.0.entry(key).or_insert_with(|| (now, fresh()));
        *told = now;
        found.clone()
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::events::EventType;

    use super::*;

    fn event(reason: &str, note: &str) -> Event {
        Event {
            type_: EventType::Normal,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        }
    }

    fn of(uid: &str) -> ObjectReference {
        ObjectReference { uid: Some(uid.to_owned()), ..ObjectReference::default() }
    }

    #[test]
    fn the_same_words_of_the_same_object_are_one_event_and_others_are_not() {
        let first = key(&event("Discovered", "revision 1: 1 new"), &of("a"));
        assert_eq!(first, key(&event("Discovered", "revision 1: 1 new"), &of("a")));
        assert_ne!(first, key(&event("Discovered", "revision 2: 1 new"), &of("a")));
        assert_ne!(first, key(&event("ModelsChanged", "revision 1: 1 new"), &of("a")));
        assert_ne!(first, key(&event("Discovered", "revision 1: 1 new"), &of("b")));
    }

    #[test]
    fn what_is_said_again_is_counted_up_until_it_is_forgotten() {
        let (mut said, begun) = (Remembered::default(), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(said.of(1, begun, || "first"), "first");
        assert_eq!(said.of(2, at(10), || "other words"), "other words");
        assert_eq!(said.of(1, at(300), || "again"), "first");
        assert_eq!(said.of(1, at(600), || "again"), "first", "since it was last said");
        assert_eq!(said.of(1, at(960), || "anew"), "anew");
        assert_eq!(said.0.len(), 1, "what nobody says any more is not kept");
    }

    #[test]
    fn no_more_is_remembered_than_the_bound() {
        let (mut said, begun) = (Remembered::default(), Instant::now());
        for key in 0..3000 {
            said.of(key, begun + Duration::from_millis(key), || key);
        }
        assert_eq!(said.0.len(), MOST);
        assert!(said.0.contains_key(&2999) && !said.0.contains_key(&0));
    }
}
