//! `cargo xtask model-check`: the lifecycle's model, gone into deeply.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use reforge_model::{Bound, explore};

/// Go through the states of the lifecycle's model, and look at every property in each.
#[derive(Debug, Args)]
pub struct ModelCheck {
    /// Write the result as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// About how many states to look at for each kind of trouble; fewer where there are no more.
    #[arg(long, default_value_t = 150_000)]
    states: usize,
}

impl ModelCheck {
    pub fn run(self) -> Result<()> {
        eprintln!("xtask: exploring the model of the lifecycle; about 2 min on two cores");
        let report = explore(Bound { states_each: self.states });
        println!("{} states explored in {} s\n", report.states, report.seconds);
        for run in &report.runs {
            println!("{:>8}{} {}", run.states, if run.all { ", all" } else { "     " }, run.trouble);
        }
        println!();
        for property in &report.properties {
            println!("{}  {}", if property.held { "held  " } else { "BROKEN" }, property.name);
            if let Some(steps) = &property.steps {
                println!("        {steps}");
            }
        }
        println!();
        for variant in &report.variants {
            let by = variant.by.unwrap_or("nothing");
            println!("{}  {:?}, by: {by}", if variant.caught { "caught" } else { "MISSED" }, variant.name);
        }
        if let Some(file) = &self.json {
            std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
        }
        ensure!(report.is_good(), "a property does not hold, or a broken variant was not seen");
        Ok(())
    }
}
