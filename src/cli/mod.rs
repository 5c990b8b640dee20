//! The commands, one file each.

mod crds;
pub mod plugin;
mod run;

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
}

impl Cli {
    /// Carries the command out.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run(run) => run.run(),
            Command::Crds => {
                print!("{}", all_manifests()?);
                Ok(())
            }
        }
    }
}
