//! `cargo xtask model-check`: the model of the operator's life, gone into deeply.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use reforge_model::{Bound, explore};

/// Go through the states of the model, and look at every property in each.
#[derive(Debug, Args)]
pub struct ModelCheck {
    /// Write the result as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// About how many states to look at for each kind of trouble, the same ones over again among them; fewer where there are no
    /// more, and all where they are few.
    #[arg(long, default_value_t = 60_000)]
    states: usize,
}

impl ModelCheck {
    pub fn run(self) -> Result<()> {
        eprintln!("xtask: exploring the model; 2 to 3 min on two cores");
        let report = explore(Bound { states_each: self.states });
        println!("{} states explored in {} s\n", report.states, report.seconds);
        for run in &report.runs {
            let all = if run.all { ", all" } else { "     " };
            println!("{:>8}{all} {}: {}", run.states, run.world, run.trouble);
        }
        println!();
        for property in &report.properties {
            let held = if property.held { "held  " } else { "BROKEN" };
            println!("{held} {:>8} {}: {}", property.states, property.world, property.name);
            if let Some(steps) = &property.steps {
                println!("        {steps}");
            }
        }
        println!();
        for variant in &report.variants {
            let by = variant.by.unwrap_or("nothing");
            let caught = if variant.caught { "caught" } else { "MISSED" };
            println!("{caught} {:>8} {}: {}, by: {by}", variant.states, variant.world, variant.name);
        }
        if let Some(file) = &self.json {
            std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
        }
        ensure!(report.is_good(), "a property does not hold, or a broken variant was not seen");
        Ok(())
    }
}
