//! The wire dialects of clients and providers: requests, answers, streams, usage and error classes. Pure: bytes in,
//! bytes out.
//!
//! A request that meets a provider of its own dialect passes byte for byte, but for the model's name:
//! [`shape::scan`] looks at it once, [`request::rewrite_model`] splices. Between dialects
//! [`request::translate`] goes through one neutral form, [`conversation::Conversation`], and refuses what the other
//! side cannot say. Answers come back through [`answer::translate`] or, as streams, [`stream::StreamTranslator`].
//!
//! ```
//! use vox_dialects::{Dialect, Ending, StreamOptions, StreamTranslator, Target, request, shape};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let body = br#"{"model":"auto","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;
//! let client = Dialect::OpenAiChat;
//! let shape = shape::scan(client, body)?;
//! assert!(shape.stream && shape.model.as_deref() == Some("auto"));
//!
//! // The same dialect: the bytes as they came, but for the model, and usage to account.
//! let sent = request::rewrite_model(client, body, &shape, "m-1", true);
//! assert!(sent.withhold_usage);
//!
//! // Another one: translated, or refused with the place of what cannot be said.
//! let target = Target::new(Dialect::AnthropicMessages, "m-1");
//! let _sent = request::translate(client, body, &target)?;
//!
//! let mut stream = StreamTranslator::new(target.dialect, client, StreamOptions::default()).ok_or("no pair")?;
//! let mut out = Vec::new();
//! stream.push(b"event: ping\ndata: {\"type\": \"ping\"}\n\n", &mut out);
//! assert!(!stream.facts().first_token, "nothing is sent yet: another provider may still be asked");
//! assert_eq!(stream.finish(&mut out), Ending::Cut);
//! assert!(out.starts_with(b"data: {\"error\""));
//! # Ok(())
//! # }
//! ```

pub mod answer;
mod client;
pub mod conversation;
pub mod dialect;
pub mod error;
mod event;
pub mod finish;
mod json;
pub mod request;
pub mod retry_after;
pub mod shape;
pub mod stream;
mod upstream;
pub mod usage;

pub use crate::answer::{Answer, AnswerError, AnswerFacts, ClientContext};
pub use crate::dialect::{AuthHeader, Dialect, auth_header};
pub use crate::error::{ErrorClass, Failure, classify, error_body, error_event};
pub use crate::finish::Finish;
pub use crate::request::{Target, TranslateError};
pub use crate::retry_after::retry_after;
pub use crate::shape::{RequestShape, ShapeError};
pub use crate::stream::{Ending, StreamFacts, StreamOptions, StreamTranslator};
pub use crate::usage::Usage;
