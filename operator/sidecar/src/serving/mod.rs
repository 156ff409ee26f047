//! What workers decide and call from: one policy of one snapshot, with everything that a request needs worked out once.

mod paths;
mod place;
mod prices;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use vox_routing::request::Unavailable;

use vox_routing::{Cost, PolicySnapshot, Router, Snapshot};

pub use paths::Paths;
pub use place::Place;
pub use prices::Prices;

use crate::keys::Keys;
use crate::live::{Breaker, Budget};
use crate::record::Name;

const MODEL: HeaderName = HeaderName::from_static("x-vox-model");
/// Says how many attempts an answer took.
pub const ATTEMPTS: HeaderName = HeaderName::from_static("x-vox-attempts");
const POLICY: HeaderName = HeaderName::from_static("x-vox-policy");
/// As many headers as an answer gets, with room for its decision, the length and the date.
const HEADERS: usize = 8;

/// One policy that serves.
#[derive(Debug)]
pub struct Served {
    /// Decides.
    pub router: Router,
    /// The policy's name.
    pub policy: String,
    /// `name/generation`, as answers carry it.
    pub label: HeaderValue,
    /// `namespace/name`, as records have it.
    pub name: Name,
    /// The policy's generation.
    pub generation: i64,
    /// The snapshot's version.
    pub version: u64,
    /// What a decision can pick, in the order of the policy's deployments.
    pub targets: Vec<Target>,
    /// The day's account.
    pub budget: Arc<Budget>,
    per_day: Option<Cost>,
}

/// One deployment.
#[derive(Debug)]
pub struct Target {
    /// `<upstream>/<model id>`.
    pub id: Name,
    /// What is the same in all of its answers: copying it costs a fraction of putting it together.
    pub headers: HeaderMap,
    /// The model's name at its upstream.
    pub model: String,
    /// `<server>/<model id>`, under which the scoreboard keeps it.
    pub key: Name,
    /// The longest input and output together, where that is known.
    pub context_tokens: Option<u64>,
    /// The longest answer that it can give, where that is known.
    pub max_output_tokens: Option<u64>,
    /// Its upstream.
    pub place: Arc<Place>,
    /// Where its calls go there.
    pub paths: Paths,
    /// Its prices.
    pub prices: Prices,
    /// Its failures.
    pub breaker: Arc<Breaker>,
}

/// Why a snapshot has no policy for this sidecar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPolicy {
    /// The policy that was named is not there.
    #[error("policy {name:?} is not in namespace {namespace:?}, which has {}", list(.has))]
    Unknown {
        /// The name.
        name: String,
        /// Where it was looked for.
        namespace: String,
        /// What is there.
        has: Vec<String>,
    },
    /// None was named, and not exactly one is the default.
    #[error(
        "namespace {namespace:?} has {count} default policies: name one of {} in the pod's annotation vox.dev/policy (or with --policy), or make only one the default",
        list(.has)
    )]
    Ambiguous {
        /// Where.
        namespace: String,
        /// How many are the default.
        count: usize,
        /// What is there.
        has: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What outlives snapshots: keys, failures and accounts, by name.
#[derive(Debug)]
pub struct Lasting {
    keys: Keys,
    breakers: Mutex<HashMap<(String, String), Weak<Breaker>>>,
    budgets: Mutex<HashMap<String, Arc<Budget>>>,
    leases: bool,
}

impl Lasting {
    /// With these keys, and with an operator who leases budgets or without.
    #[must_use]
    pub fn new(keys: Keys, leases: bool) -> Self {
        Self { keys, breakers: Mutex::default(), budgets: Mutex::default(), leases }
    }

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Of a deployment, or of an upstream, which has no slash in its name. What moves to another URL begins anew.
    fn breaker(&self, name: &str, url: &str, new: impl FnOnce() -> Breaker) -> Arc<Breaker> {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = breakers.entry((name.to_owned(), url.to_owned())).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let breaker = Arc::new(new());
            *slot = Arc::downgrade(&breaker);
            breaker
        })
    }

    fn budget(&self, policy: &str, per_day: Option<Cost>) -> Arc<Budget> {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Budget::new(self.leases));
        let budget = Arc::clone(budgets.entry(policy.to_owned()).or_insert_with(new));
        budget.limit_to(per_day);
        budget
    }

    fn forget_the_gone(&self) {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.retain(|_, breaker| breaker.strong_count() > 0);
    }
}

impl Served {
    /// The policy of this sidecar: the one that is named, else the namespace's only default.
    ///
    /// # Errors
    /// [`NoPolicy`], which names those that are there.
    pub fn of_snapshot(snapshot: Snapshot, name: Option<&str>, lasting: &Lasting) -> Result<Self, NoPolicy> {
        let Snapshot { namespace, version, policies, .. } = snapshot;
        let names: Vec<String> = policies.iter().map(|policy| policy.policy.name.clone()).collect();
        let policy = if let Some(name) = name {
            let mut policies = policies.into_iter();
            policies.find(|policy| policy.policy.name == name).ok_or_else(|| NoPolicy::Unknown {
                name: name.to_owned(),
                namespace: namespace.clone(),
                has: names,
            })?
        } else {
            // A lone policy need not say that it is the default.
            let lone = policies.len() == 1;
            let mut defaults: Vec<_> =
                policies.into_iter().filter(|policy| lone || policy.policy.default).collect();
            match (defaults.len(), defaults.pop()) {
                (1, Some(policy)) => policy,
                (count, _) => return Err(NoPolicy::Ambiguous { namespace, count, has: names }),
            }
        };
        let served = Self::new(policy, &namespace, version, lasting);
        lasting.forget_the_gone();
        Ok(served)
    }

    fn new(policy: PolicySnapshot, namespace: &str, version: u64, lasting: &Lasting) -> Self {
        let places: HashMap<&str, Arc<Place>> = policy
            .upstreams
            .iter()
            .map(|upstream| {
                let breaker = lasting.breaker(&upstream.name, &upstream.base_url, Breaker::of_all);
                (upstream.name.as_str(), Arc::new(Place::new(upstream, lasting.keys(), breaker)))
            })
            .collect();
        let label = header_value(&format!("{}/{}", policy.policy.name, policy.policy.generation));
        let targets = policy.deployments.iter().map(|deployment| {
            let place = places.get(deployment.upstream.as_str()).map(Arc::clone);
            let place = place.unwrap_or_else(|| Arc::new(Place::missing(&deployment.upstream)));
            Target {
                headers: same(&deployment.id, &label),
                model: deployment.entry.model_id.clone(),
                key: Name::from(format!("{}/{}", place.server, deployment.entry.model_id).as_str()),
                context_tokens: deployment.entry.context_length_tokens,
                max_output_tokens: deployment.entry.max_output_tokens,
                prices: Prices::new(deployment.charged()),
                breaker: lasting.breaker(&deployment.id, &place.url, Breaker::default),
                id: Name::from(deployment.id.as_str()),
                paths: Paths::new(&place, &deployment.entry.model_id),
                place,
            }
        });
        Self {
            targets: targets.collect(),
            policy: policy.policy.name.clone(),
            label,
            name: Name::from(format!("{namespace}/{}", policy.policy.name).as_str()),
            generation: policy.policy.generation,
            version,
            budget: lasting.budget(&policy.policy.name, policy.policy.budget.per_day),
            per_day: policy.policy.budget.per_day,
            router: Router::new(policy),
        }
    }

    /// Why this deployment cannot be called now.
    #[must_use]
    pub fn unavailable(&self, deployment: usize, now_ms: u64) -> Option<Unavailable> {
        let target = self.targets.get(deployment)?;
        target.place.unavailable(now_ms).or_else(|| target.breaker.unavailable(now_ms))
    }

    /// When a deployment that is unavailable for this reason can be asked again, if it is only busy.
    #[must_use]
    pub fn busy_until(&self, deployment: usize, why: Unavailable) -> Option<u64> {
        let busy = matches!(why, Unavailable::AtCapacity | Unavailable::RateLimited);
        busy.then(|| self.targets.get(deployment).map(|target| target.breaker.available_at_ms()))?
    }

    /// The keys that it names and that are not there.
    #[must_use]
    pub fn missing_keys(&self) -> BTreeSet<String> {
        let missing = self.targets.iter().filter_map(|target| target.place.missing_key());
        missing.map(ToOwned::to_owned).collect()
    }

    /// What may still be spent today; nothing where no day's budget is set.
    #[must_use]
    pub fn day_budget_left(&self, now_ms: u64) -> Option<Cost> {
        self.per_day.map(|_| self.budget.left(now_ms))
    }
}

/// What answers of a deployment say of it, at the first attempt.
fn same(id: &str, label: &HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(MODEL, header_value(id));
    headers.insert(ATTEMPTS, HeaderValue::from_static("1"));
    headers.insert(POLICY, label.clone());
    headers
}

/// An id as a header's value; letters that cannot stand in one become question marks.
fn header_value(text: &str) -> HeaderValue {
    let visible = |letter: char| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' };
    let text: String = text.chars().map(visible).collect();
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
