//! What an error status means, and what to do about it.

use http::StatusCode;
use http::header::{HeaderMap, LOCATION};
use vox_contracts::discovery::FailureClass;

use crate::text::clip;

/// A class and an advice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) class: FailureClass,
    pub(super) advice: String,
}

const WRONG_KEY: &str =
    "the credential is wrong or revoked: put a valid key into the Secret that credentialsRef names";

/// What a status means; `words` are what the provider says about it.
pub(super) fn verdict(status: StatusCode, headers: &HeaderMap, words: &str, had_credential: bool) -> Verdict {
    let (class, advice) = match status.as_u16() {
        401 if had_credential => (FailureClass::Unauthorized, WRONG_KEY),
        // Google and xAI answer a wrong key so.
        400 if had_credential && words.to_ascii_lowercase().contains("api key") => {
            (FailureClass::Unauthorized, WRONG_KEY)
        }
        401 => (FailureClass::Unauthorized, "it asks for a credential: set credentialsRef"),
        402 => (FailureClass::Forbidden, "the account has no balance: top it up with the provider"),
        403 if !had_credential => {
            (FailureClass::Forbidden, "it may ask for a credential: set credentialsRef")
        }
        403 => (FailureClass::Forbidden, "give the credential the right to list models, or use another"),
        404 | 405 => (
            FailureClass::EndpointNotFound,
            "check endpoint: it must be the base URL of an API of this kind, without the list's own path",
        ),
        408 => (FailureClass::TimedOut, "see whether the provider is healthy"),
        429 => (FailureClass::RateLimited, "wait, or widen the schedule and minInterval"),
        500..=599 => (FailureClass::ProviderError, "see whether the provider is healthy; it is asked again"),
        300..=399 => return redirected(headers),
        _ => (FailureClass::UnexpectedStatus, "check endpoint and provider of the source"),
    };
    Verdict { class, advice: advice.to_owned() }
}

/// A redirect that was not followed, because it leads to another host or does not end.
fn redirected(headers: &HeaderMap) -> Verdict {
    let target =
        headers.get(LOCATION).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let advice = match target {
        Some(url) => format!(
            "redirects to another host are not followed: if {} is right, base endpoint on it",
            clip(&super::shown(&url), 200)
        ),
        None => "redirects that do not end on the same host are not followed: check endpoint".to_owned(),
    };
    Verdict { class: FailureClass::UnexpectedStatus, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        use FailureClass::*;
        for (status, class) in [
            (400, UnexpectedStatus),
            (401, Unauthorized),
            (402, Forbidden),
            (403, Forbidden),
            (404, EndpointNotFound),
            (405, EndpointNotFound),
            (408, TimedOut),
            (413, UnexpectedStatus),
            (418, UnexpectedStatus),
            (429, RateLimited),
            (500, ProviderError),
            (502, ProviderError),
            (503, ProviderError),
            (524, ProviderError),
            (529, ProviderError),
            (301, UnexpectedStatus),
            (307, UnexpectedStatus),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(verdict(status, &HeaderMap::new(), "", true).class, class, "{status}");
        }
    }

    #[test]
    fn a_400_about_the_key_is_a_wrong_key() {
        let class = |words| verdict(StatusCode::BAD_REQUEST, &HeaderMap::new(), words, true).class;
        assert_eq!(class("API key not valid. Please pass a valid API key."), FailureClass::Unauthorized);
        assert_eq!(class("Incorrect API key provided"), FailureClass::Unauthorized);
        assert_eq!(class("no such parameter"), FailureClass::UnexpectedStatus);
    }

    #[test]
    fn a_401_without_a_credential_says_that_one_is_needed() {
        let advice = verdict(StatusCode::UNAUTHORIZED, &HeaderMap::new(), "", false).advice;
        assert!(advice.contains("set credentialsRef"), "{advice}");
    }
}
