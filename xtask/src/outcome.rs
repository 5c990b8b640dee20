//! What the scenarios gave, as a table for people and as JSON: the same for the demo and for the acceptance run.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sandbox::scenario::{Outcome, Scenario};
use sandbox::stretches::STRETCHES;
use serde_json::{Value, json};

/// Both rounds of the five.
#[derive(Debug)]
pub struct Outcomes {
    /// How long CodeBuild was told to provision each build; on AWS it is not told.
    pub codebuild_start: Duration,
    /// One after another.
    pub one_by_one: Vec<(Scenario, Outcome)>,
    /// All together.
    pub at_once: Vec<(Scenario, Outcome)>,
}

impl Outcomes {
    /// Prints the tables.
    pub fn print(&self) {
        println!("\nOne by one");
        table(&self.one_by_one);
        where_the_time_goes(&self.one_by_one);
        println!("\nAll at once");
        table(&self.at_once);
        where_the_time_goes(&self.at_once);
    }

    /// In one sentence, which scenarios took longer than they may.
    pub fn against_the_figures(&self) -> String {
        let late = |outcomes: &[(Scenario, Outcome)], how: &str| -> Vec<String> {
            let over =
                |(scenario, outcome): &(Scenario, Outcome)| outcome.seconds - f64::from(scenario.expected_seconds);
            let late = outcomes.iter().filter(|run| over(run) > 0.0);
            late.map(|run| format!("{} {how} by {:.1} s", run.0.name, over(run))).collect()
        };
        let late = [late(&self.one_by_one, "alone"), late(&self.at_once, "with all at once")].concat();
        if late.is_empty() {
            "Every scenario was recovered within the time expected of it, alone and with all at once.".to_owned()
        } else {
            format!("Recovered, but later than expected: {}.", late.join(", "))
        }
    }

    /// Writes the JSON.
    pub fn write(&self, file: &Path) -> Result<()> {
        let all = json!({
            "codebuildStartSeconds": self.codebuild_start.as_secs_f64(),
            "scenarios": rows(&self.one_by_one),
            "allAtOnce": rows(&self.at_once),
        });
        std::fs::write(file, format!("{all:#}\n")).with_context(|| format!("writing {}", file.display()))
    }

    /// Fails with the names of those that were not recovered.
    pub fn all_recovered(&self) -> Result<()> {
        let all = self.one_by_one.iter().chain(&self.at_once);
        let lost: Vec<&str> = all.filter(|(_, o)| o.phase() != "Recovered").map(|(s, _)| s.name).collect();
        if !lost.is_empty() {
            bail!("not recovered: {}", lost.join(", "));
        }
        Ok(())
    }
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

/// One line for each stretch, one column for each scenario, in seconds; the figures that they may take below the totals.
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
