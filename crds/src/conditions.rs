//! The one vocabulary of condition types and reasons. A reason is also the reason of the event about the same change,
//! and each has its row in `docs/reference/conditions.md`.

use vox_contracts::discovery::FailureClass;

/// Condition types, in the meaning that kstatus and Flux give them.
pub mod types {
    /// True: the last fetch worked and the catalog is served. Always present.
    pub const READY: &str = "Ready";
    /// True: the catalog is younger than `freshness.maxAge`. Always present.
    pub const FRESH: &str = "Fresh";
    /// Present only while True: work for this generation is under way.
    pub const RECONCILING: &str = "Reconciling";
    /// Present only while True: nothing will happen until a person changes something.
    pub const STALLED: &str = "Stalled";
    /// Present only while True: prices come from entries of the pricing overlay that are older than its limit.
    pub const PRICES_OUTDATED: &str = "PricesOutdated";
    /// True: the policy can be decided with. In the meaning of the Gateway API.
    pub const ACCEPTED: &str = "Accepted";
    /// True: every source that the policy names is there, can work and has been fetched.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// True: this generation is in the snapshot that sidecars are sent.
    pub const PROGRAMMED: &str = "Programmed";
    /// True: the leader of each category with a route or traffic has enough finished calls.
    pub const EVIDENCE_SUFFICIENT: &str = "EvidenceSufficient";
    /// Present only while True: models of the policy are kept from a category, because their success there fell suddenly.
    pub const QUARANTINED: &str = "Quarantined";
    /// Present only while True: the policy names models that are gone or on their way out.
    pub const MODELS_LEAVING: &str = "ModelsLeaving";
}

macro_rules! reasons {
    ($($(#[doc = $doc:expr])+ $name:ident = $text:literal;)+) => {
        /// Reasons that are not a fetch's [`FailureClass`].
        pub mod reasons {
            $($(#[doc = $doc])+ pub const $name: &str = $text;)+
        }
        /// Every reason of [`reasons`] with its meaning.
        pub const REASONS: &[(&str, &str)] = &[$((reasons::$name, concat!($($doc),+)),)+];
    };
}

reasons! {
    /// The catalog is published.
    PUBLISHED = "Published";
    /// The catalog is younger than its freshness limit.
    REFRESHED = "Refreshed";
    /// The catalog is older than its freshness limit.
    STALE = "Stale";
    /// No fetch has worked yet.
    NEVER_FETCHED = "NeverFetched";
    /// A discovery Job is running or about to.
    DISCOVERING = "Discovering";
    /// `spec.suspend` is true: no fetch is made, the last good catalog is served.
    SUSPENDED = "Suspended";
    /// The spec cannot work as it stands; the message says which field and why.
    INVALID_SPEC = "InvalidSpec";
    /// The scoreboard database does not answer; what is known is kept and nothing new is recorded.
    STORE_UNAVAILABLE = "StoreUnavailable";
    /// The Kubernetes API refused something the source needs (quota, admission); the message has its words.
    APPLY_REFUSED = "ApplyRefused";
    /// Models were found for the first time, or new ones since.
    DISCOVERED = "Discovered";
    /// Prices of known models changed.
    REPRICED = "Repriced";
    /// Models are no longer offered.
    MODELS_REMOVED = "ModelsRemoved";
    /// Models are missing from their provider's list; they stay until it misses them again, behind all others.
    MODELS_SUSPECT = "ModelsSuspect";
    /// Models that were missing are listed again.
    MODELS_RETURNED = "ModelsReturned";
    /// Rows of the provider's list are no model and were left out; the message names the first.
    ROWS_REFUSED = "RowsRefused";
    /// Models have another context, or read, write or can do something else.
    MODELS_CHANGED = "ModelsChanged";
    /// Their provider advises against models, says when they end, or names others in their place; or took that back.
    MODELS_DEPRECATED = "ModelsDeprecated";
    /// A requested run was not made: the provider may not be asked yet.
    REQUEST_TOO_SOON = "RequestTooSoon";
    /// `spec.freshness.maxAge` is shorter than the time between two scheduled runs: the source is stale in between.
    STALE_BETWEEN_RUNS = "StaleBetweenRuns";
    /// A scheduled run did not happen.
    SCHEDULE_MISSED = "ScheduleMissed";
    /// Prices that the vendor does not publish in its list were read longer ago than the pricing overlay allows.
    PRICES_OUTDATED = "PricesOutdated";
    /// The policy can be decided with.
    ACCEPTED = "Accepted";
    /// More than one policy of the namespace says `default: true`; calls of pods that name none of them are refused.
    DEFAULT_AMBIGUOUS = "DefaultAmbiguous";
    /// Everything that the policy refers to is there.
    RESOLVED = "Resolved";
    /// A source that the policy names does not exist, or has no catalog yet.
    CATALOG_NOT_FOUND = "CatalogNotFound";
    /// A source that the policy names has a spec that cannot work; its last good catalog is used meanwhile.
    SOURCE_INVALID = "SourceInvalid";
    /// This generation serves.
    PROGRAMMED = "Programmed";
    /// One of the policy's tests fails; the last good generation serves.
    TEST_FAILED = "TestFailed";
    /// No model of the catalogs may serve any category; the last good generation serves.
    NO_CANDIDATE = "NoCandidate";
    /// Another model leads a category because of what happened: the message has both records.
    LEADER_CHANGED = "LeaderChanged";
    /// A model is kept from a category, because its success there fell suddenly; a few calls probe it.
    QUARANTINED = "Quarantined";
    /// Calls that succeeded ended a model's quarantine.
    QUARANTINE_ENDED = "QuarantineEnded";
    /// A model's listed price is more than a fifth away from what it was billed at; what was billed decides.
    PRICE_DRIFT = "PriceDrift";
    /// Too few calls have finished for the ranking to rest on; prices and the contract's rules decide.
    TOO_FEW_CALLS = "TooFewCalls";
    /// Enough calls have finished for the ranking to rest on them.
    MEASURED = "Measured";
}

/// Every reason that a condition or event of ours can have, with its meaning.
#[must_use]
pub fn vocabulary() -> Vec<(&'static str, &'static str)> {
    let classes = FailureClass::ALL.iter().map(|class| (class.as_str(), class.meaning()));
    REASONS.iter().copied().chain(classes).map(|(reason, meaning)| (reason, meaning.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_once_and_has_a_meaning() {
        let mut names: Vec<_> = vocabulary().into_iter().map(|(reason, _)| reason).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(vocabulary().iter().all(|(_, meaning)| meaning.ends_with(['.', ';'])));
    }
}
