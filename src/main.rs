//! Parses the arguments and hands over to one command.

use std::process::ExitCode;

use clap::Parser;
use reforge::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("reforge: {error:#}");
            ExitCode::FAILURE
        }
    }
}
