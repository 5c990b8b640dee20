//! What is measured, and beside what: each figure is of one run, in which the others were measured as well, since machines
//! are shared.

mod apiserver;
mod backtest;
mod calls;
mod events;
mod footprint;
mod intake;
mod latency;
mod process;

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::machine;

/// Measure.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Backtest(backtest::Backtest),
    #[command(visible_alias = "growth")]
    Footprint(footprint::Footprint),
    Latency(latency::Latency),
    Calls(calls::Calls),
    Intake(intake::Intake),
}

impl Bench {
    pub fn run(self) -> Result<()> {
        match self.what {
            What::Backtest(backtest) => backtest.run(),
            What::Footprint(footprint) => footprint.run(),
            What::Latency(latency) => latency.run(),
            What::Calls(calls) => calls.run(),
            What::Intake(intake) => intake.run(),
        }
    }
}

/// How the operator is measured.
#[derive(Debug, Args)]
struct How {
    /// Write the figures as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measure the build for developing, which is there already, in place of a release.
    #[arg(long)]
    debug: bool,
}

impl How {
    /// The operator's program, built. A release is measured by a release of this command, which goes on in place of this one:
    /// what the operator is compared with is its work.
    fn program(&self) -> Result<PathBuf> {
        if self.debug {
            machine::build_operator()?;
            return Ok(machine::operator());
        }
        let released = machine::root().join("target/release");
        if std::env::current_exe()?.parent() == Some(released.as_path()) {
            return Ok(released.join("reforge"));
        }
        eprintln!("xtask: building the release (20 min on two cores the first time)");
        let both = ["--package", "xtask", "--package", "reforge", "--bin", "xtask", "--bin", "reforge"];
        machine::run("cargo", &[&["build", "--locked", "--release"][..], &both].concat())?;
        let failed = Command::new(released.join("xtask")).args(std::env::args_os().skip(1)).exec();
        bail!("starting the release of this command: {failed}")
    }

    /// Prints the figures, and writes them as JSON where a file is given.
    fn tell(&self, figures: &[Figure]) -> Result<()> {
        println!("{:<58} {:>10} {:>10}  {:>6}  {:<5} BESIDE", "METRIC", "OURS", "OTHER", "RATIO", "UNIT");
        for figure in figures {
            let Figure { metric, ours, reference, reference_name, ratio, unit, .. } = figure;
            println!("{metric:<58} {ours:>10.2} {reference:>10.2}  {ratio:>6.2}  {unit:<5} {reference_name}");
        }
        if let Some(file) = &self.json {
            let text = serde_json::to_string_pretty(figures)?;
            std::fs::write(file, format!("{text}\n")).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }
}

/// One figure, beside what it is compared with.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figure {
    metric: String,
    ours: f64,
    reference: f64,
    reference_name: String,
    ratio: f64,
    unit: &'static str,
    runs: usize,
}

impl Figure {
    /// Of one run.
    fn new(
        metric: impl Into<String>,
        ours: f64,
        (reference, name): (f64, impl Into<String>),
        unit: &'static str,
    ) -> Self {
        let (metric, reference_name) = (metric.into(), name.into());
        Self { metric, ours, reference, reference_name, ratio: ours / reference, unit, runs: 1 }
    }

    /// Of so many.
    fn of_runs(self, runs: usize) -> Self {
        Self { runs, ..self }
    }
}
