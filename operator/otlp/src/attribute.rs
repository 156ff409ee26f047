//! Attributes as OTLP's JSON form writes them.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use vox_contracts::generated::telemetry::{AttributeType, attribute};

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct KeyValue {
    pub(crate) key: Cow<'static, str>,
    pub(crate) value: AnyValue,
}

/// A value, with its type: OTLP has more than JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "boolValue")]
    Bool(bool),
    /// As a text: JSON's numbers may lose digits beyond 2⁵³.
    #[serde(rename = "intValue", serialize_with = "as_text")]
    Int(i64),
    #[serde(rename = "doubleValue")]
    Double(f64),
    #[serde(rename = "arrayValue")]
    Array(Values),
}

/// The values of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Values {
    values: Vec<AnyValue>,
}

/// A 64-bit number in OTLP's JSON form.
pub(crate) fn as_text<T: ToString, S: Serializer>(number: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&number.to_string())
}

impl KeyValue {
    /// An attribute whose value is a text.
    pub(crate) fn text(key: &'static str, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: AnyValue::Text(value.into()) }
    }

    /// An attribute that is there and says no more.
    pub(crate) fn flag(key: &'static str) -> Self {
        Self { key: key.into(), value: AnyValue::Bool(true) }
    }

    /// An attribute of the contract, of the contract's type: JSON writes a double that is whole as an integer. Nothing where
    /// the contract does not know it, or its value is of another type.
    pub(crate) fn of(name: &str, value: &Value) -> Option<Self> {
        let known = attribute(name)?;
        let value = match known.value_type {
            AttributeType::String => AnyValue::Text(value.as_str()?.to_owned()),
            AttributeType::Int => AnyValue::Int(whole(value)?),
            AttributeType::Double => AnyValue::Double(value.as_f64()?),
            AttributeType::Boolean => AnyValue::Bool(value.as_bool()?),
            AttributeType::StringArray => {
                let texts = value.as_array()?.iter().filter_map(Value::as_str);
                let values = texts.map(|text| AnyValue::Text(text.to_owned())).collect();
                AnyValue::Array(Values { values })
            }
        };
        Some(Self { key: known.name.into(), value })
    }
}

/// OTLP has no numbers beyond those of `i64`.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX))
}

/// Those attributes of a map that are wanted.
pub(crate) fn wanted<'a>(
    attributes: &'a Map<String, Value>,
    wanted: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = KeyValue> + 'a {
    let wanted = attributes.iter().filter(move |(name, _)| wanted(name));
    wanted.filter_map(|(name, value)| KeyValue::of(name, value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(name: &str, value: Value) -> Option<Value> {
        KeyValue::of(name, &value).map(|pair| serde_json::to_value(&pair.value).unwrap())
    }

    #[test]
    fn a_value_has_the_contracts_type_whatever_json_made_of_it() {
        for (name, value, expected) in [
            ("gen_ai.request.temperature", json!(1), json!({"doubleValue": 1.0})),
            ("gen_ai.usage.input_tokens", json!(12), json!({"intValue": "12"})),
            ("gen_ai.usage.input_tokens", json!(u64::MAX), json!({"intValue": "9223372036854775807"})),
            ("vox.request.stream", json!(false), json!({"boolValue": false})),
            ("gen_ai.request.model", json!("a"), json!({"stringValue": "a"})),
            (
                "gen_ai.response.finish_reasons",
                json!(["stop"]),
                json!({"arrayValue": {"values": [{"stringValue": "stop"}]}}),
            ),
        ] {
            assert_eq!(written(name, value), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_the_contract_does_not_know_is_left_out() {
        assert_eq!(written("vox.prompt", json!("the secret plan")), None);
        assert_eq!(written("gen_ai.usage.input_tokens", json!("many")), None);
    }
}
