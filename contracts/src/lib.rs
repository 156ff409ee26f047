//! What every other room agrees on: the contracts in `orchestration/` as types and tables, the model catalog's
//! wire form, and the messages between a discovery Job and the operator.
//!
//! Pure: plain data in, plain data out. No Kubernetes, HTTP, SQL, clock or runtime.

pub mod budget;
pub mod change;
pub mod checkup;
pub mod discovery;
pub mod entry;
pub mod generated;
pub mod identity;
pub mod inference;
pub mod model_key;
pub mod outcome;
pub mod overlay;
pub mod price;
pub mod refusal;
pub mod scoreboard;
pub mod spec;
pub mod text;
pub mod traffic;
pub mod training;

pub use entry::ModelCatalogEntry;
pub use generated::providers::ProviderType;
pub use generated::routing::{ModelTier, StrengthTag, TaskCategory};
pub use price::UsdPerMTok;
pub use spec::ModelSpec;
