//! What happened at the candidates, for people.

use vox_routing::explain::Candidate;
use vox_routing::{Bound, Explanation};

use crate::table::{or_none, table};

/// The first candidates that have a record, in the order of the ranking.
pub(super) fn told(explanation: &Explanation, shown: usize) -> impl Iterator<Item = &Candidate> {
    let with_record = |candidate: &&Candidate| candidate.evidence.is_some() || candidate.bound.is_some();
    explanation.candidates.iter().filter(with_record).take(shown)
}

/// Their records; nothing where none has one.
pub(super) fn text(explanation: &Explanation, shown: usize) -> String {
    let rows: Vec<[String; 7]> = told(explanation, shown).map(row).collect();
    let happened = explanation.candidates.iter().any(|candidate| candidate.evidence.is_some());
    if !happened {
        return String::new();
    }
    format!("\n{}", table(["RECORD OF", "CALLS", "SUCCESS", "QUALITY", "MERIT", "SURELY", "P50 MS"], &rows))
}

fn row(candidate: &Candidate) -> [String; 7] {
    let proof = candidate.evidence.as_ref();
    let surely =
        |bound: &Bound| format!("{} to {}", percent(bound.low_per_mille), percent(bound.high_per_mille));
    [
        candidate.deployment.clone(),
        or_none(proof.map(|proof| proof.calls.to_string())),
        or_none(proof.map(|proof| percent(proof.success_per_mille))),
        or_none(proof.and_then(|proof| proof.quality_per_mille).map(percent)),
        or_none(proof.map(|proof| percent(proof.merit_per_mille))),
        or_none(candidate.bound.as_ref().map(surely)),
        or_none(proof.and_then(|proof| proof.p50_ms).map(|ms| ms.to_string())),
    ]
}

fn percent(per_mille: u32) -> String {
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}
