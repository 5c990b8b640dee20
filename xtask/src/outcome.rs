//! What the scenarios gave, as a table for people and as JSON: the same for the demo and for the acceptance run.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sandbox::scenario::{Outcome, Scenario};
use serde_json::{Value, json};

/// Both rounds of the five.
#[derive(Debug)]
pub struct Outcomes {
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
        println!("\nAll at once");
        table(&self.at_once);
    }

    /// Writes the JSON.
    pub fn write(&self, file: &Path) -> Result<()> {
        let all = json!({"scenarios": rows(&self.one_by_one), "allAtOnce": rows(&self.at_once)});
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
        })
    };
    outcomes.iter().map(row).collect()
}
