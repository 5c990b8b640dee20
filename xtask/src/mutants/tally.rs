//! What became of the mutants.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Mutant;

/// `outcomes.json`, as cargo-mutants writes it.
#[derive(Debug, Default, Deserialize)]
pub struct Tally {
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: Summary,
}

#[derive(Debug, Deserialize)]
enum Scenario {
    /// What there is, without a mistake.
    Baseline,
    Mutant(Mutant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Summary {
    Success,
    Failure,
    CaughtMutant,
    MissedMutant,
    /// The compiler took it for none.
    Unviable,
    Timeout,
}

impl Tally {
    /// Where nothing was to be mutated, there is no such file.
    pub fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(file)?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))
    }

    /// Those that no test noticed.
    pub fn missed(&self) -> impl Iterator<Item = &Mutant> {
        self.that(&[Summary::MissedMutant])
    }

    /// Those that a test noticed, be it by going on and on.
    pub fn caught(&self) -> impl Iterator<Item = &Mutant> {
        self.that(&[Summary::CaughtMutant, Summary::Timeout])
    }

    fn that(&self, summaries: &'static [Summary]) -> impl Iterator<Item = &Mutant> {
        self.outcomes.iter().filter(|o| summaries.contains(&o.summary)).filter_map(|o| match &o.scenario {
            Scenario::Baseline => None,
            Scenario::Mutant(mutant) => Some(mutant),
        })
    }

    /// Whether so many of a hundred were noticed.
    pub fn reaches(&self, goal: usize) -> bool {
        let (caught, missed) = (self.caught().count(), self.missed().count());
        caught * 100 >= (caught + missed) * goal
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (caught, all) = (self.caught().count(), self.caught().count() + self.missed().count());
        let per_mille = (caught * 1000).checked_div(all).unwrap_or(1000);
        write!(f, "{caught} of {all} caught: {}.{} %", per_mille / 10, per_mille % 10)
    }
}
