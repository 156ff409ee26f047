//! A snapshot as it comes, and whether it is whole. Written from its description and not from the operator's code, so that a
//! mistake there is not repeated here.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// Where a document says its version: in front of everything that is long.
const HEAD: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    namespace: &'a str,
    version: u64,
    digest: &'a str,
    seal: &'a str,
    #[serde(borrow)]
    deployments: &'a RawValue,
    #[serde(borrow)]
    policies: &'a RawValue,
}

#[derive(Deserialize)]
struct Entry {
    policy: Policy,
    deployments: Vec<u32>,
}

#[derive(Deserialize)]
struct Policy {
    name: String,
    generation: i64,
}

/// What a document holds of one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holds {
    pub(super) generation: i64,
    pub(super) models: usize,
}

/// The version of a document, without reading all of it.
pub(super) fn version(line: &[u8]) -> Option<u64> {
    let head = std::str::from_utf8(line.get(..line.len().min(HEAD))?).ok()?;
    let (_, rest) = head.split_once("\"version\":")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

/// Checks the digest; nothing where the policy is not in it.
pub(super) fn check(line: &[u8], policy: &str) -> anyhow::Result<Option<Holds>> {
    let document: Document<'_> = serde_json::from_slice(line).context("a snapshot is no document")?;
    let Document { schema_version, namespace, version, digest, seal, deployments, policies } = document;
    let content = format!("[{schema_version},{namespace:?},{deployments},{policies}]");
    if format!("sha256:{}", hex::encode(Sha256::digest(content))) != digest {
        bail!("the digest of a snapshot does not match its content");
    }
    if format!("sha256:{}", hex::encode(Sha256::digest(format!("{version} {digest}")))) != seal {
        bail!("the seal of a snapshot does not match its version");
    }
    let entries: Vec<Entry> = serde_json::from_str(policies.get())?;
    let found = entries.into_iter().find(|entry| entry.policy.name == policy);
    Ok(found.map(|entry| Holds { generation: entry.policy.generation, models: entry.deployments.len() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &str = r#"[{"policy":{"name":"main","generation":3},"deployments":[0,1]}]"#;

    fn document(digest: &str) -> String {
        let seal = hex::encode(Sha256::digest(format!("17 {digest}")));
        format!(
            r#"{{"schemaVersion":3,"namespace":"shop","version":17,"digest":"{digest}","seal":"sha256:{seal}","deployments":[],"policies":{CONTENT}}}"#
        )
    }

    #[test]
    fn a_document_tells_its_version_and_what_it_holds() {
        let digest = hex::encode(Sha256::digest(format!(r#"[3,"shop",[],{CONTENT}]"#)));
        let whole = document(&format!("sha256:{digest}"));
        assert_eq!(version(whole.as_bytes()), Some(17));
        let holds = check(whole.as_bytes(), "main").unwrap();
        assert_eq!(holds, Some(Holds { generation: 3, models: 2 }));
        assert_eq!(check(whole.as_bytes(), "other").unwrap(), None);
    }

    #[test]
    fn a_document_that_was_changed_is_found_out() {
        assert!(check(document("sha256:00").as_bytes(), "main").is_err());
        let digest = hex::encode(Sha256::digest(format!(r#"[3,"shop",[],{CONTENT}]"#)));
        let other = document(&format!("sha256:{digest}")).replace("\"version\":17", "\"version\":18");
        assert!(check(other.as_bytes(), "main").is_err(), "another version");
    }
}
