//! The wire dialects of clients and providers: requests, answers, streams, usage and error classes. Pure: bytes in,
//! bytes out.
//!
//! A request that meets a provider of its own dialect passes byte for byte, but for the model's name:
//! [`shape::scan`] looks at it once, [`request::rewrite_model`] splices. Between dialects
//! [`request::translate`] goes through one neutral form, [`conversation::Conversation`], and refuses what the other
//! side cannot say. Answers come back through [`answer::translate`] or, as streams, [`stream::StreamTranslator`].

pub mod answer;
mod client;
pub mod conversation;
pub mod dialect;
pub mod error;
mod event;
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
pub use crate::request::{Target, TranslateError};
pub use crate::retry_after::retry_after;
pub use crate::shape::{RequestShape, ShapeError};
pub use crate::stream::{Ending, StreamFacts, StreamOptions, StreamTranslator};
pub use crate::usage::{Finish, Usage};
