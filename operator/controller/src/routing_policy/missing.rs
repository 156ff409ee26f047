//! Keys that sidecars miss. The operator reads no Secret; a sidecar knows whether the kubelet gave it the key, and says so.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use vox_crds::RoutingPolicySpec;
use vox_store::routing::MissingKey;

/// Keys as `policy/provider`, each with how many sidecars miss it.
type OfNamespace = BTreeMap<String, u64>;

/// What was said last, by namespace.
#[derive(Debug, Default)]
pub(crate) struct Missing(Mutex<BTreeMap<String, OfNamespace>>);

impl Missing {
    /// Takes what all sidecars say now; the namespaces where that is something else than before.
    pub(crate) fn replace(&self, said: Vec<MissingKey>) -> Vec<String> {
        let mut now: BTreeMap<String, OfNamespace> = BTreeMap::new();
        for MissingKey { namespace, key, sidecars } in said {
            now.entry(namespace).or_default().insert(key, sidecars);
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut namespaces: Vec<String> = known.keys().chain(now.keys()).cloned().collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces.retain(|namespace| known.get(namespace) != now.get(namespace));
        *known = now;
        namespaces
    }

    /// What is said of one policy's keys, and what to do.
    pub(crate) fn of(&self, namespace: &str, policy: &str, spec: &RoutingPolicySpec) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = known.get(namespace).into_iter().flatten();
        let of_policy = keys.filter_map(|(key, sidecars)| {
            let (of, provider) = key.split_once('/')?;
            (of == policy).then(|| sentence(namespace, provider, *sidecars, spec))
        });
        of_policy.collect()
    }
}

fn sentence(namespace: &str, provider: &str, sidecars: u64, spec: &RoutingPolicySpec) -> String {
    let who = if sidecars == 1 { "1 sidecar has".to_owned() } else { format!("{sidecars} sidecars have") };
    let named = spec.credentials.iter().find(|credential| credential.provider == provider);
    let Some(secret) = named.map(|credential| &credential.secret_ref) else {
        return format!(
            "{who} no key for {provider}, whose models are passed over there: name its Secret in spec.credentials, or take \
             {provider} out of what the policy allows"
        );
    };
    let (name, key) = (&secret.name, &secret.key);
    format!(
        "{who} no key for {provider}, whose models are passed over there: Secret {name}, key {key} is not there, is not \
         mounted in them, or holds what is no key (their log says what is wrong with it); `kubectl create secret generic {name} -n {namespace} --from-file={key}=FILE` makes it, and \
         `kubectl rollout restart` mounts what a policy named after a pod began"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(namespace: &str, key: &str, sidecars: u64) -> MissingKey {
        MissingKey { namespace: namespace.to_owned(), key: key.to_owned(), sidecars }
    }

    fn spec(credentials: serde_json::Value) -> RoutingPolicySpec {
        let spec = serde_json::json!({ "catalogs": [{ "name": "acme" }], "credentials": credentials });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_namespace_is_looked_at_when_its_sidecars_say_something_else() {
        let missing = Missing::default();
        assert_eq!(missing.replace(vec![said("shop", "main/openrouter", 2)]), ["shop"]);
        assert_eq!(missing.replace(vec![said("shop", "main/openrouter", 2)]), Vec::<String>::new());
        assert_eq!(missing.replace(vec![said("office", "main/openrouter", 1)]), ["office", "shop"]);
        assert_eq!(missing.replace(Vec::new()), ["office"]);
    }

    #[test]
    fn the_sentence_names_the_secret_that_the_policy_names_or_that_it_names_none() {
        let missing = Missing::default();
        missing.replace(vec![said("shop", "main/openrouter", 2), said("shop", "other/openrouter", 1)]);
        let named = spec(serde_json::json!([
            { "provider": "openrouter", "secretRef": { "name": "keys", "key": "apiKey" } }
        ]));
        let [sentence] = &missing.of("shop", "main", &named)[..] else { panic!("one") };
        for part in ["2 sidecars", "Secret keys, key apiKey", "kubectl create secret generic keys -n shop"] {
            assert!(sentence.contains(part), "{sentence}");
        }
        let [sentence] = &missing.of("shop", "other", &spec(serde_json::json!([])))[..] else {
            panic!("one")
        };
        assert!(sentence.starts_with("1 sidecar has no key for openrouter"), "{sentence}");
        assert!(sentence.contains("spec.credentials"), "{sentence}");
        assert_eq!(missing.of("office", "main", &named), Vec::<String>::new());
    }
}
