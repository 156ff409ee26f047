//! The scoreboard for people.

use vox_contracts::price::Usd;
use vox_contracts::scoreboard::{Scoreboard, ScoreboardRow, TierShare};

use crate::args::Group;
use crate::table::{or_none, table};

const PLAIN: [&str; 11] = [
    "MODEL",
    "CATEGORY",
    "PROVIDER",
    "CALLS",
    "SUCCESS",
    "P50",
    "P99",
    "FIRST P50",
    "$/SUCCESS",
    "$ TOTAL",
    "QUALITY",
];
const CACHE: [&str; 3] = ["CACHE READ", "CACHE WRITTEN", "$ SAVED"];

pub(super) fn text(board: &Scoreboard, group: Option<Group>, with_cache: bool) -> String {
    let mut text = if with_cache {
        let headers: [&str; 14] = joined(PLAIN, CACHE);
        let rows: Vec<[String; 14]> =
            board.rows.iter().map(|row| joined(plain(row, group), cache(row))).collect();
        table(headers, &rows)
    } else {
        table(PLAIN, &board.rows.iter().map(|row| plain(row, group)).collect::<Vec<_>>())
    };
    if group == Some(Group::Provider) {
        text.push('\n');
        text.push_str(&tiers(&board.tiers));
    }
    text
}

fn joined<T: Default, const A: usize, const B: usize, const N: usize>(a: [T; A], b: [T; B]) -> [T; N] {
    let mut all = a.into_iter().chain(b);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}

fn plain(row: &ScoreboardRow, group: Option<Group>) -> [String; 11] {
    let over = |own: Group, name: &Option<String>| match group {
        Some(group) if group != own => "all".to_owned(),
        _ => or_none(name.clone()),
    };
    let provider = match group {
        Some(Group::Category) => "all".to_owned(),
        _ => or_none(row.provider.clone()),
    };
    let quality = row.quality.map(|quality| {
        let source = row.quality_source.as_deref().unwrap_or("?");
        format!("{quality:.2} ({} by {source})", row.judged)
    });
    [
        over(Group::Model, &row.model_key),
        over(Group::Category, &row.category),
        provider,
        row.calls.to_string(),
        percent(row.successes, row.calls),
        or_none(row.p50_latency_ms.map(|ms| format!("{ms}ms"))),
        or_none(row.p99_latency_ms.map(|ms| format!("{ms}ms"))),
        or_none(row.p50_first_token_ms.map(|ms| format!("{ms}ms"))),
        cost(row.cost_per_success_usd, "-"),
        cost(row.cost_usd, "?"),
        or_none(quality),
    ]
}

fn cache(row: &ScoreboardRow) -> [String; 3] {
    [
        row.cache_read_tokens.to_string(),
        row.cache_write_tokens.to_string(),
        cost(Some(row.cache_savings_usd), "?"),
    ]
}

fn tiers(shares: &[TierShare]) -> String {
    let cells: Vec<[String; 4]> = shares
        .iter()
        .map(|share| {
            let all =
                shares.iter().filter(|other| other.provider == share.provider).map(|other| other.calls).sum();
            let tier = share.tier.clone().unwrap_or_else(|| "not listed".to_owned());
            [or_none(share.provider.clone()), tier, share.calls.to_string(), percent(share.calls, all)]
        })
        .collect();
    table(["PROVIDER", "TIER", "CALLS", "SHARE"], &cells)
}

/// To a tenth of a per cent, and never 100 where something is missing.
pub(in crate::commands) fn percent(part: u64, all: u64) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    let per_mille = u128::from(part) * 1000 / u128::from(all);
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}

/// To three digits that say something; what is unknown is not zero.
pub(in crate::commands) fn cost(usd: Option<Usd>, unknown: &str) -> String {
    usd.map_or_else(
        || unknown.to_owned(),
        |usd| {
            let decimal = usd.as_decimal();
            decimal.round_sf(3).unwrap_or(decimal).normalize().to_string()
        },
    )
}

#[cfg(test)]
pub(in crate::commands) mod tests {
    use super::*;

    pub(in crate::commands) fn row(
        model: &str,
        calls: u64,
        successes: u64,
        cost: Option<&str>,
    ) -> ScoreboardRow {
        serde_json::from_value(serde_json::json!({
            "modelKey": model, "category": "codegen", "strength": "codegen", "provider": "openrouter", "windowDays": 7,
            "calls": calls, "successes": successes, "successRate": 0.5, "p50LatencyMs": 812, "p99LatencyMs": 4100,
            "p50FirstTokenMs": 210, "p99FirstTokenMs": 900, "p50TokenMs": 12.25, "costUsd": cost,
            "costPerSuccessUsd": cost.map(|_| "0.00123456789"), "quality": 0.75, "qualitySource": "feedback", "judged": 4,
            "inputTokens": 1000, "outputTokens": 500, "cacheReadTokens": 700, "cacheWriteTokens": 20,
            "cacheSavingsUsd": "-0.000002", "contextUtilisation": 0.125, "contextAbove": 1, "abstentions": 0,
            "firstAt": "2026-11-25T10:00:00Z", "lastAt": "2026-11-26T10:00:00.000001Z",
        }))
        .unwrap()
    }

    fn board() -> Scoreboard {
        let mut unknown = row("ollama.shop.svc/b", 3, 0, None);
        (unknown.quality, unknown.p50_latency_ms, unknown.provider) = (None, None, None);
        let share = |tier: Option<&str>, calls| TierShare {
            provider: Some("openrouter".to_owned()),
            tier: tier.map(str::to_owned),
            calls,
        };
        Scoreboard {
            window_days: 7,
            rolled_up_until: None,
            rows: vec![row("openrouter/maker/a", 2000, 1999, Some("2.468")), unknown],
            tiers: vec![share(Some("economy"), 3), share(None, 1)],
        }
    }

    #[test]
    fn what_is_unknown_is_told_from_nothing() {
        insta::assert_snapshot!(text(&board(), None, false));
    }

    #[test]
    fn a_group_by_provider_has_its_price_classes_and_with_cache_what_was_saved() {
        insta::assert_snapshot!(text(&board(), Some(Group::Provider), true));
    }
}
