//! A server that speaks the model providers' wire formats, with faults on demand. Tests, the demo and the benchmarks
//! talk to it instead of to a provider.
//!
//! ```text
//! /openrouter/api/v1/models, /openrouter/api/v1/models/{author}/{slug}/endpoints
//! /ollama/api/{tags,show,version}
//! /openai/v1/models  /groq/openai/v1/models  /mistral/v1/models  /vllm/v1/models  /cerebras/v1/models
//! /sambanova/v1/models  /deepseek/models  /together/v1/models  /perplexity/v1/models  /xai/v1/language-models
//! /anthropic/v1/models  /google/v1beta/models  /cohere/v1/models           in pages
//! /huggingface/api/models, /huggingface/v1/models                          the hub, in pages, and the router
//! /llama-cpp/{v1/models,props}  /lm-studio/{v1,api/v1}/models
//! POST {base}/chat/completions, {base}/embeddings   where base is one of those above, or /ollama/v1
//! POST /ollama/api/chat
//! POST /anthropic/v1/messages
//! POST /google/v1beta/models/{id}:generateContent, :streamGenerateContent?alt=sse
//! PUT, GET, DELETE /_wire/{provider}        faults and sizes, see [`settings::Settings`]
//! PUT, GET, DELETE /_wire/{provider}/chat   of inference alone, see [`inference::settings::Chat`]
//! GET, DELETE /_wire/requests               how often each path was asked
//! GET, DELETE /_wire/inference              what arrived, see [`inference::arrivals::Arrivals`]
//! GET /healthz
//! ```
//!
//! An answer follows from its request: `{model} heard {n} words: {the first eight of the user's last message}`. A token
//! is four bytes. A message with `call {tool}` gets a call of that tool, if the request offers it, with arguments made
//! from its schema; so does `tool_choice`. A response format gets JSON that fits its schema.
//!
//! # Faults of inference
//!
//! ```json
//! {"faults": [{"fault": {"kind": "status", "status": 429, "retry_after": "7"}, "model": "a", "times": 2}],
//!  "latency_ms": 50, "token_delay_ms": 5, "tokens": 200, "cached_per_cent": 30,
//!  "listed_models_only": true, "no_usage": true}
//! ```
//!
//! The first entry of `faults` that fits the request and is not used up holds. [`inference::fault::Fault`] has the
//! kinds: `status`, `error_in_ok`, `empty`, `malformed`, `cut`, `cut_stream`, `slow`, `stall`, `oversized`, `html`.
//! `PUT /_wire/{provider}` takes the same under `chat`, and replaces everything; `PUT /_wire/{provider}/chat` leaves the
//! lists' settings as they are.

pub mod args;
pub mod client;
pub mod control;
pub mod fault;
pub mod inference;
pub mod providers;
pub mod reply;
pub mod settings;
pub mod sidecars;
pub mod state;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use crate::providers::Provider;
pub use crate::settings::Settings;
pub use crate::state::Wire;

/// Every route of the server.
pub fn router(wire: Wire) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .merge(control::routes())
        .merge(providers::routes())
        .merge(inference::routes())
        .with_state(wire)
}

/// A server in this process, for tests. Ends when dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its settings and counts.
    pub wire: Wire,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound or the fixtures do not parse.
    pub async fn start() -> anyhow::Result<Self> {
        let wire = Wire::new(&Settings::default())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = router(wire.clone());
        let task = tokio::spawn(async move {
            // A listener that stops accepting shows in the test as a refused connection.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, wire, task })
    }

    /// The base URL that a client of this provider would be given.
    #[must_use]
    pub fn base_url(&self, provider: Provider) -> String {
        format!("http://{}{}", self.address, provider.base_path())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
