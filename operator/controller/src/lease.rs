//! One replica reconciles: the one that holds the Lease. Every write of it carries the resourceVersion that was read, so
//! that of two replicas that both think it free one gets it and the other a conflict.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};

/// How long a holder that says nothing keeps the lease.
const DURATION: Duration = Duration::from_secs(30);
/// How often the holder renews, and how often others look.
const INTERVAL: Duration = Duration::from_secs(5);
/// A holder that could not renew for so long stops by itself, well before another may take over.
const GIVE_UP: Duration = Duration::from_secs(20);
/// Bound on one call.
const CALL: Duration = Duration::from_secs(5);

/// The lease of this operator.
pub(crate) struct Elector {
    api: Api<Lease>,
    name: String,
    holder: String,
}

/// What to do about a lease that was read. Pure, so that time can be an argument.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is ours: renew it.
    Renew,
    /// Nobody holds it any more: take it.
    Take,
    /// Somebody holds it.
    Wait,
}

fn step(lease: Option<&LeaseSpec>, holder: &str, now: Timestamp) -> Step {
    let Some(spec) = lease else { return Step::Take };
    let Some(current) = spec.holder_identity.as_deref().filter(|id| !id.is_empty()) else {
        return Step::Take;
    };
    if current == holder {
        return Step::Renew;
    }
    let seconds = i64::from(spec.lease_duration_seconds.unwrap_or_default());
    let ends =
        spec.renew_time.as_ref().and_then(|time| time.0.checked_add(SignedDuration::from_secs(seconds)).ok());
    if ends.is_none_or(|ends| ends <= now) { Step::Take } else { Step::Wait }
}

impl Elector {
    pub(crate) fn new(client: Client, namespace: &str, name: &str, holder: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), holder: holder.to_owned() }
    }

    /// Waits until this replica holds the lease.
    pub(crate) async fn acquire(&self) {
        loop {
            match self.try_once().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = format!("{error:#}"), "failed to look at the lease"),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Renews the lease for as long as that works; returns why it is lost.
    pub(crate) async fn hold(&self) -> anyhow::Error {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.try_once().await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => return anyhow::anyhow!("another replica holds the lease {}", self.name),
                Err(error) if renewed.elapsed() > GIVE_UP => {
                    return error.context(format!("failed to renew the lease {} for {GIVE_UP:?}", self.name));
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "failed to renew the lease; trying again")
                }
            }
        }
    }

    /// Gives the lease back, so that the next replica need not wait for it to run out.
    pub(crate) async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        if let Some(spec) =
            lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(&self.holder))
        {
            spec.holder_identity = None;
            if let Err(error) = self.api.replace(&self.name, &PostParams::default(), &lease).await {
                tracing::info!(%error, "failed to give the lease back; it runs out by itself");
            }
        }
    }

    /// Looks once. True: this replica holds the lease now.
    async fn try_once(&self) -> anyhow::Result<bool> {
        tokio::time::timeout(CALL, self.look()).await.context("failed to reach the API server in time")?
    }

    async fn look(&self) -> anyhow::Result<bool> {
        let now = Timestamp::now();
        let read = self.api.get_opt(&self.name).await.context("failed to read the lease")?;
        let step = step(read.as_ref().and_then(|lease| lease.spec.as_ref()), &self.holder, now);
        if step == Step::Wait {
            return Ok(false);
        }
        let written = match read {
            Some(lease) => {
                let lease = self.claimed(lease, step == Step::Take, now);
                self.api.replace(&self.name, &PostParams::default(), &lease).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                let lease = self.claimed(Lease { metadata, spec: None }, true, now);
                self.api.create(&PostParams::default(), &lease).await
            }
        };
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => bail!(anyhow::Error::new(error).context("failed to write the lease")),
        }
    }

    fn claimed(&self, mut lease: Lease, taken: bool, now: Timestamp) -> Lease {
        let spec = lease.spec.get_or_insert_default();
        spec.renew_time = Some(MicroTime(now));
        if taken {
            spec.holder_identity = Some(self.holder.clone());
            spec.acquire_time = Some(MicroTime(now));
            spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
        }
        lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(by: &str, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(by.to_owned()),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            lease_duration_seconds: Some(30),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_is_taken_when_free_or_run_out_and_renewed_when_ours() {
        let now = Timestamp::from_second(1000).unwrap();
        assert_eq!(step(None, "me", now), Step::Take);
        assert_eq!(step(Some(&LeaseSpec::default()), "me", now), Step::Take);
        assert_eq!(step(Some(&held("me", 0)), "me", now), Step::Renew);
        assert_eq!(step(Some(&held("other", 971)), "me", now), Step::Wait);
        assert_eq!(step(Some(&held("other", 970)), "me", now), Step::Take);
    }
}
