//! Which candidates are one model at several servers, for people.

use std::collections::BTreeMap;

use vox_routing::Explanation;

use crate::table::table;

/// Of the first candidates those that have others of the same model beside them, by what the model is called everywhere; in
/// the order of the ranking. Nothing where each is another model.
pub(super) fn text(explanation: &Explanation, shown: usize) -> String {
    let mut models: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for candidate in &explanation.candidates {
        if let Some(identity) = &candidate.identity {
            models.entry(identity).or_default().push(&candidate.deployment);
        }
    }
    let mut rows: Vec<[String; 2]> = Vec::new();
    let first = explanation.candidates.iter().filter(|one| one.place.is_some()).take(shown);
    for identity in first.filter_map(|candidate| candidate.identity.as_deref()) {
        // Each model once.
        let Some(deployments) = models.remove(identity).filter(|deployments| deployments.len() > 1) else {
            continue;
        };
        let names = (0..).zip(deployments);
        rows.extend(names.map(|(number, deployment)| {
            [if number == 0 { identity.to_owned() } else { String::new() }, deployment.to_owned()]
        }));
    }
    if rows.is_empty() { String::new() } else { format!("\n{}", table(["ONE MODEL", "DEPLOYMENTS"], &rows)) }
}
