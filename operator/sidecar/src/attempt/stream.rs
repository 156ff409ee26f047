//! The beginning of a stream: held back until its first token, so that whatever fails before can still be tried elsewhere.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::header;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use vox_dialects::{AnswerError, Dialect, Ending, StreamOptions, StreamTranslator, answer};

use super::failed::Failed;
use super::send::{self, Head};
use super::whole::{context, spent};
use super::{Asked, Time, Try};
use crate::call::Call;
use crate::ids::millis;
use crate::upstream::Kept;

/// A stream whose first token is there.
pub(super) struct Held {
    /// What goes to the client first.
    pub(super) first: Bytes,
    /// The rest; nothing when that was all.
    pub(super) rest: Option<(Incoming, Kept)>,
    /// Reads on.
    pub(super) translator: StreamTranslator,
    /// Whether bytes go on as they come.
    pub(super) same: bool,
    /// Images in the request, which can have a price.
    pub(super) images: u64,
}

/// The stream as far as its first token.
pub(super) async fn held(
    call: &Call,
    asked: &Asked<'_>,
    attempt: &mut Try,
    head: Head,
    time: &Time,
) -> Result<Held, Failed> {
    let Head { response, kept, dialect, withhold_usage } = head;
    let limit = call.app.settings.max_answer;
    let first = Instant::now() + call.app.settings.timeouts.first_token;
    let time = if first < time.deadline {
        Time { until: first, class: "first_token_timeout", ..*time }
    } else {
        Time { until: time.deadline, class: "total_timeout", ..*time }
    };
    if is_json(&response) && dialect != Dialect::OllamaChat {
        let reading = send::read(response.into_body(), limit);
        let body = tokio::time::timeout_at(time.until.into(), reading).await;
        let body = body.map_err(|_| Failed::late(time.class))??;
        return Err(Failed::answered(match answer::read(dialect, &body) {
            Err(error) => error,
            Ok(_) => AnswerError::Malformed { dialect, place: "an answer that is no stream".to_owned() },
        }));
    }
    let options = StreamOptions {
        context: context(call),
        include_usage: asked.shape.include_usage,
        withhold_usage,
        json: call.record.json,
        tools: asked.shape.tools > 0,
    };
    let unsupported = || AnswerError::Unsupported { from: dialect, to: asked.dialect };
    let mut translator = StreamTranslator::new(dialect, asked.dialect, options)
        .ok_or_else(|| Failed::answered(unsupported()))?;
    let same = dialect == asked.dialect && !withhold_usage;
    let images = u64::from(asked.shape.images);
    let mut body = response.into_body();
    let begun = begin(&mut body, &mut translator, same, limit, &time).await;
    let facts = translator.facts();
    match begun {
        Ok((first, rest)) => {
            if rest {
                attempt.record.first_token_ms = Some(millis(attempt.started.until(Instant::now())));
                return Ok(Held { first, rest: Some((body, kept)), translator, same, images });
            }
            kept.give_back();
            Ok(Held { first, rest: None, translator, same, images })
        }
        Err(failed) => {
            // An upstream that counted what it did bills it.
            if !facts.usage.is_empty() {
                spent(attempt, &facts.usage, images);
            }
            Err(failed)
        }
    }
}

/// Reads as far as the first token: what goes to the client, and whether there is more.
async fn begin(
    body: &mut Incoming,
    translator: &mut StreamTranslator,
    same: bool,
    limit: usize,
    time: &Time,
) -> Result<(Bytes, bool), Failed> {
    let mut out = Vec::new();
    // A stream that goes on as it came is kept as it came: what the translator holds back is not lost.
    let mut came = BytesMut::new();
    loop {
        let frame = tokio::time::timeout_at(time.until.into(), body.frame()).await;
        let more = match frame.map_err(|_| Failed::late(time.class))? {
            Some(frame) => {
                let Ok(data) = frame.map_err(|_| Failed::cut())?.into_data() else { continue };
                translator.push(&data, &mut out);
                if same {
                    out.clear();
                    came.extend_from_slice(&data);
                }
                true
            }
            None => {
                if translator.finish(&mut out) == Ending::Cut {
                    return Err(Failed::cut());
                }
                false
            }
        };
        let facts = translator.facts();
        if let Some(error) = &facts.error {
            return Err(Failed::said(error.clone(), None));
        }
        if !more || facts.first_token || facts.ended {
            return Ok((if same { came.freeze() } else { out.into() }, more));
        }
        if out.len().max(came.len()) > limit {
            return Err(Failed::too_large());
        }
    }
}

fn is_json(response: &http::Response<Incoming>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}
