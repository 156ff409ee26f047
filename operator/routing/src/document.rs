//! A snapshot as it is written: each deployment once, and policies name theirs by their place. Most policies of a
//! namespace share their catalogs; with a copy for each of them twenty policies would be twenty times as long.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::policy::Policy;
use crate::snapshot::{Deployment, PolicySnapshot, SCHEMA_VERSION, Snapshot, SnapshotError, Upstream};

/// The whole document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document<'a> {
    schema_version: u32,
    namespace: Cow<'a, str>,
    version: u64,
    digest: Cow<'a, str>,
    /// Binds the version to the digest, which is without it.
    seal: Cow<'a, str>,
    deployments: Vec<Cow<'a, Deployment>>,
    policies: Vec<PolicyDocument<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyDocument<'a> {
    policy: Cow<'a, Policy>,
    upstreams: Cow<'a, [Upstream]>,
    /// Places in the document's deployments.
    deployments: Vec<u32>,
}

/// What a document and its digest are made from: each deployment once, in the order in which the policies have them.
fn share(policies: &[PolicySnapshot]) -> (Vec<Cow<'_, Deployment>>, Vec<PolicyDocument<'_>>) {
    let mut shared: Vec<Cow<'_, Deployment>> = Vec::new();
    // Overrides make one id several deployments.
    let mut known: HashMap<&str, Vec<(u32, &Arc<Deployment>)>> = HashMap::new();
    let written = policies.iter().map(|one| {
        let places = one.deployments.iter().map(|deployment| {
            let same_id = known.entry(&deployment.id).or_default();
            let equal =
                same_id.iter().find(|(_, other)| Arc::ptr_eq(other, deployment) || *other == deployment);
            if let Some((place, _)) = equal {
                return *place;
            }
            let place = u32::try_from(shared.len()).unwrap_or(u32::MAX);
            shared.push(Cow::Borrowed(deployment));
            same_id.push((place, deployment));
            place
        });
        PolicyDocument {
            deployments: places.collect(),
            policy: Cow::Borrowed(&one.policy),
            upstreams: Cow::Borrowed(&one.upstreams),
        }
    });
    let written = written.collect();
    (shared, written)
}

/// The digest of what policies decide from.
pub(crate) fn digest(namespace: &str, policies: &[PolicySnapshot]) -> Result<String, serde_json::Error> {
    let (deployments, policies) = share(policies);
    digest_of(namespace, &deployments, &policies)
}

fn digest_of(
    namespace: &str,
    deployments: &[Cow<'_, Deployment>],
    policies: &[PolicyDocument<'_>],
) -> Result<String, serde_json::Error> {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(&(SCHEMA_VERSION, namespace, deployments, policies))?);
    Ok(format!("sha256:{}", hex::encode(hash.finalize())))
}

/// What makes another version of the same content another document: a sidecar never goes back, so a version that somebody
/// changed would keep it from all that follow.
fn seal(version: u64, digest: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(format!("{version} {digest}"))))
}

/// The document's bytes.
pub(crate) fn write(snapshot: &Snapshot) -> Result<Vec<u8>, serde_json::Error> {
    let (deployments, policies) = share(&snapshot.policies);
    serde_json::to_vec(&Document {
        schema_version: SCHEMA_VERSION,
        namespace: Cow::Borrowed(&snapshot.namespace),
        version: snapshot.version,
        digest: Cow::Borrowed(&snapshot.digest),
        seal: Cow::Owned(seal(snapshot.version, &snapshot.digest)),
        deployments,
        policies,
    })
}

/// Reads a document and checks it.
pub(crate) fn read(json: &[u8]) -> Result<Snapshot, SnapshotError> {
    /// Read first, so that another form is told from a damaged document.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Form {
        schema_version: u32,
    }
    let Form { schema_version } = serde_json::from_slice(json)?;
    if schema_version != SCHEMA_VERSION {
        return Err(SnapshotError::Form { found: schema_version });
    }
    let document: Document<'static> = serde_json::from_slice(json)?;
    if digest_of(&document.namespace, &document.deployments, &document.policies)? != document.digest
        || seal(document.version, &document.digest) != document.seal
    {
        return Err(SnapshotError::Digest);
    }
    let shared: Vec<Arc<Deployment>> =
        document.deployments.into_iter().map(|one| Arc::new(one.into_owned())).collect();
    let policy = |one: PolicyDocument<'_>| {
        let deployment = |place: &u32| shared.get(*place as usize).cloned();
        let deployments: Option<Vec<_>> = one.deployments.iter().map(deployment).collect();
        let missing = || serde_json::Error::custom("a policy names a deployment that is not there");
        Ok(PolicySnapshot {
            deployments: deployments.ok_or_else(missing)?,
            policy: one.policy.into_owned(),
            upstreams: one.upstreams.into_owned(),
        })
    };
    let policies: Result<_, serde_json::Error> = document.policies.into_iter().map(policy).collect();
    Ok(Snapshot {
        namespace: document.namespace.into_owned(),
        version: document.version,
        digest: document.digest.into_owned(),
        policies: policies?,
    })
}
