//! `vox-wire`: a server that speaks the providers' wire formats, with faults on demand. All of it is in the library.

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    vox_wire::args::Args::parse().run().await
}
