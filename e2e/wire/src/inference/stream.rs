//! A stream on its way out: which bytes leave when, and where it breaks.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;

use super::fault::Fault;

/// Before a connection is broken: what was sent before must leave, or the client sees nothing of it.
const BEFORE_BREAK: Duration = Duration::from_millis(20);

/// A part of a stream that is sent at once: an event or a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) text: String,
    /// It carries a token; the others are what a format puts around them.
    token: bool,
}

impl Frame {
    pub(crate) const fn token(text: String) -> Self {
        Self { text, token: true }
    }

    pub(crate) const fn other(text: String) -> Self {
        Self { text, token: false }
    }
}

/// One thing to do on the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Bytes),
    Wait(Duration),
    /// The connection ends in the middle of the answer.
    Break,
}

/// The parts of an answer, each made when it is sent: many long streams at once fit into little memory.
pub(crate) type Frames = Box<dyn Iterator<Item = Frame> + Send>;

/// The steps of a stream, in their order. An answer with fewer tokens than the fault waits for stays whole.
pub(crate) struct Steps {
    frames: Frames,
    token_delay: Duration,
    fault: Option<Fault>,
    intruder: String,
    /// After how many tokens the fault strikes, until it has.
    pending: Option<usize>,
    tokens: usize,
    bytes: usize,
    /// Made and not yet given.
    next: VecDeque<Step>,
    ended: bool,
}

impl Steps {
    /// Each token is late by `token_delay`; `intruder` is what a fault puts into the stream.
    pub(crate) fn new(frames: Frames, token_delay: Duration, fault: Option<Fault>, intruder: String) -> Self {
        let pending = fault.as_ref().and_then(position);
        let next = VecDeque::new();
        Self { frames, token_delay, fault, intruder, pending, tokens: 0, bytes: 0, next, ended: false }
    }

    fn add(&mut self, frame: Frame) {
        if frame.token && self.pending == Some(self.tokens) {
            self.strike();
            if self.ended {
                return;
            }
        }
        if frame.token {
            self.tokens += 1;
            if !self.token_delay.is_zero() {
                self.next.push_back(Step::Wait(self.token_delay));
            }
        }
        let part = Bytes::from(frame.text);
        if let Some(Fault::Cut { after_bytes }) = self.fault
            && self.bytes + part.len() > after_bytes
        {
            let kept = part.slice(..after_bytes - self.bytes);
            self.next.extend([Step::Send(kept), Step::Wait(BEFORE_BREAK), Step::Break]);
            self.ended = true;
            return;
        }
        self.bytes += part.len();
        self.next.push_back(Step::Send(part));
        // At once, and not before the next token: there may be none.
        if self.pending.is_some_and(|after| after > 0 && after == self.tokens) {
            self.strike();
        }
    }

    /// Does what the fault does in the middle of a stream.
    fn strike(&mut self) {
        self.pending = None;
        match &self.fault {
            Some(Fault::Stall { delay_ms, .. }) => {
                self.next.push_back(Step::Wait(Duration::from_millis(*delay_ms)));
                return;
            }
            Some(Fault::CutStream { clean: false, .. }) => {
                self.next.extend([Step::Wait(BEFORE_BREAK), Step::Break]);
            }
            Some(Fault::ErrorInOk { .. } | Fault::Malformed { .. }) => {
                self.next.push_back(Step::Send(Bytes::from(std::mem::take(&mut self.intruder))));
            }
            _ => {}
        }
        self.ended = true;
    }
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.next.is_empty() && !self.ended {
            match self.frames.next() {
                Some(frame) => self.add(frame),
                None => self.ended = true,
            }
        }
        self.next.pop_front()
    }
}

/// After how many tokens a fault strikes.
const fn position(fault: &Fault) -> Option<usize> {
    match fault {
        Fault::CutStream { after_tokens, .. }
        | Fault::ErrorInOk { after_tokens, .. }
        | Fault::Malformed { after_tokens }
        | Fault::Stall { after_tokens, .. } => Some(*after_tokens),
        _ => None,
    }
}

/// The steps as a body.
pub(crate) fn body(steps: Steps) -> Body {
    Body::from_stream(stream::unfold(steps, |mut rest| async {
        loop {
            match rest.next()? {
                Step::Send(part) if part.is_empty() => {}
                Step::Send(part) => return Some((Ok(part), rest)),
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Break => return Some((Err(std::io::Error::other("cut on demand")), rest)),
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A beginning, three tokens and an end, with a fault; waits in milliseconds.
    fn sent(fault: Option<Fault>) -> String {
        let token = |text: &str| Frame::token(text.to_owned());
        let other = |text: &str| Frame::other(text.to_owned());
        let frames = vec![other("<"), token("a"), token("b"), token("c"), other(">")];
        let steps = Steps::new(Box::new(frames.into_iter()), Duration::ZERO, fault, "?".to_owned());
        let shown = steps.map(|step| match step {
            Step::Send(part) => String::from_utf8(part.to_vec()).unwrap(),
            Step::Wait(time) if time == BEFORE_BREAK => String::new(),
            Step::Wait(time) => format!("({})", time.as_millis()),
            Step::Break => "!".to_owned(),
        });
        shown.collect()
    }

    #[test]
    fn a_stream_breaks_after_as_many_tokens_as_asked() {
        let cut = |after_tokens, clean| sent(Some(Fault::CutStream { after_tokens, clean }));
        assert_eq!(sent(None), "<abc>");
        assert_eq!(cut(0, false), "<!");
        assert_eq!(cut(2, false), "<ab!");
        assert_eq!(cut(3, true), "<abc");
        assert_eq!(cut(9, false), "<abc>");
    }

    #[test]
    fn a_stream_breaks_after_as_many_bytes_as_asked() {
        assert_eq!(sent(Some(Fault::Cut { after_bytes: 0 })), "!");
        assert_eq!(sent(Some(Fault::Cut { after_bytes: 3 })), "<ab!");
    }

    #[test]
    fn what_intrudes_ends_the_stream_and_a_stall_does_not() {
        let error = |after_tokens| Fault::ErrorInOk { status: 500, after_tokens, message: None };
        assert_eq!(sent(Some(error(1))), "<a?");
        assert_eq!(sent(Some(Fault::Malformed { after_tokens: 0 })), "<?");
        assert_eq!(sent(Some(Fault::Stall { after_tokens: 0, delay_ms: 5 })), "<(5)abc>");
        assert_eq!(sent(Some(Fault::Stall { after_tokens: 3, delay_ms: 5 })), "<abc(5)>");
    }

    #[test]
    fn every_token_waits() {
        let frames = vec![Frame::other("<".to_owned()), Frame::token("a".to_owned())];
        let delay = Duration::from_millis(7);
        let steps = Steps::new(Box::new(frames.into_iter()), delay, None, String::new());
        assert_eq!(steps.filter(|step| *step == Step::Wait(delay)).count(), 1);
    }
}
