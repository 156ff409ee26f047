//! The admin API's part on the operator itself: what only it can see of its database, certificates, clock and sidecars.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use vox_contracts::checkup::{CertificateUse, Checkup, DatabaseFacts, Followers, RefusedKey};

use crate::control_plane::Shared;
use crate::{admission, certificates, partitions};

/// How long the database gets for all questions together; less than the command line waits.
const DATABASE: Duration = Duration::from_secs(20);

pub(super) fn routes(shared: Shared) -> Router {
    Router::new().route("/v1/checkup", get(checkup)).with_state(shared)
}

async fn checkup(State(shared): State<Shared>) -> Json<Checkup> {
    let serving = shared.certificate.load();
    let authority = shared.authority.load();
    let mut certificates = certificates::facts(CertificateUse::Serving, &serving);
    certificates.extend(certificates::facts(CertificateUse::Authority, authority.as_bytes()));
    let asked = tokio::time::timeout(DATABASE, Seen::of(&shared)).await;
    let seen = match asked {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to look at the database");
            Seen::default()
        }
        Err(_) => {
            tracing::warn!(?DATABASE, "the database did not answer all questions in time");
            Seen::default()
        }
    };
    let webhooks = admission::bundle::facts(&shared).await;
    Json(Checkup {
        now: Timestamp::now(),
        certificates,
        webhooks,
        database: seen.database,
        followers: seen.followers,
        refused_keys: seen.refused_keys,
    })
}

/// What the database tells.
#[derive(Default)]
struct Seen {
    database: Option<DatabaseFacts>,
    followers: Vec<Followers>,
    refused_keys: Vec<RefusedKey>,
}

impl Seen {
    async fn of(shared: &Shared) -> vox_store::Result<Self> {
        let store = &shared.store;
        let facts = store.checkup(partitions::today(Timestamp::now())).await?;
        if !facts.migrations.missing.is_empty() {
            // The tables of the other questions may not be there yet.
            return Ok(Self { database: Some(facts), ..Self::default() });
        }
        let (followers, refused_keys) = (store.followers().await?, store.refused_keys().await?);
        Ok(Self { database: Some(facts), followers, refused_keys })
    }
}
