//! `POST /embeddings`, in OpenAI's format: the same text has the same vector.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::answer::{hash, tokens};
use super::question::required;

/// How long a vector is when the request does not say.
const DIMENSIONS: u64 = 8;
/// The longest vector.
const MAX_DIMENSIONS: u64 = 4096;

/// A request's model, and what is answered.
pub(crate) fn answer(body: &Value) -> Result<(String, Value), String> {
    let model = required(body, "model")?;
    let base64 = match body["encoding_format"].as_str() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err("`encoding_format` must be float or base64".to_owned()),
    };
    let texts = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        // Lists of token numbers count as their own text.
        Value::Array(inputs) if inputs.first().is_some_and(Value::is_number) => {
            vec![body["input"].to_string()]
        }
        Value::Array(inputs) if !inputs.is_empty() => inputs
            .iter()
            .map(|input| input.as_str().map_or_else(|| input.to_string(), str::to_owned))
            .collect(),
        _ => return Err("`input` must be a text or a list that is not empty".to_owned()),
    };
    let dimensions = body["dimensions"].as_u64().unwrap_or(DIMENSIONS).clamp(1, MAX_DIMENSIONS);
    let data: Vec<Value> = (texts.iter().enumerate())
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": written(&vector(text, dimensions), base64)}))
        .collect();
    let used: usize = texts.iter().map(|text| tokens(text.len())).sum();
    let usage = json!({"prompt_tokens": used, "total_tokens": used});
    let answer = json!({"object": "list", "data": data, "model": model, "usage": usage});
    Ok((model, answer))
}

/// A vector as a list of numbers, or as base64 of 32-bit floats, the lowest byte first.
#[allow(clippy::cast_possible_truncation)] // 32 bits are what the format has.
fn written(vector: &[f64], base64: bool) -> Value {
    if base64 {
        let bytes: Vec<u8> = vector.iter().flat_map(|part| (*part as f32).to_le_bytes()).collect();
        json!(BASE64_STANDARD.encode(bytes))
    } else {
        json!(vector)
    }
}

/// Numbers from -1 to 1 of length 1, as embeddings are.
fn vector(text: &str, dimensions: u64) -> Vec<f64> {
    let raw: Vec<f64> = (0..dimensions)
        .map(|index| {
            let part = u32::try_from(hash(&format!("{index}:{text}")) >> 32).unwrap_or_default();
            f64::from(part) / f64::from(u32::MAX) * 2.0 - 1.0
        })
        .collect();
    let length = raw.iter().map(|part| part * part).sum::<f64>().sqrt();
    if length == 0.0 { raw } else { raw.iter().map(|part| part / length).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_a_vector_of_its_own_and_length_one() {
        let (one, other) = (vector("one", 8), vector("other", 8));
        assert_ne!(one, other);
        assert_eq!(one, vector("one", 8));
        assert!((one.iter().map(|part| part * part).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_text_is_refused() {
        assert!(answer(&json!({"model": "m", "input": []})).unwrap_err().contains("input"));
        assert!(answer(&json!({"input": "x"})).unwrap_err().contains("model"));
        assert!(answer(&json!({"model": "m", "input": "x", "encoding_format": "hex"})).is_err());
    }

    #[test]
    fn base64_holds_the_same_vector_in_32_bits() {
        let (_, told) = answer(&json!({"model": "m", "input": "x", "encoding_format": "base64"})).unwrap();
        let bytes = BASE64_STANDARD.decode(told["data"][0]["embedding"].as_str().unwrap()).unwrap();
        let first = f64::from(f32::from_le_bytes(bytes[..4].try_into().unwrap()));
        assert_eq!(bytes.len(), 32);
        assert!((first - vector("x", 8)[0]).abs() < 1e-6);
    }
}
