//! Leases of a day's budget: one thread asks the operator for more before it is needed, writes down what may be spent
//! before it is spent, and gives the rest back when the day, the policy or the sidecar ends. Requests never wait for it
//! while what is held suffices.

mod ask;
mod kept;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::watch;
use vox_contracts::budget::{LeaseRequest, codes};

use crate::app::App;
use crate::ids::{now_ms, uuid};
use crate::live::{Account, Budget, DAY_MS};
use crate::operator::{Pause, jittered};
use kept::Kept;

/// How often it is looked whether there is something to do, when nobody says so.
const TICK: Duration = Duration::from_secs(1);
/// Between two looks, however often somebody wants something.
const SHORTEST: Duration = Duration::from_millis(2);
/// Between two calls that end well.
const BETWEEN: Duration = Duration::from_millis(50);
/// After one that failed, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// While the budget is spent: somebody may give a rest back, or the policy get another limit.
const WHILE_SPENT: Duration = Duration::from_secs(15);
/// Without other cause: a third of the time after which the operator takes a holder for silent.
const REPORT: Duration = Duration::from_secs(300);
/// So many of the largest worst case a lease should hold.
const REQUESTS: u64 = 4;
/// For the last reports, in all: what is left of a pod's termination grace when `--drain` is over, by their defaults.
const LAST: Duration = Duration::from_secs(5);

/// The thread that leases. Without an operator there is none.
pub(crate) struct Leases {
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Leases {
    pub(crate) fn start(app: &Arc<App>) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper::new(Arc::clone(app));
        let thread = match app.settings.snapshot {
            Some(_) => None,
            None => Some(std::thread::Builder::new().name("leases".to_owned()).spawn(move || {
                match crate::workers::runtime() {
                    Ok(runtime) => runtime.block_on(keeper.run(stopped)),
                    Err(error) => tracing::error!(%error, "budgets cannot be leased"),
                }
            })?),
        };
        Ok(Self { stop, thread: Mutex::new(thread) })
    }

    /// Reports and gives the rest back.
    pub(crate) fn close(&self) {
        // Whoever does not run any more needs not to be told.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

/// A lease that is held.
struct Held {
    policy: String,
    budget: Arc<Budget>,
    account: Arc<Account>,
    /// What was unspent after the last grant: less than half of it is too little.
    rest: u64,
    reported: Option<Instant>,
    /// The limit has changed since the operator last answered.
    relimited: bool,
}

impl Held {
    /// The operator has answered, and the account has what it said.
    fn heard(&mut self) {
        self.rest = self.account.rest();
        self.reported = Some(Instant::now());
        self.relimited = false;
        self.budget.heard();
    }
}

struct Keeper {
    app: Arc<App>,
    held: Option<Held>,
    /// Leases of days and policies that are over, until they are settled.
    past: Vec<(String, Arc<Account>)>,
    pause: Pause,
    again: Instant,
}

impl Keeper {
    fn new(app: Arc<App>) -> Self {
        Self {
            app,
            held: None,
            past: Vec::new(),
            pause: Pause::new(FIRST_PAUSE, LAST_PAUSE),
            again: Instant::now(),
        }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        self.find();
        let app = Arc::clone(&self.app);
        while !*stopped.borrow() {
            self.turn().await;
            let now = Instant::now();
            let until = if self.is_due() { self.again.min(now + TICK) } else { now + TICK };
            let budget = self.budget();
            let wanted = async {
                match &budget {
                    Some((_, budget)) => budget.wanted.notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(until.max(now + SHORTEST).into()) => {}
                () = wanted => tokio::time::sleep(SHORTEST).await,
                () = app.changed.notified() => {}
                _ = stopped.changed() => {}
            }
        }
        self.end().await;
    }

    /// What an earlier run held.
    fn find(&mut self) {
        let Some(kept) = kept::read(&self.app.settings.state) else { return };
        let Kept { policy, day, lease, granted_pico_usd, spent_pico_usd } = kept;
        let account = Account::leased(day, lease, granted_pico_usd, spent_pico_usd);
        self.past.push((policy, Arc::new(account)));
    }

    /// The policy that serves, if its budget has to be leased.
    fn budget(&self) -> Option<(String, Arc<Budget>)> {
        let served = self.app.serving.load_full()?;
        served.budget.is_leased().then(|| (served.policy.clone(), Arc::clone(&served.budget)))
    }

    async fn turn(&mut self) {
        let (serving, day) = (self.budget(), now_ms() / DAY_MS);
        let fits = |held: &Held| {
            let same = serving.as_ref().is_some_and(|(_, budget)| Arc::ptr_eq(budget, &held.budget));
            same && held.account.day >= day
        };
        if let Some(held) = self.held.take_if(|held| !fits(held)) {
            held.budget.open(None);
            self.past.push((held.policy, held.account));
        }
        if self.held.is_none()
            && let Some((policy, budget)) = serving
        {
            self.begin(policy, budget, day);
        }
        if let Some(held) = &mut self.held
            && held.budget.take_relimited()
        {
            held.relimited = true;
            // What was waited for has come: the next call is answered by the new limit.
            self.again = Instant::now();
        }
        self.spread();
        // Before a snapshot is there, nobody knows whether what an earlier run held goes on.
        if Instant::now() >= self.again && self.app.serving.load().is_some() {
            self.settle_past(false).await;
            if self.is_due() {
                self.renew().await;
                self.spread();
            }
        }
    }

    /// A new lease, or the one that an earlier run held.
    fn begin(&mut self, policy: String, budget: Arc<Budget>, day: u64) {
        let goes_on = |(of, account): &(String, Arc<Account>)| {
            *of == policy && account.day == day && !account.is_sealed()
        };
        let kept = self.past.iter().position(goes_on);
        let found = kept.map(|place| self.past.swap_remove(place).1);
        let account = found.unwrap_or_else(|| Arc::new(Account::leased(day, uuid(now_ms()), 0, 0)));
        budget.open(Some(Arc::clone(&account)));
        let held = Held { policy, budget, account, rest: 0, reported: None, relimited: false };
        // Before it is asked for: an answer that comes when nobody is there any more is still found.
        let _ = write(&self.app, &held, held.account.usable());
        self.held = Some(held);
        self.again = Instant::now();
    }

    fn is_due(&self) -> bool {
        let Some(held) = &self.held else { return false };
        let (waiting, _) = held.budget.demand();
        let rest = held.account.rest();
        let since = |time| held.reported.is_none_or(|reported| reported.elapsed() >= time);
        let short = held.budget.is_short() && since(WHILE_SPENT);
        since(REPORT) || short || held.relimited || rest < waiting || rest <= held.rest / 2
    }

    /// Lets a part of what is granted be spent, once it is written down as spent.
    fn spread(&mut self) {
        let Some(held) = &mut self.held else { return };
        let (waiting, largest) = held.budget.demand();
        let account = &held.account;
        let (granted, taken, usable) = (account.granted(), account.taken(), account.usable());
        let part = (account.rest() / 4).max(largest.saturating_mul(2));
        let low = |usable: u64| {
            let half = granted.saturating_sub(held.rest / 2);
            let end = if usable < granted { half.min(usable.saturating_sub(part / 2)) } else { half };
            end.max(taken.saturating_add(1))
        };
        if usable >= granted || usable.saturating_sub(taken) > (part / 2).max(waiting) {
            account.release(usable, low(usable));
            return;
        }
        let next = taken.saturating_add(part).saturating_add(waiting).clamp(usable, granted);
        if write(&self.app, held, next) {
            account.release(next, low(next));
            held.budget.tell(held.budget.is_away());
        }
    }

    async fn renew(&mut self) {
        let Some(held) = &mut self.held else { return };
        let (waiting, largest) = held.budget.demand();
        let account = &held.account;
        let request = request(&self.app, account);
        let need = account.taken().saturating_sub(request.spent_pico_usd).saturating_add(waiting);
        let want = need.saturating_add(largest.saturating_mul(REQUESTS)).max(1);
        let request = LeaseRequest { need_pico_usd: need, want_pico_usd: want, ..request };
        let asked = ask::ask(&self.app.settings, &held.policy, &request).await;
        let pause = match asked {
            Ok(answer) => {
                account.grant(answer.granted_pico_usd, answer.remaining_pico_usd);
                held.heard();
                self.pause.reset();
                BETWEEN
            }
            Err(error) if error.code() == codes::BUDGET_SPENT => {
                account.grant(0, 0);
                held.heard();
                WHILE_SPENT
            }
            Err(error) => {
                tracing::warn!(operator = %self.app.settings.operator, policy = %held.policy, "no lease: {error}");
                held.budget.tell(true);
                if error.code() == codes::LEASE_CLOSED
                    && let Some(held) = self.held.take()
                {
                    held.budget.open(None);
                    self.past.push((held.policy, held.account));
                }
                self.pause.after(error.retry_after())
            }
        };
        self.again = Instant::now() + pause;
    }

    /// Gives back what nobody spends any more; at the end, whatever is still under way.
    async fn settle_past(&mut self, end: bool) {
        let today = now_ms() / DAY_MS;
        for (policy, account) in std::mem::take(&mut self.past) {
            if !account.seal() && !end {
                self.past.push((policy, account));
                continue;
            }
            let request = LeaseRequest { settled: true, ..request(&self.app, &account) };
            match ask::ask(&self.app.settings, &policy, &request).await {
                // Where there is no budget, nothing is known of the lease: nothing was granted.
                Err(error) if ![codes::LEASE_CLOSED, codes::NO_BUDGET].contains(&error.code()) => {
                    tracing::warn!(%policy, day = %request.day, "a lease cannot be settled: {error}");
                    if account.day.saturating_add(1) >= today {
                        self.past.push((policy, account));
                    }
                    let told = error.retry_after().map(|after| self.pause.when_told(after));
                    self.again = Instant::now() + told.unwrap_or_else(|| jittered(LAST_PAUSE));
                }
                _ => tracing::debug!(%policy, day = %request.day, "settled"),
            }
        }
    }

    async fn end(mut self) {
        if let Some(held) = self.held.take() {
            held.budget.open(None);
            self.past.push((held.policy, held.account));
        }
        // Whoever starts here next must not go on with what is given back.
        if kept::remove(&self.app.settings.state) {
            let settled = tokio::time::timeout(LAST, async {
                loop {
                    self.settle_past(true).await;
                    if self.past.is_empty() {
                        break;
                    }
                    // A replica of the operator may be gone just now, and the next call reaches another one.
                    tokio::time::sleep(jittered(FIRST_PAUSE * 2)).await;
                }
            });
            if settled.await.is_err() {
                tracing::warn!("a lease is not given back: its rest counts as spent until the day ends");
            }
        }
    }
}

fn write(app: &App, held: &Held, spent: u64) -> bool {
    let Some(lease) = held.account.lease else { return false };
    let kept = Kept {
        policy: held.policy.clone(),
        day: held.account.day,
        lease,
        granted_pico_usd: held.account.granted(),
        spent_pico_usd: spent,
    };
    kept::write(&app.settings.state, &kept)
}

/// A report that asks for nothing.
fn request(app: &App, account: &Account) -> LeaseRequest {
    LeaseRequest {
        lease: account.lease.unwrap_or_default(),
        day: date(account.day),
        holder: app.settings.pod_name.clone(),
        granted_pico_usd: account.granted(),
        spent_pico_usd: account.spent(),
        need_pico_usd: 0,
        want_pico_usd: 0,
        settled: false,
    }
}

/// The date of a day that is counted from 1970-01-01.
fn date(day: u64) -> Date {
    let millis = i64::try_from(day.saturating_mul(DAY_MS)).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).date()
}
