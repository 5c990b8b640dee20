//! `cargo xtask chaos`: the operator killed, its surroundings away, an attacker at work; and what became of each event.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use sandbox::Sandbox;
use sandbox::chaos::{self, Summary};

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
    /// What all choices follow from; the one that a run printed makes its choices again.
    #[arg(long)]
    seed: Option<u64>,
    /// Write the summary here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Chaos {
    pub fn run(self) -> Result<()> {
        machine::check()?;
        machine::setup()?;
        machine::build_operator()?;
        eprintln!("xtask: chaos takes about 15 s an Incident on two cores, and 3 min to set up");
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.go())
    }

    async fn go(self) -> Result<()> {
        let start = Instant::now();
        let say = |what: &str| eprintln!("chaos: [{:>4} s] {what}", start.elapsed().as_secs());
        let sandbox = Sandbox::start_with(&machine::root(), chaos::SETUP, say).await?;
        let settings = sandbox.install_chart().await?;
        let program = machine::operator();
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let seed = self.seed.unwrap_or(since_epoch.as_secs());
        let chaos = chaos::Chaos { incidents: self.incidents, kills: self.kills, seed };
        let summary = chaos::run(&sandbox, &program, &settings, chaos, say).await?;
        sandbox.stop().await;
        let json = serde_json::to_string_pretty(&summary)?;
        println!("{json}");
        if let Some(file) = &self.json {
            std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
        }
        ensure!(
            Summary::is_good(&summary),
            "something was lost, done twice or left; --seed {seed} makes the same choices"
        );
        Ok(())
    }
}
