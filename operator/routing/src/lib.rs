//! Which model serves a request: an immutable [`Snapshot`] of all evidence, a [`Request`], and a [`Decision`] with its reasons.
//!
//! Pure: no I/O, no clock (time is an argument), no async. The same code decides in the sidecar, tests a policy in the
//! operator before it is programmed, and explains on the command line.

pub mod asked;
mod billed;
mod bound;
pub mod classify;
pub mod compile;
pub mod cost;
pub mod decision;
mod document;
pub mod evaluate;
pub mod explain;
mod explore;
mod facts;
mod filter;
mod judge;
mod names;
pub mod pattern;
mod plan;
pub mod policy;
mod rank;
pub mod request;
mod router;
pub mod score;
pub mod snapshot;
pub mod test_policy;
mod walk;

pub use asked::{Asked, Band};
pub use billed::{Billed, Drift};
pub use bound::{Bound, success_interval};
pub use classify::{Classified, Shape, classify};
pub use compile::{CatalogInput, Record, compile};
pub use cost::Cost;
pub use decision::{Decision, Pick, Refusal};
pub use evaluate::{Alike, Evaluation, evaluate};
pub use explain::Explanation;
pub use explore::Odds;
pub use facts::ANSWER_TOKENS_WHEN_UNKNOWN;
pub use filter::Filter;
pub use names::{AUTO, NameKind, PREFIX, ServedName};
pub use policy::Policy;
pub use request::{Choice, Live, Needs, Offline, Request, Unavailable};
pub use router::Router;
pub use snapshot::{Deployment, PolicySnapshot, Snapshot, SnapshotError, Upstream};
pub use test_policy::{TestFailure, run_tests};
