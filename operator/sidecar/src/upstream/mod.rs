//! Connections to upstreams: made, kept for reuse by the worker that made them, and closed.

mod connect;
mod pool;

pub use connect::{ConnectError, Connector, Origin, Sender, TlsError, client_tls};
pub use pool::{Answer, Kept, Pool, SendError};
