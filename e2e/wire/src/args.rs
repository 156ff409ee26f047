//! The command line: serve, or talk to a server that already runs.

use std::net::SocketAddr;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use crate::client;
use crate::providers::Provider;
use crate::settings::Settings;
use crate::sidecars::Sidecars;
use crate::state::Wire;

/// Speaks the model providers' wire formats, with faults on demand.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// Where to listen.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Every provider asks for this key.
    #[arg(long, value_name = "KEY")]
    require_key: Option<String>,
    /// Every provider lists this many models, made up from its fixture.
    #[arg(long, value_name = "N")]
    models: Option<usize>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
enum Command {
    /// Sends a request to the control API of a running server.
    Control {
        /// PUT, DELETE or GET.
        method: String,
        /// The provider, with `/chat` behind it for its inference alone; or `inference`, to read or forget what arrived.
        #[arg(help = provider_help())]
        provider: String,
        /// The settings, as JSON; for PUT.
        body: Option<String>,
        /// The server's address.
        #[arg(long, default_value = "127.0.0.1:8080")]
        server: String,
    },
    /// Prints how often each path was asked.
    Requests {
        /// Sets the counts back to zero instead.
        #[arg(long)]
        reset: bool,
        /// The server's address.
        #[arg(long, default_value = "127.0.0.1:8080")]
        server: String,
    },
    /// Stands in for many sidecars in a pod of the cluster, and measures how snapshots reach them.
    Sidecars(Sidecars),
}

/// Names every provider that there is.
fn provider_help() -> String {
    let names = Provider::ALL.map(Provider::as_str).join(", ");
    format!(
        "The provider ({names}), with `/chat` behind it for its inference alone; or `inference`, to read or forget what arrived"
    )
}

impl Args {
    /// Does what the command line says.
    ///
    /// # Errors
    /// When the settings are not valid, the port cannot be bound, or the control API refuses.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { listen, require_key, models, command } = self;
        match command {
            None => serve(listen, Settings { key: require_key, models, ..Settings::default() }).await,
            Some(Command::Control { method, provider, body, server }) => {
                let path = format!("/_wire/{provider}");
                print(&client::send(&server, &method.to_uppercase(), &path, body.as_deref()).await?);
                Ok(())
            }
            Some(Command::Requests { reset, server }) => {
                let method = if reset { "DELETE" } else { "GET" };
                print(&client::send(&server, method, "/_wire/requests", None).await?);
                Ok(())
            }
            Some(Command::Sidecars(sidecars)) => sidecars.run(print).await,
        }
    }
}

async fn serve(listen: SocketAddr, settings: Settings) -> anyhow::Result<()> {
    settings.validate().map_err(anyhow::Error::msg)?;
    let wire = Wire::new(&settings)?;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("failed to listen on {listen}"))?;
    print(&format!("listening on http://{}", listener.local_addr()?));
    axum::serve(listener, crate::router(wire)).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

/// Ends at SIGTERM, which Kubernetes sends, and at SIGINT.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn print(text: &str) {
    use std::io::Write;
    // Standard output may be closed; there is nobody to tell then.
    let _ = writeln!(std::io::stdout(), "{text}");
}
