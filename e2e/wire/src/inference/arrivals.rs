//! What arrived: how many inference requests, for which models, and the last one of each provider.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

/// The longest body that is kept whole, in bytes.
const MAX_KEPT_BYTES: usize = 256 << 10;

/// A provider's inference requests, refused ones too.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Arrivals {
    /// How many.
    pub arrived: u64,
    /// How many for each model; a request that names none is not among them.
    pub models: BTreeMap<String, u64>,
    /// The last one.
    pub last: Option<Arrival>,
}

/// An inference request as it arrived.
#[derive(Debug, Clone, Serialize)]
pub struct Arrival {
    /// Without the query, where a key can stand.
    pub path: String,
    /// The model that it asked for.
    pub model: Option<String>,
    /// The names of its headers, sorted. Values are not kept: keys are among them.
    pub headers: Vec<String>,
    /// How long its body was.
    pub body_bytes: usize,
    /// Its body, see [`Self::body`].
    #[serde(serialize_with = "shown")]
    body: Bytes,
}

impl Arrival {
    pub(crate) fn new(path: &str, model: Option<String>, headers: &HeaderMap, body: &Bytes) -> Self {
        let mut names: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort_unstable();
        // A copy: a slice would keep the whole body.
        let kept = body.get(..MAX_KEPT_BYTES).unwrap_or(body);
        Self {
            path: path.to_owned(),
            model,
            headers: names,
            body_bytes: body.len(),
            body: Bytes::copy_from_slice(kept),
        }
    }

    /// Its body: JSON, or what is not JSON as a text. Of a long one the first 256 KiB, as a text.
    #[must_use]
    pub fn body(&self) -> Value {
        let text = || Value::String(String::from_utf8_lossy(&self.body).into_owned());
        serde_json::from_slice(&self.body).unwrap_or_else(|_| text())
    }
}

fn shown<S: serde::Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => value.serialize(serializer),
        Err(_) => serializer.serialize_str(&String::from_utf8_lossy(body)),
    }
}

impl Arrivals {
    pub(crate) fn add(&mut self, arrival: Arrival) {
        self.arrived += 1;
        if let Some(model) = &arrival.model {
            *self.models.entry(model.clone()).or_default() += 1;
        }
        self.last = Some(arrival);
    }
}
