//! Which layer set each figure and each field.

use vox_routing::Explanation;
use vox_routing::explain::Candidate;
use vox_routing::snapshot::Layer;

use crate::table::table;

/// So many candidates are told of: those that are tried, as a rule.
const CANDIDATES: usize = 3;

/// The figures that decided, and what is known of the best candidates, each with the layer that won.
pub(super) fn text(explanation: &Explanation, ranked: &[&Candidate]) -> String {
    let figures: Vec<[String; 3]> = explanation
        .figures
        .iter()
        .map(|figure| [figure.name.to_string(), name(figure.layer).to_owned(), figure.value.clone()])
        .collect();
    let best: Vec<&&Candidate> = ranked.iter().take(CANDIDATES).collect();
    let mut fields: Vec<&str> =
        best.iter().flat_map(|candidate| candidate.layers.keys().map(String::as_str)).collect();
    fields.sort_unstable();
    fields.dedup();
    let of = |place: usize, field: &str| {
        let layer = best.get(place).and_then(|candidate| candidate.layers.get(field));
        layer.map_or("-", |layer| name(*layer)).to_owned()
    };
    let rows: Vec<[String; 4]> =
        fields.iter().map(|field| [(*field).to_owned(), of(0, field), of(1, field), of(2, field)]).collect();
    let mut text = String::new();
    if !figures.is_empty() {
        text.push_str(&format!("\n{}", table(["FIGURE", "SET BY", "VALUE"], &figures)));
    }
    if !rows.is_empty() {
        text.push_str(&format!("\n{}", table(["FIELD OF", "#1 SET BY", "#2 SET BY", "#3 SET BY"], &rows)));
    }
    text
}

const fn name(layer: Layer) -> &'static str {
    match layer {
        Layer::Bootstrap => "bootstrap",
        Layer::Discovered => "discovered",
        Layer::Observed => "observed",
        Layer::Contract => "contract",
        Layer::Policy => "policy",
    }
}
