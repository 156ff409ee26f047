//! `vox completion`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::error::{Error, Exit};
use crate::output;

pub(super) fn print(shell: Shell) -> Result<Exit, Error> {
    // Into memory first: the generator panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "vox", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
