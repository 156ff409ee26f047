//! What a policy would have made of calls that another one decided, told from the probabilities that decisions were logged
//! with: a call whose first model the new policy would also choose speaks for it, the more the likelier the new policy is to
//! choose it and the less likely the old one was. What was never tried is not guessed.

mod estimate;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vox_contracts::TaskCategory;

pub use self::estimate::{Figure, Figures, NotEnough, Overlap, Sums, Tally, Weighted, estimate, together};
use crate::asked::Band;
use crate::request::{Offline, Request};
use crate::router::Router;

/// A moment after every penalty: a week of calls is not judged by who abstained in the last ten minutes.
const AFTER_ALL: u64 = u64::MAX;

/// Models that are told for a category, of those that the policy picks and that were never tried.
const TOLD: usize = 3;

/// Calls that were asked and decided alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Alike {
    /// What was asked, with the category and the complexity that it was taken for.
    pub request: Request,
    /// That category.
    pub category: TaskCategory,
    /// That complexity.
    pub complexity: u8,
    /// The deployment that the decision put first.
    pub first: String,
    /// With which probability, above 0 and at most 1.
    pub probability: f64,
    /// What they came to.
    pub tally: Tally,
}

/// What a policy would have made of calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Calls that it was asked about.
    pub calls: u64,
    /// Those that it would refuse. Nothing else here is of them.
    pub refused: u64,
    /// Why it would, in the words of the most frequent refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// All categories that have an estimate together, weighed by their calls; none where those that have none are too many.
    pub all: Option<Figures>,
    /// The same calls as they were logged.
    pub all_logged: Option<Figures>,
    /// Share of the calls that `all` speaks of.
    pub all_covers: f64,
    /// One by one, those of most calls first.
    pub categories: Vec<CategoryEvaluation>,
}

/// The same of one category.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CategoryEvaluation {
    /// Which.
    pub category: TaskCategory,
    /// How far the logged decisions and those of the policy meet.
    pub overlap: Overlap,
    /// What the calls came to as they were logged.
    pub logged: Option<Figures>,
    /// What they would come to; none where too few calls tell.
    pub estimated: Option<Figures>,
    /// Why there is no estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_enough_overlap: Option<NotEnough>,
    /// What the policy picks and no logged decision of like complexity ever put first: the most frequent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never_tried: Vec<NeverTried>,
}

/// A model of which the calls say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NeverTried {
    /// Which.
    pub deployment: String,
    /// Calls that the policy would give it.
    pub calls: u64,
}

/// Asks the policy about every logged call, as if all models could be called and nothing were spent today.
#[must_use]
pub fn evaluate(router: &Router, logged: &[Alike]) -> Evaluation {
    let tried: BTreeSet<_> = logged.iter().map(|one| cell(one, &one.first)).collect();
    let mut by_category: BTreeMap<TaskCategory, Seen<'_>> = BTreeMap::new();
    let mut refusals: BTreeMap<String, u64> = BTreeMap::new();
    for one in logged {
        let odds = match router.odds(&one.request, &Offline, AFTER_ALL) {
            Ok(odds) => odds,
            Err(refusal) => {
                *refusals.entry(refusal.to_string()).or_default() += one.tally.calls;
                continue;
            }
        };
        let id = |place: usize| {
            router.policy_snapshot().deployments.get(place).map_or("", |deployment| deployment.id.as_str())
        };
        let odd =
            odds.iter().find(|odd| id(odd.deployment) == one.first).map_or(0.0, |odd| odd.probability());
        let best = odds.first().map_or("", |odd| id(odd.deployment));
        let seen = by_category.entry(one.category).or_default();
        let known = tried.contains(&cell(one, best));
        if !known {
            *seen.never_tried.entry(best.to_owned()).or_default() += one.tally.calls;
        }
        // A decision that was certain says that nothing else could have been chosen.
        let hopeless = odd == 0.0 && (!known || one.probability >= 1.0);
        seen.calls.push(Weighted {
            weight: odd / one.probability.clamp(f64::MIN_POSITIVE, 1.0),
            hopeless,
            tally: &one.tally,
        });
    }
    let mut categories: Vec<_> =
        by_category.into_iter().map(|(category, seen)| of_category(category, seen)).collect();
    categories.sort_by_key(|one| std::cmp::Reverse(one.overlap.calls));
    let all = together(&categories);
    Evaluation {
        calls: logged.iter().map(|one| one.tally.calls).sum(),
        refused: refusals.values().sum(),
        refusal: refusals.into_iter().max_by_key(|(_, calls)| *calls).map(|(sentence, _)| sentence),
        all: all.estimated,
        all_logged: all.logged,
        all_covers: all.covers,
        categories,
    }
}

/// What is ranked alike.
fn cell<'a>(one: &Alike, deployment: &'a str) -> (TaskCategory, Band, &'a str) {
    (one.category, Band::of(one.complexity), deployment)
}

/// The calls of one category.
#[derive(Default)]
struct Seen<'a> {
    calls: Vec<Weighted<'a>>,
    never_tried: BTreeMap<String, u64>,
}

fn of_category(category: TaskCategory, seen: Seen<'_>) -> CategoryEvaluation {
    let (overlap, estimated) = estimate(&seen.calls);
    let as_they_were: Vec<_> =
        seen.calls.iter().map(|one| Weighted { weight: 1.0, hopeless: false, ..*one }).collect();
    let mut never_tried: Vec<_> =
        seen.never_tried.into_iter().map(|(deployment, calls)| NeverTried { deployment, calls }).collect();
    never_tried.sort_by_key(|one| std::cmp::Reverse(one.calls));
    never_tried.truncate(TOLD);
    let (estimated, not_enough_overlap) = match estimated {
        Ok(figures) => (Some(figures), None),
        Err(why) => (None, Some(why)),
    };
    let logged = estimate::figures(&as_they_were);
    CategoryEvaluation { category, overlap, logged, estimated, not_enough_overlap, never_tried }
}
