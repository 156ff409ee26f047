//! `identity` of `model-routing.v1.yaml`.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Rewrite {
    pub(crate) pattern: String,
    pub(crate) replacement: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Identity {
    pub(crate) own: String,
    pub(crate) indefinite: String,
    pub(crate) size: String,
    pub(crate) rules: Vec<Rewrite>,
}
