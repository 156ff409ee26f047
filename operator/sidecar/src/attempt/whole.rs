//! An answer that is no stream: read to its end before a byte of it is passed on, because an error can stand in a 200.

use std::time::Instant;

use bytes::Bytes;
use vox_dialects::{AnswerFacts, ClientContext, Usage, answer};

use super::failed::Failed;
use super::send::{self, Head};
use super::{Asked, Try};
use crate::call::Call;
use crate::record::Tokens;

/// The answer in the client's dialect.
pub(super) async fn read(
    call: &Call,
    asked: &Asked<'_>,
    attempt: &mut Try,
    head: Head,
    deadline: Instant,
) -> Result<Bytes, Failed> {
    let Head { response, kept, dialect, .. } = head;
    let reading = send::read(response.into_body(), call.app.settings.max_answer);
    let body = tokio::time::timeout_at(deadline.into(), reading).await;
    let body = body.map_err(|_| Failed::late("body_timeout"))??;
    kept.give_back();
    if dialect == asked.dialect {
        let facts = answer::read(dialect, &body).map_err(Failed::answered)?;
        note(attempt, asked, &facts);
        return Ok(body);
    }
    let context = context(call);
    let answer = answer::translate(dialect, asked.dialect, &body, &context).map_err(Failed::answered)?;
    note(attempt, asked, &answer.facts);
    Ok(answer.body.into())
}

/// What a translated answer says that its provider does not.
pub(super) fn context(call: &Call) -> ClientContext {
    ClientContext {
        id: call.id().simple().to_string(),
        created: call.record.started_unix_ms / 1000,
        model: None,
    }
}

fn note(attempt: &mut Try, asked: &Asked<'_>, facts: &AnswerFacts) {
    attempt.record.finish = facts.finish.as_ref().map(|finish| finish.as_openai().to_owned());
    spent(attempt, &facts.usage, u64::from(asked.shape.images));
}

/// What it used and cost.
pub(super) fn spent(attempt: &mut Try, usage: &Usage, images: u64) {
    if usage.is_empty() {
        attempt.record.assumed_usd = attempt.worst_case;
        return;
    }
    let tokens = tokens(usage);
    attempt.record.cost_usd = attempt.target().and_then(|target| target.prices.cost(&tokens, images));
    if attempt.record.cost_usd.is_none() {
        attempt.record.assumed_usd = attempt.worst_case;
    }
    attempt.record.usage = Some(tokens);
}

fn tokens(usage: &Usage) -> Tokens {
    Tokens {
        input: usage.input_tokens,
        output: usage.output_tokens,
        cache_read: usage.cached_input_tokens,
        cache_write: usage.cache_write_tokens,
        reasoning: usage.reasoning_tokens,
    }
}
