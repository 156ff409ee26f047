//! The policies: one for everybody, and one for each group whose fall-backs or alternatives an alias cannot say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vox_contracts::inference::infer_family;
use vox_contracts::{ModelTier, TaskCategory};
use vox_crds::DurationText;
use vox_crds::routing_policy::{
    Alias, Allow, Budget, CatalogRef, Credential, FallBack, Override, Prefer, Require, Route,
};
use vox_crds::{RoutingPolicy, RoutingPolicySpec};

use super::Target;
use super::groups::{Group, Groups};
use super::names;
use super::report::{Report, Verdict, quoted};
use super::settings::{Fallback, Settings};
use super::sources::{Placed, Source};

/// So many aliases, catalogs, models to allow and the like a policy takes.
const MOST: usize = 64;
/// So many overrides a policy takes.
const MOST_OVERRIDES: usize = 128;
/// A name that clients may write is so long at most.
const LONGEST_NAME: usize = 128;
/// Tries of a policy that says nothing of them, after the first.
const USUAL_RETRIES: i64 = 2;
/// The longest time that a route takes.
const LONGEST: Duration = Duration::from_secs(3600);

/// Makes the policies of one file.
pub(super) struct Maker<'a> {
    pub(super) target: &'a Target,
    pub(super) sources: &'a [Source],
    pub(super) placed: &'a [Placed],
    pub(super) settings: &'a Settings<'a>,
    pub(super) groups: Groups<'a>,
}

impl Maker<'_> {
    /// The policy for everybody first.
    pub(super) fn policies(&self, report: &mut Report) -> Vec<RoutingPolicy> {
        let all: BTreeSet<usize> = (0..self.sources.len()).collect();
        let everybody = RoutingPolicySpec {
            is_default: true,
            aliases: self.aliases(report),
            routes: self.routes(),
            overrides: self.overrides(self.placed.iter(), report),
            ..self.spec(&all, report)
        };
        let mut policies = vec![self.named(self.target.policy.clone(), everybody)];
        for group in &self.groups.list {
            self.add_chain(group, &mut policies, report);
        }
        let aliases: Vec<String> = policies
            .iter()
            .take(1)
            .flat_map(|one| &one.spec.aliases)
            .map(|alias| alias.name.clone())
            .collect();
        self.tell_of_nobodys_fallbacks(report);
        self.tell_of_lone_aliases(&aliases, policies.len(), report);
        if let (Some(budget), 2..) = (&self.settings.per_day, policies.len()) {
            let reason = format!(
                "each of the {} policies counts its own day, so that they may spend as many times as much together",
                policies.len()
            );
            report.add(Verdict::Changed, (budget.line, "litellm_settings.max_budget".to_owned()), reason);
        }
        policies
    }

    fn named(&self, name: String, spec: RoutingPolicySpec) -> RoutingPolicy {
        RoutingPolicy { metadata: self.target.metadata(&name), spec, status: None }
    }

    /// What every policy has: sources, keys, budget, weights.
    fn spec(&self, sources: &BTreeSet<usize>, report: &mut Report) -> RoutingPolicySpec {
        let of = || sources.iter().filter_map(|number| self.sources.get(*number));
        RoutingPolicySpec {
            catalogs: of().map(|source| CatalogRef { name: source.name.clone() }).collect(),
            credentials: self.credentials(of(), report),
            budget: self
                .settings
                .per_day
                .as_ref()
                .map(|budget| Budget { per_day_usd: Some(budget.usd.clone()), ..Budget::default() }),
            weights: self.settings.weights.clone(),
            ..RoutingPolicySpec::default()
        }
    }

    fn credentials<'s>(
        &self,
        sources: impl Iterator<Item = &'s Source>,
        report: &mut Report,
    ) -> Vec<Credential> {
        let mut keys: BTreeMap<String, &String> = BTreeMap::new();
        for source in sources {
            let Some(key) = &source.key else { continue };
            let provider = source.place.provider.to_string();
            let used = *keys.entry(provider.clone()).or_insert(key);
            if used != key {
                let reason = format!(
                    "a policy has one key for each provider: models of {provider} are called with {used} here too. Where they take \
                     another one, write a policy of their own"
                );
                report.add(Verdict::ToDo, (source.line, source.at.clone()), reason);
            }
        }
        let credential = |(provider, key): (String, &String)| Credential {
            provider,
            secret_ref: self.target.secret_key(key),
        };
        keys.into_iter().map(credential).collect()
    }

    fn aliases(&self, report: &mut Report) -> Vec<Alias> {
        let mut aliases = Aliases::default();
        for group in &self.groups.list {
            let at = (group.line, group.at.to_owned());
            let Some(meaning) = self.groups.meaning(group) else { continue };
            if group.is_wild() {
                if group.name != meaning.model {
                    let reason = format!("clients write {}, or the model's id alone", quoted(&meaning.model));
                    report.add(Verdict::Changed, at, reason);
                }
            } else if !self.groups.needs_no_alias(group, &meaning) {
                aliases.add(group.name, meaning.model, at, report);
            }
        }
        for alias in &self.settings.aliases {
            let at = (alias.line, alias.at.clone());
            match self.groups.get(alias.group).and_then(|group| self.groups.meaning(group)) {
                Some(meaning) if !meaning.model.contains('*') => {
                    aliases.add(alias.name, meaning.model, at, report);
                }
                _ => report.add(Verdict::Left, at, "no entry that was carried over has this name"),
            }
        }
        aliases.list
    }

    fn overrides<'p>(&self, placed: impl Iterator<Item = &'p Placed>, report: &mut Report) -> Vec<Override> {
        let mut known: BTreeMap<String, &Placed> = BTreeMap::new();
        let mut overrides = Vec::new();
        for one in placed.filter(|one| one.deployment.facts != Default::default()) {
            let (entry, id) = (&one.deployment, self.groups.id(one));
            let before = known.get(&id).map(|before| &before.deployment.facts);
            let at = || (entry.line, entry.at.clone());
            match before {
                Some(before) if *before == entry.facts => continue,
                Some(_) => {
                    let reason = "an entry before it says something else of the same model, which holds";
                    report.add(Verdict::Changed, at(), reason);
                    continue;
                }
                None if overrides.len() == MOST_OVERRIDES => {
                    report.add(
                        Verdict::Left,
                        at(),
                        format!("a policy has at most {MOST_OVERRIDES} overrides"),
                    );
                    continue;
                }
                None => {}
            }
            overrides.push(Override {
                model: id.clone(),
                input_usd_per_mtok: entry.facts.input.clone(),
                output_usd_per_mtok: entry.facts.output.clone(),
                context_tokens: entry.facts.context_tokens,
                tier: None,
                strengths: Vec::new(),
                tools: entry.facts.tools,
            });
            known.insert(id, one);
        }
        overrides
    }

    /// What the settings say of tries and time holds for every kind of work.
    fn routes(&self) -> Vec<Route> {
        if self.settings.retries.is_none() && self.settings.timeout.is_none() {
            return Vec::new();
        }
        let route = |category: &TaskCategory| Route {
            category: *category,
            require: None,
            prefer: None,
            max_latency_ms: None,
            fall_back: Some(self.fall_back(1)),
        };
        TaskCategory::ALL.iter().map(route).collect()
    }

    fn fall_back(&self, at_least: usize) -> FallBack {
        let at_least = i64::try_from(at_least).unwrap_or(i64::MAX);
        let tries =
            self.settings.retries.unwrap_or(USUAL_RETRIES).saturating_add(1).max(at_least).clamp(1, 10);
        let total = self.settings.timeout.map(|timeout| {
            timeout.saturating_mul(u32::try_from(tries).unwrap_or(1)).clamp(Duration::from_secs(1), LONGEST)
        });
        FallBack {
            max_attempts: Some(tries),
            total_timeout: total.map(DurationText::from),
            wait_when_busy: None,
        }
    }

    /// A policy of the group and of who is asked when it fails.
    fn add_chain(&self, group: &Group<'_>, policies: &mut Vec<RoutingPolicy>, report: &mut Report) {
        let fallbacks: Vec<&Fallback<'_>> =
            self.settings.fallbacks.iter().filter(|one| one.group == group.name).collect();
        let whole = self.groups.meaning(group).is_none_or(|meaning| meaning.whole);
        let others = self.others(&fallbacks, report);
        if group.is_wild() || whole && others.is_empty() {
            return;
        }
        let chain = Chain::of(&self.groups, group, &others);
        let at =
            fallbacks.first().map_or((group.line, group.at.to_owned()), |one| (one.line, one.at.clone()));
        if chain.models.len() > MOST {
            let reason =
                format!("its models and their fall-backs are more than the {MOST} that a policy names");
            return report.add(Verdict::Left, at, reason);
        }
        let wanted = names::label(&format!("{}-{}", self.target.policy, group.name), 58);
        let taken = |name: &str| policies.iter().any(|one| one.metadata.name.as_deref() == Some(name));
        let name = names::free(wanted, taken);
        report.add(
            Verdict::Changed,
            at,
            chain.told(&name, group, self.groups.meaning(group).map(|one| one.model)),
        );
        let spec = RoutingPolicySpec {
            allow: Some(Allow { models: chain.models.clone(), ..Allow::default() }),
            routes: vec![Route { fall_back: Some(self.fall_back(chain.models.len())), ..chain.route() }],
            aliases: chain.alias(group.name).into_iter().collect(),
            overrides: self.overrides(chain.members.iter().copied(), &mut Report::default()),
            ..self.spec(&chain.members.iter().map(|one| one.source).collect(), &mut Report::default())
        };
        policies.push(self.named(name, spec));
    }

    /// The members of the groups that are asked when one fails, in their order.
    fn others(&self, fallbacks: &[&Fallback<'_>], report: &mut Report) -> Vec<&Placed> {
        let mut others = Vec::new();
        for fallback in fallbacks {
            for name in &fallback.others {
                match self.groups.get(name) {
                    Some(group) => others.extend(group.members.iter().copied()),
                    None => {
                        let reason = format!("no entry that was carried over has the name {}", quoted(name));
                        report.add(Verdict::Left, (fallback.line, fallback.at.clone()), reason);
                    }
                }
            }
        }
        others
    }
}

/// A group, and who is asked when it fails.
struct Chain<'a> {
    members: Vec<&'a Placed>,
    /// Their ids, in order.
    models: Vec<String>,
    /// What puts the models of the group before all others, where there is such a thing.
    prefer: Option<Prefer>,
    /// How many of the members are not of the group.
    others: usize,
    category: TaskCategory,
}

impl<'a> Chain<'a> {
    fn of(groups: &Groups<'_>, group: &Group<'a>, others: &[&'a Placed]) -> Self {
        let mut seen = BTreeSet::new();
        let mut members: Vec<&Placed> = group.members.iter().copied().chain(others.iter().copied()).collect();
        members.retain(|one| seen.insert(groups.id(one)));
        let (own, others) = members.split_at(group.members.len().min(members.len()));
        let embeds = own.first().is_some_and(|one| one.deployment.embeds);
        Self {
            models: members.iter().map(|one| groups.id(one)).collect(),
            prefer: preference(own, others),
            others: others.len(),
            category: if embeds { TaskCategory::Embedding } else { TaskCategory::Chat },
            members,
        }
    }

    /// No floors of the contract: who was asked before is asked again.
    fn route(&self) -> Route {
        Route {
            category: self.category,
            require: Some(Require {
                min_context_tokens: Some(0),
                tier_floor: Some(ModelTier::Economy),
                ..Require::default()
            }),
            prefer: self.prefer.clone(),
            max_latency_ms: None,
            fall_back: None,
        }
    }

    fn alias(&self, name: &str) -> Option<Alias> {
        let alias =
            Alias { name: name.to_owned(), category: Some(self.category), model: None, force_cost: false };
        is_alias_name(name).then_some(alias)
    }

    fn told(&self, policy: &str, group: &Group<'_>, alone: Option<String>) -> String {
        let order = match (self.others, &self.prefer) {
            (0, _) | (_, None) => "and which of them goes first is ranked",
            (1, Some(_)) => "those of the name first",
            (_, Some(_)) => "those of the name first, and which of the others comes next is ranked",
        };
        let alone = alone.map(|model| format!(", here {}", quoted(&model))).unwrap_or_default();
        format!(
            "an alias stands for one model{alone}. Policy {policy} leaves {} the choice among {} models, {order}; pods ask for it with \
             the annotation vox.dev/policy: {policy}",
            quoted(group.name),
            self.models.len()
        )
    }
}

/// What all of the one have and none of the others: servers of one's own, or a family.
fn preference(own: &[&Placed], others: &[&Placed]) -> Option<Prefer> {
    let local = |one: &&Placed| one.deployment.place.provider.info().is_some_and(|info| info.local);
    let family = |one: &&Placed| infer_family(&one.deployment.model);
    if others.is_empty() {
        return None;
    }
    if own.iter().all(local) && !others.iter().any(local) {
        return Some(Prefer { local: true, ..Prefer::default() });
    }
    let first = family(own.first()?)?;
    let tells = own.iter().all(|one| family(one) == Some(first))
        && others.iter().all(|one| family(one) != Some(first));
    tells.then(|| Prefer { family: Some(first.to_owned()), ..Prefer::default() })
}

/// Names that clients may write, each once.
#[derive(Default)]
struct Aliases {
    list: Vec<Alias>,
    names: BTreeSet<String>,
}

impl Aliases {
    fn add(&mut self, name: &str, model: String, at: (u64, String), report: &mut Report) {
        if !is_alias_name(name) {
            let reason = format!(
                "an alias has at most {LONGEST_NAME} letters, digits and ._:/-, and does not begin with vox/: clients write {}",
                quoted(&model)
            );
            report.add(Verdict::Left, at, reason);
        } else if self.names.contains(name) {
            report.add(Verdict::Left, at, "another one before it has the same name");
        } else if self.list.len() == MOST {
            let reason = format!("a policy has at most {MOST} aliases: clients write {}", quoted(&model));
            report.add(Verdict::Left, at, reason);
        } else {
            self.names.insert(name.to_owned());
            self.list.push(Alias {
                name: name.to_owned(),
                category: None,
                model: Some(model),
                force_cost: false,
            });
        }
    }
}

fn is_alias_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(allowed)
        && name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && !name.starts_with("vox/")
}
