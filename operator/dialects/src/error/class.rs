//! The kinds of failures and what follows from them.

use std::fmt;

use super::body::Said;

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request is wrong: the client's own mistake, the same everywhere.
    BadRequest,
    /// The input is too long for this model; one with a longer context may take it.
    ContextTooLong,
    /// The credential is missing or wrong.
    Unauthorised,
    /// The credential may not do this.
    Forbidden,
    /// The provider does not know the model, or the path.
    NotFound,
    /// 408.
    Timeout,
    /// 409.
    Conflict,
    /// 425.
    TooEarly,
    /// 429: too many requests or tokens for now.
    RateLimited,
    /// The account's money or quota is spent: 402, or 429 with such a code. Waiting does not help.
    Quota,
    /// 5xx: the provider's mistake.
    Server,
    /// 503 or 529: too many requests of everyone.
    Overloaded,
    /// The provider's filter refused the input or the output.
    ContentFiltered,
    /// A 200 that holds an error without a status.
    UpstreamErrorIn200,
    /// An answer that is not what its dialect says.
    Malformed,
    /// An answer without a body, or without an answer in it.
    Empty,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: &'static [Self] = &[
        Self::BadRequest,
        Self::ContextTooLong,
        Self::Unauthorised,
        Self::Forbidden,
        Self::NotFound,
        Self::Timeout,
        Self::Conflict,
        Self::TooEarly,
        Self::RateLimited,
        Self::Quota,
        Self::Server,
        Self::Overloaded,
        Self::ContentFiltered,
        Self::UpstreamErrorIn200,
        Self::Malformed,
        Self::Empty,
    ];

    /// A stable name, for metric labels and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::ContextTooLong => "context_too_long",
            Self::Unauthorised => "unauthorised",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
            Self::TooEarly => "too_early",
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Server => "server",
            Self::Overloaded => "overloaded",
            Self::ContentFiltered => "content_filtered",
            Self::UpstreamErrorIn200 => "upstream_error_in_200",
            Self::Malformed => "malformed",
            Self::Empty => "empty",
        }
    }

    /// Whether it says something about the provider's health, and not about this request or this account.
    #[must_use]
    pub const fn counts_against_provider(self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::Server
                | Self::Overloaded
                | Self::UpstreamErrorIn200
                | Self::Malformed
                | Self::Empty
        )
    }

    /// The class of a status and of what was said with it.
    pub(super) fn of(status: u16, said: &Said) -> Self {
        match status {
            401 => Self::Unauthorised,
            402 => Self::Quota,
            403 if said.quota() => Self::Quota,
            403 if said.filtered() => Self::ContentFiltered,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 => Self::Timeout,
            409 => Self::Conflict,
            425 => Self::TooEarly,
            429 if said.quota() => Self::Quota,
            429 => Self::RateLimited,
            503 | 529 => Self::Overloaded,
            500..=599 => Self::Server,
            // Some providers say with 400, 413 or 422 what others say with a status of its own.
            _ if said.too_long() => Self::ContextTooLong,
            _ if said.bad_key() => Self::Unauthorised,
            _ if said.quota() => Self::Quota,
            _ if said.filtered() => Self::ContentFiltered,
            _ if said.no_model() => Self::NotFound,
            400..=499 => said.own_trouble().unwrap_or(Self::BadRequest),
            _ => Self::Malformed,
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
