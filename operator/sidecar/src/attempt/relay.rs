//! The rest of a stream on its way to the client. Bytes go first and are looked at afterwards; nothing is replayed, and
//! a stream that breaks says so in the client's dialect.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Instant, Sleep};
use vox_dialects::{Ending, StreamTranslator};

use super::Try;
use super::stream::Held;
use super::whole::spent;
use crate::call::{Call, millis};
use crate::ids::now_ms;
use crate::record::Outcome;
use crate::upstream::Kept;

/// After the mark for the end, an upstream that keeps the body open is not waited for any longer.
const AFTER_END: Duration = Duration::from_secs(1);

/// A stream that has begun.
pub struct Relay {
    ready: Option<Bytes>,
    /// Passed on and not yet looked at.
    unseen: Option<Bytes>,
    upstream: Option<(Incoming, Kept)>,
    translator: StreamTranslator,
    same: bool,
    images: u64,
    idle: Duration,
    alarm: Pin<Box<Sleep>>,
    /// What becomes the record when the stream is over.
    open: Option<(Call, Try)>,
}

/// How the upstream's side ended.
enum Ended {
    Whole,
    Broken,
    Silent,
}

impl Relay {
    /// The rest of this stream.
    pub(super) fn new(call: Call, attempt: Try, held: Held) -> Self {
        let Held { first, rest, translator, same, images } = held;
        let idle = call.app.settings.timeouts.idle;
        Self {
            ready: Some(first),
            unseen: None,
            upstream: rest,
            translator,
            same,
            images,
            idle,
            alarm: Box::pin(tokio::time::sleep(idle)),
            open: Some((call, attempt)),
        }
    }

    fn look(&mut self, out: &mut Vec<u8>) {
        if let Some(bytes) = self.unseen.take() {
            self.translator.push(&bytes, out);
        }
    }

    /// The upstream has said all that it will say.
    fn end(&mut self, ended: &Ended) -> Option<Bytes> {
        let mut out = Vec::new();
        // What a stream that passes through says now has been passed on already.
        self.look(&mut out);
        out.clear();
        let ending = self.translator.finish(&mut out);
        if let Some((body, kept)) = self.upstream.take()
            && matches!(ended, Ended::Whole)
        {
            drop(body);
            kept.give_back();
        }
        self.close(Some((ending, ended)));
        (!out.is_empty()).then(|| out.into())
    }

    /// Writes down how it ended; without an ending, the client went away.
    fn close(&mut self, ending: Option<(Ending, &Ended)>) {
        let Some((mut call, mut attempt)) = self.open.take() else { return };
        let facts = self.translator.facts();
        let ending = match ending {
            None if facts.ended && facts.error.is_none() => Some((Ending::Clean, &Ended::Whole)),
            ending => ending,
        };
        attempt.record.duration_ms = millis(attempt.started.elapsed());
        attempt.record.finish = facts.finish.as_ref().map(|finish| finish.as_openai().to_owned());
        spent(&mut attempt, &facts.usage, self.images);
        if !matches!(ending, Some((Ending::Clean | Ending::Unterminated, _))) && attempt.worst_case.is_some()
        {
            // What was counted until then is not all: the upstream may have gone on, and tells nobody.
            attempt.record.cost_usd = None;
            attempt.record.assumed_usd = attempt.worst_case;
        }
        attempt.settle();
        let now = now_ms();
        match ending {
            None => attempt.record.class = "cancelled",
            Some((Ending::Clean | Ending::Unterminated, _)) => {
                attempt.record.class = "ok";
                attempt.permit.succeeded(now);
                call.ended(Outcome::Answered, 200);
            }
            Some((Ending::Failed | Ending::Cut, ended)) => {
                attempt.record.class = match (ended, &facts.error) {
                    (Ended::Silent, _) => "idle_timeout",
                    (Ended::Broken, _) | (Ended::Whole, None) => "cut",
                    (Ended::Whole, Some(error)) => error.class.as_str(),
                };
                attempt.permit.failed(now);
                call.ended(Outcome::Cut, 200);
                tracing::warn!(
                    decision = %call.id(), deployment = %attempt.record.deployment, class = attempt.record.class,
                    "a stream broke after its first token"
                );
            }
        }
        call.attempted(attempt.record);
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(first) = this.ready.take() {
            if let Some((call, _)) = &mut this.open {
                call.first_byte();
            }
            this.alarm.as_mut().reset(Instant::now() + this.idle);
            return data(first);
        }
        loop {
            if this.open.is_none() {
                return Poll::Ready(None);
            }
            let mut out = Vec::new();
            this.look(&mut out);
            let polled = match &mut this.upstream {
                Some((body, _)) => Pin::new(body).poll_frame(context),
                None => Poll::Ready(None),
            };
            let ended = match polled {
                Poll::Ready(Some(Ok(frame))) => {
                    let ended = this.translator.facts().ended;
                    this.alarm.as_mut().reset(Instant::now() + if ended { AFTER_END } else { this.idle });
                    let Ok(bytes) = frame.into_data() else { continue };
                    if this.same {
                        this.unseen = Some(bytes.clone());
                        return data(bytes);
                    }
                    out.clear();
                    this.translator.push(&bytes, &mut out);
                    if out.is_empty() {
                        continue;
                    }
                    return data(out.into());
                }
                Poll::Ready(None) => Ended::Whole,
                Poll::Ready(Some(Err(_))) => Ended::Broken,
                Poll::Pending => match this.alarm.as_mut().poll(context) {
                    Poll::Ready(()) => Ended::Silent,
                    Poll::Pending => return Poll::Pending,
                },
            };
            return this.end(&ended).map_or(Poll::Ready(None), data);
        }
    }
}

fn data(bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
    Poll::Ready(Some(Ok(Frame::data(bytes))))
}

impl Drop for Relay {
    fn drop(&mut self) {
        let mut out = Vec::new();
        self.look(&mut out);
        self.close(None);
    }
}
