//! The beginning of a stream: held back until its first token, so that whatever fails before can still be tried elsewhere.

use std::time::Instant;

use bytes::Bytes;
use http::header;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use vox_dialects::{AnswerError, Dialect, Ending, StreamOptions, StreamTranslator, answer};

use super::failed::Failed;
use super::send::{self, Head};
use super::whole::context;
use super::{Asked, Try};
use crate::call::{Call, millis};
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
    deadline: Instant,
) -> Result<Held, Failed> {
    let Head { response, kept, dialect, withhold_usage } = head;
    let limit = call.app.settings.max_answer;
    let deadline = deadline.min(Instant::now() + call.app.settings.timeouts.first_token);
    if is_json(&response) && dialect != Dialect::OllamaChat {
        let reading = send::read(response.into_body(), limit);
        let body = tokio::time::timeout_at(deadline.into(), reading).await;
        let body = body.map_err(|_| Failed::late("body_timeout"))??;
        return Err(Failed::answered(match answer::read(dialect, &body) {
            Err(error) => error,
            Ok(_) => AnswerError::Malformed { dialect, place: "an answer that is no stream".to_owned() },
        }));
    }
    let options =
        StreamOptions { context: context(call), include_usage: asked.shape.include_usage, withhold_usage };
    let unsupported = || AnswerError::Unsupported { from: dialect, to: asked.dialect };
    let mut translator = StreamTranslator::new(dialect, asked.dialect, options)
        .ok_or_else(|| Failed::answered(unsupported()))?;
    let same = dialect == asked.dialect && !withhold_usage;
    let images = u64::from(asked.shape.images);
    let (mut body, mut out) = (response.into_body(), Vec::new());
    loop {
        let frame = tokio::time::timeout_at(deadline.into(), body.frame()).await;
        let Some(frame) = frame.map_err(|_| Failed::late("first_token_timeout"))? else {
            let whole = matches!(translator.finish(&mut out), Ending::Clean | Ending::Unterminated);
            if let Some(error) = &translator.facts().error {
                return Err(Failed::said(error.clone(), None));
            }
            if !whole {
                return Err(Failed::cut());
            }
            kept.give_back();
            return Ok(Held { first: out.into(), rest: None, translator, same, images });
        };
        let Ok(data) = frame.map_err(|_| Failed::cut())?.into_data() else { continue };
        translator.push(&data, &mut out);
        let facts = translator.facts();
        if let Some(error) = &facts.error {
            return Err(Failed::said(error.clone(), None));
        }
        if facts.first_token || facts.ended {
            attempt.record.first_token_ms = Some(millis(attempt.started.elapsed()));
            return Ok(Held { first: out.into(), rest: Some((body, kept)), translator, same, images });
        }
        if out.len() > limit {
            return Err(Failed::too_large());
        }
    }
}

fn is_json(response: &http::Response<Incoming>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}
