//! Parses the arguments and hands over to one command.

use std::process::ExitCode;

use clap::Parser;
use reforge::cli::{Cli, output};

/// Half of a backtest's time was glibc's `malloc` and `free`: a record is many small pieces, and gone at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            output::complain(&format_args!("reforge: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
