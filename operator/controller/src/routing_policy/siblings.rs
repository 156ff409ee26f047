//! Policies of one namespace tell of each other: which is the default, and the snapshot that they share. What changes for
//! one of them is looked at for all.

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{Stream, StreamExt as _};
use kube::ResourceExt as _;
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::runtime::watcher::Event;
use vox_crds::RoutingPolicy;

use super::Guarded;

/// Where it is said that the policies of a namespace are to be looked at.
#[derive(Debug, Clone)]
pub(crate) struct Siblings(UnboundedSender<Told>);

/// What is said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    namespace: String,
    /// Whose change it was: it knows.
    by: Option<String>,
}

impl Siblings {
    pub(crate) fn new() -> (Self, UnboundedReceiver<Told>) {
        let (sender, receiver) = unbounded();
        (Self(sender), receiver)
    }

    /// Asks for a look at the policies of a namespace, but not at the one named `by`.
    pub(crate) fn of(&self, namespace: &str, by: Option<&str>) {
        // Nobody listens any more when the controller ends.
        let _ =
            self.0.unbounded_send(Told { namespace: namespace.to_owned(), by: by.map(ToOwned::to_owned) });
    }

    /// Asks for a look at the siblings of a policy that became the default, or no longer is. `known` does not have the
    /// event yet.
    pub(crate) fn see(&self, known: &Cache<Guarded>, event: &Event<Guarded>) {
        let (policy, is_there) = match event {
            Event::Apply(policy) | Event::InitApply(policy) => (policy, true),
            Event::Delete(policy) => (policy, false),
            Event::Init | Event::InitDone => return,
        };
        let before = known.get(&ObjectRef::from_obj(policy));
        let was_default = before.is_some_and(|before| wants_default(&before));
        if was_default != (is_there && wants_default(policy)) {
            self.of(&policy.namespace().unwrap_or_default(), Some(&policy.name_any()));
        }
    }
}

/// Whether it counts as a default: one that is being deleted does not.
pub(crate) fn wants_default(policy: &Guarded) -> bool {
    let is_default =
        |policy: &RoutingPolicy| policy.spec.is_default && policy.metadata.deletion_timestamp.is_none();
    policy.0.as_ref().is_ok_and(is_default)
}

/// The policies to look at.
pub(crate) fn to_look_at(
    told: UnboundedReceiver<Told>,
    policies: Cache<Guarded>,
) -> impl Stream<Item = ObjectRef<Guarded>> + Send {
    told.flat_map(move |told| {
        let policies = policies.state();
        let here = policies.iter().filter(|policy| {
            policy.namespace().as_ref() == Some(&told.namespace) && Some(policy.name_any()) != told.by
        });
        let objects: Vec<_> = here.map(|policy| ObjectRef::from_obj(&**policy)).collect();
        futures::stream::iter(objects)
    })
}

#[cfg(test)]
mod tests {
    use kube::core::DeserializeGuard;
    use kube::runtime::reflector::store::Writer;

    use super::*;

    fn policy(name: &str, namespace: &str, is_default: bool) -> Guarded {
        let spec = serde_json::json!({ "default": is_default, "catalogs": [{ "name": "acme" }] });
        let mut policy = RoutingPolicy::new(name, serde_json::from_value(spec).unwrap());
        policy.metadata.namespace = Some(namespace.to_owned());
        DeserializeGuard(Ok(policy))
    }

    fn cache(policies: Vec<Guarded>) -> (Cache<Guarded>, Writer<Guarded>) {
        let (cache, mut writer) = kube::runtime::reflector::store();
        for policy in policies {
            writer.apply_watcher_event(&Event::Apply(policy));
        }
        (cache, writer)
    }

    /// What an event says, when the cache has a default `a` and `b`, which is none.
    fn told(event: &Event<Guarded>) -> Option<Told> {
        let (known, _writer) = cache(vec![policy("a", "shop", true), policy("b", "shop", false)]);
        let (siblings, mut receiver) = Siblings::new();
        siblings.see(&known, event);
        receiver.try_recv().ok()
    }

    #[test]
    fn siblings_hear_of_a_policy_that_becomes_the_default_or_is_no_more() {
        let by = |name: &str| Some(Told { namespace: "shop".to_owned(), by: Some(name.to_owned()) });
        assert_eq!(told(&Event::Apply(policy("b", "shop", true))), by("b"));
        assert_eq!(told(&Event::Apply(policy("new", "shop", true))), by("new"));
        assert_eq!(told(&Event::Apply(policy("a", "shop", false))), by("a"));
        assert_eq!(told(&Event::Delete(policy("a", "shop", true))), by("a"));
    }

    #[test]
    fn siblings_do_not_hear_of_a_policy_whose_default_stays_as_it_was() {
        assert_eq!(told(&Event::Apply(policy("a", "shop", true))), None);
        assert_eq!(told(&Event::Delete(policy("b", "shop", false))), None);
        assert_eq!(told(&Event::Apply(policy("new", "shop", false))), None);
    }

    #[tokio::test]
    async fn all_of_the_namespace_are_looked_at_but_the_one_that_knows() {
        let (known, _writer) =
            cache(vec![policy("a", "shop", true), policy("b", "shop", false), policy("c", "else", false)]);
        let (siblings, receiver) = Siblings::new();
        siblings.of("shop", Some("a"));
        drop(siblings);
        let names: Vec<String> = to_look_at(receiver, known).map(|object| object.name).collect().await;
        assert_eq!(names, ["b"]);
    }
}
