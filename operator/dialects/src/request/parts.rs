//! What readers and writers of requests share.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{TranslateError, inexpressible};
use crate::conversation::{Given, Image, Part, ToolResult};
use crate::json::{Object, wrong};

/// A member's number with its place.
pub(super) fn number<'a>(
    object: &mut Object<'a>,
    name: &str,
) -> Result<Option<Given<&'a RawValue>>, TranslateError> {
    let at = object.pointer(name);
    Ok(object.number(name)?.map(|value| Given { at, value }))
}

/// The same, where 0 is the default and says nothing.
pub(super) fn number_or_zero<'a>(
    object: &mut Object<'a>,
    name: &str,
) -> Result<Option<Given<&'a RawValue>>, TranslateError> {
    Ok(number(object, name)?.filter(|given| value_of(given.value) != Some(0.0)))
}

/// What a number says.
pub(super) fn value_of(raw: &RawValue) -> Option<f64> {
    serde_json::from_str(raw.get()).ok()
}

/// A `data:` URL in its two parts, or a URL.
pub(super) fn image_of_url<'a>(url: Cow<'a, str>, at: &str) -> Result<Image<'a>, TranslateError> {
    let Some(rest) = url.strip_prefix("data:") else {
        let http = url.starts_with("https://") || url.starts_with("http://");
        return if http { Ok(Image::Url(url)) } else { Err(wrong(at, "an http or data URL")) };
    };
    let Some((kind, _)) = rest.split_once(',') else { return Err(wrong(at, "a data URL with Base64")) };
    let Some(media_type) = kind.strip_suffix(";base64") else {
        return Err(wrong(at, "a data URL with Base64"));
    };
    // Parameters such as a character set mean nothing for an image.
    let media_type = media_type.split(';').next().unwrap_or_default().to_owned();
    let data_from = "data:".len() + kind.len() + 1;
    let data = match url {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(data_from..).unwrap_or_default()),
        Cow::Owned(mut text) => Cow::Owned(text.split_off(data_from.min(text.len()))),
    };
    Ok(Image::Data { media_type: Cow::Owned(media_type), data })
}

/// The text of a tool's result; images among it are refused.
pub(super) fn result_text<'r>(result: &'r ToolResult<'_>) -> Result<Cow<'r, str>, TranslateError> {
    let mut text = Cow::Borrowed("");
    for part in &result.parts {
        match part {
            Part::Text(more) if text.is_empty() => text = Cow::Borrowed(more.as_ref()),
            Part::Text(more) => {
                let text = text.to_mut();
                text.push('\n');
                text.push_str(more);
            }
            Part::Image(image) => return Err(inexpressible(&image.at, "results of tools are texts there")),
            _ => {}
        }
    }
    Ok(text)
}

/// Texts as one, with an empty line between them.
pub(super) fn joined<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Arguments as an object to embed; models without arguments to give write nothing at all.
pub(super) fn arguments(text: &str) -> Option<&RawValue> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let raw = serde_json::from_str::<&RawValue>(text).ok()?;
    raw.get().starts_with('{').then_some(raw)
}
