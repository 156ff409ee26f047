//! The kinds of group `vox.dev`, and the one vocabulary of condition types and reasons.
//!
//! The YAML in `crds/generated/` and in `charts/vox-crds/templates/` is made from these types by `make generate`.

// The schema derive repeats each type as a private one, which the lint takes for ours.
#![allow(unreachable_pub)]

pub mod conditions;
pub mod demands;
pub mod duration;
mod expressions;
pub mod generate;
pub mod model_catalog_source;
pub mod provider;
pub mod routing_policy;

pub use duration::DurationText;
pub use model_catalog_source::{ModelCatalogSource, ModelCatalogSourceSpec, ModelCatalogSourceStatus};
pub use routing_policy::{RoutingPolicy, RoutingPolicySpec, RoutingPolicyStatus};
