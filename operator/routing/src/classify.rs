//! What a request is when nobody says it: the contract's rules over its shape.

use vox_contracts::TaskCategory;
use vox_contracts::generated::routing::{
    COMPLEXITY_DEFAULT, DEFAULT_TASK_CATEGORY, REQUEST_RULES, RequestCondition,
};

/// The shape of a request: counts and flags, none of its words. The gateway counts them while it reads the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Text of all messages, in bytes.
    pub bytes: u64,
    /// Text within code fences, in bytes.
    pub code_bytes: u64,
    /// Estimated input, in tokens.
    pub input_tokens: u64,
    /// Messages, the system's included.
    pub messages: u64,
    /// Tools that are offered.
    pub tools: u64,
    /// Messages that carry a tool's answer.
    pub tool_results: u64,
    /// Images.
    pub images: u64,
    /// Whether the answer must follow a JSON schema.
    pub json_schema: bool,
    /// Whether the embeddings endpoint was asked.
    pub embedding: bool,
}

/// What a shape is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classified {
    /// The kind of work.
    pub category: TaskCategory,
    /// 1 to 10.
    pub complexity: u8,
    /// The rule of the contract that told it.
    pub rule: &'static str,
}

/// The first rule that matches. The contract's last rule always does.
#[must_use]
pub fn classify(shape: &Shape) -> Classified {
    let code_per_mille = shape.code_bytes.saturating_mul(1000) / shape.bytes.max(1);
    REQUEST_RULES.iter().find(|rule| holds(&rule.condition, shape, code_per_mille)).map_or(
        Classified { category: DEFAULT_TASK_CATEGORY, complexity: COMPLEXITY_DEFAULT, rule: "" },
        |rule| Classified { category: rule.category, complexity: rule.complexity, rule: rule.name },
    )
}

fn holds(condition: &RequestCondition, shape: &Shape, code_per_mille: u64) -> bool {
    let is = |wanted: Option<bool>, flag: bool| wanted.is_none_or(|wanted| wanted == flag);
    let at_least = |bound: Option<u64>, count: u64| bound.is_none_or(|bound| count >= bound);
    let at_most = |bound: Option<u64>, count: u64| bound.is_none_or(|bound| count <= bound);
    is(condition.embedding, shape.embedding)
        && is(condition.json_schema, shape.json_schema)
        && at_least(condition.images_at_least, shape.images)
        && at_least(condition.tools_at_least, shape.tools)
        && at_least(condition.tool_results_at_least, shape.tool_results)
        && at_most(condition.messages_at_most, shape.messages)
        && at_least(condition.code_per_mille_at_least, code_per_mille)
        && at_least(condition.input_tokens_at_least, shape.input_tokens)
        && at_most(condition.input_tokens_at_most, shape.input_tokens)
}

#[cfg(test)]
mod tests {
    use super::{Shape, classify};

    fn rule(shape: Shape) -> &'static str {
        classify(&shape).rule
    }

    #[test]
    fn each_shape_finds_its_rule() {
        let base = Shape { bytes: 4_000, input_tokens: 1_000, messages: 4, ..Shape::default() };
        let code = Shape { code_bytes: 2_400, ..base };
        let cases = [
            ("vectors", Shape { embedding: true, ..base }),
            ("image", Shape { images: 1, tools: 2, ..base }),
            ("code_with_tools", Shape { tools: 1, ..code }),
            ("tool_loop", Shape { tools: 1, tool_results: 3, ..base }),
            ("tools", Shape { tools: 1, ..base }),
            ("long_extraction", Shape { json_schema: true, input_tokens: 9_000, ..base }),
            ("extraction", Shape { json_schema: true, ..base }),
            ("much_code", Shape { input_tokens: 6_000, ..code }),
            ("code", code),
            ("long_text", Shape { input_tokens: 12_000, messages: 2, ..base }),
            ("long_conversation", Shape { input_tokens: 12_000, ..base }),
            ("text", Shape { input_tokens: 1_500, messages: 2, ..base }),
            ("short", Shape { input_tokens: 20, messages: 1, ..base }),
            ("anything", base),
        ];
        for (expected, shape) in cases {
            assert_eq!(rule(shape), expected);
        }
    }

    #[test]
    fn an_empty_request_is_short_and_no_division_fails() {
        assert_eq!(rule(Shape::default()), "short");
        assert_eq!(rule(Shape { code_bytes: u64::MAX, messages: 9, ..Shape::default() }), "code");
    }
}
