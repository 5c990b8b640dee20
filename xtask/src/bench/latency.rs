//! From an Incident's creation to its first build: alone, and with a hundred others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::Timestamp;
use sandbox::{Bare, bare};
use serde_json::json;
use tokio::task::JoinSet;

use super::events::incident;
use super::{Figure, How};

/// How long an Incident waits for its first build, beside the bare calls that this takes.
#[derive(Debug, Args)]
pub struct Latency {
    #[command(flatten)]
    how: How,
    /// Incidents one after another.
    #[arg(long, default_value_t = 50)]
    single: usize,
    /// Incidents at once, each of a policy and a workspace of its own.
    #[arg(long, default_value_t = 100)]
    at_once: usize,
    /// Rounds of those.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

const PATIENCE: Duration = Duration::from_secs(600);

impl Latency {
    pub fn run(self) -> Result<()> {
        eprintln!("xtask: some five minutes");
        let program = self.how.program()?;
        let figures = tokio::runtime::Runtime::new()?.block_on(self.measure(&program))?;
        self.how.tell(&figures)
    }

    async fn measure(&self, program: &Path) -> Result<Vec<Figure>> {
        let place = Bare::start(&reforge::cli::all_manifests()?, self.at_once, self.at_once).await?;
        let place = Arc::new(place);
        let (mut single, mut bare_single, mut many, mut bare_many) = (vec![], vec![], vec![], vec![]);
        eprintln!("xtask: the bare calls: {} alone, {} x {} at once", self.single, self.rounds, self.at_once);
        for i in 0..self.single {
            bare_single.extend(bare_calls(&place, &format!("alone-{i}"), 1).await?);
        }
        for i in 0..self.rounds {
            bare_many.extend(bare_calls(&place, &format!("many-{i}"), self.at_once).await?);
        }
        let operator = place.launch(program, "latency").await?;
        // The first makes connections and clients.
        recovered(&place, "first", 1).await?;
        eprintln!("xtask: {} alone", self.single);
        for i in 0..self.single {
            single.extend(recovered(&place, &format!("alone-{i}"), 1).await?);
        }
        for i in 0..self.rounds {
            eprintln!("xtask: {} at once, round {} of {}", self.at_once, i + 1, self.rounds);
            many.extend(recovered(&place, &format!("many-{i}"), self.at_once).await?);
        }
        drop(operator);
        let mut figures = Vec::new();
        for (what, mut ours, mut bare) in
            [("alone".to_owned(), single, bare_single), (format!("{} at once", self.at_once), many, bare_many)]
        {
            for percent in [50, 99] {
                let beside = (percentile(&mut bare, percent)?, "a create, a status write and a StartBuild");
                let metric = format!("Incident to StartBuild, {what}, p{percent}");
                figures.push(Figure::new(metric, percentile(&mut ours, percent)?, beside, "ms").of_runs(ours.len()));
            }
        }
        Ok(figures)
    }
}

/// Tampers with the parameters of so many workspaces, has an Incident of each, and waits until they have ended: milliseconds
/// from each one's creation to the start of its first build.
async fn recovered(place: &Arc<Bare>, round: &str, number: usize) -> Result<Vec<f64>> {
    let before = place.crowd().ended_of("ssm", "/bare/").await?;
    for workspace in 0..number {
        place.tamper(workspace).await?;
    }
    let mut creating = JoinSet::new();
    for workspace in 0..number {
        let (place, name) = (place.clone(), name(round, workspace));
        creating.spawn(async move {
            let at = Timestamp::now();
            place.crowd().create(&incident(&name, &name, workspace, &bare::parameter(workspace))).await?;
            anyhow::Ok((name, at))
        });
    }
    let created: BTreeMap<String, Timestamp> = creating.join_all().await.into_iter().collect::<Result<_>>()?;
    let start = Instant::now();
    let mut took = BTreeMap::new();
    // The apiserver is asked for nothing meanwhile.
    while took.len() < number {
        ensure!(start.elapsed() < PATIENCE, "not all of {round} have started a build");
        tokio::time::sleep(Duration::from_millis(20)).await;
        for build in place.edge().builds() {
            let incident = build.overrides.iter().find(|(variable, _)| variable == "REFORGE_INCIDENT");
            if let Some((_, name)) = incident
                && let Some(at) = created.get(name)
            {
                took.entry(name.clone()).or_insert_with(|| millis(*at, build.start));
            }
        }
    }
    while place.crowd().ended_of("ssm", "/bare/").await? < before + number {
        ensure!(start.elapsed() < PATIENCE, "the Incidents of {round} have not ended");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(took.into_values().collect())
}

/// What no operator could do without, by this command: an Incident is stored, something is written to its status, and a build
/// is started. Nobody waits for a watch, looks anything up, or makes sure of anything.
async fn bare_calls(place: &Arc<Bare>, round: &str, number: usize) -> Result<Vec<f64>> {
    let mut calling = JoinSet::new();
    for workspace in 0..number {
        let (place, name) = (place.clone(), format!("bare-{}", name(round, workspace)));
        calling.spawn(async move {
            let at = Timestamp::now();
            place.crowd().create(&incident(&name, &name, workspace, "/nobody/s")).await?;
            let ended = json!({"phase": "Dismissed", "step": {"attempt": 1, "name": "Ended"}});
            place.crowd().write_status(&name, &ended).await?;
            let id = place.start_plan(workspace).await?;
            let build = place.edge().builds().into_iter().find(|build| build.id == id);
            anyhow::Ok(millis(at, build.context("the build is there")?.start))
        });
    }
    calling.join_all().await.into_iter().collect()
}

fn name(round: &str, workspace: usize) -> String {
    format!("ssm-{round}-{workspace}")
}

fn millis(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() * 1000.0
}

/// So many percent took no longer.
fn percentile(all: &mut [f64], percent: usize) -> Result<f64> {
    all.sort_by(f64::total_cmp);
    let rank = (all.len() * percent).div_ceil(100).saturating_sub(1);
    all.get(rank).copied().context("nothing was measured")
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn a_percentile_is_one_of_what_was_measured() {
        let mut all: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((percentile(&mut all, 50).unwrap() - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&mut all, 99).unwrap() - 99.0).abs() < f64::EPSILON);
        assert!((percentile(&mut [7.0], 99).unwrap() - 7.0).abs() < f64::EPSILON);
        assert!(percentile(&mut [], 99).is_err());
    }
}
