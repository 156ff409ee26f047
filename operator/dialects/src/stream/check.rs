//! What a stream says against itself, found as it passes: its texts are checked and not kept.

use super::StreamFacts;
use super::valid::Valid;
use crate::answer::Signal;
use crate::event::Event;
use crate::finish::Finish;

/// Calls of one answer that are checked.
const MOST_CALLS: usize = 128;

/// One answer under way.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// Whether JSON was asked for.
    json: bool,
    text: Valid,
    calls: Vec<Valid>,
}

impl Check {
    pub(super) fn new(json: bool) -> Self {
        Self { json, ..Self::default() }
    }

    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Text(text) if self.json => self.text.push(text),
            Event::Call { .. } if self.calls.len() < MOST_CALLS => self.calls.push(Valid::default()),
            Event::Arguments { index, text } => {
                if let Some(call) = self.calls.get_mut(*index) {
                    call.push(text);
                }
            }
            _ => {}
        }
    }

    /// The same that [`crate::answer::signal`] says of a whole answer.
    pub(super) fn signal(&self, facts: &StreamFacts) -> Option<Signal> {
        let called = facts.finish == Some(Finish::ToolCalls);
        if facts.finish == Some(Finish::Length) || !(self.json || called) {
            return None;
        }
        if !self.calls.iter().all(Valid::is_object_or_nothing) {
            return Some(Signal::InvalidToolArguments);
        }
        (self.json && self.calls.is_empty() && !self.text.is_json()).then_some(Signal::InvalidJson)
    }
}
