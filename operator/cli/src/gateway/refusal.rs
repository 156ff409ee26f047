//! What a gateway says when it has no answer.

use http::StatusCode;
use serde::Deserialize;
use vox_contracts::refusal::CODES;

use crate::error::Error;

/// An error body in OpenAI's dialect.
#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    error: Told,
}

#[derive(Debug, Deserialize)]
struct Told {
    message: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decision_id: Option<String>,
}

impl Refused {
    /// The gateway's sentence, its code, the page and the decision.
    pub(crate) fn told(self) -> String {
        let Told { message, code, decision_id } = self.error;
        let code = code.filter(|code| !code.is_empty());
        let known = code.as_deref().and_then(|code| CODES.iter().find(|known| **known == code));
        let mut text = message.trim_end_matches('.').to_owned();
        if let Some(code) = &code {
            text.push_str(&format!(" ({code})"));
        }
        if let Some(known) = known {
            text.push_str(&format!("; see docs/errors/{known}.md"));
        }
        if let Some(id) = decision_id {
            text.push_str(&format!("; decision {id}"));
        }
        text
    }
}

/// The error that an answer with a status of failure stands for.
pub(crate) fn refusal(status: StatusCode, body: &[u8]) -> Error {
    let told = serde_json::from_slice::<Refused>(body).map(Refused::told);
    Error::Answer(told.unwrap_or_else(|_| format!("it answered {status}; is it a gateway of Vox?")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_gateway_said_with_its_code_and_page() {
        let body = br#"{"error":{"message":"no model may serve this.","type":"x","param":null,"code":"too_dear","decision_id":"0198"}}"#;
        assert_eq!(
            refusal(StatusCode::PAYMENT_REQUIRED, body).to_string(),
            "the gateway says: no model may serve this (too_dear); see docs/errors/too_dear.md; decision 0198"
        );
    }

    #[test]
    fn what_is_no_gateway_is_told_from_one() {
        let error = refusal(StatusCode::BAD_GATEWAY, b"<html>").to_string();
        assert_eq!(error, "the gateway says: it answered 502 Bad Gateway; is it a gateway of Vox?");
    }
}
