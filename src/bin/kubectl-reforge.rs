//! `kubectl reforge`: decide on an Incident's plan, after having seen it.

use std::process::ExitCode;

use clap::Parser;
use reforge::cli::output;
use reforge::cli::plugin::Plugin;

fn main() -> ExitCode {
    match Plugin::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
