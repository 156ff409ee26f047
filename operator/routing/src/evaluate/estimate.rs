//! Inverse propensity weighting, self-normalised. Numbers only.
//!
//! A call's weight is how much likelier the new policy is to make this first choice than the logged decision was; 0 where it
//! would not make it at all. The weighted mean of what came of the calls is what the new policy comes to, as far as the
//! logged decisions could have been its own: the weights of all calls then are 1 in the mean, and where they are less, a
//! part of the calls says nothing. No weight counts more than a thirtieth of all calls, so that no single one decides.

use std::fmt;

use serde::Serialize;
use vox_contracts::generated::routing::MIN_EVIDENCE_CALLS;

use super::CategoryEvaluation;

/// Nineteen of twenty such intervals have the truth.
const DEVIATIONS: f64 = 1.96;

/// An estimate has at least so many calls behind it, as many as a record that counts.
const LEAST_EFFECTIVE: f64 = MIN_EVIDENCE_CALLS as f64;

/// At least this share of the calls has to be able to tell something.
const LEAST_COVERED: f64 = 0.9;

/// Calls that were decided alike, with their weight.
#[derive(Debug, Clone, Copy)]
pub struct Weighted<'a> {
    /// Probability of this first choice under the new policy, divided by that under which it was made.
    pub weight: f64,
    /// Whether it is known that what the new policy would choose here could not be logged.
    pub hopeless: bool,
    /// What they came to.
    pub tally: &'a Tally,
}

/// What calls came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// How many.
    pub calls: u64,
    /// Successes among them.
    pub successes: u64,
    /// Those that took more than one try.
    pub fell_back: u64,
    /// What calls cost, in USD, all their tries together; only those where that is known.
    pub cost_usd: Sums,
    /// How long successes took, in milliseconds.
    pub latency_ms: Sums,
}

/// Enough of some numbers to know their mean and their spread.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

/// A mean, and between which figures it is in nineteen of twenty cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// The mean.
    pub mean: f64,
    /// Not below.
    pub low: f64,
    /// Not above.
    pub high: f64,
}

/// What calls come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Share of calls that succeed.
    pub success: Figure,
    /// USD a call; none where it is known of too few.
    pub cost_usd: Option<Figure>,
    /// Milliseconds a success; none where there are too few.
    pub latency_ms: Option<Figure>,
}

/// How far logged decisions and those of a policy meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overlap {
    /// All calls.
    pub calls: u64,
    /// Those whose first choice the policy might make too.
    pub matched: u64,
    /// Those of them that took more than one try: what came after the first is as it was logged.
    pub fell_back: u64,
    /// How many calls of equal weight the matched ones are worth.
    pub effective_calls: f64,
    /// Share of the calls of which it is not known that what the policy would choose could not be logged.
    pub covered: f64,
    /// Mean of all weights; 1 where everything that the policy would choose had its chance.
    pub mean_weight: f64,
    /// No weight counts more than this.
    pub clipped_at: f64,
    /// Calls whose weight was more.
    pub clipped: u64,
}

/// Why nothing is estimated. All shares are 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "reason")]
pub enum NotEnough {
    /// No logged decision chose what the policy would.
    NoneMatched,
    /// For too many calls what the policy would choose could not be logged.
    Uncovered {
        /// Their share.
        share: f64,
    },
    /// Too few calls match.
    #[serde(rename_all = "camelCase")]
    TooFew {
        /// What they are worth.
        effective_calls: f64,
    },
    /// The weights say that a part of what the policy would choose had no chance.
    #[serde(rename_all = "camelCase")]
    TooLight {
        /// Their mean, which should be 1.
        mean_weight: f64,
    },
}

impl fmt::Display for NotEnough {
    /// A sentence without a full stop, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneMatched => f.write_str("no call was ever given to what the policy would choose"),
            Self::Uncovered { share } => write!(
                f,
                "for {:.0} % of the calls nothing could be logged about what the policy would choose",
                share * 100.0
            ),
            Self::TooFew { effective_calls } => write!(
                f,
                "the calls that match are worth {effective_calls:.0}, and {LEAST_EFFECTIVE} are the least"
            ),
            Self::TooLight { mean_weight } => write!(
                f,
                "what the policy would choose had its chance in only about {:.0} % of the calls",
                mean_weight * 100.0
            ),
        }
    }
}

/// What calls would come to, or why that cannot be told.
pub fn estimate(calls: &[Weighted<'_>]) -> (Overlap, Result<Figures, NotEnough>) {
    let all: u64 = calls.iter().map(|one| one.tally.calls).sum();
    let clipped_at = (float(all) / LEAST_EFFECTIVE).max(1.0);
    let count = |only: &dyn Fn(&Weighted<'_>) -> bool, of: &dyn Fn(&Tally) -> u64| -> u64 {
        calls.iter().filter(|one| only(one)).map(|one| of(one.tally)).sum()
    };
    let matches = |one: &Weighted<'_>| one.weight > 0.0;
    let clipped = count(&|one| one.weight > clipped_at, &|tally| tally.calls);
    let kept: Vec<Weighted<'_>> =
        calls.iter().map(|one| Weighted { weight: one.weight.min(clipped_at), ..*one }).collect();
    let mass = Mass::of(&kept, |tally| tally.calls);
    let uncovered = share(count(&|one| one.hopeless, &|tally| tally.calls), all);
    let overlap = Overlap {
        calls: all,
        matched: count(&matches, &|tally| tally.calls),
        fell_back: count(&matches, &|tally| tally.fell_back),
        effective_calls: mass.effective(),
        covered: 1.0 - uncovered,
        mean_weight: if all == 0 { 0.0 } else { mass.weight / float(all) },
        clipped_at,
        clipped,
    };
    let figures = overlap.suffices(mass).and_then(|()| figures(&kept).ok_or(NotEnough::NoneMatched));
    (overlap, figures)
}

impl Overlap {
    fn suffices(&self, mass: Mass) -> Result<(), NotEnough> {
        if self.matched == 0 {
            return Err(NotEnough::NoneMatched);
        }
        if self.covered < LEAST_COVERED {
            return Err(NotEnough::Uncovered { share: 1.0 - self.covered });
        }
        if self.effective_calls < LEAST_EFFECTIVE {
            return Err(NotEnough::TooFew { effective_calls: self.effective_calls });
        }
        // The mean is itself known only as well as the weights let it.
        let calls = float(self.calls);
        let variance = (mass.squares / calls - self.mean_weight.powi(2)).max(0.0) / calls;
        if self.mean_weight + DEVIATIONS * variance.sqrt() < LEAST_COVERED {
            return Err(NotEnough::TooLight { mean_weight: self.mean_weight });
        }
        Ok(())
    }
}

/// Weighted figures, whatever the overlap; none without a call that weighs anything.
pub(super) fn figures(calls: &[Weighted<'_>]) -> Option<Figures> {
    Some(Figures {
        success: success(calls)?,
        cost_usd: mean(calls, |tally| &tally.cost_usd),
        latency_ms: mean(calls, |tally| &tally.latency_ms),
    })
}

/// Weights of calls, summed.
#[derive(Debug, Clone, Copy)]
struct Mass {
    weight: f64,
    squares: f64,
}

impl Mass {
    fn of(calls: &[Weighted<'_>], count: impl Fn(&Tally) -> u64) -> Self {
        calls.iter().fold(Self { weight: 0.0, squares: 0.0 }, |sum, one| {
            let count = float(count(one.tally));
            Self {
                weight: sum.weight + one.weight * count,
                squares: sum.squares + one.weight.powi(2) * count,
            }
        })
    }

    /// How many calls of equal weight they are worth.
    fn effective(self) -> f64 {
        if self.squares > 0.0 { self.weight.powi(2) / self.squares } else { 0.0 }
    }
}

/// Wilson's interval at the calls' worth: of ten that all succeeded nobody knows that all do. Where those of most weight
/// differ from the others, they are worth less.
fn success(calls: &[Weighted<'_>]) -> Option<Figure> {
    let mass = Mass::of(calls, |tally| tally.calls);
    if mass.weight <= 0.0 {
        return None;
    }
    let weighed: f64 = calls.iter().map(|one| one.weight * float(one.tally.successes)).sum();
    let mean = (weighed / mass.weight).clamp(0.0, 1.0);
    let spread: f64 = calls
        .iter()
        .map(|one| {
            let (won, all) = (float(one.tally.successes), float(one.tally.calls));
            one.weight.powi(2) * (won * (1.0 - mean).powi(2) + (all - won) * mean.powi(2))
        })
        .sum();
    let variance = spread / mass.weight.powi(2);
    let told = if variance > 0.0 { mean * (1.0 - mean) / variance } else { f64::INFINITY };
    let worth = mass.effective().min(told).max(f64::MIN_POSITIVE);
    let z2 = DEVIATIONS.powi(2);
    let middle = (mean + z2 / (2.0 * worth)) / (1.0 + z2 / worth);
    let width =
        DEVIATIONS * (mean * (1.0 - mean) / worth + z2 / (4.0 * worth.powi(2))).sqrt() / (1.0 + z2 / worth);
    // Rounding must not put the mean outside.
    Some(Figure { mean, low: (middle - width).clamp(0.0, mean), high: (middle + width).clamp(mean, 1.0) })
}

/// The weighted mean of numbers that are not negative; none where too few calls tell them.
fn mean(calls: &[Weighted<'_>], of: impl Fn(&Tally) -> &Sums) -> Option<Figure> {
    let mass = Mass::of(calls, |tally| of(tally).count);
    let worth = mass.effective();
    if worth < LEAST_EFFECTIVE {
        return None;
    }
    let mean = calls.iter().map(|one| one.weight * of(one.tally).sum).sum::<f64>() / mass.weight;
    let spread: f64 = calls
        .iter()
        .map(|one| {
            let sums = of(one.tally);
            let squares = sums.squares - 2.0 * mean * sums.sum + mean.powi(2) * float(sums.count);
            one.weight.powi(2) * squares.max(0.0)
        })
        .sum();
    // As many degrees of freedom as there are calls less one; Student's figure is larger than the normal one by so much.
    let variance = spread / mass.weight.powi(2) * worth / (worth - 1.0);
    let width = (DEVIATIONS + 2.4 / (worth - 1.0)) * variance.sqrt();
    Some(Figure { mean, low: (mean - width).max(0.0), high: mean + width })
}

/// All categories that have an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Together {
    /// What they would come to; none where they are too small a part.
    pub estimated: Option<Figures>,
    /// The same calls as they were logged.
    pub logged: Option<Figures>,
    /// Which part of all calls they are.
    pub covers: f64,
}

/// Puts categories together, weighed by their calls.
#[must_use]
pub fn together(categories: &[CategoryEvaluation]) -> Together {
    let all: u64 = categories.iter().map(|one| one.overlap.calls).sum();
    let told: Vec<_> =
        categories.iter().filter_map(|one| Some((one.overlap.calls, one.logged?, one.estimated?))).collect();
    let covers = share(told.iter().map(|(calls, _, _)| calls).sum(), all);
    if told.is_empty() || covers < LEAST_COVERED {
        return Together { estimated: None, logged: None, covers };
    }
    let of = |which: &dyn Fn(&(u64, Figures, Figures)) -> Figures| {
        let each: Vec<(u64, Figures)> = told.iter().map(|one| (one.0, which(one))).collect();
        Figures {
            success: sum(each.iter().map(|(calls, figures)| (*calls, Some(figures.success))))
                .map(|sum| Figure { high: sum.high.min(1.0), ..sum })
                .unwrap_or(Figure { mean: 0.0, low: 0.0, high: 1.0 }),
            cost_usd: sum(each.iter().map(|(calls, figures)| (*calls, figures.cost_usd))),
            latency_ms: sum(each.iter().map(|(calls, figures)| (*calls, figures.latency_ms))),
        }
    };
    Together { estimated: Some(of(&|one| one.2)), logged: Some(of(&|one| one.1)), covers }
}

/// The mean of means, each with its own width; none where one of them is not known.
fn sum(each: impl Iterator<Item = (u64, Option<Figure>)>) -> Option<Figure> {
    let each = each.map(|(calls, figure)| Some((float(calls), figure?))).collect::<Option<Vec<_>>>()?;
    let all: f64 = each.iter().map(|(calls, _)| calls).sum();
    let mean = each.iter().map(|(calls, figure)| calls / all * figure.mean).sum::<f64>();
    let squared = |side: &dyn Fn(&Figure) -> f64| {
        each.iter().map(|(calls, one)| (calls / all * side(one)).powi(2)).sum::<f64>()
    };
    let (below, above) =
        (squared(&|one| one.mean - one.low).sqrt(), squared(&|one| one.high - one.mean).sqrt());
    Some(Figure { mean, low: (mean - below).max(0.0), high: mean + above })
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

#[allow(clippy::cast_precision_loss, reason = "a count of calls has room in 53 bits")]
const fn float(count: u64) -> f64 {
    count as f64
}
