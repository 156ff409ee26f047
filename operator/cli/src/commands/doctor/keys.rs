//! Which keys fail, and which nobody needs. Pure, from what sources, policies and calls say: no Secret is read.
//!
//! A provider that does not know a key (401) and one that knows it and refuses (402, 403) want different things done.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use vox_contracts::checkup::RefusedKey;
use vox_contracts::discovery::FailureClass;
use vox_crds::conditions::types;
use vox_crds::{ModelCatalogSource, RoutingPolicy};

use super::judge::Check;
use super::named::{counted, named};
use super::policies;
use crate::cluster::condition;
use crate::config;

const NAME: &str = "keys";

pub(super) fn keys(
    sources: &[ModelCatalogSource],
    policies: &[RoutingPolicy],
    refused: &[RefusedKey],
) -> Vec<Check> {
    let mut checks: Vec<Check> = Fault::ALL.iter().filter_map(|fault| of_sources(sources, *fault)).collect();
    checks.extend(of_sidecars(policies));
    checks.extend(of_calls(refused));
    checks.extend(renamed(sources, policies));
    checks.extend(unused(sources, policies));
    if checks.is_empty() {
        checks.push(Check::ok(NAME, "no provider refuses one, and none is missing"));
    }
    checks
}

/// What keeps a source from being ready, as far as keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The provider does not know the key.
    Unknown,
    /// The provider refuses, and the source shows no key.
    NoneShown,
    /// The provider knows the key and refuses.
    Refused,
    /// The Secret is not there, or holds no key.
    Missing,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Unknown, Self::NoneShown, Self::Refused, Self::Missing];

    fn of(source: &ModelCatalogSource) -> Option<Self> {
        let ready = condition(source, types::READY).filter(|ready| ready.status == "False")?;
        let class = FailureClass::ALL.iter().find(|class| class.as_str() == ready.reason)?;
        match (class, &source.spec.credentials_ref) {
            (FailureClass::Unauthorized | FailureClass::Forbidden, None) => Some(Self::NoneShown),
            (FailureClass::Unauthorized, Some(_)) => Some(Self::Unknown),
            (FailureClass::Forbidden, Some(_)) => Some(Self::Refused),
            (FailureClass::CredentialMissing, _) => Some(Self::Missing),
            _ => None,
        }
    }
}

/// The sources that have this fault.
fn of_sources(sources: &[ModelCatalogSource], fault: Fault) -> Option<Check> {
    let of: Vec<&ModelCatalogSource> =
        sources.iter().filter(|source| Fault::of(source) == Some(fault)).collect();
    let first = of.first()?;
    let (namespace, name) = (first.namespace().unwrap_or_default(), first.name_any());
    let full = |source: &&ModelCatalogSource| {
        format!("{}/{}", source.namespace().unwrap_or_default(), source.name_any())
    };
    let names = named(&of.iter().map(full).collect::<Vec<_>>());
    let describe = format!("kubectl describe mcat -n {namespace} {name}");
    let secret = first.spec.credentials_ref.as_ref();
    let write = secret.map(|secret| {
        let (of, key) = (&secret.name, &secret.key);
        format!("kubectl create secret generic {of} -n {namespace} --from-file={key}=FILE --dry-run=client -o yaml | kubectl apply -f -")
    });
    let make = |verb: &str| write.map_or_else(|| describe.clone(), |write| format!("{verb}: {write}"));
    let (what, fix) = match fault {
        Fault::Unknown => {
            ("their provider does not know the key (401)", make("put a valid key into the Secret"))
        }
        Fault::NoneShown => (
            "their provider refuses who shows no key, and none is named (401, 403)",
            format!("name a Secret in spec.credentialsRef: kubectl edit mcat -n {namespace} {name}"),
        ),
        Fault::Refused => (
            "their provider knows who asks and refuses (402, 403)",
            format!(
                "the same key again does not help: with the provider, top up the account or give the key the right to list models; {describe} has its words"
            ),
        ),
        Fault::Missing => ("the Secret or its key is not there, or holds what is no key", make("make it")),
    };
    Some(Check::warn(NAME, format!("{what}: {names}"), fix))
}

/// Policies whose sidecars say that they miss a key.
fn of_sidecars(of: &[RoutingPolicy]) -> Option<Check> {
    let missing: Vec<(&RoutingPolicy, &str)> = of
        .iter()
        .filter_map(|policy| {
            let resolved = policies::condition(policy, types::RESOLVED_REFS)?;
            let is_missing =
                resolved.status == "False" && resolved.reason == FailureClass::CredentialMissing.as_str();
            is_missing.then_some((policy, resolved.message.as_str()))
        })
        .collect();
    let (first, message) = missing.first()?;
    let names = named(&missing.iter().map(|(policy, _)| policies::full_name(policy)).collect::<Vec<_>>());
    let fix = format!("of {}: {message}", policies::full_name(first));
    Some(Check::warn(NAME, format!("sidecars of these policies miss one: {names}"), fix))
}

/// Keys that providers refused when gateways called with them.
fn of_calls(refused: &[RefusedKey]) -> Vec<Check> {
    let of = |known: bool| {
        let of: Vec<&RefusedKey> = refused.iter().filter(|key| (key.status == 401) != known).collect();
        let first = of.first()?;
        let told = |key: &&RefusedKey| {
            let policy = key.policy.as_deref().unwrap_or("no policy");
            format!("{} of {}/{policy} ({})", key.provider, key.namespace, counted(key.calls, "call"))
        };
        let names = named(&of.iter().map(told).collect::<Vec<_>>());
        let policy = first.policy.as_deref().unwrap_or("POLICY");
        let spec = format!(
            "kubectl get rpol -n {} {policy} -o jsonpath='{{.spec.credentials}}' names its Secret",
            first.namespace
        );
        let (what, fix) = if known {
            (
                "know the key and refuse calls with it (402, 403)",
                format!(
                    "with the provider, top up the account or give the key the right to these models; {spec}"
                ),
            )
        } else {
            ("do not know the key of calls (401)", format!("put a valid key into the Secret: {spec}"))
        };
        Some(Check::warn(
            NAME,
            format!("providers {what}, and took none in the last hour since: {names}"),
            fix,
        ))
    };
    [of(false), of(true)].into_iter().flatten().collect()
}

/// Keys of Secrets that have a name which the provider's credential once had. They work; who looks for it under its name of
/// today finds nothing.
fn renamed(sources: &[ModelCatalogSource], of: &[RoutingPolicy]) -> Option<Check> {
    let of_sources = sources.iter().filter_map(|source| {
        let key = &source.spec.credentials_ref.as_ref()?.key;
        let now = config::renamed(key)?;
        let (namespace, name) = (source.namespace().unwrap_or_default(), source.name_any());
        Some(format!("{key} of source {namespace}/{name}, now {now}"))
    });
    let of_policies = of.iter().flat_map(|policy| {
        policy.spec.credentials.iter().filter_map(move |credential| {
            let key = &credential.secret_ref.key;
            let now = config::renamed(key)?;
            Some(format!("{key} of policy {}, now {now}", policies::full_name(policy)))
        })
    });
    let renamed: Vec<String> = of_sources.chain(of_policies).collect();
    let fix = "give the Secret the key under its name of today as well, name that in the spec, then remove the old one";
    (!renamed.is_empty())
        .then(|| Check::warn(NAME, format!("named as providers no longer do: {}", named(&renamed)), fix))
}

/// Keys that a policy names for providers that none of its catalogs has.
fn unused(sources: &[ModelCatalogSource], of: &[RoutingPolicy]) -> Option<Check> {
    let unused: Vec<String> = of
        .iter()
        .flat_map(|policy| {
            let offered = providers(sources, policy);
            let credentials = policy.spec.credentials.iter();
            credentials.filter_map(move |credential| {
                let offered = offered.as_ref()?;
                let unused = !offered.contains(credential.provider.as_str());
                unused.then(|| format!("{} of {}", credential.provider, policies::full_name(policy)))
            })
        })
        .collect();
    (!unused.is_empty()).then(|| {
        Check::info(
            NAME,
            format!("named for a provider that no catalog of the policy has: {}", named(&unused)),
        )
    })
}

/// The providers of a policy's catalogs; nothing where that of one is not known (yet), or not to this user.
fn providers<'a>(sources: &'a [ModelCatalogSource], policy: &RoutingPolicy) -> Option<BTreeSet<&'a str>> {
    let namespace = policy.namespace();
    let catalogs = policy.spec.catalogs.iter();
    catalogs
        .map(|catalog| {
            let source = sources
                .iter()
                .find(|source| source.namespace() == namespace && source.name_any() == catalog.name)?;
            source.status.as_ref()?.provider.as_deref()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::policies::tests::policy;
    use super::*;

    fn source(name: &str, reason: &str, with_key: bool) -> ModelCatalogSource {
        serde_json::from_value(json!({
            "apiVersion": "vox.dev/v1alpha1",
            "kind": "ModelCatalogSource",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": {
                "provider": { "openRouter": {} },
                "credentialsRef": with_key.then(|| json!({ "name": "vendor", "key": "apiKey" })),
            },
            "status": {
                "provider": "openrouter",
                "conditions": [{
                    "type": "Ready", "status": "False", "reason": reason, "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        }))
        .unwrap()
    }

    fn lines(checks: &[Check]) -> Vec<String> {
        checks.iter().map(Check::told).collect()
    }

    #[test]
    fn a_key_that_nobody_knows_and_one_that_is_refused_are_two_lines_with_different_advice() {
        let all = [source("hub", "Unauthorized", true), source("lab", "Forbidden", true)];
        assert_eq!(
            lines(&keys(&all, &[], &[])),
            [
                "WARN  keys: their provider does not know the key (401): shop/hub; put a valid key into the Secret: kubectl create secret generic vendor -n shop --from-file=apiKey=FILE --dry-run=client -o yaml | kubectl apply -f -",
                "WARN  keys: their provider knows who asks and refuses (402, 403): shop/lab; the same key again does not help: with the provider, top up the account or give the key the right to list models; kubectl describe mcat -n shop lab has its words",
            ]
        );
    }

    #[test]
    fn a_provider_that_asks_for_a_key_where_none_is_named_is_given_one() {
        for refusal in ["Unauthorized", "Forbidden"] {
            let [line] = &lines(&keys(&[source("hub", refusal, false)], &[], &[]))[..] else { panic!() };
            assert!(
                line.ends_with("name a Secret in spec.credentialsRef: kubectl edit mcat -n shop hub"),
                "{line}"
            );
        }
    }

    #[test]
    fn a_secret_that_is_not_there_is_made() {
        let [line] = &lines(&keys(&[source("hub", "CredentialMissing", true)], &[], &[]))[..] else {
            panic!()
        };
        assert!(line.contains("make it: kubectl create secret generic vendor -n shop"), "{line}");
    }

    #[test]
    fn what_sidecars_miss_is_told_in_the_words_of_the_status() {
        let missing = policy("main", &[("ResolvedRefs", "False", "CredentialMissing")], Some(1));
        let [line] = &lines(&keys(&[], &[missing], &[]))[..] else { panic!() };
        assert!(line.contains("miss one: shop/main; of shop/main: CredentialMissing it is"), "{line}");
    }

    #[test]
    fn a_key_that_calls_were_refused_with_is_named_by_policy_and_provider() {
        let refused = |provider: &str, status| RefusedKey {
            namespace: "shop".to_owned(),
            policy: Some("main".to_owned()),
            provider: provider.to_owned(),
            status,
            calls: 3,
        };
        let told = lines(&keys(&[], &[], &[refused("openai", 401), refused("google", 403)]));
        assert!(
            told[0].contains("do not know the key of calls (401)")
                && told[0].contains("openai of shop/main (3 calls)"),
            "{told:?}"
        );
        assert!(
            told[1].contains("refuse calls with it (402, 403)") && told[1].contains("google of shop/main"),
            "{told:?}"
        );
    }

    #[test]
    fn a_secrets_key_with_a_name_of_the_past_is_told_with_the_one_of_today() {
        let mut old = source("hub", "Published", true);
        if let Some(reference) = &mut old.spec.credentials_ref {
            reference.key = "HUGGING_FACE_HUB_TOKEN".to_owned();
        }
        let [line] = &lines(&keys(&[old], &[], &[]))[..] else { panic!() };
        assert!(line.starts_with("WARN  keys: named as providers no longer do: HUGGING_FACE_HUB_TOKEN of source shop/hub, now HF_TOKEN; "), "{line}");
    }

    #[test]
    fn a_key_for_a_provider_that_no_catalog_has_is_good_to_know() {
        let mut of = policy("main", &[], Some(1));
        of.spec.credentials = serde_json::from_value(json!([
            { "provider": "openrouter", "secretRef": { "name": "a", "key": "k" } },
            { "provider": "openai", "secretRef": { "name": "b", "key": "k" } },
        ]))
        .unwrap();
        let well = source("hub", "Published", false);
        assert_eq!(
            lines(&keys(&[well], std::slice::from_ref(&of), &[])),
            ["INFO  keys: named for a provider that no catalog of the policy has: openai of shop/main"]
        );
        assert_eq!(
            keys(&[], &[of], &[]),
            [Check::ok(NAME, "no provider refuses one, and none is missing")],
            "a catalog that is not known tells nothing"
        );
    }
}
