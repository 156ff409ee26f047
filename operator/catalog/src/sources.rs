//! One file per family of list formats. In each: pure parsing (bytes to entries) and, apart from it, the requests.

pub mod anthropic;
pub mod google;
pub mod huggingface;
pub mod llama_cpp;
pub mod lm_studio;
pub mod mens;
pub mod ollama;
pub mod openai_compatible;
pub mod openrouter;

mod flags;
mod prices;
mod row;
