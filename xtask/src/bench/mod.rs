//! `cargo xtask bench`: what is measured, each beside something else in the same run, since machines differ and are shared.

mod backtest;
mod footprint;

use std::path::Path;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde::Serialize;

/// Measure.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Backtest(backtest::Backtest),
    Footprint(footprint::Footprint),
}

impl Bench {
    pub fn run(self) -> Result<()> {
        match self.what {
            What::Backtest(backtest) => backtest.run(),
            What::Footprint(footprint) => footprint.run(),
        }
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
    runs: u32,
}

impl Figure {
    fn new(metric: String, ours: f64, (reference, reference_name): (f64, String), unit: &'static str) -> Self {
        Self { metric, ours, reference, reference_name, ratio: ours / reference, unit, runs: 1 }
    }
}

/// Prints the figures, and writes them as JSON where a file is given.
fn tell(figures: &[Figure], json: Option<&Path>) -> Result<()> {
    println!("{:<58} {:>10} {:>10}  {:>6}  {:<5} BESIDE", "METRIC", "OURS", "OTHER", "RATIO", "UNIT");
    for figure in figures {
        let Figure { metric, ours, reference, reference_name, ratio, unit, .. } = figure;
        println!("{metric:<58} {ours:>10.2} {reference:>10.2}  {ratio:>6.2}  {unit:<5} {reference_name}");
    }
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(figures)?;
        std::fs::write(file, format!("{text}\n")).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
