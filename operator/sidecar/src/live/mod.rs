//! What only this process knows: who fails, who is limited, whose key was refused, and what was spent today. Shared by
//! all workers through atomics; nothing here waits.

mod account;
mod breaker;
mod budget;
mod permits;
mod retries;

use std::cell::RefCell;

use vox_routing::Cost;
use vox_routing::request::{Live, Unavailable};

pub use account::{Account, Reservation};
pub use breaker::Breaker;
pub(crate) use budget::DAY_MS;
pub use budget::{Budget, NoMoney};
pub use permits::Permits;
pub use retries::Retries;

use crate::serving::Served;

/// The live state as one decision sees it. It keeps what it was asked and answered, so that the decision can be
/// explained later as it was.
#[derive(Debug)]
pub struct View<'a> {
    served: &'a Served,
    now_ms: u64,
    /// Until then those that are busy are waited for, and count as available.
    waits_until_ms: u64,
    noted: RefCell<Vec<(usize, Unavailable)>>,
}

impl<'a> View<'a> {
    /// The state at this moment.
    #[must_use]
    pub fn new(served: &'a Served, now_ms: u64) -> Self {
        Self { served, now_ms, waits_until_ms: 0, noted: RefCell::default() }
    }

    /// The state for a request that waits so long for those that are busy.
    #[must_use]
    pub fn waiting(served: &'a Served, now_ms: u64, wait_ms: u64) -> Self {
        Self { waits_until_ms: now_ms.saturating_add(wait_ms), ..Self::new(served, now_ms) }
    }

    /// What was found, for later.
    #[must_use]
    pub fn recorded(self) -> Recorded {
        let left = self.day_budget_left();
        Recorded { unavailable: self.noted.into_inner(), left }
    }
}

impl Live for View<'_> {
    fn unavailable(&self, deployment: usize) -> Option<Unavailable> {
        let found = self.served.unavailable(deployment, self.now_ms)?;
        if self.served.busy_until(deployment, found).is_some_and(|end| end < self.waits_until_ms) {
            return None;
        }
        self.noted.borrow_mut().push((deployment, found));
        Some(found)
    }

    fn day_budget_left(&self) -> Option<Cost> {
        self.served.day_budget_left(self.now_ms)
    }
}

/// The live state as a decision found it.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    unavailable: Vec<(usize, Unavailable)>,
    left: Option<Cost>,
}

impl Live for Recorded {
    fn unavailable(&self, deployment: usize) -> Option<Unavailable> {
        self.unavailable.iter().find(|(place, _)| *place == deployment).map(|(_, found)| *found)
    }

    fn day_budget_left(&self) -> Option<Cost> {
        self.left
    }
}
