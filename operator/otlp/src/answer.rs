//! What a collector's answer means. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// So many characters of a collector's words are told.
const LONGEST_WORDS: usize = 300;
/// No collector is waited for longer than that because it says so.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The collector took it, all or in part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// Spans or data points that it left out.
    pub rejected: u64,
    /// Why, or what it wants to be known.
    pub message: String,
}

/// The collector did not take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status of its answer.
    pub status: u16,
    /// Whether the same may be taken later.
    pub later: bool,
    /// When it wants to be asked again, where it said so.
    pub retry_after: Option<Duration>,
    /// Its words.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Response {
    partial_success: Option<PartialSuccess>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    rejected_spans: Value,
    rejected_data_points: Value,
    error_message: String,
}

/// Judges an answer by its status, its `Retry-After` and its body.
///
/// # Errors
/// The collector did not take it, or what answered is no collector.
pub fn judge(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<Accepted, Refused> {
    if (200..300).contains(&status) {
        return accepted(status, body);
    }
    let later = matches!(status, 429 | 502..=504);
    // The specification has seconds in mind; whoever writes a date is asked again after a pause of our own.
    let seconds = retry_after.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
    let retry_after = seconds.filter(|_| later).map(|wait| wait.min(LONGEST_PAUSE));
    Err(Refused { status, later, retry_after, message: words(body), advice: advice(status) })
}

fn accepted(status: u16, body: &[u8]) -> Result<Accepted, Refused> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Accepted::default());
    }
    let Ok(Response { partial_success }) = serde_json::from_slice(body) else {
        let advice = "what answers there is no OTLP receiver: check host and port of the endpoint";
        return Err(Refused { status, later: false, retry_after: None, message: words(body), advice });
    };
    let PartialSuccess { rejected_spans, rejected_data_points, error_message } =
        partial_success.unwrap_or_default();
    let rejected = count(&rejected_spans).max(count(&rejected_data_points));
    Ok(Accepted { rejected, message: clip(&error_message) })
}

/// 64-bit numbers are texts, and not everybody keeps to it.
fn count(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

const fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "redirects are not followed: write the endpoint that it leads to",
        400 => "it does not understand what it was sent: look into its log",
        401 | 403 => "give it the header that it asks for, or another value",
        404 | 405 => {
            "there is no OTLP receiver at this path: the endpoint is the base URL, to which /v1/traces and /v1/metrics \
             are appended"
        }
        413 => "it takes less at once than it was sent: raise max_request_body_size of its receiver",
        415 => "it does not take OTLP as JSON: send it through an OpenTelemetry collector",
        429 => "it has too much to do; it is asked again",
        502..=504 => "it is not ready; it is asked again",
        _ => "look into its log",
    }
}

/// The message of a `google.rpc.Status`, else the text itself.
fn words(body: &[u8]) -> String {
    let status: Option<Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|status| status.get("message")?.as_str());
    message.map_or_else(|| clip(&String::from_utf8_lossy(body)), clip)
}

/// One line, and not too much.
fn clip(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|letter| !letter.is_control()).take(LONGEST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_and_an_empty_object_take_everything() {
        for body in ["", "{}", r#"{"partialSuccess":{}}"#, "\n"] {
            assert_eq!(judge(200, None, body.as_bytes()), Ok(Accepted::default()), "{body}");
        }
    }

    #[test]
    fn what_a_collector_leaves_out_is_counted_in_both_spellings() {
        for body in [
            r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#,
            r#"{"partialSuccess":{"rejectedDataPoints":3,"errorMessage":"too old"}}"#,
        ] {
            let taken = Accepted { rejected: 3, message: "too old".to_owned() };
            assert_eq!(judge(200, None, body.as_bytes()), Ok(taken), "{body}");
        }
    }

    #[test]
    fn only_what_the_specification_names_may_be_taken_later() {
        let later: Vec<u16> = (300..600)
            .filter(|status| judge(*status, None, b"").is_err_and(|refused| refused.later))
            .collect();
        assert_eq!(later, [429, 502, 503, 504]);
    }

    #[test]
    fn a_collector_says_when_to_come_again_and_not_in_a_year() {
        let wait = |value| judge(503, Some(value), b"").unwrap_err().retry_after;
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("31536000"), Some(LONGEST_PAUSE));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(judge(400, Some("7"), b"").unwrap_err().retry_after, None);
    }

    #[test]
    fn its_words_are_one_short_line() {
        let said = |body: &str| judge(401, None, body.as_bytes()).unwrap_err().message;
        assert_eq!(said(r#"{"code":16,"message":"no\nheader"}"#), "no header");
        assert_eq!(said("<html>\n  <b>no</b>\u{1b}[31m"), "<html> <b>no</b>[31m");
        assert_eq!(said(&"x".repeat(1000)).len(), LONGEST_WORDS);
    }

    #[test]
    fn a_web_page_is_no_collector() {
        let refused = judge(200, None, b"<html>welcome</html>").unwrap_err();
        assert!(!refused.later && refused.advice.contains("no OTLP receiver"), "{refused:?}");
    }
}
