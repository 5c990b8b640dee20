//! `cargo xtask demo`: from a fresh clone to five recoveries.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use sandbox::edge::Times;
use sandbox::scenario::{Outcome, SCENARIOS, Scenario};
use sandbox::{NAMESPACE, Operator, Sandbox, Setup, scenario};

use crate::machine;
use crate::outcome::Outcomes;
use crate::sandbox_command::how_to_reach;

/// Break and recover the five resources in a sandbox, one by one and all at once.
#[derive(Debug, Args)]
pub struct Demo {
    /// Write the results here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Leave everything running afterwards, until ctrl-c, and say how to reach it.
    #[arg(long)]
    keep: bool,
    /// How long CodeBuild provisions each build, as in 30s. On AWS that is half a minute and more; here it is nothing.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    codebuild_start: Duration,
}

fn duration(text: &str) -> Result<Duration> {
    Ok(text.parse::<jiff::SignedDuration>()?.try_into()?)
}

impl Demo {
    pub fn run(self) -> Result<()> {
        machine::check()?;
        machine::setup()?;
        machine::build_operator()?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.show())
    }

    async fn show(self) -> Result<()> {
        let start = Instant::now();
        let say = |what: &str| eprintln!("demo: [{:>4.0?} s] {what}", start.elapsed().as_secs());
        let times = Times { provisioning: self.codebuild_start, ..Times::default() };
        let setup = Setup { times, ..Setup::default() };
        let sandbox = Sandbox::start_with(&machine::root(), setup, say).await?;
        say("installing the chart, starting the operator under its ServiceAccount");
        let settings = sandbox.install_chart().await?;
        let kubeconfig = sandbox.operator_kubeconfig()?;
        let program = machine::operator();
        let operator = Operator::start(&sandbox, &program, &kubeconfig, &settings, "operator-0").await?;
        sandbox.plane().kubectl_with(scenario::POLICIES, &["apply", "-f", "-"])?;
        let ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", "recoverypolicies", "--all", "--timeout=30s"];
        sandbox.plane().kubectl(&ready)?;

        let mut one_by_one = Vec::new();
        for scenario in SCENARIOS {
            say(&format!("{}: {} (at most {} s)", scenario.name, scenario.what, scenario.expected_seconds));
            let outcome = run(&scenario, &sandbox, self.codebuild_start).await?;
            say(&format!("{}: {} after {:.1} s", scenario.name, outcome.phase(), outcome.seconds));
            one_by_one.push((scenario, outcome));
        }
        show_incidents(&sandbox)?;
        say("all five at once");
        let at_once = all_at_once(&sandbox, self.codebuild_start).await?;
        show_incidents(&sandbox)?;
        let outcomes = Outcomes { codebuild_start: self.codebuild_start, one_by_one, at_once };
        outcomes.print();
        if let Some(file) = &self.json {
            outcomes.write(file)?;
        }
        if self.keep {
            keep(&sandbox).await?;
        }
        drop(operator);
        sandbox.stop().await;
        outcomes.all_recovered()?;
        println!("\n{}", outcomes.against_the_figures());
        Ok(())
    }
}

/// The figure is no reason to give up on a scenario: one that falls short of it is shown as that.
async fn run(scenario: &Scenario, sandbox: &Sandbox, codebuild_start: Duration) -> Result<Outcome> {
    let builds = 4 * codebuild_start;
    scenario.run(sandbox, Duration::from_secs(2 * u64::from(scenario.expected_seconds)) + builds).await
}

async fn all_at_once(sandbox: &Sandbox, codebuild_start: Duration) -> Result<Vec<(Scenario, Outcome)>> {
    let [a, b, c, d, e] = &SCENARIOS;
    let run = |scenario| run(scenario, sandbox, codebuild_start);
    let (a, b, c, d, e) = tokio::try_join!(run(a), run(b), run(c), run(d), run(e))?;
    Ok(SCENARIOS.into_iter().zip([a, b, c, d, e]).collect())
}

fn show_incidents(sandbox: &Sandbox) -> Result<()> {
    println!("\n$ kubectl get incidents\n{}", sandbox.plane().kubectl(&["get", "incidents", "-n", NAMESPACE])?);
    Ok(())
}

async fn keep(sandbox: &Sandbox) -> Result<()> {
    println!("\nIt is left running. {}\n\nctrl-c ends it.", how_to_reach(sandbox));
    tokio::signal::ctrl_c().await.context("waiting for ctrl-c")
}
