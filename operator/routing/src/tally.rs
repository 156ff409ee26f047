//! What stopped the candidates of a request that nobody serves, in a sentence.

use vox_contracts::TaskCategory;

use crate::cost::Cost;
use crate::decision::{Filter, Refusal};

/// How often each filter stopped a candidate.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Vec<(&'static str, u32)>,
    /// The least worst case among those that were only too dear.
    cheapest: Option<Cost>,
}

impl Tally {
    pub(crate) fn stopped(&mut self, filter: Filter) {
        if let Filter::TooDear { worst_case, .. } = filter {
            self.cheapest = Some(self.cheapest.map_or(worst_case, |cheapest| cheapest.min(worst_case)));
        }
        let name = filter.as_str();
        match self.counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((name, 1)),
        }
    }

    pub(crate) fn refusal(mut self, category: TaskCategory, limit: Option<Cost>) -> Refusal {
        if let Some((limit, cheapest)) = limit.zip(self.cheapest) {
            return Refusal::TooDear { limit, cheapest };
        }
        self.counts.sort_unstable_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
        let parts: Vec<String> = self.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let summary = if parts.is_empty() {
            "the policy and its catalogs have no candidate for it".to_owned()
        } else {
            parts.join(", ")
        };
        Refusal::NoCandidate { category, summary }
    }
}
