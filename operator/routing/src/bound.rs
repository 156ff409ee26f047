//! How good a model surely is: a bound below the mean of what happened, from the first call on. Whole numbers throughout,
//! so that every sidecar comes to the same ranking.
//!
//! The share of successes, times their quality, has a Beta distribution. Before any call it is what strengths and tier
//! promise, which counts as a few calls. Each call counts the less the older it is. As long as a cell has few calls of its own
//! it borrows some: from the model's other categories here, and from the same model in this category elsewhere. The same model
//! is what has the same identity; the records themselves stay apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vox_contracts::TaskCategory;
use vox_contracts::generated::routing::{
    BOUND_BORROWED_CALLS, BOUND_DECLARED_CALLS, BOUND_SILENT_JUDGEMENTS, MIN_EVIDENCE_CALLS,
};

use crate::snapshot::{Deployment, Evidence};

/// The bound is so many thousandths of a standard deviation below the mean: one in twenty is worse.
const DEVIATIONS_PER_MILLE: u128 = 1_645;

const MILLION: u64 = 1_000_000;

/// What a cell comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// Calls behind it, borrowed and promised ones included.
    pub calls: u64,
    /// Success times quality, per mille, mean.
    pub mean_per_mille: u32,
    /// What it surely is: the score takes this.
    pub low_per_mille: u32,
    /// What it is at most, as surely.
    pub high_per_mille: u32,
}

/// Calls and what they came to: thousandths of calls, and of successes.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    calls: u128,
    successes: u128,
}

impl Counts {
    fn of(evidence: &Evidence) -> Self {
        let (calls, success) = evidence
            .decayed
            .map_or((evidence.calls, evidence.success_per_mille), |old| (old.calls, old.success_per_mille));
        let merit = u128::from(success.min(1000)) * u128::from(quality(evidence)) / 1000;
        Self { calls: u128::from(calls) * 1000, successes: u128::from(calls) * merit }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            successes: self.successes.saturating_add(other.successes),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            successes: self.successes.saturating_sub(other.successes),
        }
    }

    /// As many of them as a cell with so few calls of its own borrows.
    fn borrowed(self, own: u128) -> Self {
        let thin = u128::from(MIN_EVIDENCE_CALLS) * 1000;
        let missing = thin.saturating_sub(own);
        let calls = self.calls.min(u128::from(BOUND_BORROWED_CALLS) * 1000) * missing / thin.max(1);
        Self { calls, successes: self.successes * calls / self.calls.max(1) }
    }
}

/// Quality, per mille, with what nobody said.
fn quality(evidence: &Evidence) -> u32 {
    let Some(quality) = evidence.quality_per_mille else { return 1000 };
    let judged = evidence.judged.max(1);
    let sum = u128::from(judged) * u128::from(quality.min(1000)) + u128::from(BOUND_SILENT_JUDGEMENTS) * 1000;
    u32::try_from(sum / u128::from(judged + BOUND_SILENT_JUDGEMENTS)).unwrap_or(1000)
}

/// What the cells of one snapshot can borrow.
#[derive(Debug, Default)]
pub(crate) struct Parents {
    /// By identity, whoever serves it, and category.
    models: BTreeMap<(String, TaskCategory), Counts>,
}

impl Parents {
    pub(crate) fn of_all(deployments: &[Arc<Deployment>]) -> Self {
        let mut models: BTreeMap<_, Counts> = BTreeMap::new();
        for deployment in deployments {
            let Some(identity) = &deployment.entry.identity else { continue };
            for evidence in &deployment.evidence {
                let cell = models.entry((identity.clone(), evidence.category)).or_default();
                *cell = cell.plus(Counts::of(evidence));
            }
        }
        Self { models }
    }

    /// `declared_per_mille` is what strengths and tier promise.
    pub(crate) fn bound(
        &self,
        deployment: &Deployment,
        category: TaskCategory,
        declared_per_mille: u32,
    ) -> Bound {
        let evidence = || deployment.evidence.iter();
        let of = |only: bool| {
            evidence()
                .filter(|one| (one.category == category) == only)
                .fold(Counts::default(), |sum, one| sum.plus(Counts::of(one)))
        };
        let (own, others) = (of(true), of(false));
        // An id that tells no particular model tells of no other record either.
        let identity = deployment.entry.identity.as_ref().filter(|_| !self.models.is_empty());
        let elsewhere = identity
            .and_then(|identity| self.models.get(&(identity.clone(), category)))
            .map_or_else(Counts::default, |all| all.minus(own));
        let declared = Counts {
            calls: u128::from(BOUND_DECLARED_CALLS) * 1000,
            successes: u128::from(BOUND_DECLARED_CALLS) * u128::from(declared_per_mille.min(1000)),
        };
        let all = own.plus(declared).plus(others.borrowed(own.calls)).plus(elsewhere.borrowed(own.calls));
        interval(all)
    }
}

/// Mean and bounds of a Beta distribution, by its standard deviation.
fn interval(counts: Counts) -> Bound {
    let million = u128::from(MILLION);
    let calls = counts.calls.max(1);
    let mean = (counts.successes.saturating_mul(million) / calls).min(million);
    // p (1 - p) / (n + 1), in millionths squared.
    let variance = mean * (million - mean) * 1000 / (calls + 1000);
    let width = variance.isqrt() * DEVIATIONS_PER_MILLE / 1000;
    let per_mille = |millionths: u128| u32::try_from(millionths.min(million) / 1000).unwrap_or(1000);
    Bound {
        calls: u64::try_from(calls / 1000).unwrap_or(u64::MAX),
        mean_per_mille: per_mille(mean),
        low_per_mille: per_mille(mean.saturating_sub(width)),
        high_per_mille: per_mille(mean + width),
    }
}

/// Between which figures the success of nineteen in twenty such records lies (Wilson's interval), per mille.
#[must_use]
pub fn success_interval(calls: u64, success_per_mille: u32) -> (u32, u32) {
    /// The square of 1.96, in millionths.
    const Z2: u128 = 3_841_459;
    let (million, calls) = (u128::from(MILLION), u128::from(calls.max(1)));
    let success = u128::from(success_per_mille.min(1000)) * 1000;
    let middle = success + Z2 / (2 * calls);
    let spread = success * (million - success) / calls + Z2 * million / (4 * calls * calls);
    let width = (spread * Z2 / million).isqrt();
    let whole = million + Z2 / calls;
    let per_mille =
        |number: u128| u32::try_from((number * 1000 + whole / 2) / whole).unwrap_or(1000).min(1000);
    (per_mille(middle.saturating_sub(width)), per_mille(middle + width))
}

impl Evidence {
    /// [`success_interval`] of this record.
    #[must_use]
    pub fn success_interval_per_mille(&self) -> (u32, u32) {
        success_interval(self.calls, self.success_per_mille)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(calls: u128, per_mille: u128) -> Counts {
        Counts { calls: calls * 1000, successes: calls * per_mille }
    }

    #[test]
    fn more_calls_of_the_same_success_raise_the_bound() {
        let low = |calls| interval(counts(calls, 900)).low_per_mille;
        assert!(low(5) < low(30) && low(30) < low(300) && low(300) < 900);
        assert_eq!(interval(counts(300, 900)).mean_per_mille, 900);
    }

    #[test]
    fn wilsons_interval_of_27_successes_in_30_calls_is_as_tables_have_it() {
        let evidence = |calls, success_per_mille| Evidence {
            category: TaskCategory::Chat,
            calls,
            success_per_mille,
            quality_per_mille: None,
            p50_ms: None,
            judged: 0,
            context_above: 0,
            decayed: None,
        };
        assert_eq!(evidence(30, 900).success_interval_per_mille(), (744, 965));
        assert_eq!(evidence(10, 1000).success_interval_per_mille(), (722, 1000));
        assert_eq!(evidence(10, 0).success_interval_per_mille(), (0, 278));
    }

    #[test]
    fn a_cell_with_enough_calls_of_its_own_borrows_nothing() {
        let parent = counts(1_000, 100);
        assert_eq!(parent.borrowed(30_000).calls, 0);
        assert_eq!(parent.borrowed(0).calls, 10_000);
        assert_eq!(parent.borrowed(15_000).calls, 5_000);
        assert_eq!(parent.borrowed(0).successes, 1_000);
    }
}
