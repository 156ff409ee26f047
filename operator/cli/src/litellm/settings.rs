//! The file's settings, as far as a policy has a word for them.

use std::time::Duration;

use vox_contracts::generated::routing::WEIGHTS;
use vox_crds::routing_policy::Weights;
use vox_routing::Cost;

use super::report::{Report, Verdict, quoted};
use super::unsupported::{Part, why};
use super::yaml::{Field, Node, Value};

/// What the settings say.
#[derive(Debug, Default)]
pub(super) struct Settings<'a> {
    /// Groups, and who is asked when they fail, in order.
    pub(super) fallbacks: Vec<Fallback<'a>>,
    /// Names that stand for groups.
    pub(super) aliases: Vec<GroupAlias<'a>>,
    pub(super) retries: Option<i64>,
    pub(super) timeout: Option<Duration>,
    pub(super) per_day: Option<PerDay>,
    pub(super) weights: Option<Weights>,
}

/// A budget of a day.
#[derive(Debug)]
pub(super) struct PerDay {
    pub(super) line: u64,
    pub(super) usd: String,
}

/// Who is asked when a group fails.
#[derive(Debug)]
pub(super) struct Fallback<'a> {
    pub(super) line: u64,
    pub(super) at: String,
    pub(super) group: &'a str,
    pub(super) others: Vec<&'a str>,
}

/// `model_group_alias`.
#[derive(Debug)]
pub(super) struct GroupAlias<'a> {
    pub(super) line: u64,
    pub(super) at: String,
    pub(super) name: &'a str,
    pub(super) group: &'a str,
}

impl<'a> Settings<'a> {
    /// Reads the sections. Where both have a setting, the router's goes first, as in LiteLLM.
    pub(super) fn of(root: &'a Node, report: &mut Report) -> Self {
        let mut settings = Self::default();
        for section in ["router_settings", "litellm_settings"] {
            for field in fields_of(root, section, report) {
                settings.read(field, format!("{section}.{}", quoted(&field.name)), report);
            }
        }
        settings.read_budget(root, report);
        for field in fields_of(root, "general_settings", report) {
            let at = format!("general_settings.{}", quoted(&field.name));
            report.add(Verdict::Left, (field.line, at), why(Part::General, &field.name));
        }
        for field in root.fields().unwrap_or_default() {
            let known = [
                "model_list",
                "litellm_settings",
                "router_settings",
                "general_settings",
                "environment_variables",
                "credential_list",
            ];
            if !known.contains(&field.name.as_str()) {
                report.add(
                    Verdict::Left,
                    (field.line, quoted(&field.name)),
                    why(Part::Sections, &field.name),
                );
            }
        }
        settings
    }

    fn read(&mut self, field: &'a Field, at: String, report: &mut Report) {
        let place = (field.line, at);
        match field.name.as_str() {
            _ if field.node.is_nothing() => {}
            "fallbacks" => self.read_fallbacks(&field.node, &place.1, report),
            "context_window_fallbacks" => {
                let reason = "a model whose context is too small is no candidate in the first place; the others join the fall-backs of the group";
                report.add(Verdict::Changed, place.clone(), reason);
                self.read_fallbacks(&field.node, &place.1, report);
            }
            "default_fallbacks" => report.add(
                Verdict::Changed,
                place,
                "a client that names a model gets that model or none; vox/auto and vox/<category> leave the choice, and the next one, to the policy",
            ),
            "model_group_alias" => self.read_aliases(&field.node, &place.1, report),
            "num_retries" => match field.node.count() {
                Some(retries) if self.retries.is_some_and(|known| known != retries) => {
                    report.add(Verdict::Left, place, outdone(&field.name));
                }
                Some(retries) => {
                    let reason = "fallBack.maxAttempts counts tries of different models, the first one included; the same model is not asked twice";
                    report.add(Verdict::Changed, place, reason);
                    self.retries = self.retries.or(Some(retries));
                }
                None => report.add(Verdict::Left, place, "it is no whole number"),
            },
            "timeout" | "request_timeout" => match seconds(&field.node) {
                Some(timeout) if self.timeout.is_some_and(|known| known != timeout) => {
                    report.add(Verdict::Left, place, outdone(&field.name));
                }
                Some(timeout) => {
                    let reason = "fallBack.totalTimeout bounds all tries together: it is this limit times the tries, at most an hour";
                    report.add(Verdict::Changed, place, reason);
                    self.timeout = self.timeout.or(Some(timeout));
                }
                None => report.add(Verdict::Left, place, "it is no number of seconds above zero"),
            },
            "routing_strategy" => self.read_strategy(field, place, report),
            "max_budget" | "budget_duration" => {}
            name => report.add(Verdict::Left, place, why(Part::Settings, name)),
        }
    }

    fn read_fallbacks(&mut self, node: &'a Node, at: &str, report: &mut Report) {
        let items = node.list().unwrap_or(std::slice::from_ref(node));
        for (number, item) in items.iter().enumerate() {
            let Some(fields) = item.fields() else {
                let place = (item.line, format!("{at}[{number}]"));
                report.add(Verdict::Left, place, "it is no mapping from a group to a list of groups");
                continue;
            };
            for field in fields {
                let others: Vec<&str> =
                    field.node.list().unwrap_or_default().iter().filter_map(Node::text).collect();
                let at = format!("{at}[{number}]");
                if others.is_empty() {
                    let reason = "it lists no groups";
                    report.add(Verdict::Left, (field.line, at), reason);
                } else {
                    self.fallbacks.push(Fallback { line: field.line, at, group: &field.name, others });
                }
            }
        }
    }

    /// `{name: group}`, or `{name: {model: group, hidden: true}}`.
    fn read_aliases(&mut self, node: &'a Node, at: &str, report: &mut Report) {
        for field in node.fields().unwrap_or_default() {
            let group = field.node.text().or_else(|| field.node.get("model")?.text());
            let at = format!("{at}.{}", quoted(&field.name));
            match group {
                Some(group) => {
                    self.aliases.push(GroupAlias { line: field.line, at, name: &field.name, group })
                }
                None => report.add(Verdict::Left, (field.line, at), "it names no group"),
            }
        }
    }

    /// The criterion that the strategy names counts as much as all others together.
    fn read_strategy(&mut self, field: &Field, place: (u64, String), report: &mut Report) {
        let all = Weights {
            efficiency: WEIGHTS.efficiency.into(),
            precision: WEIGHTS.precision.into(),
            latency: WEIGHTS.latency.into(),
            availability: WEIGHTS.availability.into(),
            balance: WEIGHTS.balance.into(),
            mobile: WEIGHTS.mobile.into(),
        };
        let sum = all.efficiency + all.precision + all.latency + all.availability + all.balance + all.mobile;
        let (weights, reason) = match field.node.text() {
            Some("latency-based-routing") => (
                Some(Weights { latency: sum - all.latency, ..all }),
                "in spec.weights latency counts as much as all other criteria together",
            ),
            Some("cost-based-routing") => (
                Some(Weights { efficiency: sum - all.efficiency, ..all }),
                "in spec.weights efficiency counts as much as all other criteria together",
            ),
            _ => (None, "models are ranked by the policy's weights and by what happened, not in turn"),
        };
        self.weights = self.weights.take().or(weights);
        report.add(Verdict::Changed, place, reason);
    }

    /// A budget of a day is one here too; of another time there is none.
    fn read_budget(&mut self, root: &Node, report: &mut Report) {
        let Some(section) = root.get("litellm_settings") else { return };
        let fields = section.fields().unwrap_or_default();
        let Some(field) = fields.iter().find(|field| field.name == "max_budget") else { return };
        let place = (field.line, "litellm_settings.max_budget".to_owned());
        let of_a_day = section
            .get("budget_duration")
            .and_then(Node::text)
            .is_some_and(|time| matches!(time, "1d" | "24h" | "86400s"));
        match field.node.number().and_then(usd) {
            Some(usd) if of_a_day => self.per_day = Some(PerDay { line: field.line, usd }),
            Some(_) => report.add(
                Verdict::ToDo,
                place,
                "a budget of Vox is of a day (UTC): write what a day may cost into spec.budget.perDayUsd",
            ),
            None => report.add(Verdict::Left, place, "it is no amount in USD"),
        }
    }
}

/// Why a setting does not hold that is there twice.
fn outdone(name: &str) -> String {
    format!("{name} is set to something else before, in router_settings or beside it, and that holds")
}

fn fields_of<'a>(root: &'a Node, section: &str, report: &mut Report) -> &'a [Field] {
    let Some(node) = root.get(section) else { return &[] };
    match &node.value {
        Value::Fields(fields) => fields,
        Value::Nothing => &[],
        _ => {
            report.add(Verdict::Left, (node.line, section.to_owned()), "it is no mapping");
            &[]
        }
    }
}

/// A time in seconds, whole or not.
fn seconds(node: &Node) -> Option<Duration> {
    let seconds: f64 = node.number()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}

/// An amount as a policy writes it.
fn usd(digits: &str) -> Option<String> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = (1..=7).contains(&whole.len()) && fraction.len() <= 12 && digits.len() <= 20;
    (plain && digits.parse::<Cost>().is_ok() && !digits.starts_with(['+', '-'])).then(|| digits.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_what_a_policy_takes() {
        assert_eq!(usd("25").as_deref(), Some("25"));
        assert_eq!(usd("0.5").as_deref(), Some("0.5"));
        for wrong in ["-1", "much", "1e3", "NaN", "", ".5", "99999999"] {
            assert_eq!(usd(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_routers_setting_goes_before_the_librarys() {
        let root = Node::read(
            "litellm_settings: { num_retries: 1 }\nrouter_settings: { num_retries: 4, timeout: 2.5 }\n",
        )
        .unwrap();
        let mut report = Report::default();
        let settings = Settings::of(&root, &mut report);
        assert_eq!(settings.retries, Some(4));
        let left: Vec<_> = report.notes.iter().filter(|note| note.verdict == Verdict::Left).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0].field, "litellm_settings.num_retries");
        assert_eq!(settings.timeout, Some(Duration::from_millis(2500)));
    }

    #[test]
    fn only_a_budget_of_a_day_is_one() {
        let read = |text: &str| {
            let root = Node::read(text).unwrap();
            let mut report = Report::default();
            let budget = Settings::of(&root, &mut report).per_day.map(|budget| budget.usd);
            (budget, report.notes.len())
        };
        assert_eq!(
            read("litellm_settings: { max_budget: 25, budget_duration: 1d }"),
            (Some("25".to_owned()), 0)
        );
        assert_eq!(read("litellm_settings: { max_budget: 25, budget_duration: 30d }"), (None, 1));
        assert_eq!(read("litellm_settings: { max_budget: lots, budget_duration: 1d }"), (None, 1));
    }

    #[test]
    fn settings_of_a_wrong_type_are_findings() {
        let root = Node::read("router_settings: [1]\nlitellm_settings: { fallbacks: 7, num_retries: many, timeout: -1, fallbacks2: x }\n").unwrap();
        let mut report = Report::default();
        let settings = Settings::of(&root, &mut report);
        assert!(settings.fallbacks.is_empty() && settings.retries.is_none() && settings.timeout.is_none());
        assert_eq!(report.notes.len(), 5, "{:?}", report.notes);
    }
}
