//! `cargo xtask demo`: from a fresh clone to five recoveries.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use sandbox::edge::Times;
use sandbox::scenario::{Outcome, SCENARIOS, Scenario};
use sandbox::stretches::STRETCHES;
use sandbox::{Caller, NAMESPACE, Operator, Sandbox, scenario};
use serde_json::{Value, json};

use crate::machine;

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
        eprintln!("xtask: building the operator (3 min the first time)");
        machine::run("cargo", &["build", "--locked", "--bin", "reforge"])?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.show())
    }

    async fn show(self) -> Result<()> {
        let start = Instant::now();
        let say = |what: &str| eprintln!("demo: [{:>4.0?} s] {what}", start.elapsed().as_secs());
        let times = Times { provisioning: self.codebuild_start, ..Times::default() };
        let sandbox = Sandbox::start_with(&machine::root(), times, say).await?;
        say("installing the chart, starting the operator under its ServiceAccount");
        let settings = sandbox.install_chart().await?;
        let kubeconfig = sandbox.operator_kubeconfig()?;
        let program = machine::root().join("target/debug/reforge");
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
        println!("\nOne by one");
        table(&one_by_one);
        where_the_time_goes(&one_by_one);
        println!("\nAll at once");
        table(&at_once);
        where_the_time_goes(&at_once);
        if let Some(file) = &self.json {
            let all = json!({
                "codebuildStartSeconds": self.codebuild_start.as_secs_f64(),
                "scenarios": rows(&one_by_one),
                "allAtOnce": rows(&at_once),
            });
            std::fs::write(file, format!("{all:#}\n")).with_context(|| format!("writing {}", file.display()))?;
        }
        if self.keep {
            keep(&sandbox).await?;
        }
        let lost: Vec<&str> =
            one_by_one.iter().chain(&at_once).filter(|(_, o)| o.phase() != "Recovered").map(|(s, _)| s.name).collect();
        drop(operator);
        sandbox.stop().await;
        if !lost.is_empty() {
            bail!("not recovered: {}", lost.join(", "));
        }
        println!("\n{}", against_the_figures(&one_by_one, &at_once));
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

fn table(outcomes: &[(Scenario, Outcome)]) {
    println!(
        "{:<10} {:<10} {:<10} {:>8} {:>9} {:>8} {:>9} {:>9} {:>11} {:>15}",
        "SCENARIO",
        "VERDICT",
        "PHASE",
        "DETECTED",
        "SETTLED",
        "PLANNED",
        "APPLYING",
        "TOTAL",
        "EXPECTED",
        "OUTSIDE BUILDS"
    );
    for (scenario, outcome) in outcomes {
        let timeline = &outcome.incident["status"]["timeline"];
        println!(
            "{:<10} {:<10} {:<10} {:>8} {:>9} {:>8} {:>9} {:>7.1} s {:>9} s {:>13.1} s",
            scenario.name,
            outcome.verdict(),
            outcome.phase(),
            time_of_day(&timeline["detectedAt"]),
            time_of_day(&timeline["settledAt"]),
            time_of_day(&timeline["plannedAt"]),
            time_of_day(&timeline["recoveringAt"]),
            outcome.seconds,
            scenario.expected_seconds,
            outcome.outside_builds_seconds,
        );
    }
}

/// One line for each stretch, one column for each scenario, in seconds; the seed's figures below the totals.
fn where_the_time_goes(outcomes: &[(Scenario, Outcome)]) {
    let line = |title: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        println!("{title:<28}{}", cells.concat());
    };
    println!();
    line("WHERE THE TIME GOES (s)", outcomes.iter().map(|(scenario, _)| scenario.name.to_uppercase()).collect());
    for (number, stretch) in STRETCHES.iter().enumerate() {
        line(stretch, outcomes.iter().map(|(_, outcome)| format!("{:.1}", outcome.stretches[number])).collect());
    }
    line("total", outcomes.iter().map(|(_, outcome)| format!("{:.1}", outcome.seconds)).collect());
    line("expected at most", outcomes.iter().map(|(scenario, _)| scenario.expected_seconds.to_string()).collect());
}

/// In one sentence, which scenarios took longer than they may.
fn against_the_figures(one_by_one: &[(Scenario, Outcome)], at_once: &[(Scenario, Outcome)]) -> String {
    let late = |outcomes: &[(Scenario, Outcome)], how: &str| -> Vec<String> {
        let over = |(scenario, outcome): &(Scenario, Outcome)| outcome.seconds - f64::from(scenario.expected_seconds);
        let late = outcomes.iter().filter(|run| over(run) > 0.0);
        late.map(|run| format!("{} {how} by {:.1} s", run.0.name, over(run))).collect()
    };
    let late = [late(one_by_one, "alone"), late(at_once, "with all at once")].concat();
    if late.is_empty() {
        "Every scenario was recovered within the time expected of it, alone and with all at once.".to_owned()
    } else {
        format!("Recovered, but later than expected: {}.", late.join(", "))
    }
}

/// "14:03:22" of an RFC 3339 time.
fn time_of_day(time: &Value) -> &str {
    time.as_str().and_then(|t| t.get(11..19)).unwrap_or("-")
}

fn rows(outcomes: &[(Scenario, Outcome)]) -> Vec<Value> {
    let row = |(scenario, outcome): &(Scenario, Outcome)| {
        json!({
            "name": scenario.name,
            "verdict": outcome.verdict(),
            "phase": outcome.phase(),
            "seconds": outcome.seconds,
            "expectedSeconds": scenario.expected_seconds,
            "outsideBuildsSeconds": outcome.outside_builds_seconds,
            "withinExpected": outcome.seconds <= f64::from(scenario.expected_seconds),
            "stretches": STRETCHES.iter().zip(outcome.stretches).map(|(name, s)| json!({"name": name, "seconds": s})).collect::<Vec<_>>(),
        })
    };
    outcomes.iter().map(row).collect()
}

async fn keep(sandbox: &Sandbox) -> Result<()> {
    println!("\nIt is left running. In another shell:\n");
    println!("  export KUBECONFIG={}", sandbox.plane().kubeconfig().display());
    for (name, value) in sandbox.environment(Caller::Mallory) {
        println!("  export {name}={value:?}");
    }
    println!("\nthen, for example:\n\n  kubectl get incidents -n {NAMESPACE} --watch");
    println!("  aws dynamodb delete-table --table-name AiOpsDataTable\n\nctrl-c ends it.");
    tokio::signal::ctrl_c().await.context("waiting for ctrl-c")
}
