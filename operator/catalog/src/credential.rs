//! A provider's key, kept out of everything that people read.

use std::fmt;

use vox_contracts::discovery::{FailureClass, FetchFailure};

/// What stands in a message where the credential stood.
const REDACTED: &str = "<REDACTED>";

/// A provider's key. Its `Debug` shows nothing, it has no `Display`, and it is not serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// Takes the key as it stands in a Secret; white space around it, such as the line end that editors add, goes.
    ///
    /// # Errors
    /// [`FailureClass::CredentialMissing`] when nothing is left, or when it cannot stand in an HTTP header.
    pub fn read(text: &str) -> Result<Self, FetchFailure> {
        let text = text.trim();
        let problem = if text.is_empty() {
            "is empty"
        } else if text.bytes().any(|byte| !(0x21..=0x7e).contains(&byte)) {
            "holds characters that no API key has (spaces, line ends or non-ASCII)"
        } else {
            return Ok(Self(text.to_owned()));
        };
        let message = format!(
            "the credential {problem}; put the provider's key into the Secret that credentialsRef names"
        );
        Err(FetchFailure { class: FailureClass::CredentialMissing, message, retry_after_ms: None })
    }

    /// The key itself, for the request header and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The text without the key, also where a server repeats it percent-encoded.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let plain = text.replace(&self.0, REDACTED);
        let encoded: String = url::form_urlencoded::byte_serialize(self.0.as_bytes()).collect();
        let whole = if encoded == self.0 { plain } else { plain.replace(&encoded, REDACTED) };
        self.redact_cut(whole)
    }

    /// A quotation that was cut (`…`) in the middle of the key still ends in a part of it.
    fn redact_cut(&self, text: String) -> String {
        let Some((head, rest)) = text.split_once('…') else { return text };
        let part = (4..self.0.len()).rev().find(|length| head.ends_with(&self.0[..*length]));
        match part {
            Some(length) => {
                format!("{}{REDACTED}…{}", &head[..head.len() - length], self.redact_cut(rest.to_owned()))
            }
            None => format!("{head}…{}", self.redact_cut(rest.to_owned())),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(<REDACTED>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_around_the_key_goes_and_debug_shows_nothing() {
        let credential = Credential::read(" k-123\n").unwrap();
        assert_eq!(credential.reveal(), "k-123");
        assert_eq!(format!("{credential:?}"), "Credential(<REDACTED>)");
    }

    #[test]
    fn an_empty_or_broken_key_is_a_missing_credential() {
        for text in ["", " \n", "two words", "line\nend", "schlüssel"] {
            assert_eq!(
                Credential::read(text).unwrap_err().class,
                FailureClass::CredentialMissing,
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_key_is_replaced_wherever_it_stands() {
        let credential = Credential::read("a+b/c").unwrap();
        assert_eq!(credential.redact("key a+b/c, also a%2Bb%2Fc"), "key <REDACTED>, also <REDACTED>");
        let long = Credential::read("key-123456789").unwrap();
        assert_eq!(long.redact("a… saw key-12345… at b"), "a… saw <REDACTED>… at b");
    }
}
