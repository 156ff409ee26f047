//! What Vox's programs say about themselves: where log lines go and how, and that no secret goes with them.
//!
//! [`logs`] sets up logging, the same in each program. Every line passes [`redact`] on its way out, and so do panics and
//! what the command line prints of errors. [`keys`] knows what a secret looks like.

pub mod keys;
pub mod logs;
pub mod redact;

pub use logs::{LogFormat, Logging, catch_panics, start};
pub use redact::{Redacting, redact};
