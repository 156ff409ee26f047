//! How much of what all share one of them has: so many places each, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places that are taken, by whom.
#[derive(Debug, Clone)]
pub(super) struct Places {
    each: usize,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// One place; dropped, it is free.
#[derive(Debug)]
pub(super) struct Place {
    of: String,
    places: Places,
}

impl Places {
    /// So many for each.
    pub(super) fn new(each: usize) -> Self {
        Self { each, taken: Arc::default() }
    }

    /// One more, if this one has one left.
    pub(super) fn take(&self, of: &str) -> Option<Place> {
        let mut taken = self.taken();
        let has = taken.entry(of.to_owned()).or_default();
        if *has >= self.each {
            return None;
        }
        *has += 1;
        Some(Place { of: of.to_owned(), places: self.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(has) = taken.get_mut(&self.of) {
            *has = has.saturating_sub(1);
            if *has == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_all_of_its_places_leaves_the_others_theirs() {
        let places = Places::new(2);
        let held: Vec<Place> = (0..2).filter_map(|_| places.take("loud")).collect();
        assert!(places.take("loud").is_none());
        assert!(places.take("quiet").is_some());
        drop(held);
        assert!(places.take("loud").is_some());
        assert!(places.taken().is_empty(), "nobody is remembered who has none");
    }
}
