use proptest::prelude::*;

use super::*;

const SHOP: &str = include_str!("tests/shop.yaml");

fn target() -> Target {
    Target { policy: "litellm".to_owned(), secret: "keys".to_owned(), namespace: Some("shop".to_owned()) }
}

fn imported(text: &str) -> Imported {
    import(text, &target()).unwrap()
}

/// An import of these entries, written as YAML flow.
fn of(entries: &str) -> Imported {
    imported(&format!("model_list: [{entries}]"))
}

fn entry(name: &str, model: &str) -> String {
    format!("{{ model_name: \"{name}\", litellm_params: {{ model: \"{model}\" }} }}")
}

fn aliases(imported: &Imported, policy: usize) -> Vec<(&str, Option<&str>)> {
    let aliases = &imported.policies[policy].spec.aliases;
    aliases.iter().map(|alias| (alias.name.as_str(), alias.model.as_deref())).collect()
}

#[test]
fn a_realistic_configuration_becomes_what_is_recorded() {
    let imported = imported(SHOP);
    assert_eq!((imported.entries, imported.carried), (25, 21));
    insta::assert_yaml_snapshot!("sources", imported.sources);
    insta::assert_yaml_snapshot!("policies", imported.policies);
    insta::assert_yaml_snapshot!("secret", imported.secret);
    let notes = imported.notes.iter();
    let lines: Vec<String> = notes
        .map(|note| format!("{} {:?} {}: {}", note.line, note.verdict, note.field, note.reason))
        .collect();
    insta::assert_snapshot!("notes", lines.join("\n"));
}

#[test]
fn no_key_and_no_password_of_the_file_stands_anywhere() {
    let text = serde_json::to_string(&imported(SHOP)).unwrap();
    for secret in ["made-up", "0123456789", "org-shop", "postgresql"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn every_note_has_the_line_of_its_field() {
    let lines: Vec<&str> = SHOP.lines().collect();
    for note in imported(SHOP).notes {
        let line = lines[usize::try_from(note.line).unwrap() - 1];
        let name = note.field.rsplit('.').next().unwrap().split('[').next().unwrap();
        let is_entry = ["model_list", "fallbacks", "context_window_fallbacks"].contains(&name);
        assert!(is_entry || line.contains(name), "{note:?} is not of {line:?}");
    }
}

#[test]
fn entries_of_one_name_and_model_are_one_alias_for_all_their_sources() {
    let imported = of(&format!(
        "{}, {{ model_name: a, litellm_params: {{ model: azure/alpha-1, api_base: \"https://x.openai.azure.com\" }} }}",
        entry("a", "openai/alpha-1")
    ));
    assert_eq!(aliases(&imported, 0), [("a", Some("alpha-1"))]);
    assert_eq!(imported.policies.len(), 1);
}

#[test]
fn entries_of_one_name_that_are_one_model_under_several_ids_are_one_alias_for_it() {
    let two = format!(
        "{}, {}",
        entry("llama", "groq/llama-9.3-70b-versatile"),
        entry("llama", "together_ai/meta-llama/Llama-9.3-70B-Instruct-Turbo")
    );
    let imported = of(&two);
    assert_eq!(aliases(&imported, 0), [("llama", Some("vox/meta/llama-9.3-70b"))]);
    assert_eq!(imported.policies.len(), 1);
    // A third that goes by another name would be meant as well.
    let imported = of(&format!("{two}, {}", entry("other", "openrouter/meta-llama/llama-9.3-70b-instruct")));
    assert_eq!(aliases(&imported, 0)[0], ("llama", Some("groq/llama-9.3-70b-versatile")));
    // A server of one's own may have another size under the same id.
    let imported = of(&format!("{}, {}", entry("a", "openai/gpt-ess"), entry("a", "ollama/gpt-ess:latest")));
    assert_eq!(aliases(&imported, 0), [("a", Some("openai/gpt-ess"))]);
}

#[test]
fn a_name_that_is_the_models_id_needs_no_alias() {
    assert_eq!(aliases(&of(&entry("alpha-1", "openai/alpha-1")), 0), []);
    assert_eq!(aliases(&of(&entry("openai/alpha-1", "openai/alpha-1")), 0), []);
}

#[test]
fn several_models_of_one_name_are_a_policy_of_their_own_and_the_first_one_is_the_alias() {
    let imported = of(&format!("{}, {}", entry("a", "openai/alpha-1"), entry("a", "groq/beta-1")));
    assert_eq!(aliases(&imported, 0), [("a", Some("openai/alpha-1"))]);
    let chain = &imported.policies[1];
    assert_eq!(chain.metadata.name.as_deref(), Some("litellm-a"));
    assert_eq!(chain.spec.allow.as_ref().unwrap().models, ["openai/alpha-1", "groq/beta-1"]);
}

#[test]
fn two_keys_for_one_provider_are_told_because_a_policy_has_one() {
    let azure = |name: &str, host: &str| {
        format!(
            "{{ model_name: {name}, litellm_params: {{ model: azure/{name}, api_base: \"https://{host}\", api_key: os.environ/{name} }} }}"
        )
    };
    let imported = of(&format!("{}, {}", azure("A", "a.test"), azure("B", "b.test")));
    assert_eq!(imported.sources.len(), 2);
    assert_eq!(imported.policies[0].spec.credentials.len(), 1);
    assert!(imported.notes.iter().any(|note| note.reason.contains("one key for each provider")));
}

#[test]
fn a_file_that_is_no_configuration_is_refused_with_what_is_wrong() {
    let refused = |text: &str| import(text, &target()).unwrap_err();
    assert!(matches!(refused("model_list: [a"), Unusable::Yaml(_)));
    assert!(matches!(refused("\u{0}\u{1}"), Unusable::Yaml(_)));
    assert_eq!(refused(""), Unusable::NoList);
    assert_eq!(refused("just a text"), Unusable::NoList);
    assert_eq!(refused("a: 1\nmodel_list: 7\n"), Unusable::NotAList(2));
    assert_eq!(refused("model_list: []\n"), Unusable::Empty(1));
    assert_eq!(refused("model_list:\n"), Unusable::Empty(1));
}

#[test]
fn entries_of_wrong_types_are_left_and_the_others_carried_over() {
    let wrong = [
        "7",
        "null",
        "[]",
        "text",
        "{}",
        "{ model_name: 7, litellm_params: { model: openai/a } }",
        "{ model_name: a, litellm_params: [] }",
        "{ model_name: a, litellm_params: { model: [openai/a] } }",
        "{ model_name: a, litellm_params: { model: openai/ } }",
        "{ model_name: a, litellm_params: { model: openai/a, api_base: 7 } }",
        "{ model_name: a, litellm_params: { model: nobody } }",
        "{ model_name: a, litellm_params: { model: \"openai/two words\" } }",
    ];
    let imported = of(&format!("{}, {}", wrong.join(", "), entry("good", "openai/alpha-1")));
    assert_eq!((imported.entries, imported.carried), (wrong.len() + 1, 1));
    let left = imported.notes.iter().filter(|note| note.verdict == Verdict::Left);
    assert_eq!(left.count(), wrong.len(), "{:?}", imported.notes);
}

#[test]
fn fall_backs_of_a_name_that_nobody_has_and_aliases_of_one_policy_alone_are_told() {
    let imported = imported(&format!(
        "model_list: [{}, {}]\nrouter_settings:\n  fallbacks: [{{ nosuchname: [a] }}]\n  model_group_alias: {{ other: a }}\n",
        entry("a", "openai/alpha-1"),
        entry("a", "groq/beta-1")
    ));
    assert_eq!(imported.policies.len(), 2);
    let told = |field: &str, what: &str| {
        imported.notes.iter().any(|note| note.field.contains(field) && note.reason.contains(what))
    };
    assert!(told("fallbacks[0]", "has the name nosuchname"), "{:?}", imported.notes);
    assert!(told("model_group_alias.other", "only policy litellm has this alias"), "{:?}", imported.notes);
}

#[test]
fn a_name_that_yaml_takes_for_a_flag_is_to_be_quoted() {
    let imported = of("{ model_name: true, litellm_params: { model: openai/a } }");
    assert!(imported.notes[0].reason.ends_with("put it between quotation marks"), "{:?}", imported.notes);
}

#[test]
fn where_nothing_is_carried_over_there_are_no_objects() {
    let imported = of(&entry("a", "replicate/a"));
    assert!(imported.sources.is_empty() && imported.policies.is_empty());
    assert_eq!(imported.notes.len(), 1);
}

#[test]
fn names_of_ten_thousand_letters_are_left_and_quoted_in_part() {
    let long = "x".repeat(10_000);
    let imported = of(&format!(
        "{}, {}, {}",
        entry(&long, "openai/alpha-1"),
        entry("b", &format!("openai/{long}")),
        entry("c", &format!("{long}/c"))
    ));
    assert_eq!(imported.carried, 1);
    assert!(imported.notes.iter().all(|note| note.reason.len() < 500), "{:?}", imported.notes);
    assert_eq!(aliases(&imported, 0), []);
}

#[test]
fn more_than_a_policy_takes_is_told_entry_by_entry() {
    let entries: Vec<String> =
        (0..200).map(|n| entry(&format!("name-{n}"), &format!("openai/alpha-{n}"))).collect();
    let imported = of(&entries.join(", "));
    assert_eq!(aliases(&imported, 0).len(), 64);
    assert_eq!(imported.sources[0].spec.filter, None);
    assert_eq!(imported.notes.len(), 200 - 64 + 1);
    let hosts: Vec<String> = (0..70)
        .map(|n| {
            format!("{{ model_name: n{n}, litellm_params: {{ model: openai/a, api_base: \"https://h{n}.test/v1\" }} }}")
        })
        .collect();
    assert_eq!(of(&hosts.join(", ")).sources.len(), 64);
}

/// Parts of a configuration that mean something, in places where they may not belong.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "(openai|azure|ollama|openrouter|vertex_ai|gemini|bedrock)/[A-Za-z0-9./:*-]{0,12}",
        "https?://[a-z0-9.:-]{1,16}(/v1)?",
        "os[.]environ/[A-Z_/ -]{0,12}",
        "-?[0-9]{1,22}([.][0-9]{1,3})?(e-?[0-9]{1,3})?",
        "\\PC{0,24}",
    ]
}

fn configuration() -> impl Strategy<Value = serde_json::Value> {
    let params = proptest::collection::btree_map(
        prop_oneof![
            "model",
            "api_base",
            "api_key",
            "input_cost_per_token",
            "order",
            "custom_llm_provider",
            "rpm"
        ],
        piece(),
        0..7,
    );
    let entry = (piece(), piece(), params).prop_map(|(name, model, mut params)| {
        params.entry("model".to_owned()).or_insert(model);
        serde_json::json!({ "model_name": name, "litellm_params": params })
    });
    let settings = || {
        let names =
            prop_oneof!["num_retries", "timeout", "max_budget", "budget_duration", "routing_strategy"];
        proptest::collection::btree_map(names, piece(), 0..4)
    };
    (proptest::collection::vec(entry, 1..12), settings(), settings()).prop_map(|(models, router, library)| {
        let names: Vec<_> = models.iter().map(|entry| entry["model_name"].clone()).collect();
        let first = names[0].as_str().unwrap_or_default().to_owned();
        let mut router = serde_json::json!(router);
        router["fallbacks"] = serde_json::json!([{ first.clone(): names }]);
        router["model_group_alias"] = serde_json::json!({ "some": first });
        serde_json::json!({ "model_list": models, "router_settings": router, "litellm_settings": library })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_written_would_be_accepted(configuration in configuration()) {
        let imported = imported(&configuration.to_string());
        for source in &imported.sources {
            let source = serde_json::to_value(source).unwrap();
            prop_assert_eq!(crate::schema::mistakes("ModelCatalogSource", &source).unwrap(), Vec::<String>::new());
        }
        for policy in &imported.policies {
            prop_assert!(policy.spec.to_policy("p", 1).is_ok());
            let policy = serde_json::to_value(policy).unwrap();
            prop_assert_eq!(crate::schema::mistakes("RoutingPolicy", &policy).unwrap(), Vec::<String>::new());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = import(&text, &target());
        let _ = import(&format!("model_list:\n - model_name: {text}\n   litellm_params: {{model: openai/a}}"), &target());
    }
}
