use super::*;

fn settings() -> Injection {
    Injection {
        image: "vox-sidecar:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
        image_pull_secrets: vec!["pull".to_owned()],
        operator_url: "https://vox-operator.vox.svc:8443".to_owned(),
        resources: json!({ "requests": { "cpu": "20m", "memory": "32Mi" }, "limits": { "memory": "128Mi" } }),
        strict_sessions: false,
    }
}

fn policy(name: &str, default: bool) -> Policy {
    let key = ProviderKey {
        provider: "openrouter".to_owned(),
        secret: format!("{name}-keys"),
        key: "apiKey".to_owned(),
    };
    Policy { name: name.to_owned(), default, keys: vec![key] }
}

/// As a ReplicaSet makes it: no name, no namespace.
fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": "shop-", "labels": { "vox.dev/inject": "enabled" } },
        "spec": {
            "initContainers": [{ "name": "warm-up", "image": "i" }],
            "containers": [{ "name": "app", "image": "a", "newField": { "of": "a later Kubernetes" } }],
        },
    })
}

/// The pod with its patch; each operation writes one whole member.
fn patched(pod: &Value, injected: &Injected) -> Value {
    let mut after = pod.clone();
    for operation in &injected.patch {
        let (parent, member) = operation["path"].as_str().unwrap().rsplit_once('/').unwrap();
        assert_eq!(operation["op"], "add");
        after.pointer_mut(parent).unwrap()[member] = operation["value"].clone();
    }
    after
}

fn variable<'a>(container: &'a Value, name: &str) -> &'a Value {
    container["env"].as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap()
}

#[test]
fn the_sidecar_starts_first_and_everything_behind_it_is_told_where_it_is() {
    let injected = inject(&pod(), &[policy("shop", false)], &settings()).unwrap();
    assert_eq!(injected.warnings, Vec::<String>::new());
    let pod = patched(&pod(), &injected);
    let sidecar = &pod["spec"]["initContainers"][0];
    assert_eq!((&sidecar["name"], &sidecar["restartPolicy"]), (&json!("vox"), &json!("Always")));
    for container in [&pod["spec"]["initContainers"][1], &pod["spec"]["containers"][0]] {
        assert_eq!(variable(container, "OPENAI_BASE_URL")["value"], "http://127.0.0.1:8811/v1");
        assert_eq!(variable(container, "ANTHROPIC_BASE_URL")["value"], "http://127.0.0.1:8811");
        assert_eq!(variable(container, "OPENAI_API_KEY")["value"], environment::PLACEHOLDER);
    }
    assert_eq!(pod["spec"]["containers"][0]["newField"]["of"], "a later Kubernetes");
    insta::assert_json_snapshot!("injected", pod);
}

#[test]
fn asked_again_nothing_more_is_done() {
    let policies = [policy("shop", false)];
    let once = patched(&pod(), &inject(&pod(), &policies, &settings()).unwrap());
    assert_eq!(inject(&once, &policies, &settings()), Ok(Injected::default()));
}

#[test]
fn a_container_that_another_webhook_added_meanwhile_is_told_as_well() {
    let policies = [policy("shop", false)];
    let mut once = patched(&pod(), &inject(&pod(), &policies, &settings()).unwrap());
    once["spec"]["containers"].as_array_mut().unwrap().push(json!({ "name": "late" }));
    once["spec"]["initContainers"].as_array_mut().unwrap().insert(0, json!({ "name": "before" }));
    let twice = patched(&once, &inject(&once, &policies, &settings()).unwrap());
    assert_eq!(
        variable(&twice["spec"]["containers"][1], "OPENAI_BASE_URL")["value"],
        "http://127.0.0.1:8811/v1"
    );
    assert_eq!(twice["spec"]["initContainers"][0], json!({ "name": "before" }), "it runs before the sidecar");
    assert_eq!(twice["spec"]["initContainers"].as_array().unwrap().len(), 3);
}

#[test]
fn what_the_user_set_stays_and_is_told() {
    let mut pod = pod();
    let own = json!([
        { "name": "OPENAI_BASE_URL", "value": "http://elsewhere" },
        { "name": "ANTHROPIC_API_KEY", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } },
    ]);
    pod["spec"]["containers"][0]["env"] = own.clone();
    let injected = inject(&pod, &[policy("shop", false)], &settings()).unwrap();
    let env = patched(&pod, &injected)["spec"]["containers"][0]["env"].clone();
    assert_eq!(env.as_array().unwrap()[..2], own.as_array().unwrap()[..]);
    let names: Vec<&Value> = env.as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(
        names,
        ["OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"],
        "no placeholder for elsewhere"
    );
    assert!(injected.warnings[0].contains("app keeps its own OPENAI_BASE_URL"), "{:?}", injected.warnings);
    assert!(injected.warnings[1].contains("app keeps its own ANTHROPIC_API_KEY"), "{:?}", injected.warnings);
}

#[test]
fn a_pod_that_names_its_policy_gets_that_ones_keys_only() {
    let mut pod = pod();
    pod["metadata"]["annotations"] = json!({ "vox.dev/policy": "b", "other": "stays" });
    let injected = inject(&pod, &[policy("a", true), policy("b", false)], &settings()).unwrap();
    assert_eq!(injected.warnings, Vec::<String>::new());
    let pod = patched(&pod, &injected);
    assert_eq!(pod["metadata"]["annotations"]["other"], "stays");
    assert_eq!(variable(&pod["spec"]["initContainers"][0], "VOX_POLICY")["value"], "b");
    let keys = pod["spec"]["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|volume| volume["name"] == "vox-keys")
        .unwrap();
    assert_eq!(
        keys["projected"]["sources"],
        json!([{ "secret": { "name": "b-keys", "optional": true, "items": [{ "key": "apiKey", "path": "b/openrouter" }] } }])
    );
}

#[test]
fn a_pod_is_injected_and_told_when_no_policy_is_sure_to_serve() {
    let warned = |policies: &[Policy], named: Option<&str>| {
        let mut pod = pod();
        pod["metadata"]["annotations"] = named.map_or(json!(null), |name| json!({ "vox.dev/policy": name }));
        let injected = inject(&pod, policies, &settings()).unwrap();
        assert!(!injected.patch.is_empty());
        injected.warnings.first().cloned().unwrap_or_default()
    };
    assert!(warned(&[], None).contains("has no RoutingPolicy;"));
    assert!(
        warned(&[policy("a", false), policy("b", false)], None).contains("0 of the RoutingPolicies a, b")
    );
    assert!(warned(&[policy("a", true), policy("b", true)], None).contains("2 of the RoutingPolicies a, b"));
    assert!(warned(&[policy("a", true)], Some("c")).contains("no RoutingPolicy c, only a"));
    assert_eq!(warned(&[policy("a", true), policy("b", false)], None), "");
}

#[test]
fn pods_that_cannot_have_one_are_refused_with_what_to_do() {
    let refused = |change: fn(&mut Value)| {
        let mut pod = pod();
        change(&mut pod);
        inject(&pod, &[policy("shop", false)], &settings()).unwrap_err()
    };
    assert_eq!(refused(|pod| pod["spec"]["hostNetwork"] = json!(true)), Refusal::HostNetwork);
    assert_eq!(refused(|pod| pod["spec"]["containers"][0]["name"] = json!("vox")), Refusal::NameTaken);
    assert_eq!(
        refused(|pod| pod["spec"]["volumes"] = json!([{ "name": "vox-keys" }])),
        Refusal::VolumeTaken("vox-keys".to_owned())
    );
    assert_eq!(
        refused(|pod| pod["metadata"]["annotations"] = json!({ "vox.dev/policy": "No Name" })),
        Refusal::PolicyName("No Name".to_owned())
    );
    assert_eq!(refused(|pod| pod["spec"]["containers"] = json!("x")), Refusal::Malformed("spec.containers"));
}

#[test]
fn a_container_of_the_sidecars_name_is_the_sidecar_only_if_it_runs_it() {
    let settings = settings();
    let forged = |change: fn(&mut Value)| {
        let mut pod = patched(&pod(), &inject(&pod(), &[policy("shop", false)], &settings).unwrap());
        pod["spec"]["volumes"] = json!([]);
        change(&mut pod["spec"]["initContainers"][0]);
        inject(&pod, &[policy("shop", false)], &settings)
    };
    assert_eq!(forged(|vox| vox["image"] = json!("mine:1")), Err(Refusal::NameTaken));
    assert_eq!(forged(|vox| vox["command"] = json!(["sh"])), Err(Refusal::NameTaken));
    assert_eq!(forged(|vox| vox["args"] = json!(["--listen=0.0.0.0:1"])), Err(Refusal::NameTaken));
    assert!(forged(|vox| vox["image"] = json!("vox-sidecar:2")).is_ok(), "of another version");
    assert!(forged(|vox| vox["terminationMessagePath"] = json!("/dev/x")).is_ok(), "others add to it");
    assert_eq!(repository("host:5000/a/b:1@sha256:0"), "host:5000/a/b");
    assert_eq!(repository("host:5000/a/b"), "host:5000/a/b");
}

#[test]
fn pods_that_did_not_ask_and_pods_of_windows_are_left() {
    let mut unlabelled = pod();
    unlabelled["metadata"]["labels"] = json!({ "vox.dev/inject": "disabled" });
    assert_eq!(inject(&unlabelled, &[], &settings()), Ok(Injected::default()));
    let mut windows = pod();
    windows["spec"]["os"] = json!({ "name": "windows" });
    let injected = inject(&windows, &[], &settings()).unwrap();
    assert!(injected.patch.is_empty() && injected.warnings[0].contains("Windows"));
}

#[test]
fn a_port_of_the_sidecar_that_the_pod_names_is_told() {
    let mut pod = pod();
    pod["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 8812 }]);
    let injected = inject(&pod, &[policy("shop", false)], &settings()).unwrap();
    assert!(injected.warnings[0].contains("port 8812"), "{:?}", injected.warnings);
}

#[test]
fn a_provider_that_would_leave_the_folder_of_keys_is_left_out() {
    let mut shop = policy("shop", false);
    shop.keys[0].provider = "../up".to_owned();
    let pod = patched(&pod(), &inject(&pod(), &[shop], &settings()).unwrap());
    assert!(!pod.to_string().contains("../up"));
}
