//! The rest of a stream on its way to the client. Bytes go first and are looked at afterwards, event by event: the
//! beginning of one is of no use to the client, and if it is cut nothing could follow it. Nothing is replayed, and a
//! stream that breaks says so in the client's dialect.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Instant, Sleep};
use vox_dialects::answer::Signal;
use vox_dialects::stream::whole_events;
use vox_dialects::{Ending, StreamTranslator};

use super::Try;
use super::stream::Held;
use super::whole::{name, spent, word};
use crate::call::Call;
use crate::ids::millis;
use crate::record::Outcome;
use crate::upstream::Kept;

/// After the mark for the end the client has all. Its connection is kept if the upstream ends the body in this time.
const AFTER_END: Duration = Duration::from_secs(1);

/// A stream that has begun.
pub struct Relay {
    ready: Option<Bytes>,
    /// Passed on and not yet looked at.
    unseen: Option<Bytes>,
    /// The event that has begun and not ended; of streams that go on as they come.
    begun: BytesMut,
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
    /// With its mark, and its body is still open.
    Marked,
    Broken,
    Silent,
}

impl Relay {
    /// The rest of this stream.
    pub(super) fn new(call: Call, attempt: Try, held: Held) -> Self {
        let Held { first, rest, translator, same, images } = held;
        let idle = call.app.settings.timeouts.idle;
        let mut begun = BytesMut::new();
        let ready = if same && rest.is_some() { whole(&mut begun, first) } else { Some(first) };
        Self {
            ready,
            unseen: None,
            begun,
            upstream: rest,
            translator,
            same,
            images,
            idle,
            alarm: Box::pin(tokio::time::sleep(idle)),
            open: Some((call, attempt)),
        }
    }

    /// What goes on of these bytes of a stream that goes on as it comes.
    fn pass(&mut self, bytes: Bytes) -> Option<Bytes> {
        self.unseen = Some(bytes.clone());
        if self.translator.facts().error.is_none() {
            return whole(&mut self.begun, bytes);
        }
        // Where events end is not known any more, or does not matter.
        if self.begun.is_empty() {
            return Some(bytes);
        }
        self.begun.extend_from_slice(&bytes);
        Some(self.begun.split().freeze())
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
        match (self.upstream.take(), ended) {
            (Some((_, kept)), Ended::Whole) => kept.give_back(),
            (Some((body, kept)), Ended::Marked) => _ = tokio::task::spawn_local(drain(body, kept)),
            _ => {}
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
        let now = attempt.started.later();
        attempt.record.duration_ms = millis(attempt.started.until(now.at));
        attempt.record.finish = facts.finish.as_ref().map(word);
        // Of what was cut it says nothing that it is not whole.
        let whole = matches!(ending, Some((Ending::Clean | Ending::Unterminated, _)));
        let signal = self.translator.signal().filter(|signal| whole || *signal == Signal::Refusal);
        attempt.record.signal = signal.map(Signal::as_str);
        attempt.record.served = facts.served_model.clone().and_then(name);
        attempt.record.answer = facts.id.clone().and_then(name);
        spent(&mut attempt, &facts.usage, self.images);
        if !whole && attempt.worst_case.is_some() {
            // What was counted until then is not all: the upstream may have gone on, and tells nobody.
            attempt.record.cost_usd = None;
            attempt.record.assumed_usd = attempt.worst_case;
        }
        attempt.settle();
        let now = now.unix_ms;
        match ending {
            None => attempt.record.class = "cancelled",
            Some((Ending::Clean | Ending::Unterminated, _)) => {
                attempt.record.class = "ok";
                attempt.permit.succeeded(now);
                call.ended(Outcome::Answered, 200);
            }
            Some((ending @ (Ending::Failed | Ending::Cut), ended)) => {
                attempt.record.class = match (ended, ending, &facts.error) {
                    (Ended::Silent, ..) => "idle_timeout",
                    (_, Ending::Failed, Some(error)) => error.class.as_str(),
                    _ => "cut",
                };
                attempt.permit.failed(now);
                call.ended(Outcome::Cut, 200);
                tracing::warn!(
                    decision = %call.id(), deployment = %attempt.record.deployment, class = attempt.record.class,
                    "a stream broke after its first token"
                );
            }
        }
        call.attempted(attempt.record, now);
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
            let now = Instant::now();
            if let Some((call, _)) = &mut this.open {
                call.first_byte(now.into());
            }
            this.alarm.as_mut().reset(now + this.idle);
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
                    this.alarm.as_mut().reset(Instant::now() + this.idle);
                    let Ok(bytes) = frame.into_data() else { continue };
                    if this.same {
                        match this.pass(bytes) {
                            Some(whole) => return data(whole),
                            None => continue,
                        }
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
                // Nothing that matters can follow: the client need not wait for the upstream's end.
                Poll::Pending if this.translator.facts().ended => Ended::Marked,
                Poll::Pending => match this.alarm.as_mut().poll(context) {
                    Poll::Ready(()) => Ended::Silent,
                    Poll::Pending => return Poll::Pending,
                },
            };
            return this.end(&ended).map_or(Poll::Ready(None), data);
        }
    }
}

/// Of these bytes, behind those that have begun an event, the events that are complete.
fn whole(begun: &mut BytesMut, mut bytes: Bytes) -> Option<Bytes> {
    let complete = if begun.is_empty() {
        let rest = bytes.split_off(whole_events(&bytes, 0));
        begun.extend_from_slice(&rest);
        bytes
    } else {
        // An empty line may lie across both: of its two line ends up to three bytes were there before.
        let known = begun.len().saturating_sub(3);
        begun.extend_from_slice(&bytes);
        begun.split_to(whole_events(begun, known)).freeze()
    };
    (!complete.is_empty()).then_some(complete)
}

/// Reads what an upstream may still say after the mark for the end, so that its connection can serve again.
async fn drain(mut body: Incoming, kept: Kept) {
    let ended = async {
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    if tokio::time::timeout(AFTER_END, ended).await == Ok(true) {
        kept.give_back();
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
