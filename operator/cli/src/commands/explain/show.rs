//! An explanation for people, in one screen.

use std::fmt::Write as _;

use vox_routing::Explanation;
use vox_routing::asked::{CategoryBy, ComplexityBy};
use vox_routing::explain::Candidate;
use vox_routing::score::{Criterion, FULL};

use super::{Call, Explained, deployments, layers, records};
use crate::table::{or_none, printable, table};

/// So many candidates fill half a screen.
const SHOWN: usize = 10;

/// In the order of the contract, as columns are headed.
const CRITERIA: [(Criterion, &str); 6] = [
    (Criterion::Efficiency, "efficiency"),
    (Criterion::Precision, "precision"),
    (Criterion::Latency, "latency"),
    (Criterion::Availability, "availability"),
    (Criterion::Balance, "balance"),
    (Criterion::Mobile, "mobile"),
];

/// What was decided, for whom, and why not the others.
pub(super) fn text(explained: &Explained, all: bool, show_layers: bool) -> String {
    let mut text = String::new();
    if let Some(id) = &explained.decision {
        line(&mut text, "decision", id);
    }
    if let Some(record) = &explained.record {
        call(&mut text, record);
    }
    let Some(explanation) = &explained.explanation else {
        text.push_str(
            "\nThe gateway holds the snapshot of that time no longer, so that the reasons are gone.\n",
        );
        return text;
    };
    head(&mut text, explained, explanation);
    let ranked: Vec<&Candidate> =
        explanation.candidates.iter().filter(|candidate| candidate.place.is_some()).collect();
    if !ranked.is_empty() {
        let recorded: Vec<&Candidate> = records::told(explanation, SHOWN).collect();
        let shown: Vec<&Candidate> = ranked
            .iter()
            .enumerate()
            .filter(|(place, one)| {
                all || *place < SHOWN || one.picked || recorded.iter().any(|told| std::ptr::eq(*told, **one))
            })
            .map(|(_, one)| *one)
            .collect();
        let _ = write!(text, "\n{}", ranking(&ranked, &shown));
        if shown.len() < ranked.len() {
            let _ = writeln!(text, "and {} more; --all shows them", ranked.len() - shown.len());
        }
    }
    text.push_str(&records::text(explanation, if all { usize::MAX } else { SHOWN }));
    text.push_str(&deployments::text(explanation, if all { usize::MAX } else { SHOWN }));
    text.push_str(&stopped(explanation, all));
    if show_layers {
        text.push_str(&layers::text(explanation, &ranked));
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<12} {}", printable(value));
}

fn call(text: &mut String, call: &Call) {
    let turn = &call.turn;
    let caller = turn.caller_trace.as_ref().map(|trace| format!(", in the caller's {trace}"));
    line(text, "trace", &format!("{}{}", turn.trace, caller.unwrap_or_default()));
    let status = |status: Option<u16>| status.map(|status| format!(", status {status}")).unwrap_or_default();
    let cost = turn.cost_usd.map_or_else(|| "cost unknown".to_owned(), |cost| format!("USD {cost}"));
    line(
        text,
        "outcome",
        &format!("{}{}, {} ms, {cost}", turn.outcome, status(turn.status), turn.latency_ms),
    );
    for (number, tried) in (1..).zip(&call.attempts) {
        let attempt = &tried.attributes;
        let how = attempt.class.as_deref().unwrap_or(&attempt.outcome);
        let told =
            format!("{}: {how}{}, {} ms", attempt.deployment, status(attempt.status), attempt.latency_ms);
        line(text, &format!("attempt {number}"), &told);
    }
}

fn head(text: &mut String, explained: &Explained, explanation: &Explanation) {
    let asked = &explanation.asked;
    let rule = explained.rule.as_deref();
    let complexity_rule = rule.filter(|_| !explained.complexity_stated);
    let figure = |name: &str| {
        explanation
            .figures
            .iter()
            .find(|figure| figure.name == name)
            .map_or("-", |figure| figure.value.as_str())
    };
    let of = explained.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let version = explained.snapshot.map(|version| format!(", snapshot {version}")).unwrap_or_default();
    line(
        text,
        "policy",
        &format!("{of}{} generation {}{version}", explanation.policy, explanation.generation),
    );
    line(
        text,
        "category",
        &format!("{}, {}", asked.category, by_shape(category_by(asked.category_by, rule), explained)),
    );
    line(
        text,
        "complexity",
        &format!(
            "{}, {}",
            asked.complexity,
            by_shape(complexity_by(asked.complexity_by, complexity_rule), explained)
        ),
    );
    if let Some(tokens) = explained.input_tokens {
        line(text, "input", &format!("about {tokens} tokens"));
    }
    let strengths: Vec<&str> = asked.category.info().strengths.iter().map(|one| one.as_str()).collect();
    if !explanation.figures.is_empty() {
        line(text, "strengths", &strengths.join(", "));
        line(text, "tier", &format!("{} fits best, {} is the lowest", figure("tier"), figure("tierFloor")));
        line(text, "weights", figure("weights"));
    }
    match &explanation.refusal {
        Some(refusal) => line(text, "refused", &format!("{} ({})", refusal.message, refusal.code)),
        None => line(text, "pick", &pick(explanation, explained.force_cost)),
    }
    for name in ["evidence", "newModels", "context"] {
        let told = explanation.figures.iter().filter(|told| told.name == name);
        told.for_each(|told| line(text, name, &told.value));
    }
    if explanation.explored {
        line(text, "", "the first is there to be known better, and not because it is the best");
    }
    if explanation.descended {
        line(text, "", "a lower tier was taken: the day's budget runs short");
    }
}

/// Of a call that was made, a gateway does not say whether its client stated it or its shape told it.
fn by_shape(by: String, explained: &Explained) -> String {
    if explained.record.is_some() && by == "as stated" { "as stated, or by its shape".to_owned() } else { by }
}

fn category_by(by: CategoryBy, rule: Option<&str>) -> String {
    match (by, rule) {
        (CategoryBy::Vectors, _) => "because vectors are asked for".to_owned(),
        (CategoryBy::Name, _) => "by the model's name".to_owned(),
        (CategoryBy::ResearchHint, _) => "by the hint that sources are needed".to_owned(),
        (CategoryBy::Request, Some(rule)) => format!("by the text's shape (rule {rule})"),
        (CategoryBy::Request, None) => "as stated".to_owned(),
        (CategoryBy::Default, _) => "by default".to_owned(),
    }
}

fn complexity_by(by: ComplexityBy, rule: Option<&str>) -> String {
    match (by, rule) {
        (ComplexityBy::Default, _) => "by default".to_owned(),
        (ComplexityBy::Request, Some(rule)) => format!("by the text's shape (rule {rule})"),
        (ComplexityBy::Request, None) => "as stated".to_owned(),
        (ComplexityBy::Clamped, _) => "the nearest that there is".to_owned(),
        (ComplexityBy::ToolHints, _) => "because tools will be needed".to_owned(),
        (ComplexityBy::CategoryFloor, _) => "the category is never simpler".to_owned(),
    }
}

/// The best, and what sets it apart from the next one.
fn pick(explanation: &Explanation, force_cost: bool) -> String {
    let mut ranked = explanation.candidates.iter().filter(|candidate| candidate.place.is_some());
    let Some(first) = ranked.next() else { return "nobody".to_owned() };
    let name = &first.deployment;
    let Some(second) = ranked.next() else { return format!("{name}; nobody else may serve") };
    if force_cost {
        return format!("{name}, the cheapest that may serve");
    }
    if first.score < second.score {
        return format!("{name}, which is preferred to {} whatever the score", second.deployment);
    }
    let ahead = score(first.score - second.score);
    if ahead == score(0) {
        return format!("{name}, level with {}", second.deployment);
    }
    format!("{name}, {ahead} ahead of {}{}", second.deployment, mostly(first, second))
}

/// The criterion in which the first is furthest ahead, as weighed.
fn mostly(first: &Candidate, second: &Candidate) -> String {
    let ahead = CRITERIA.iter().map(|(criterion, name)| {
        let weighed = |candidate: &Candidate| {
            let part = candidate.parts.iter().find(|part| part.criterion == *criterion);
            part.map_or(0, |part| i64::from(part.points) * i64::from(part.weight))
        };
        (weighed(first) - weighed(second), name)
    });
    let best = ahead.max_by_key(|(ahead, _)| *ahead).filter(|(ahead, _)| *ahead > 0);
    best.map(|(_, name)| format!(", mostly by {name}")).unwrap_or_default()
}

/// Those of the ranked that are shown: the best, those that are tried, and those whose record is told below.
fn ranking(ranked: &[&Candidate], shown: &[&Candidate]) -> String {
    let rows: Vec<[String; 11]> = shown
        .iter()
        .map(|candidate| {
            let points = |criterion| {
                let part = candidate.parts.iter().find(|part| part.criterion == criterion);
                or_none(part.map(|part| percent(part.points)))
            };
            let [a, b, c, d, e, f] = CRITERIA.map(|(criterion, _)| points(criterion));
            let mut place = or_none(candidate.place.map(|place| place.to_string()));
            place.push_str(if candidate.candidate { "?" } else { "" });
            place.push_str(if candidate.suspect.is_some() { "!" } else { "" });
            place.push_str(if candidate.picked { "*" } else { "" });
            [
                place,
                candidate.deployment.clone(),
                candidate.tier.to_string(),
                score(candidate.score),
                a,
                b,
                c,
                d,
                e,
                f,
                or_none(candidate.worst_case_usd.map(|cost| cost.to_string())),
            ]
        })
        .collect();
    let mut text = table(
        ["#", "MODEL", "TIER", "SCORE", "EFFIC", "PREC", "LAT", "AVAIL", "BAL", "MOB", "UP TO USD"],
        &rows,
    );
    let tried: Vec<_> = ranked.iter().filter(|candidate| candidate.picked).collect();
    let _ = writeln!(text, "* is tried, in this order: {} of {} that may serve", tried.len(), ranked.len());
    if ranked.iter().any(|candidate| candidate.candidate) {
        let _ = writeln!(text, "? has yet to prove itself here, and stands behind all that have");
    }
    if ranked.iter().any(|candidate| candidate.suspect.is_some()) {
        let _ = writeln!(
            text,
            "! is missing from its provider's list, may be gone, and stands behind all others"
        );
    }
    if let Some(last) = tried.last().and_then(|last| last.place).filter(|place| *place > tried.len()) {
        let _ = writeln!(
            text,
            "{last} comes last because those before it are all of one upstream, which may be away"
        );
    }
    text
}

/// Those that were stopped, by filter: how many, and one of them with by how much; or all.
fn stopped(explanation: &Explanation, all: bool) -> String {
    let stopped: Vec<(&str, &Candidate, &str)> = explanation
        .candidates
        .iter()
        .filter_map(|candidate| {
            let stopped = candidate.stopped.as_ref()?;
            Some((stopped.filter.as_ref(), candidate, stopped.sentence.as_str()))
        })
        .collect();
    if stopped.is_empty() {
        return String::new();
    }
    let mut filters: Vec<(&str, usize)> = Vec::new();
    for (filter, _, _) in &stopped {
        match filters.iter_mut().find(|(known, _)| known == filter) {
            Some((_, count)) => *count += 1,
            None => filters.push((filter, 1)),
        }
    }
    // The order of first appearance, which follows the ranking, breaks ties.
    filters.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rows: Vec<[String; 3]> = filters
        .iter()
        .flat_map(|&(filter, count)| {
            let of = stopped.iter().filter(move |(by, _, _)| *by == filter).take(if all { count } else { 1 });
            of.enumerate().map(move |(number, (_, candidate, sentence))| {
                let count = if number == 0 { count.to_string() } else { String::new() };
                [filter.to_owned(), count, format!("{}: {sentence}", candidate.deployment)]
            })
        })
        .collect();
    let heading = if all { "WHO, AND WHY" } else { "THE FIRST OF THEM, AND WHY" };
    format!("\n{}", table(["STOPPED BY", "MODELS", heading], &rows))
}

/// A score of a million in three places.
pub(crate) fn score(points: u32) -> String {
    format!("{}.{:03}", points / FULL, points % FULL / 1000)
}

fn percent(points: u32) -> String {
    (u64::from(points) * 100 / u64::from(FULL)).to_string()
}
