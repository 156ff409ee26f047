//! `AdmissionReview` of `admission.k8s.io/v1`: what is asked and what is answered, as far as it is used here.

use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the API server asks.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    pub(crate) request: Request,
}

/// About one object that somebody wants to write.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) uid: String,
    /// Where it goes; the object itself need not say yet.
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) object: Value,
    /// What it was before; null where it is new.
    #[serde(default)]
    pub(crate) old_object: Value,
    /// Who writes it.
    #[serde(default)]
    pub(crate) user_info: UserInfo,
}

/// Who the API server took the caller for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct UserInfo {
    #[serde(default)]
    pub(crate) username: String,
}

/// What it is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    /// Base64, as bytes are written in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<ByteString>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Answer {
    /// Go ahead.
    pub(crate) fn allow(uid: String, warnings: Vec<String>) -> Self {
        let response = Response { uid, allowed: true, patch_type: None, patch: None, warnings, status: None };
        Self { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response }
    }

    /// Go ahead, with these operations of a JSON patch.
    pub(crate) fn patch(
        uid: String,
        patch: &[Value],
        warnings: Vec<String>,
    ) -> Result<Self, serde_json::Error> {
        let mut answer = Self::allow(uid, warnings);
        if !patch.is_empty() {
            answer.response.patch_type = Some("JSONPatch");
            answer.response.patch = Some(ByteString(serde_json::to_vec(patch)?));
        }
        Ok(answer)
    }

    /// Not so; the message says what to do instead.
    pub(crate) fn deny(uid: String, message: String) -> Self {
        let mut answer = Self::allow(uid, Vec::new());
        answer.response.allowed = false;
        answer.response.status = Some(Status { code: 403, reason: "Forbidden", message });
        answer
    }
}
