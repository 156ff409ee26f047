//! seam
use vox_routing::*;
use vox_routing::request::Live;
use vox_routing::decision::Pick;
#[derive(Debug)]
pub struct Router(PolicySnapshot);
impl Router {
    pub fn new(p: PolicySnapshot) -> Self { Self(p) }
    pub fn decide(&self, r: &Request, live: &dyn Live, _: u64) -> Result<Decision, Refusal> {
        if let Choice::Named(n) = &r.choice && n == "nope" { return Err(Refusal::UnknownModel{name: n.clone()}); }
        let picks: Vec<_> = (0..self.0.deployments.len()).filter(|d| live.unavailable(*d).is_none()).map(|d| Pick{deployment: d, score: 0, worst_case: None}).collect();
        if picks.is_empty() { return Err(Refusal::NoCandidate{category: vox_contracts::TaskCategory::Chat, summary: "x".into()}); }
        Ok(Decision{category: vox_contracts::TaskCategory::Chat, complexity: 5, picks, total_timeout_ms: 10000})
    }
    pub fn explain(&self, _: &Request, _: &dyn Live, _: u64) -> String { "why".into() }
    pub fn models(&self) -> Vec<&str> { self.0.deployments.iter().map(|d| d.id.as_str()).collect() }
}
