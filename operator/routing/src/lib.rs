//! Which model serves a request: an immutable [`Snapshot`] of all evidence, a [`Request`], and a [`Decision`] with its reasons.
//!
//! Pure: no I/O, no clock (time is an argument), no async. The same code decides in the sidecar, tests a policy in the
//! operator before it is programmed, and explains on the command line.

pub mod compile;
pub mod cost;
pub mod decision;
mod facts;
mod filter;
pub mod policy;
mod rank;
pub mod request;
mod router;
mod score;
pub mod snapshot;
mod tally;
pub mod test_policy;

pub use cost::Cost;
pub use decision::{Decision, Filter, Refusal};
pub use policy::Policy;
pub use request::{Choice, Needs, Request};
pub use router::{AUTO, OWN, Router};
pub use score::Points;
pub use snapshot::{Deployment, PolicySnapshot, Snapshot, SnapshotError, Upstream};
