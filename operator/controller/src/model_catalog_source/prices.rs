//! Prices that a vendor does not list: from which entries of the overlay a catalog has them, and whether those are too old.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vox_contracts::ProviderType;
use vox_contracts::entry::CatalogSourceRef;
use vox_contracts::generated::overlay::MAX_AGE_DAYS;
use vox_contracts::overlay::{self, OverlayUse};
use vox_store::Store;
use vox_store::catalog::SourceState;

/// So many entries are named.
const NAMED: usize = 5;

/// The entries of a source's revision.
type Known = (i64, Arc<[OverlayUse]>);

/// What each source's newest revision uses, by its uid. A revision never changes, so it is read once.
#[derive(Debug, Default)]
pub(crate) struct Overlaid(Mutex<HashMap<String, Known>>);

impl Overlaid {
    /// What a source's catalog uses; nothing while the database does not tell.
    pub(crate) async fn of(
        &self,
        uid: &str,
        source: &CatalogSourceRef,
        provider: &ProviderType,
        state: Option<&SourceState>,
        store: &Store,
    ) -> Option<Arc<[OverlayUse]>> {
        let Some(catalog) = &state?.catalog else { return Some(Arc::default()) };
        if !overlay::has_prices(provider) {
            return Some(Arc::default());
        }
        if let Some((_, used)) = self.lock().get(uid).filter(|(revision, _)| *revision == catalog.revision) {
            return Some(Arc::clone(used));
        }
        let entries = store.catalog(source).await.ok()??.entries;
        let used: Arc<[OverlayUse]> = overlay::in_use(&entries).into();
        self.lock().insert(uid.to_owned(), (catalog.revision, Arc::clone(&used)));
        Some(used)
    }

    /// Forgets all sources but these.
    pub(crate) fn keep_only(&self, alive: &[String]) {
        let alive: HashSet<&str> = alive.iter().map(String::as_str).collect();
        self.lock().retain(|uid, _| alive.contains(uid.as_str()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which entries are older than the contract allows, the oldest first; nothing where none is. Pure.
pub(super) fn outdated(used: &[OverlayUse], now: Timestamp) -> Option<String> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut old: Vec<&OverlayUse> = used.iter().filter(|used| used.is_outdated(today)).collect();
    old.sort_by_key(|used| std::cmp::Reverse(used.age_days(today)));
    let first = old.first()?;
    let told = |used: &&OverlayUse| {
        let (pattern, day) = (used.price.pattern, used.price.as_of);
        format!("{pattern} (of {day}, {} days old, {} models)", used.age_days(today), used.models)
    };
    let named: Vec<String> = old.iter().take(NAMED).map(told).collect();
    let more = match old.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let models: u32 = old.iter().map(|used| used.models).sum();
    Some(format!(
        "{models} models have prices that are not in the provider's list and were read more than {MAX_AGE_DAYS} days ago: {}{more}; compare them with {}, and \
         upgrade Vox or state your own in spec.overrides of a policy",
        named.join(", "),
        first.price.vendor_page
    ))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use vox_contracts::generated::overlay::PRICES;

    use super::*;

    /// So many days after the first entry of the overlay held.
    fn later(days: i64) -> Timestamp {
        let day: jiff::civil::Date = PRICES[0].as_of.parse().unwrap();
        day.to_zoned(TimeZone::UTC).unwrap().timestamp() + SignedDuration::from_hours(24 * days)
    }

    #[test]
    fn an_entry_that_is_old_is_named_with_its_day_its_age_and_its_models() {
        let used = [OverlayUse { price: &PRICES[0], models: 2 }];
        assert_eq!(outdated(&used, later(i64::from(MAX_AGE_DAYS))), None);
        let message = outdated(&used, later(i64::from(MAX_AGE_DAYS) + 20)).unwrap();
        let entry = format!(
            "{} (of {}, {} days old, 2 models)",
            PRICES[0].pattern,
            PRICES[0].as_of,
            MAX_AGE_DAYS + 20
        );
        assert!(message.starts_with("2 models have prices") && message.contains(&entry), "{message}");
        assert!(message.contains(PRICES[0].vendor_page), "{message}");
    }

    #[test]
    fn of_many_old_entries_five_are_named_and_what_is_not_used_is_not() {
        let used: Vec<OverlayUse> = PRICES.iter().map(|price| OverlayUse { price, models: 1 }).collect();
        let message = outdated(&used, later(10_000)).unwrap();
        assert!(message.contains(&format!(" and {} more; ", PRICES.len() - 5)), "{message}");
        assert!(message.chars().count() < 900, "it fits a condition: {message}");
        assert_eq!(outdated(&[], later(10_000)), None);
    }
}
