//! The budget tables: what a policy may spend on a day, and who holds how much of it.
//!
//! A grant, a report and a settlement are one transaction under the lock of the day's row, so that spent and granted
//! together never pass the limit, however many replicas and sidecars there are.

mod account;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use vox_contracts::budget::{LeaseAnswer, LeaseRequest};

use crate::{Result, Store};
use account::{Account, Holding, pusd};

/// Without a word from its holder for so long, the rest of a lease is shown as spent. Sidecars report every five minutes.
const EXPIRES: SignedDuration = SignedDuration::from_mins(15);

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leased {
    /// The report is taken down, and this is granted in all.
    Held(LeaseAnswer),
    /// The lease was settled before, or is of another policy or day.
    Closed,
}

/// One policy's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetDay {
    /// The policy's namespace.
    pub namespace: String,
    /// The policy's name.
    pub policy: String,
    /// `spec.budget.perDayUsd` of the generation that serves.
    pub per_day_usd: String,
    /// Reported as spent, with the rests of leases whose holders are silent; pico-USD.
    pub spent_pico_usd: u64,
    /// Granted and not spent, by holders that report; pico-USD.
    pub leased_pico_usd: u64,
}

impl Store {
    /// Takes a sidecar's report down and grants what is due of this limit, in pico-USD. With `grants` false, for days that
    /// are over, it only reports.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lease(
        &self,
        namespace: &str,
        policy: &str,
        call: &LeaseRequest,
        limit: Option<u64>,
        now: Timestamp,
    ) -> Result<Leased> {
        let mut tx = self.pool.begin().await?;
        let mut account = lock(&mut tx, namespace, policy, call.day, limit).await?;
        let known = sqlx::query(
            "SELECT namespace, policy, day, granted_pusd, spent_pusd, settled_at IS NOT NULL AS settled
             FROM budget_lease WHERE lease = $1 FOR UPDATE",
        )
        .bind(call.lease)
        .fetch_optional(&mut *tx)
        .await?;
        let mut lease = Holding::default();
        if let Some(row) = &known {
            let of: (String, String) = (row.try_get("namespace")?, row.try_get("policy")?);
            let day: jiff_sqlx::Date = row.try_get("day")?;
            if of != (namespace.to_owned(), policy.to_owned()) || day.to_jiff() != call.day {
                return Ok(Leased::Closed);
            }
            lease = Holding {
                granted: row.try_get("granted_pusd")?,
                spent: row.try_get("spent_pusd")?,
                settled: row.try_get("settled")?,
            };
        }
        let closed = lease.settled;
        account::turn(&mut account, &mut lease, call, limit.is_some());
        // Whoever gets nothing leaves no row.
        if (known.is_some() || lease.granted > 0 || lease.spent > 0)
            && !write(&mut tx, namespace, policy, call, (&account, &lease), now).await?
        {
            return Ok(Leased::Closed);
        }
        tx.commit().await?;
        Ok(if closed && !call.settled {
            Leased::Closed
        } else {
            Leased::Held(answer(call, &account, &lease, now))
        })
    }

    /// Whether this lease of the policy is known, settled or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_leased(&self, namespace: &str, policy: &str, call: &LeaseRequest) -> Result<bool> {
        let row =
            sqlx::query("SELECT 1 FROM budget_lease WHERE lease = $1 AND namespace = $2 AND policy = $3")
                .bind(call.lease)
                .bind(namespace)
                .bind(policy)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.is_some())
    }

    /// The budgets of this day of all policies that serve and have one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn budgets(&self, day: Date, now: Timestamp) -> Result<Vec<BudgetDay>> {
        let rows = sqlx::query(
            "SELECT p.namespace, p.name, p.spec->'budget'->>'perDayUsd' AS per_day,
                 coalesce(d.spent_pusd, 0) AS spent, coalesce(d.leased_pusd, 0) AS leased,
                 least(coalesce(l.silent, 0), coalesce(d.leased_pusd, 0))::bigint AS silent
             FROM routing_policy p
             LEFT JOIN budget_day d ON d.namespace = p.namespace AND d.policy = p.name AND d.day = $1
             LEFT JOIN LATERAL (
                 SELECT sum(greatest(granted_pusd - spent_pusd, 0)) AS silent FROM budget_lease
                 WHERE namespace = p.namespace AND policy = p.name AND day = $1
                     AND settled_at IS NULL AND expires_at < $2) l ON true
             WHERE p.spec->'budget'->>'perDayUsd' IS NOT NULL",
        )
        .bind(day.to_sqlx())
        .bind(now.to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(budget_day).collect()
    }

    /// Deletes days before this one, with their leases; says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_budgets(&self, before: Date) -> Result<u64> {
        let done = sqlx::query("DELETE FROM budget_day WHERE day < $1")
            .bind(before.to_sqlx())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }
}

/// By how much the limit is passed if all that is granted is spent, in pico-USD.
#[must_use]
pub fn worst_overspend(limit: u64, spent: u64, leased: u64) -> u64 {
    let account = Account { limit: pusd(limit), spent: pusd(spent), leased: pusd(leased) };
    unsigned(account.worst_overspend())
}

/// The day's account, which nobody else changes until the transaction ends.
async fn lock(
    tx: &mut PgConnection,
    namespace: &str,
    policy: &str,
    day: Date,
    limit: Option<u64>,
) -> Result<Account> {
    sqlx::query(
        "INSERT INTO budget_day (namespace, policy, day, limit_pusd) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(namespace)
    .bind(policy)
    .bind(day.to_sqlx())
    .bind(pusd(limit.unwrap_or(0)))
    .execute(&mut *tx)
    .await?;
    let row = sqlx::query(
        "SELECT limit_pusd, spent_pusd, leased_pusd FROM budget_day
         WHERE namespace = $1 AND policy = $2 AND day = $3 FOR UPDATE",
    )
    .bind(namespace)
    .bind(policy)
    .bind(day.to_sqlx())
    .fetch_one(&mut *tx)
    .await?;
    Ok(Account {
        limit: limit.map_or_else(|| row.try_get("limit_pusd"), |limit| Ok(pusd(limit)))?,
        spent: row.try_get("spent_pusd")?,
        leased: row.try_get("leased_pusd")?,
    })
}

/// False when the lease became another policy's or day's a moment ago, whose lock is another one; then nothing may stay.
async fn write(
    tx: &mut PgConnection,
    namespace: &str,
    policy: &str,
    call: &LeaseRequest,
    (account, lease): (&Account, &Holding),
    now: Timestamp,
) -> Result<bool> {
    sqlx::query(
        "UPDATE budget_day SET limit_pusd = $4, spent_pusd = $5, leased_pusd = $6
         WHERE namespace = $1 AND policy = $2 AND day = $3",
    )
    .bind(namespace)
    .bind(policy)
    .bind(call.day.to_sqlx())
    .bind(account.limit)
    .bind(account.spent)
    .bind(account.leased)
    .execute(&mut *tx)
    .await?;
    let written = sqlx::query(
        "INSERT INTO budget_lease (lease, namespace, policy, day, holder, granted_pusd, spent_pusd, expires_at, settled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (lease) DO UPDATE SET holder = excluded.holder, granted_pusd = excluded.granted_pusd,
             spent_pusd = excluded.spent_pusd, expires_at = excluded.expires_at,
             settled_at = coalesce(budget_lease.settled_at, excluded.settled_at)
         WHERE (budget_lease.namespace, budget_lease.policy, budget_lease.day)
             = (excluded.namespace, excluded.policy, excluded.day)",
    )
    .bind(call.lease)
    .bind(namespace)
    .bind(policy)
    .bind(call.day.to_sqlx())
    .bind(&call.holder)
    .bind(lease.granted)
    .bind(lease.spent)
    .bind(expiry(now).to_sqlx())
    .bind(lease.settled.then(|| now.to_sqlx()))
    .execute(&mut *tx)
    .await?;
    Ok(written.rows_affected() == 1)
}

fn answer(call: &LeaseRequest, account: &Account, lease: &Holding, now: Timestamp) -> LeaseAnswer {
    LeaseAnswer {
        lease: call.lease,
        day: call.day,
        granted_pico_usd: unsigned(lease.granted),
        limit_pico_usd: unsigned(account.limit),
        remaining_pico_usd: unsigned(account.left()),
        expires_at: expiry(now).as_second(),
    }
}

fn budget_day(row: &PgRow) -> Result<BudgetDay> {
    let amount = |name| row.try_get::<i64, _>(name);
    let silent = amount("silent")?;
    Ok(BudgetDay {
        namespace: row.try_get("namespace")?,
        policy: row.try_get("name")?,
        per_day_usd: row.try_get("per_day")?,
        spent_pico_usd: unsigned(amount("spent")?.saturating_add(silent)),
        leased_pico_usd: unsigned(amount("leased")?.saturating_sub(silent)),
    })
}

fn expiry(now: Timestamp) -> Timestamp {
    now.checked_add(EXPIRES).unwrap_or(Timestamp::MAX)
}

/// The tables hold no negative amounts.
fn unsigned(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or_default()
}
