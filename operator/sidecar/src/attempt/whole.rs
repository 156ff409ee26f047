//! An answer that is no stream: read to its end before a byte of it is passed on, because an error can stand in a 200.

use bytes::Bytes;
use vox_dialects::answer::{self, Signal};
use vox_dialects::{AnswerFacts, ClientContext, Finish, Usage};

use super::failed::Failed;
use super::send::{self, Head};
use super::{Asked, Time, Try};
use crate::call::Call;
use crate::record::Tokens;

/// So many characters of an upstream's word for the end of an answer are kept.
const LONGEST_WORD: usize = 64;
/// No id of an answer and no model's name is longer, in bytes.
const LONGEST_NAME: usize = 256;

/// The answer in the client's dialect.
pub(super) async fn read(
    call: &mut Call,
    asked: &Asked<'_>,
    attempt: &mut Try,
    head: Head,
    time: &Time,
) -> Result<Bytes, Failed> {
    let Head { response, kept, dialect, .. } = head;
    let reading = send::read(response.into_body(), call.app.settings.max_answer);
    let body = tokio::time::timeout_at(time.until.into(), reading).await;
    let body = body.map_err(|_| Failed::late(time.class))??;
    kept.give_back();
    // Counted and not refused: it is paid. Whoever comes next is refused in its place. It is counted on until it is written
    // (`App::keep`).
    call.in_flight.hold(body.len());
    if dialect == asked.dialect {
        let facts = answer::read(dialect, &body).map_err(Failed::answered)?;
        attempt.record.signal = answer::signal(dialect, &body, &facts, call.record.json).map(Signal::as_str);
        note(attempt, asked, facts);
        return Ok(body);
    }
    let context = context(call);
    let answer = answer::translate(dialect, asked.dialect, &body, &context).map_err(Failed::answered)?;
    let signal = answer::signal(dialect, &body, &answer.facts, call.record.json);
    attempt.record.signal = signal.map(Signal::as_str);
    note(attempt, asked, answer.facts);
    Ok(answer.body.into())
}

/// What a translated answer says that its provider does not.
pub(super) fn context(call: &Call) -> ClientContext {
    ClientContext {
        id: call.id().hyphenated().to_string(),
        created: call.record.started_unix_ms / 1000,
        model: None,
    }
}

fn note(attempt: &mut Try, asked: &Asked<'_>, facts: AnswerFacts) {
    attempt.record.finish = facts.finish.as_ref().map(word);
    attempt.record.served = facts.served_model.and_then(name);
    attempt.record.answer = facts.id.and_then(name);
    spent(attempt, &facts.usage, u64::from(asked.shape.images));
}

/// Why an answer ended, as records have it. An upstream can write what it likes there, and records are kept.
pub(super) fn word(finish: &Finish) -> String {
    finish.as_recorded().chars().filter(|letter| *letter != '\0').take(LONGEST_WORD).collect()
}

/// A name of the upstream's; nothing where it is too long to be one, or has a NUL, which no database holds: the call is paid
/// and its record must arrive.
pub(super) fn name(text: String) -> Option<String> {
    (text.len() <= LONGEST_NAME && !text.contains('\0')).then_some(text)
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
    attempt.record.cache_savings_usd = attempt.target().and_then(|target| target.prices.savings(&tokens));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_database_holds_does_not_keep_a_paid_call_from_its_record() {
        assert_eq!(name("mo\u{0}del".to_owned()), None);
        assert_eq!(word(&Finish::of_openai("end\u{0}less")), "endless");
        assert_eq!(name("model".to_owned()), Some("model".to_owned()));
    }
}
