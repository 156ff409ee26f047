//! What a sidecar and the operator say to each other about a day's budget.
//!
//! ```text
//! POST /v1/namespaces/{namespace}/policies/{policy}/leases   LeaseRequest -> LeaseAnswer
//! ```
//! The call carries a ServiceAccount token of the same namespace, of audience [`crate::discovery::AUDIENCE`]. Amounts are
//! whole pico-USD (10⁻¹² USD) and cumulative over the lease: the same call again, or one that comes late, changes nothing.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A sidecar reports what it spent of its lease, and says how much it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseRequest {
    /// The lease. The sidecar makes this id itself and writes it down before it asks, so that an answer that is lost
    /// leaves no lease that nobody holds.
    pub lease: Uuid,
    /// The day (UTC) whose budget it is.
    pub day: Date,
    /// Who holds it: the pod's name. For people.
    pub holder: String,
    /// All that the sidecar was granted under this id, as far as it heard.
    pub granted_pico_usd: u64,
    /// All that it spent of that.
    pub spent_pico_usd: u64,
    /// So much unspent it needs: worst cases of requests under way and of those that wait.
    pub need_pico_usd: u64,
    /// So much unspent it would like to hold.
    pub want_pico_usd: u64,
    /// The sidecar spends nothing of it any more: its rest goes back.
    pub settled: bool,
}

/// What a sidecar may spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseAnswer {
    /// The lease.
    pub lease: Uuid,
    /// Its day (UTC).
    pub day: Date,
    /// All that is granted under this id: the sidecar spends no more in all.
    pub granted_pico_usd: u64,
    /// The policy's budget for the day.
    pub limit_pico_usd: u64,
    /// What of that is neither spent nor granted to anybody.
    pub remaining_pico_usd: u64,
    /// Without a word from its holder until then, the rest of the lease is shown as spent, in Unix seconds. It stays
    /// the holder's all the same.
    pub expires_at: i64,
}

/// Codes of refusals that a sidecar tells apart.
pub mod codes {
    /// 409: nothing of the day's budget is left to grant. What the call reported is taken down.
    pub const BUDGET_SPENT: &str = "BudgetSpent";
    /// 409: the lease is settled, or another policy's or day's. Ask under a new id.
    pub const LEASE_CLOSED: &str = "LeaseClosed";
    /// 409: the day is not today.
    pub const WRONG_DAY: &str = "WrongDay";
    /// 404: the policy that serves has no day's budget, or there is none.
    pub const NO_BUDGET: &str = "NoBudget";
}
