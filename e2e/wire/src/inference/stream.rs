//! A stream on its way out: which bytes leave when, and where it breaks.

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

/// What a stream is put together from.
pub(crate) struct Plan {
    pub(crate) frames: Vec<Frame>,
    /// Before each token.
    pub(crate) token_delay: Duration,
    pub(crate) fault: Option<Fault>,
    /// What is sent for a fault that puts something of its own into the stream.
    pub(crate) intruder: String,
}

impl Plan {
    /// The steps, in their order. An answer with fewer tokens than the fault waits for stays whole.
    pub(crate) fn steps(self) -> Vec<Step> {
        let mut steps = Vec::with_capacity(self.frames.len());
        let (mut tokens, mut bytes) = (0, 0);
        let mut pending = self.fault.as_ref().and_then(position);
        let last_byte = match self.fault {
            Some(Fault::Cut { after_bytes }) => Some(after_bytes),
            _ => None,
        };
        for frame in self.frames {
            if frame.token && pending == Some(tokens) {
                pending = None;
                if strike(self.fault.as_ref(), &self.intruder, &mut steps) {
                    return steps;
                }
            }
            if frame.token {
                tokens += 1;
                if !self.token_delay.is_zero() {
                    steps.push(Step::Wait(self.token_delay));
                }
            }
            let part = Bytes::from(frame.text);
            if let Some(last) = last_byte.filter(|last| bytes + part.len() > *last) {
                steps.extend([Step::Send(part.slice(..last - bytes)), Step::Wait(BEFORE_BREAK), Step::Break]);
                return steps;
            }
            bytes += part.len();
            steps.push(Step::Send(part));
            // At once, and not before the next token: there may be none.
            if pending.is_some_and(|after| after > 0 && after == tokens) {
                pending = None;
                if strike(self.fault.as_ref(), &self.intruder, &mut steps) {
                    return steps;
                }
            }
        }
        steps
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

/// Adds what the fault does; whether the stream ends there.
fn strike(fault: Option<&Fault>, intruder: &str, steps: &mut Vec<Step>) -> bool {
    match fault {
        Some(Fault::Stall { delay_ms, .. }) => {
            steps.push(Step::Wait(Duration::from_millis(*delay_ms)));
            false
        }
        Some(Fault::CutStream { clean: false, .. }) => {
            steps.extend([Step::Wait(BEFORE_BREAK), Step::Break]);
            true
        }
        Some(Fault::ErrorInOk { .. } | Fault::Malformed { .. }) => {
            steps.push(Step::Send(Bytes::from(intruder.to_owned())));
            true
        }
        _ => true,
    }
}

/// The steps as a body.
pub(crate) fn body(steps: Vec<Step>) -> Body {
    Body::from_stream(stream::unfold(steps.into_iter(), |mut rest| async {
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
        let plan = Plan { frames, token_delay: Duration::ZERO, fault, intruder: "?".to_owned() };
        let shown = plan.steps().into_iter().map(|step| match step {
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
        let plan = Plan { frames, token_delay: delay, fault: None, intruder: String::new() };
        assert_eq!(plan.steps().into_iter().filter(|step| *step == Step::Wait(delay)).count(), 1);
    }
}
