//! Reading bodies without ever holding more than the limit, which counts after decompression.

use std::error::Error;
use std::io::ErrorKind;

use serde_json::Value;
use vox_contracts::discovery::FailureClass;

/// How much of an error answer is read for its text, in bytes.
const MAX_ERROR_BYTES: u64 = 16 << 10;

/// Why a body could not be read.
pub(super) struct Problem {
    pub(super) class: FailureClass,
    pub(super) what: String,
    pub(super) advice: &'static str,
}

/// The whole body, if it is no longer than the limit.
pub(super) async fn read(mut response: reqwest::Response, max: u64) -> Result<Vec<u8>, Problem> {
    // A length that is announced and too long needs no reading. (It is absent when the body is compressed.)
    if response.content_length().is_some_and(|length| length > max) {
        return Err(too_large(max));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cut(&error, bytes.len()))? {
        if (bytes.len() + chunk.len()) as u64 > max {
            return Err(too_large(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large(max: u64) -> Problem {
    Problem {
        class: FailureClass::BodyTooLarge,
        what: format!("the answer is larger than {max} bytes"),
        advice: "check the endpoint; the limit is max_body_bytes of the routing contract",
    }
}

fn cut(error: &reqwest::Error, got: usize) -> Problem {
    if error.is_timeout() {
        return Problem {
            class: FailureClass::TimedOut,
            what: format!("the provider fell silent after {got} bytes of its answer"),
            advice: "see whether the provider is healthy",
        };
    }
    if corrupt(error) {
        return Problem {
            class: FailureClass::BodyInvalid,
            what: format!("the answer's compression is broken after {got} bytes"),
            advice: "look for a faulty proxy in between",
        };
    }
    Problem {
        class: FailureClass::BodyCut,
        what: format!("the answer ended early, after {got} bytes"),
        advice: "see whether the provider, or a proxy in between, is healthy",
    }
}

/// Whether the decompressor met bytes that are none of its format (an early end is not that).
fn corrupt(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput)
        {
            return true;
        }
        next = cause.source();
    }
    false
}

/// The provider's own words about an error, if it sent any that are for people.
pub(super) async fn error_words(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MAX_ERROR_BYTES as usize - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    words(&bytes)
}

/// Errors are `{"error": {"message": …}}`, `{"error": "…"}`, `{"message": "…"}`, `{"detail": "…"}`, or plain text.
pub(crate) fn words(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::String(text)) => text,
        Ok(json) => {
            let known = ["/error/message", "/error", "/message", "/detail", "/detail/0/msg", "/reason"];
            known.iter().find_map(|place| json.pointer(place)?.as_str()).unwrap_or_default().to_owned()
        }
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            let page = text.trim_start().starts_with('<');
            if page { String::new() } else { text.into_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_providers_way_of_wording_an_error_is_understood() {
        for body in [
            r#"{"error":{"message":"no","code":401}}"#,
            r#"{"error":"no"}"#,
            r#"{"object":"error","message":"no"}"#,
            r#"{"detail":"no"}"#,
            r#"{"detail":[{"msg":"no"}]}"#,
            r#"{"code":"invalid","error":"no"}"#,
            r#""no""#,
            "no",
        ] {
            assert_eq!(words(body.as_bytes()), "no", "{body}");
        }
        assert_eq!(words(b"<html><body>gateway</body></html>"), "");
        assert_eq!(words(b"{}"), "");
    }
}
