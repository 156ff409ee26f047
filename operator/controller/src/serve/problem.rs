use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use vox_store::Error as StoreError;

/// An answer that says no: `{"error": {"code": …, "message": …}}`.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// Says when to try again: whole seconds, at least one.
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused { class, message } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, class.as_str(), message)
            }
            StoreError::Superseded { .. } => Self::new(StatusCode::CONFLICT, "Superseded", error.to_string()),
            StoreError::TooMany { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "TooMany", error.to_string())
            }
            StoreError::Outdated { .. } => Self::new(StatusCode::CONFLICT, "Outdated", error.to_string()),
            // The caller may hear that the database is away, but not what it is or said.
            unavailable if unavailable.is_unavailable() => {
                tracing::warn!(
                    error = &unavailable as &dyn std::error::Error,
                    "the database does not answer"
                );
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "StoreUnavailable",
                    "the database does not answer; try again",
                )
            }
            other => {
                tracing::error!(error = &other as &dyn std::error::Error, "failed to serve a call");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Internal",
                    "failed; the operator's log says why",
                )
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_who_is_to_come_later_is_told_in_whole_seconds() {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "TooMany", "later");
        let response = problem.retry_after(Duration::from_millis(1200)).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
