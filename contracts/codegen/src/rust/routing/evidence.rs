//! How what happened counts beyond the mean.

use std::fmt::Write as _;

use crate::model::Evidence;

pub(super) fn figures(evidence: &Evidence) -> String {
    let Evidence { quarantine, candidate, .. } = evidence;
    let figures: [(&str, &str, String, &str); 11] = [
        (
            "MIN_JUDGED_CALLS",
            "u64",
            evidence.min_judged.to_string(),
            "Quality of fewer judged calls does not count.",
        ),
        (
            "BOUND_DECLARED_CALLS",
            "u64",
            evidence.declared_calls.to_string(),
            "So many calls are what strengths and tier promise worth, where bounds decide.",
        ),
        (
            "BOUND_BORROWED_CALLS",
            "u64",
            evidence.borrowed_calls.to_string(),
            "At most so many calls a thin record borrows from each of its parents.",
        ),
        (
            "BOUND_SILENT_JUDGEMENTS",
            "u64",
            evidence.silent_judgements.to_string(),
            "So many judgements it takes until quality counts half.",
        ),
        (
            "EXPLORED_AMONG",
            "usize",
            evidence.explored_among.to_string(),
            "So many models behind the best share what is explored, and as many new ones.",
        ),
        (
            "PROBES_PER_MILLE",
            "u32",
            evidence.probes_per_mille.to_string(),
            "Share of the requests of a category that are probes.",
        ),
        (
            "QUARANTINE_FALLEN_CALLS",
            "u64",
            quarantine.fallen_calls.to_string(),
            "So many calls of the shortest window a sudden fall must have.",
        ),
        (
            "QUARANTINE_LEAST_FALL_PER_MILLE",
            "u32",
            quarantine.least_fall_per_mille.to_string(),
            "A smaller fall is left to the ranking.",
        ),
        (
            "QUARANTINE_PROBES",
            "u64",
            quarantine.probes.to_string(),
            "So many calls must speak for a model before a quarantine ends.",
        ),
        (
            "CANDIDATE_CALLS",
            "u64",
            candidate.calls.to_string(),
            "So many finished calls a new model must have before it is eligible.",
        ),
        (
            "CANDIDATE_SUCCESS_AT_LEAST_PER_MILLE",
            "u32",
            candidate.success_at_least_per_mille.to_string(),
            "So many of them must surely succeed.",
        ),
    ];
    let mut out = String::new();
    for (name, kind, value, doc) in figures {
        let _ = write!(out, "/// {doc}\npub const {name}: {kind} = {value};\n\n");
    }
    out
}
