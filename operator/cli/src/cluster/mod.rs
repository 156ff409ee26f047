//! What the command needs of a cluster: the API server, the sources, and the operator behind a port-forward.

mod client;
mod events;
mod operator;
mod sources;

pub(crate) use client::{Call, Cluster, Place};
pub(crate) use events::{note_since, reasons_since};
pub(crate) use operator::{Health, OPERATOR_SELECTOR, Operator, is_ready};
pub(crate) use sources::{SourceName, condition, get, list, policies, request_run};

/// Label with the name of the source that an object belongs to.
pub(crate) const SOURCE_LABEL: &str = "vox.dev/source";
