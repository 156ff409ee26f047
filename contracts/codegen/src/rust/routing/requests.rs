//! The rules that tell what a request is.

use crate::model::{RequestCondition, RequestRule};
use crate::rust::{grouped, pascal};

/// The table, in order.
pub(super) fn rules(rules: &[RequestRule]) -> String {
    let rows: String = rules
        .iter()
        .map(|rule| {
            format!(
                "RequestRule {{ name: {:?}, description: {:?}, condition: {}, category: TaskCategory::{}, \
                 complexity: {} }},",
                rule.name,
                rule.description,
                condition(&rule.condition),
                pascal(&rule.category),
                rule.complexity
            )
        })
        .collect();
    format!(
        "/// What a request is taken for when nobody says it: the first that matches; the last always does.\n\
         pub const REQUEST_RULES: &[RequestRule] = &[{rows}];\n\n"
    )
}

fn condition(condition: &RequestCondition) -> String {
    let flags = [("embedding", condition.embedding), ("json_schema", condition.json_schema)]
        .map(|(name, flag)| format!("{name}: {flag:?},"));
    let counts = [
        ("images_at_least", condition.images_at_least),
        ("tools_at_least", condition.tools_at_least),
        ("tool_results_at_least", condition.tool_results_at_least),
        ("messages_at_most", condition.messages_at_most),
        ("code_per_mille_at_least", condition.code_per_mille_at_least),
        ("input_tokens_at_least", condition.input_tokens_at_least),
        ("input_tokens_at_most", condition.input_tokens_at_most),
    ]
    .map(|(name, count)| {
        let count = count.map_or_else(|| "None".to_owned(), |count| format!("Some({})", grouped(count)));
        format!("{name}: {count},")
    });
    format!("RequestCondition {{ {} {} }}", flags.concat(), counts.concat())
}
