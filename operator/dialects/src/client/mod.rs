//! Writing answers and streams for clients.

pub(crate) mod anthropic;
pub(crate) mod openai;

use crate::answer::ClientContext;

/// The id of a call for which the provider gave none: unique through the context's.
fn call_id(given: Option<&str>, context: &ClientContext, index: usize) -> String {
    given.map_or_else(|| format!("call_{}_{index}", context.id), str::to_owned)
}
