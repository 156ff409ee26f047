//! From rows of the scoreboard to what a snapshot says of each deployment. Pure.
//!
//! Figures are as coarse as a decision can bear: a snapshot that is published anew for each call that finished would be one
//! for every sidecar and every two minutes, all day.

use std::collections::BTreeMap;
use std::sync::Arc;

use vox_contracts::generated::routing::{
    CONTEXT_UTILISATION_TIMES, MIN_JUDGED_CALLS, SCOREBOARD_HALF_LIFE, SCOREBOARD_ROUTING_WINDOW_DAYS,
};
use vox_contracts::{TaskCategory, UsdPerMTok};
use vox_routing::snapshot::{Decayed, Evidence, Penalty, Quarantine};
use vox_routing::{Billed, Record};
use vox_store::evidence::{BilledPrice, PenaltyHeld, QuarantineHeld, Scored};

/// What happened, at all servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Observations {
    servers: BTreeMap<String, Arc<Server>>,
}

/// What happened at one server, by model id.
pub(crate) type Server = BTreeMap<String, Record>;

impl Observations {
    /// `scored` is of all windows; those of one category stand together.
    pub(crate) fn of(
        scored: &[Scored],
        penalties: &[PenaltyHeld],
        quarantines: &[QuarantineHeld],
        billed: &[BilledPrice],
    ) -> Self {
        let mut servers: BTreeMap<String, Server> = BTreeMap::new();
        let same = |a: &Scored, b: &Scored| a.model_key == b.model_key && a.category == b.category;
        for cell in scored.chunk_by(same) {
            if let (Some(evidence), Some(first)) = (evidence(cell), cell.first())
                && let Some(record) = record(&mut servers, &first.model_key)
            {
                record.evidence.push(evidence);
            }
        }
        for held in penalties {
            // What another version of the operator calls a category is nothing that this one could route.
            let Ok(category) = held.category.parse() else { continue };
            if let Some(record) = record(&mut servers, &held.model_key) {
                let until_unix_ms = u64::try_from(held.until.as_millisecond()).unwrap_or_default();
                record.penalties.push(Penalty { category, until_unix_ms });
            }
        }
        for held in quarantines {
            let Ok(category) = held.category.parse() else { continue };
            if let Some(record) = record(&mut servers, &held.model_key) {
                let (was_per_mille, is_per_mille) = (held.was_per_mille, held.is_per_mille);
                record.quarantines.push(Quarantine { category, was_per_mille, is_per_mille });
            }
        }
        for price in billed {
            let Some(billed) = billed_at(price) else { continue };
            if let Some(record) = record(&mut servers, &price.model_key) {
                record.billed = Some(billed);
            }
        }
        Self { servers: servers.into_iter().map(|(name, server)| (name, Arc::new(server))).collect() }
    }

    /// What happened at a server, if anything did.
    pub(crate) fn at(&self, server: &str) -> Option<&Arc<Server>> {
        self.servers.get(server)
    }

    /// The servers of which `other` says something else.
    pub(crate) fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let names = self.servers.keys().chain(other.servers.keys().filter(|name| self.at(name).is_none()));
        names.filter(|name| self.at(name) != other.at(name)).map(String::as_str).collect()
    }

    /// Takes the place of what was known, unless the only difference is that penalties have ended: a sidecar knows when they
    /// end, and must not be sent a snapshot for it.
    pub(crate) fn after(self, known: &Self, now_unix_ms: u64) -> Self {
        if known.without_ended(now_unix_ms) == self { known.clone() } else { self }
    }

    fn without_ended(&self, now_unix_ms: u64) -> Self {
        let held = |record: &Record| {
            let mut record = record.clone();
            record.penalties.retain(|penalty| penalty.until_unix_ms > now_unix_ms);
            record
        };
        let nothing = Record::default();
        let server = |server: &Server| {
            let records = server.iter().map(|(id, record)| (id.clone(), held(record)));
            records.filter(|(_, record)| *record != nothing).collect::<Server>()
        };
        let servers = self.servers.iter().map(|(name, all)| (name.clone(), server(all)));
        Self {
            servers: servers
                .filter(|(_, server)| !server.is_empty())
                .map(|(name, server)| (name, Arc::new(server)))
                .collect(),
        }
    }
}

/// The record of a model; none for a key that is none.
fn record<'a>(servers: &'a mut BTreeMap<String, Server>, key: &str) -> Option<&'a mut Record> {
    let (server, model) = key.split_once('/')?;
    Some(servers.entry(server.to_owned()).or_default().entry(model.to_owned()).or_default())
}

/// One model in one category, from its windows.
fn evidence(cell: &[Scored]) -> Option<Evidence> {
    let category: TaskCategory = cell.first()?.category.parse().ok()?;
    let routing = cell.iter().find(|one| one.window_days == SCOREBOARD_ROUTING_WINDOW_DAYS);
    let (calls, successes) = routing.map_or((0, 0), |one| (one.calls, one.successes));
    let decayed = decayed(cell);
    if calls == 0 && decayed.is_none() {
        return None;
    }
    let above = routing.map_or(0, |one| one.context_above);
    Some(Evidence {
        category,
        calls: coarse(calls),
        success_per_mille: share(successes, calls),
        quality_per_mille: routing
            .filter(|one| one.judged >= MIN_JUDGED_CALLS)
            .and_then(|one| one.quality)
            .and_then(per_mille),
        p50_ms: routing.and_then(|one| one.p50_latency_ms).map(coarse),
        judged: coarse(routing.map_or(0, |one| one.judged)),
        context_above: above.min(u64::from(CONTEXT_UTILISATION_TIMES)),
        decayed,
    })
}

/// The calls of all windows by half-life: those that lie between two windows' beginnings count as if they were of the
/// middle.
fn decayed(cell: &[Scored]) -> Option<Decayed> {
    let mut windows: Vec<&Scored> = cell.iter().collect();
    windows.sort_by_key(|one| one.window_days);
    let half_life = SCOREBOARD_HALF_LIFE.as_secs_f64() / 86_400.0;
    let (mut calls, mut successes) = (0.0_f64, 0.0_f64);
    let mut before: Option<&Scored> = None;
    for window in windows {
        let (days, known, won) = before.map_or((0, 0, 0), |it| (it.window_days, it.calls, it.successes));
        let age = (f64::from(days) + f64::from(window.window_days)) / 2.0;
        let weight = (-age / half_life).exp2();
        calls += weight * as_float(window.calls.saturating_sub(known));
        successes += weight * as_float(window.successes.saturating_sub(won));
        before = Some(window);
    }
    let whole = whole(calls)?;
    let success = whole_per_mille(successes / calls);
    (whole > 0).then_some(Decayed { calls: coarse(whole), success_per_mille: success })
}

/// Two digits: below a hundred all is exact, so that a least number of calls is.
fn coarse(number: u64) -> u64 {
    let mut step = 1;
    while number / step >= 100 {
        step *= 10;
    }
    number / step * step
}

pub(super) fn share(part: u64, whole: u64) -> u32 {
    let per_mille = u128::from(part) * 1000 / u128::from(whole.max(1));
    u32::try_from(per_mille).unwrap_or(1000).min(1000)
}

fn per_mille(share: f64) -> Option<u32> {
    share.is_finite().then(|| whole_per_mille(share))
}

fn whole_per_mille(share: f64) -> u32 {
    whole((share * 1000.0).clamp(0.0, 1000.0)).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

#[allow(clippy::cast_precision_loss, reason = "a count of calls has room in 53 bits")]
const fn as_float(count: u64) -> f64 {
    count as f64
}

/// To the nearest whole number.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "finite, not negative, and far below 2⁶⁴"
)]
fn whole(number: f64) -> Option<u64> {
    (number.is_finite() && number >= 0.0).then(|| number.round() as u64)
}

fn billed_at(price: &BilledPrice) -> Option<Billed> {
    let read = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<UsdPerMTok>().ok());
    Some(Billed {
        input_usd_per_mtok: read(&price.input_usd_per_mtok),
        output_usd_per_mtok: read(&price.output_usd_per_mtok),
        blended_usd_per_mtok: price.blended_usd_per_mtok.parse().ok()?,
        listed_usd_per_mtok: read(&price.listed_usd_per_mtok),
    })
}

#[cfg(test)]
mod tests;
