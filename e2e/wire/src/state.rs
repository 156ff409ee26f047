//! What the server remembers: the fixtures, each provider's settings, how often it was asked, and what arrived.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;

use crate::fault::Fault;
use crate::inference::arrivals::{Arrival, Arrivals};
use crate::inference::fault::Fault as ChatFault;
use crate::inference::settings::Chat;
use crate::providers::{Fixtures, Provider};
use crate::settings::Settings;

/// How many rendered lists are kept; each page of a paged list is one.
const MAX_RENDERED: usize = 256;
/// A longer list, in bytes, is made anew each time.
const MAX_RENDERED_BYTES: usize = 16 << 20;

/// Requests by provider and path.
pub type Counts = BTreeMap<&'static str, BTreeMap<String, u64>>;

/// The server's state, shared by all requests.
#[derive(Debug, Clone)]
pub struct Wire(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fixtures: Fixtures,
    initial: Settings,
    settings: Mutex<HashMap<Provider, Settings>>,
    rendered: Mutex<HashMap<(Provider, String), Bytes>>,
    counts: Mutex<Counts>,
    arrivals: Mutex<BTreeMap<&'static str, Arrivals>>,
}

/// A panic while a lock was held leaves the maps usable: each change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    /// State in which every provider has these settings.
    ///
    /// # Errors
    /// When a fixture does not parse.
    pub fn new(initial: &Settings) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Inner {
            fixtures: Fixtures::load()?,
            initial: initial.clone(),
            settings: Mutex::default(),
            rendered: Mutex::default(),
            counts: Mutex::default(),
            arrivals: Mutex::default(),
        })))
    }

    /// The facts that all lists are made from.
    #[must_use]
    pub fn fixtures(&self) -> &Fixtures {
        &self.0.fixtures
    }

    /// What holds for a provider now.
    #[must_use]
    pub fn settings(&self, provider: Provider) -> Settings {
        lock(&self.0.settings).get(&provider).unwrap_or(&self.0.initial).clone()
    }

    /// Replaces a provider's settings.
    pub fn set(&self, provider: Provider, settings: Settings) {
        lock(&self.0.settings).insert(provider, settings);
        self.forget_rendered(provider);
    }

    /// Gives a provider the settings that the server was started with.
    pub fn reset(&self, provider: Provider) {
        lock(&self.0.settings).remove(&provider);
        self.forget_rendered(provider);
    }

    /// The fault for one request, counting down its `times`.
    #[must_use]
    pub fn take_fault(&self, provider: Provider, path: &str) -> Option<Fault> {
        let mut all = lock(&self.0.settings);
        let settings = all.get_mut(&provider)?;
        let fault = settings.fault_at(path).cloned()?;
        settings.times = settings.times.map(|times| times.saturating_sub(1));
        Some(fault)
    }

    /// Replaces how a provider answers inference requests, and leaves its lists as they are.
    pub fn set_chat(&self, provider: Provider, chat: Chat) {
        let mut all = lock(&self.0.settings);
        all.entry(provider).or_insert_with(|| self.0.initial.clone()).chat = chat;
    }

    /// The fault for one inference request, counting down its `times`.
    #[must_use]
    pub fn take_chat_fault(&self, provider: Provider, model: &str, stream: bool) -> Option<ChatFault> {
        lock(&self.0.settings).get_mut(&provider)?.chat.take_fault(model, stream)
    }

    /// A list made before with the same settings, or one made now.
    pub(crate) fn rendered(&self, provider: Provider, what: String, make: impl FnOnce() -> Bytes) -> Bytes {
        if let Some(bytes) = lock(&self.0.rendered).get(&(provider, what.clone())) {
            return bytes.clone();
        }
        let bytes = make();
        let mut rendered = lock(&self.0.rendered);
        if rendered.len() < MAX_RENDERED && bytes.len() <= MAX_RENDERED_BYTES {
            rendered.insert((provider, what), bytes.clone());
        }
        bytes
    }

    fn forget_rendered(&self, provider: Provider) {
        lock(&self.0.rendered).retain(|(of, _), _| *of != provider);
    }

    /// Counts a request.
    pub(crate) fn count(&self, provider: Provider, path: &str) {
        let mut counts = lock(&self.0.counts);
        *counts.entry(provider.as_str()).or_default().entry(path.to_owned()).or_default() += 1;
    }

    /// How often each path was asked.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.0.counts).clone()
    }

    /// How often a provider was asked in all.
    #[must_use]
    pub fn total(&self, provider: Provider) -> u64 {
        lock(&self.0.counts).get(provider.as_str()).map_or(0, |paths| paths.values().sum())
    }

    /// Sets the counts back to zero.
    pub fn forget_counts(&self) {
        lock(&self.0.counts).clear();
    }

    /// Counts an inference request and keeps it as the last one.
    pub(crate) fn arrived(&self, provider: Provider, arrival: Arrival) {
        lock(&self.0.arrivals).entry(provider.as_str()).or_default().add(arrival);
    }

    /// The inference requests of a provider.
    #[must_use]
    pub fn arrivals(&self, provider: Provider) -> Arrivals {
        lock(&self.0.arrivals).get(provider.as_str()).cloned().unwrap_or_default()
    }

    /// The inference requests of every provider that had any.
    #[must_use]
    pub fn all_arrivals(&self) -> BTreeMap<&'static str, Arrivals> {
        lock(&self.0.arrivals).clone()
    }

    /// Forgets the inference requests.
    pub fn forget_arrivals(&self) {
        lock(&self.0.arrivals).clear();
    }
}
