//! `cargo xtask chaos`: the operator killed, its surroundings away, an attacker at work; and what became of each event.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use sandbox::Sandbox;
use sandbox::chaos::{self, Builds};

use crate::machine;

/// Break resources by the dozen while the operator is killed and its surroundings go away.
#[derive(Debug, Args)]
pub struct Chaos {
    /// Resources to break.
    #[arg(long, default_value_t = 100)]
    incidents: u32,
    /// Kills of the operator.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// What all choices follow from; the one that a run printed makes its choices again. Several, with commas between them:
    /// one run after the other, in one sandbox.
    #[arg(long, value_delimiter = ',')]
    seed: Vec<u64>,
    /// Builds follow a script in place of running Terraform: a fraction of the time for the same kills.
    #[arg(long)]
    scripted: bool,
    /// Write the summaries here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Chaos {
    pub fn run(self) -> Result<()> {
        machine::check()?;
        machine::setup()?;
        machine::build_operator()?;
        let each = if self.scripted { 4 } else { 15 };
        eprintln!("xtask: chaos takes about {each} s an Incident on two cores, and 3 min to set up");
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.go())
    }

    async fn go(self) -> Result<()> {
        let start = Instant::now();
        let say = |what: &str| eprintln!("chaos: [{:>4} s] {what}", start.elapsed().as_secs());
        let sandbox = Sandbox::start_with(&machine::root(), chaos::SETUP, say).await?;
        let settings = sandbox.install_chart().await?;
        let program = machine::operator();
        let builds = if self.scripted { Builds::Scripted } else { Builds::Terraform };
        chaos::prepare(&sandbox, builds).await?;
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let seeds = if self.seed.is_empty() { vec![since_epoch.as_secs()] } else { self.seed };
        let mut summaries = Vec::new();
        for seed in seeds {
            let chaos = chaos::Chaos { builds, incidents: self.incidents, kills: self.kills, seed };
            let summary = chaos::run(&sandbox, &program, &settings, chaos, say).await?;
            println!("{}", serde_json::to_string_pretty(&summary)?);
            summaries.push(summary);
        }
        sandbox.stop().await;
        if let Some(file) = &self.json {
            let json = serde_json::to_string_pretty(&summaries)?;
            std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
        }
        if let Some(bad) = summaries.iter().find(|summary| !summary.is_good()) {
            bail!("something was lost, done twice or left; --seed {} makes the same choices", bad.seed);
        }
        Ok(())
    }
}
