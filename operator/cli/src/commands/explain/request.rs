//! From a text and its hints to the request that a gateway would make of them.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use vox_dialects::Dialect;
use vox_dialects::shape::scan;
use vox_routing::{AUTO, Choice, Needs, Request, Shape, classify};

use crate::args::HintArgs;
use crate::error::Error;

/// A request, and the rule of the contract that told category or complexity from its shape, if one had to.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) rule: Option<&'static str>,
    pub(crate) complexity_stated: bool,
}

impl Asked {
    /// As a gateway reads the body that this text makes.
    pub(crate) fn new(text: &str, hints: &HintArgs, force_cost: bool) -> Result<Self, Error> {
        let body = body(hints.model.as_deref(), &messages(hints.system.as_deref(), text), hints);
        let shape = scan(Dialect::OpenAiChat, body.as_bytes())
            .map_err(|error| Error::Usage(format!("the text makes no request: {error}")))?;
        let classified = classify(&Shape {
            // Four bytes a token is how the tokens were estimated.
            bytes: shape.input_tokens.saturating_mul(4),
            code_bytes: shape.code_bytes(body.as_bytes()),
            input_tokens: shape.input_tokens,
            messages: u64::try_from(shape.messages).unwrap_or(u64::MAX),
            ..Shape::default()
        });
        let choice = match hints.model.as_deref() {
            None | Some(AUTO) => Choice::Auto,
            Some(name) => Choice::Named(name.to_owned()),
        };
        // A gateway takes both from one rule, and neither where a category is stated.
        let told = hints.category.is_none().then_some(classified);
        Ok(Self {
            request: Request {
                choice,
                category: hints.category.or(told.map(|told| told.category)),
                complexity: hints.complexity.or(told.map(|told| told.complexity)),
                needs: Needs { streaming: true, ..Needs::default() },
                input_tokens: shape.input_tokens,
                max_output_tokens: shape.output_limit,
                max_cost: hints.max_usd,
                force_cost,
                ..Request::default()
            },
            rule: told.map(|told| told.rule),
            complexity_stated: hints.complexity.is_some(),
        })
    }
}

/// The conversation of one text.
pub(crate) fn messages(system: Option<&str>, text: &str) -> Vec<Value> {
    let system = system.map(|system| json!({ "role": "system", "content": system }));
    system.into_iter().chain([json!({ "role": "user", "content": text })]).collect()
}

/// A streamed chat completion in OpenAI's dialect.
pub(crate) fn body(model: Option<&str>, messages: &[Value], hints: &HintArgs) -> String {
    let mut body = json!({
        "model": model.unwrap_or(AUTO),
        "messages": messages,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if let (Some(tokens), Some(body)) = (hints.max_tokens, body.as_object_mut()) {
        body.insert("max_tokens".to_owned(), tokens.into());
    }
    body.to_string()
}

/// The hints as a gateway reads them.
pub(crate) fn headers(hints: &HintArgs) -> Result<HeaderMap, Error> {
    let told = [
        ("x-vox-category", hints.category.map(|category| category.to_string())),
        ("x-vox-complexity", hints.complexity.map(|complexity| complexity.to_string())),
        ("x-vox-max-usd", hints.max_usd.map(|limit| limit.to_string())),
    ];
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in told {
        let Some(value) = value else { continue };
        let value = HeaderValue::try_from(value)
            .map_err(|_| Error::Usage(format!("the value of {name} cannot be sent")))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use vox_contracts::TaskCategory;

    use super::*;

    fn asked(text: &str, hints: &HintArgs) -> Asked {
        Asked::new(text, hints, false).unwrap()
    }

    #[test]
    fn a_text_is_taken_for_what_it_looks_like() {
        let code = format!("fix it\n```rust\n{}\n```", "let x = 1;\n".repeat(200));
        let told = asked(&code, &HintArgs::default());
        assert_eq!(told.rule, Some("code"));
        assert_eq!(told.request.category, Some(TaskCategory::Codegen));
        assert_eq!(asked("hi", &HintArgs::default()).rule, Some("short"));
    }

    #[test]
    fn a_stated_category_leaves_the_complexity_to_the_contract_as_in_the_gateway() {
        let hints = HintArgs { category: Some(TaskCategory::Codegen), ..HintArgs::default() };
        let told = asked("hi", &hints);
        assert_eq!((told.rule, told.request.category, told.request.complexity), (None, hints.category, None));
    }

    #[test]
    fn a_limit_of_money_goes_to_the_gateway_in_its_header() {
        let hints = HintArgs { max_usd: "0.10".parse().ok(), ..HintArgs::default() };
        assert_eq!(headers(&hints).unwrap()["x-vox-max-usd"], "0.1");
        assert!(!headers(&HintArgs::default()).unwrap().contains_key("x-vox-max-usd"));
    }
}
