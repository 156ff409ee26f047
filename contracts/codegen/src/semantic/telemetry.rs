//! `model-telemetry.v1.yaml`.

use std::collections::BTreeSet;

use super::Findings;
use crate::load::Contracts;

/// The events that the project emits; each must be there, and no other.
const EVENTS: [&str; 6] = [
    "vox.model.request",
    "vox.model.response",
    "vox.model.error",
    "vox.model.attempt",
    "vox.model.discover",
    "vox.model.score_update",
];

pub(crate) fn check(contracts: &Contracts) -> Findings {
    let document = &contracts.telemetry;
    let mut findings = Findings::new("model-telemetry.v1.yaml");
    let attributes: BTreeSet<_> =
        document.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    findings.unique(
        "/attributes",
        "name",
        document.attributes.iter().map(|attribute| attribute.name.as_str()),
    );
    findings.unique("/events", "name", document.events.iter().map(|event| event.name.as_str()));
    for (index, attribute) in document.attributes.iter().enumerate() {
        if (attribute.namespace == "vox") != attribute.name.starts_with("vox.") {
            let reason = format!("{:?} is not in the namespace {:?}", attribute.name, attribute.namespace);
            findings.add(format_args!("/attributes/{index}/namespace"), reason);
        }
        if !attribute.values.is_empty() && attribute.value_type != "string" {
            findings.add(format_args!("/attributes/{index}/values"), "only a string has a list of values");
        }
    }
    let trace_id = document.trace_id.attribute.as_str();
    findings.known("/trace_id/attribute", trace_id, &attributes, "attribute");
    let attempt = document.events.iter().find(|event| event.name == "vox.model.attempt");
    let of_attempt: BTreeSet<_> =
        attempt.iter().flat_map(|event| &event.attributes).map(|used| used.name.as_str()).collect();
    for (index, name) in document.turn_attributes.iter().enumerate() {
        findings.known(
            format_args!("/turn_attributes/{index}"),
            name,
            &of_attempt,
            "attribute of an attempt",
        );
    }
    findings.known("/session_attribute", &document.session_attribute, &attributes, "attribute");
    for (index, event) in document.events.iter().enumerate() {
        let at = format!("/events/{index}");
        findings.known(format_args!("{at}/name"), &event.name, &EVENTS.into_iter().collect(), "event");
        let mut seen = BTreeSet::new();
        for (place, used) in event.attributes.iter().enumerate() {
            let pointer = format!("{at}/attributes/{place}/name");
            findings.known(&pointer, &used.name, &attributes, "attribute");
            if !seen.insert(used.name.as_str()) {
                findings.add(pointer, format!("{:?} stands twice", used.name));
            }
        }
        if !event.attributes.iter().any(|used| used.name == trace_id && used.requirement == "required") {
            findings.add(
                format_args!("{at}/attributes"),
                format!("{trace_id:?} must be required on every event"),
            );
        }
    }
    for name in EVENTS {
        if !document.events.iter().any(|event| event.name == name) {
            findings.add("/events", format!("{name:?} is missing"));
        }
    }
    findings
}
