//! Models that a fetch does not list: suspects, until too many fetches in a row have missed them. Pure.

use std::collections::HashSet;

use jiff::Timestamp;
use vox_contracts::ModelCatalogEntry;
use vox_contracts::entry::Suspect;

/// How a fetch counts for the models that it does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misses {
    /// A model that so many fetches in a row miss is gone.
    pub until_removed: u32,
    /// Whether this fetch counts; one that comes a second time does not.
    pub counts: bool,
}

/// The models of `before` that `listed` lacks and that stay all the same, each as a suspect.
#[must_use]
pub fn suspects(
    before: &[ModelCatalogEntry],
    listed: &[ModelCatalogEntry],
    misses: Misses,
    now: Timestamp,
) -> Vec<ModelCatalogEntry> {
    let listed: HashSet<&str> = listed.iter().map(|entry| entry.model_id.as_str()).collect();
    let missing = before.iter().filter(|entry| !listed.contains(entry.model_id.as_str()));
    missing.filter_map(|entry| suspected(entry, misses, now)).collect()
}

fn suspected(entry: &ModelCatalogEntry, misses: Misses, now: Timestamp) -> Option<ModelCatalogEntry> {
    let suspect = match &entry.suspect {
        Some(known) if misses.counts => {
            Suspect { since: known.since.clone(), fetches: known.fetches.saturating_add(1) }
        }
        Some(known) => known.clone(),
        None => Suspect { since: now.to_string(), fetches: 1 },
    };
    let stays = suspect.fetches < misses.until_removed;
    stays.then(|| ModelCatalogEntry { suspect: Some(suspect), ..entry.clone() })
}

#[cfg(test)]
mod tests {
    use vox_contracts::ProviderType;

    use super::*;

    fn models(ids: &[&str]) -> Vec<ModelCatalogEntry> {
        ids.iter().map(|id| ModelCatalogEntry::bare((*id).to_owned(), ProviderType::OpenRouter)).collect()
    }

    fn told(entries: &[ModelCatalogEntry]) -> Vec<(&str, u32)> {
        let of = |entry: &ModelCatalogEntry| entry.suspect.as_ref().map_or(0, |suspect| suspect.fetches);
        entries.iter().map(|entry| (entry.model_id.as_str(), of(entry))).collect()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_model_stays_for_one_fetch_less_than_the_limit_and_keeps_when_it_was_first_missing() {
        let misses = Misses { until_removed: 3, counts: true };
        let first = suspects(&models(&["a", "b"]), &models(&["a"]), misses, at(0));
        assert_eq!(told(&first), [("b", 1)]);
        let second = suspects(&first, &models(&["a"]), misses, at(60));
        assert_eq!(told(&second), [("b", 2)]);
        assert_eq!(first[0].suspect.as_ref().unwrap().since, second[0].suspect.as_ref().unwrap().since);
        assert_eq!(told(&suspects(&second, &models(&["a"]), misses, at(120))), []);
    }

    #[test]
    fn a_limit_of_one_suspects_nobody() {
        let misses = Misses { until_removed: 1, counts: true };
        assert_eq!(told(&suspects(&models(&["a"]), &[], misses, at(0))), []);
    }

    #[test]
    fn the_same_fetch_a_second_time_does_not_count_again() {
        let counted = Misses { until_removed: 2, counts: true };
        let first = suspects(&models(&["a"]), &[], counted, at(0));
        let again = suspects(&first, &[], Misses { counts: false, ..counted }, at(1));
        assert_eq!(first, again);
        assert_eq!(told(&suspects(&again, &[], counted, at(60))), []);
    }
}
