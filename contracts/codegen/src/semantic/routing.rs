//! `model-routing.v1.yaml`.

use std::collections::BTreeSet;

use super::Findings;
use crate::load::Contracts;
use crate::model::{Condition, Identity, RequestCondition, Routing, Throttle};

/// The document's name.
pub(crate) const FILE: &str = "model-routing.v1.yaml";

pub(crate) fn check(contracts: &Contracts) -> Findings {
    let routing = &contracts.routing;
    let mut findings = Findings::new(FILE);
    tiers(routing, &mut findings);
    categories(routing, &mut findings);
    figures(routing, &mut findings);
    inference(routing, &mut findings);
    identity(routing, &mut findings);
    requests(routing, &mut findings);
    discovery(routing, &mut findings);
    findings
}

fn tiers(routing: &Routing, findings: &mut Findings) {
    findings.unique("/tiers", "name", routing.tiers.iter().map(|tier| tier.name.as_str()));
    let last = routing.tiers.len().saturating_sub(1);
    let mut below = None;
    for (index, tier) in routing.tiers.iter().enumerate() {
        let pointer = format!("/tiers/{index}/blended_price_ceiling_usd_per_mtok");
        match &tier.blended_price_ceiling_usd_per_mtok {
            None if index != last => findings.add(pointer, "only the last tier has no ceiling"),
            Some(_) if index == last => {
                findings.add(pointer, "the last tier has no ceiling: every price must find a tier")
            }
            None => {}
            Some(text) => {
                let ceiling = findings.decimal(&pointer, text);
                if ceiling.is_some() && ceiling <= below {
                    findings.add(pointer, format!("ceiling {text} is not above that of the tier before"));
                }
                below = ceiling;
            }
        }
    }
    let first = routing.tiers.first().and_then(|tier| tier.blended_price_ceiling_usd_per_mtok.as_deref());
    if first != Some(routing.economy_cost_ceiling_usd_per_mtok.as_str()) {
        findings.add("/economy_cost_ceiling_usd_per_mtok", "differs from the ceiling of the first tier");
    }
    findings.known(
        "/tier_when_price_unknown",
        &routing.tier_when_price_unknown,
        &tier_names(routing),
        "tier",
    );
}

fn tier_names(routing: &Routing) -> BTreeSet<&str> {
    routing.tiers.iter().map(|tier| tier.name.as_str()).collect()
}

fn strength_names(routing: &Routing) -> BTreeSet<&str> {
    routing.strengths.iter().map(|strength| strength.name.as_str()).collect()
}

fn categories(routing: &Routing, findings: &mut Findings) {
    let (tiers, strengths) = (tier_names(routing), strength_names(routing));
    let rank = |name: &str| routing.tiers.iter().position(|tier| tier.name == name);
    findings.unique("/strengths", "name", routing.strengths.iter().map(|strength| strength.name.as_str()));
    for (index, strength) in routing.strengths.iter().enumerate() {
        if strength.name == "unknown" {
            findings.add(
                format_args!("/strengths/{index}/name"),
                "\"unknown\" is generated and cannot be defined",
            );
        }
    }
    findings.unique(
        "/task_categories",
        "name",
        routing.task_categories.iter().map(|task| task.name.as_str()),
    );
    for (index, task) in routing.task_categories.iter().enumerate() {
        let at = format!("/task_categories/{index}");
        for (place, strength) in task.strengths.iter().enumerate() {
            findings.known(format_args!("{at}/strengths/{place}"), strength, &strengths, "strength");
        }
        findings.known(format_args!("{at}/preferred_tier"), &task.preferred_tier, &tiers, "tier");
        findings.known(format_args!("{at}/tier_floor"), &task.tier_floor, &tiers, "tier");
        if rank(&task.tier_floor) > rank(&task.preferred_tier) {
            let reason =
                format!("floor {:?} is above the preferred tier {:?}", task.tier_floor, task.preferred_tier);
            findings.add(format_args!("{at}/tier_floor"), reason);
        }
        if task.complexity_floor > routing.complexity.maximum {
            findings.add(format_args!("{at}/complexity_floor"), "is above complexity.maximum");
        }
    }
    let names = routing.task_categories.iter().map(|task| task.name.as_str()).collect();
    findings.known("/default_task_category", &routing.default_task_category, &names, "task category");
    let families: BTreeSet<_> = routing.families.iter().map(|rule| rule.family.as_str()).collect();
    let mut seen = BTreeSet::new();
    for (index, alias) in routing.premium_alias.iter().enumerate() {
        let at = format!("/premium_alias/{index}");
        findings.known(format_args!("{at}/category"), &alias.category, &names, "task category");
        findings.known(format_args!("{at}/family"), &alias.family, &families, "family");
        findings.known(format_args!("{at}/tier"), &alias.tier, &tiers, "tier");
        if !seen.insert(alias.category.as_str()) {
            findings.add(format_args!("{at}/category"), format!("{:?} stands twice", alias.category));
        }
    }
}

fn figures(routing: &Routing, findings: &mut Findings) {
    let sum: u32 = routing.scoring.weights.named().iter().map(|(_, weight)| weight).sum();
    if sum != 1000 {
        findings.add("/scoring/weights", format!("the weights sum to {sum}, not to 1000"));
    }
    let complexity = &routing.complexity;
    for (name, value) in [
        ("default", complexity.default),
        ("tool_hints_floor", complexity.tool_hints_floor),
        ("premium_from", complexity.premium_from),
    ] {
        if !(complexity.minimum..=complexity.maximum).contains(&value) {
            let reason = format!("{value} is not within {} to {}", complexity.minimum, complexity.maximum);
            findings.add(format_args!("/complexity/{name}"), reason);
        }
    }
    let bands = &routing.scoring.latency_bands;
    let last = bands.len().saturating_sub(1);
    for (index, band) in bands.iter().enumerate() {
        let pointer = format!("/scoring/latency_bands/{index}/up_to_ms");
        let before = index.checked_sub(1).and_then(|before| bands.get(before)).and_then(|band| band.up_to_ms);
        match band.up_to_ms {
            None if index != last => findings.add(pointer, "only the last band has no upper end"),
            Some(_) if index == last => findings.add(pointer, "the last band has no upper end"),
            Some(end) if Some(end) <= before => {
                findings.add(pointer, "is not above the end of the band before")
            }
            _ => {}
        }
    }
    if routing.pricing_confidence.medium_samples > routing.pricing_confidence.high_samples {
        findings.add("/pricing_confidence/medium_samples", "is above high_samples");
    }
    cron(findings, "/rollup/schedule", &routing.rollup.schedule);
    let scoreboard = &routing.scoreboard;
    if !scoreboard.windows_days.is_sorted() {
        findings.add("/scoreboard/windows_days", "is not ascending");
    }
    if !scoreboard.windows_days.contains(&scoreboard.routing_window_days) {
        findings.add("/scoreboard/routing_window_days", "is not among windows_days");
    }
}

fn inference(routing: &Routing, findings: &mut Findings) {
    let strengths = strength_names(routing);
    let families: BTreeSet<_> = routing.families.iter().map(|rule| rule.family.as_str()).collect();
    for (index, rule) in routing.strength_inference.iter().enumerate() {
        let at = format!("/strength_inference/{index}");
        for (place, strength) in rule.strengths.iter().enumerate() {
            findings.known(format_args!("{at}/strengths/{place}"), strength, &strengths, "strength");
        }
        match &rule.condition {
            Condition::ProviderFamily { family } => {
                findings.known(format_args!("{at}/family"), family, &families, "family");
            }
            Condition::NameRegex { pattern } => findings.regex(format_args!("{at}/pattern"), pattern),
            Condition::ParameterGraph { .. } | Condition::Default => {}
        }
    }
    if !matches!(routing.strength_inference.last().map(|rule| &rule.condition), Some(Condition::Default)) {
        findings.add(
            "/strength_inference",
            "the last rule must be of kind \"default\": every model needs a strength",
        );
    }
    for (index, rule) in routing.families.iter().enumerate() {
        findings.regex(format_args!("/families/{index}/pattern"), &rule.pattern);
    }
}

fn identity(routing: &Routing, findings: &mut Findings) {
    let Identity { own, indefinite, size, rules } = &routing.identity;
    for (key, pattern) in [("own", own), ("indefinite", indefinite), ("size", size)] {
        findings.regex(format_args!("/identity/{key}"), pattern);
    }
    for (index, rule) in rules.iter().enumerate() {
        findings.regex(format_args!("/identity/rules/{index}/pattern"), &rule.pattern);
    }
}

/// Every request must find a rule, and every rule must be reachable.
fn requests(routing: &Routing, findings: &mut Findings) {
    let rules = &routing.request_classification;
    let categories = routing.task_categories.iter().map(|task| task.name.as_str()).collect();
    findings.unique("/request_classification", "name", rules.iter().map(|rule| rule.name.as_str()));
    let last = rules.len().saturating_sub(1);
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("/request_classification/{index}");
        findings.known(format_args!("{at}/category"), &rule.category, &categories, "task category");
        let (low, high) = (routing.complexity.minimum, routing.complexity.maximum);
        if !(low..=high).contains(&rule.complexity) {
            let reason = format!("{} is not within {low} to {high}", rule.complexity);
            findings.add(format_args!("{at}/complexity"), reason);
        }
        match (rule.condition == RequestCondition::default(), index == last) {
            (true, false) => findings.add(&at, "only the last rule has no conditions"),
            (false, true) => {
                findings.add(&at, "the last rule has no conditions: every request must find a rule");
            }
            _ => {}
        }
    }
}

fn discovery(routing: &Routing, findings: &mut Findings) {
    let defaults = &routing.discovery.defaults;
    throttle(findings, "/discovery/defaults", defaults);
    findings.unique(
        "/discovery/sources",
        "catalog",
        routing.discovery.sources.iter().map(|s| s.catalog.as_str()),
    );
    for (index, source) in routing.discovery.sources.iter().enumerate() {
        throttle(findings, &format!("/discovery/sources/{index}"), &source.throttle.over(defaults));
    }
}

fn throttle(findings: &mut Findings, at: &str, throttle: &Throttle) {
    if let Some(schedule) = &throttle.schedule {
        cron(findings, &format!("{at}/schedule"), schedule);
    }
    if throttle.max_age_seconds <= throttle.min_interval_seconds {
        findings.add(
            format_args!("{at}/max_age_seconds"),
            "is not above min_interval_seconds: it would always be stale",
        );
    }
    if throttle.retry_initial_seconds > throttle.retry_max_seconds {
        findings.add(format_args!("{at}/retry_initial_seconds"), "is above retry_max_seconds");
    }
}

/// Each field of a five-field cron line, with the range of its numbers.
const CRON_FIELDS: [(&str, u32, u32); 5] =
    [("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7)];

/// Only numbers, as this project writes its own schedules; names of days and months are for users.
fn cron(findings: &mut Findings, pointer: &str, line: &str) {
    let fields: Vec<_> = line.split_whitespace().collect();
    if fields.len() != CRON_FIELDS.len() {
        return findings
            .add(pointer, format!("{line:?} is no cron line: it has {} fields, not five", fields.len()));
    }
    for (field, (name, low, high)) in fields.into_iter().zip(CRON_FIELDS) {
        let fits = |text: &str| text.parse::<u32>().is_ok_and(|number| (low..=high).contains(&number));
        let item = |text: &str| {
            let (range, step) =
                text.split_once('/').map_or((text, None), |(range, step)| (range, Some(step)));
            let range_fits = range == "*"
                || fits(range)
                || range.split_once('-').is_some_and(|(from, to)| fits(from) && fits(to));
            range_fits && step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0))
        };
        if !field.split(',').all(item) {
            findings.add(pointer, format!("{line:?} is no cron line: {field:?} is no {name}"));
        }
    }
}
