//! The scoreboard once more, by other means: from the calls in memory, in plain Rust.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vox_contracts::scoreboard::ScoreboardRow;

use crate::raw::{Call, Feedback, provider};

/// Model, category, provider; none in a group over them.
pub(crate) type Key = [Option<String>; 3];

/// A row's figures: whole numbers, and those that may differ in the last digits.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Figures {
    pub(crate) whole: BTreeMap<&'static str, Option<i128>>,
    pub(crate) real: BTreeMap<&'static str, Option<f64>>,
    pub(crate) source: Option<String>,
}

impl Figures {
    pub(crate) fn is_close_to(&self, other: &Self) -> bool {
        let close = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-8,
            (a, b) => a == b,
        };
        self.whole == other.whole
            && self.source == other.source
            && self.real.keys().eq(other.real.keys())
            && self.real.values().zip(other.real.values()).all(close)
    }
}

/// The first moment of a window: so many days before the hour that runs.
pub(crate) fn window_begin(now: Timestamp, days: i64) -> Timestamp {
    let second = now.as_second();
    Timestamp::from_second(second - second % 3600 - days * 86_400).unwrap()
}

#[derive(Default)]
struct Cell<'a> {
    own: Vec<&'a Call>,
    in_vain: i128,
}

pub(crate) fn recompute(
    calls: &[Call],
    begin: Timestamp,
    key: impl Fn(&str, &str) -> Key,
) -> BTreeMap<Key, Figures> {
    let mut cells = BTreeMap::<Key, Cell<'_>>::new();
    for call in calls.iter().filter(|call| call.started >= begin) {
        let Some(category) = call.category.as_deref() else { continue };
        let outcome = call.outcome.as_str();
        if let Some(model) = call.model.as_deref()
            && ["answered", "failed", "cut"].contains(&outcome)
        {
            cells.entry(key(model, category)).or_default().own.push(call);
        }
        if ["answered", "failed", "cut", "cancelled"].contains(&outcome) {
            let others = call.attempts.iter().filter(|try_| try_.outcome == "failed");
            let others: BTreeSet<&str> = others
                .map(|try_| try_.model.as_str())
                .filter(|model| call.model.as_deref() != Some(model))
                .collect();
            for model in others {
                cells.entry(key(model, category)).or_default().in_vain += 1;
            }
        }
    }
    cells.into_iter().map(|(key, cell)| (key, figures(&cell))).collect()
}

fn figures(cell: &Cell<'_>) -> Figures {
    let own = &cell.own;
    let stands = |call: &&Call| call.signal.is_none() || judgement(call).is_some();
    let good: Vec<&Call> =
        own.iter().copied().filter(|call| call.outcome == "answered").filter(stands).collect();
    let (calls, successes) = (own.len() as i128 + cell.in_vain, good.len() as i128);
    let latencies: Vec<i64> = good.iter().map(|call| call.latency).collect();
    let firsts: Vec<i64> = good.iter().filter_map(|call| call.first_token).collect();
    let per_token: Vec<f64> = good
        .iter()
        .filter_map(|call| match (call.first_token, call.output) {
            (Some(first), Some(output)) if output > 1 => {
                Some((call.latency - first) as f64 / (output - 1) as f64)
            }
            _ => None,
        })
        .collect();
    let cost = own.iter().map(|call| call.cost.map(i128::from)).sum::<Option<i128>>();
    let judged: Vec<f64> = own.iter().filter_map(|call| judgement(call)).collect();
    let contexts: Vec<f64> = own.iter().filter_map(|call| call.context).collect();
    let mean = |all: &[f64]| (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
    let sum =
        |of: fn(&Call) -> Option<i64>| Some(own.iter().filter_map(|call| of(call)).map(i128::from).sum());
    // Half a pico-USD is rounded up.
    let per_success = cost.filter(|_| successes > 0).map(|cost| (2 * cost + successes) / (2 * successes));
    let source = (!judged.is_empty()).then_some("feedback");
    Figures {
        whole: BTreeMap::from([
            ("calls", Some(calls)),
            ("successes", Some(successes)),
            ("p50", percentile(latencies.clone(), 50)),
            ("p99", percentile(latencies, 99)),
            ("first p50", percentile(firsts.clone(), 50)),
            ("first p99", percentile(firsts, 99)),
            ("cost", cost),
            ("cost per success", per_success),
            ("judged", Some(judged.len() as i128)),
            ("input", sum(|call| call.input)),
            ("output", sum(|call| call.output)),
            ("savings", sum(|call| call.savings)),
            ("crowded", Some(contexts.iter().filter(|context| **context > 0.8).count() as i128)),
            ("abstentions", Some(own.iter().filter(|call| abstained(call)).count() as i128)),
        ]),
        real: BTreeMap::from([
            ("success rate", Some(successes as f64 / calls as f64)),
            ("token p50", middle(per_token)),
            ("quality", mean(&judged)),
            ("context", mean(&contexts)),
        ]),
        source: source.map(str::to_owned),
    }
}

/// The smallest value that so many hundredths of all do not exceed.
fn percentile(mut all: Vec<i64>, hundredths: usize) -> Option<i128> {
    all.sort_unstable();
    let place = (all.len() * hundredths).div_ceil(100);
    all.get(place.checked_sub(1)?).copied().map(i128::from)
}

fn middle(mut all: Vec<f64>) -> Option<f64> {
    all.sort_unstable_by(f64::total_cmp);
    let place = all.len().div_ceil(2);
    all.get(place.checked_sub(1)?).copied()
}

/// What a call is worth, where somebody said so.
fn judgement(call: &Call) -> Option<f64> {
    let worth = |feedback: &Feedback| {
        let signed = feedback.score.or(feedback.thumb.map(f64::from))?;
        Some((signed + 1.0) / 2.0)
    };
    let said: Vec<f64> = call.feedback.iter().filter_map(worth).collect();
    (!said.is_empty()).then(|| said.iter().sum::<f64>() / said.len() as f64)
}

fn abstained(call: &Call) -> bool {
    call.feedback.iter().any(|feedback| feedback.abstain == Some(true))
}

/// What the store says, in the same form.
pub(crate) fn shown(rows: &[ScoreboardRow], key: impl Fn(&str, &str) -> Key) -> BTreeMap<Key, Figures> {
    let as_pico = |usd: vox_contracts::price::Usd| {
        let decimal = usd.as_decimal();
        decimal.mantissa() * 10_i128.pow(12 - decimal.scale())
    };
    let figures = |row: &ScoreboardRow| Figures {
        whole: BTreeMap::from([
            ("calls", Some(row.calls.into())),
            ("successes", Some(row.successes.into())),
            ("p50", row.p50_latency_ms.map(i128::from)),
            ("p99", row.p99_latency_ms.map(i128::from)),
            ("first p50", row.p50_first_token_ms.map(i128::from)),
            ("first p99", row.p99_first_token_ms.map(i128::from)),
            ("cost", row.cost_usd.map(as_pico)),
            ("cost per success", row.cost_per_success_usd.map(as_pico)),
            ("judged", Some(row.judged.into())),
            ("input", Some(row.input_tokens.into())),
            ("output", Some(row.output_tokens.into())),
            ("savings", Some(as_pico(row.cache_savings_usd))),
            ("crowded", Some(row.context_above.into())),
            ("abstentions", Some(row.abstentions.into())),
        ]),
        real: BTreeMap::from([
            ("success rate", Some(row.success_rate)),
            ("token p50", row.p50_token_ms),
            ("quality", row.quality),
            ("context", row.context_utilisation),
        ]),
        source: row.quality_source.clone(),
    };
    let keyed = |row: &ScoreboardRow| {
        // A group's key has what it is a group by; the recomputation's function puts it into the same form.
        let provider = row.provider.clone().unwrap_or_default();
        let model = row.model_key.clone().unwrap_or_else(|| format!("{provider}/"));
        key(&model, row.category.as_deref().unwrap_or_default())
    };
    rows.iter().map(|row| (keyed(row), figures(row))).collect()
}

pub(crate) fn each(model: &str, category: &str) -> Key {
    [Some(model.to_owned()), Some(category.to_owned()), None]
}

pub(crate) fn by_provider(model: &str, _: &str) -> Key {
    [None, None, Some(provider(model).to_owned())]
}

pub(crate) fn by_model(model: &str, _: &str) -> Key {
    [Some(model.to_owned()), None, None]
}

pub(crate) fn by_category(_: &str, category: &str) -> Key {
    [None, Some(category.to_owned()), None]
}
