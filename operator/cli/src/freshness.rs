//! How old a source's catalog is, and whether that is within its promise.
//!
//! The limit in the status is held against the caller's own clock: a condition that nobody keeps up to date, because the
//! operator is away, must not read as fresh.

use jiff::Timestamp;
use vox_crds::ModelCatalogSource;
use vox_crds::conditions::types;

use crate::cluster::condition;
use crate::relative::ago;

/// The state of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Never,
    Fresh(Timestamp),
    Stale(Timestamp),
}

impl Freshness {
    pub(crate) fn of(source: &ModelCatalogSource, now: Timestamp) -> Self {
        let status = source.status.as_ref();
        let Some(refreshed) = status.and_then(|status| status.last_refresh_time.as_ref()) else {
            return Self::Never;
        };
        let over = match status.and_then(|status| status.stale_time.as_ref()) {
            Some(stale) => stale.0 <= now,
            // Without a limit (the spec is invalid) the last verdict is all there is.
            None => condition(source, types::FRESH).is_none_or(|fresh| fresh.status != "True"),
        };
        if over { Self::Stale(refreshed.0) } else { Self::Fresh(refreshed.0) }
    }

    pub(crate) const fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh(_))
    }

    /// The name in machine output.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Never => "NeverFetched",
            Self::Fresh(_) => "Fresh",
            Self::Stale(_) => "Stale",
        }
    }

    /// `fresh, refreshed 41s ago`.
    pub(crate) fn told(self, now: Timestamp) -> String {
        match self {
            Self::Never => "never fetched".to_owned(),
            Self::Fresh(time) => format!("fresh, refreshed {}", ago(now, time)),
            Self::Stale(time) => format!("stale, refreshed {}", ago(now, time)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A source in namespace `shop`, refreshed and stale at these seconds.
    pub(crate) fn source(name: &str, models: i64, refreshed: Option<i64>, stale: i64) -> ModelCatalogSource {
        let time = |second: i64| Timestamp::from_second(second).unwrap().to_string();
        let status = refreshed.map(|refreshed| {
            serde_json::json!({
                "provider": "ollama",
                "lastRefreshTime": time(refreshed),
                "staleTime": time(stale),
                "catalog": {
                    "revision": 3, "digest": "sha256:0", "publishedTime": time(refreshed),
                    "models": models, "added": 2, "removed": 1, "repriced": 0,
                },
                "conditions": [{
                    "type": "Fresh", "status": "True", "reason": "Refreshed", "message": "",
                    "lastTransitionTime": time(refreshed),
                }],
            })
        });
        serde_json::from_value(serde_json::json!({
            "apiVersion": "vox.dev/v1alpha1",
            "kind": "ModelCatalogSource",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": { "provider": { "ollama": {} } },
            "status": status,
        }))
        .unwrap()
    }

    const NOW: i64 = 1_000_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    #[test]
    fn a_condition_that_nobody_updates_does_not_keep_a_catalog_fresh() {
        let forgotten = source("a", 1, Some(NOW - 7200), NOW - 1);
        assert_eq!(Freshness::of(&forgotten, now()).name(), "Stale");
    }
}
