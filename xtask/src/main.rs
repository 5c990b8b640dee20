//! The project's own commands: `cargo xtask demo`, `cargo xtask test` and what they are made of.

mod aws;
mod bench;
mod chaos;
mod checks;
mod codegen;
mod demo;
mod iam;
mod layers;
mod machine;
mod model_check;
mod mutants;
mod outcome;
mod sandbox_command;
mod suite;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Break and recover the five resources in a sandbox, one by one and all at once.
    Demo(demo::Demo),
    /// Prove the five recoveries on a real AWS account, and remove everything again.
    Aws(aws::Aws),
    /// Start a sandbox that stays, and tell it what is to happen.
    Sandbox(sandbox_command::SandboxCommand),
    /// Set up what is needed, and run every test.
    Test(suite::Test),
    /// Write the CustomResourceDefinitions into crds/ and the chart.
    Codegen(codegen::Codegen),
    /// Check format, lints, layers, generated files, licences and sources of dependencies.
    Lint,
    /// Check that what decides depends on nothing that reaches out, and that imports go one way.
    Layers {
        /// Write what docs/architecture.md shows of the crates.
        #[arg(long)]
        write: bool,
    },
    /// Measure how fast logs are judged.
    Bench(bench::Bench),
    /// Break resources by the dozen while the operator is killed and its surroundings go away.
    Chaos(chaos::Chaos),
    /// Compare the rights of the operator and of the builds with those that a run makes use of.
    Iam(iam::Iam),
    /// Explore the model of the lifecycle.
    ModelCheck(model_check::ModelCheck),
    /// Break what decides in many small ways, and see that a test notices each.
    Mutants(mutants::Mutants),
    /// Get the sandbox's parts into the cache: what takes long the first time.
    Setup,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // A sentence, and never a backtrace: what went wrong is outside of this program.
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Demo(demo) => demo.run(),
        Command::Aws(aws) => aws.run(),
        Command::Sandbox(sandbox) => sandbox.run(),
        Command::Test(test) => test.run(),
        Command::Codegen(codegen) => codegen.run(),
        Command::Bench(bench) => bench.run(),
        Command::Chaos(chaos) => chaos.run(),
        Command::Iam(iam) => iam.run(),
        Command::Lint => checks::lint(),
        Command::Layers { write } => layers::check(write),
        Command::ModelCheck(check) => check.run(),
        Command::Mutants(mutants) => mutants.run(),
        Command::Setup => {
            machine::check()?;
            machine::setup()
        }
    }
}
