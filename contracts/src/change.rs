//! What happens to the models of a catalog, and what the operator tells of it in its admin API.
//!
//! ```text
//! GET /v1/changes?since={RFC 3339}&namespace={namespace}&source={name}&limit={rows} -> CatalogChanges
//! ```

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entry::{CatalogSourceRef, Deprecation, ModelCatalogEntry, Supports};

/// Most changes that one answer names; the others are counted.
pub const MOST_CHANGES: u32 = 10_000;

macro_rules! change_kinds {
    ($($(#[doc = $doc:expr])+ $variant:ident, $name:literal;)+) => {
        /// What can happen to a model: in the table, on the wire, in metrics and on the command line by one name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ChangeKind { $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+ }

        impl ChangeKind {
            /// Every kind, in the order in which they are told.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

change_kinds! {
    /// It was not there before. `after` is its pricing.
    Added, "added";
    /// It is gone. `before` is its pricing.
    Removed, "removed";
    /// One fetch did not list it; it stays until another one misses it as well. `after` is the entry's `suspect`.
    Suspect, "suspect";
    /// A suspect is listed again. `before` is the entry's `suspect`.
    Returned, "returned";
    /// It has another pricing. Both are pricings.
    Repriced, "repriced";
    /// It holds more or fewer tokens. Both are a [`Window`].
    Context, "context";
    /// It reads, writes or can do something else. Both are [`Abilities`].
    Capability, "capability";
    /// Its provider advises against it or names its end, another end, or takes that back. Both are a [`Lifecycle`].
    Deprecated, "deprecated";
    /// Its provider names another model in its place. Both are a [`Lifecycle`].
    Superseded, "superseded";
}

impl ChangeKind {
    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a model holds, in tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Input and output together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length_tokens: Option<u64>,
    /// The longest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
}

impl Window {
    /// That of an entry.
    #[must_use]
    pub const fn of(entry: &ModelCatalogEntry) -> Self {
        Self {
            context_length_tokens: entry.context_length_tokens,
            max_output_tokens: entry.max_output_tokens,
        }
    }
}

/// What a model reads, writes and can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// What it reads, ascending.
    #[serde(default)]
    pub input_modalities: Vec<String>,
    /// What it writes, ascending.
    #[serde(default)]
    pub output_modalities: Vec<String>,
    /// What its API can do.
    #[serde(default)]
    pub supports: Supports,
}

impl Abilities {
    /// Those of an entry.
    #[must_use]
    pub fn of(entry: &ModelCatalogEntry) -> Self {
        let sorted = |modalities: &[String]| {
            let mut modalities = modalities.to_vec();
            modalities.sort_unstable();
            modalities
        };
        Self {
            input_modalities: sorted(&entry.input_modalities),
            output_modalities: sorted(&entry.output_modalities),
            supports: entry.supports.clone(),
        }
    }
}

/// What a provider says of a model's end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// That it advises against the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<Deprecation>,
    /// When it will stop offering it (RFC 3339 date or time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

impl Lifecycle {
    /// That of an entry.
    #[must_use]
    pub fn of(entry: &ModelCatalogEntry) -> Self {
        Self { deprecation: entry.deprecation.clone(), expires_at: entry.expires_at.clone() }
    }

    /// The model that the provider names in its place.
    #[must_use]
    pub fn replaced_by(&self) -> Option<&str> {
        self.deprecation.as_ref()?.replaced_by.as_deref()
    }
}

/// Which changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangesQuery {
    /// From when on.
    pub since: Timestamp,
    /// Only sources of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Only the source of this name; with a namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How many changes to name, at most [`MOST_CHANGES`].
    pub limit: u32,
}

/// What changed in the catalogs of sources that are there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogChanges {
    /// How many of each kind, those included that are not named.
    pub counts: BTreeMap<ChangeKind, u64>,
    /// First catalogs: their models are all new, and are not named as changes.
    pub first: Vec<FirstCatalog>,
    /// The newest changes, newest first.
    pub changes: Vec<ModelChange>,
}

/// The first catalog of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstCatalog {
    /// When it was published.
    pub at: Timestamp,
    /// Of which source.
    pub source: CatalogSourceRef,
    /// Models in it.
    pub models: u64,
}

/// One thing that happened to one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelChange {
    /// When the revision with it was published.
    pub at: Timestamp,
    /// In whose catalog.
    pub source: CatalogSourceRef,
    /// Which model, by its id there.
    pub model: String,
    /// What happened.
    pub kind: ChangeKind,
    /// What was; what it is depends on the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<serde_json::Value>,
    /// What is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name_everywhere() {
        for kind in ChangeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(ChangeKind::named(kind.as_str()), Some(*kind));
        }
        assert_eq!(ChangeKind::named("Added"), None);
    }
}
