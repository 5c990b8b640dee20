//! The commands, one file each.

mod backtest;
mod catalog;
mod crds;
mod event_pattern;
pub mod output;
pub mod plugin;
mod run;
mod vital;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use crds::{all_manifests, manifests};

/// Puts deleted or tampered AWS resources back by running their owner's Terraform in CodeBuild.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator: take events from the queue, and take Incidents to their end.
    Run(run::Run),
    /// Print the CustomResourceDefinitions as YAML, for `kubectl apply --server-side -f -`.
    Crds,
    /// Say what Reforge would have done with CloudTrail logs.
    Backtest(backtest::RunBacktest),
    /// List the resource types that Reforge knows, or say what it would read from an event.
    Catalog(catalog::ListCatalog),
    /// Print the EventBridge patterns that the policies need.
    EventPattern(event_pattern::EventPattern),
}

impl Cli {
    /// Carries the command out.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(run) => run.run()?,
            Command::Catalog(catalog) => catalog.run()?,
            Command::EventPattern(pattern) => pattern.run()?,
            Command::Backtest(backtest) => return backtest.run(),
            Command::Crds => output::print(&all_manifests()?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
