//! `cargo xtask mutants`: how good the tests of what decides are. cargo-mutants makes one small mistake after the other in
//! core's rooms, and core's own tests have to notice each. Who survives is argued for in `crates/core/mutants.yaml`, or a test
//! is missing.

mod argued;
mod room;
mod tally;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use sandbox::parts;
use serde::Deserialize;

use crate::machine;
use argued::Argued;
use room::Room;
use tally::Tally;

/// The package whose mutants these are. What notices them are its own tests: nothing else is built.
const PACKAGE: &str = "reforge-core";
/// Seconds after which a mutant that goes on and on counts as noticed; the tests take a few.
const TIMEOUT: &str = "120";

/// Break what decides in many small ways, and see that a test notices each.
#[derive(Debug, Args)]
pub struct Mutants {
    /// Only a part of each room's mutants, as in 0/8, which is the first of eight.
    #[arg(long)]
    shard: Option<String>,
    /// Only what this diff touches.
    #[arg(long, conflicts_with = "since")]
    in_diff: Option<PathBuf>,
    /// Only what was changed since this commit.
    #[arg(long)]
    since: Option<String>,
    /// Only these rooms.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Room::ALL)]
    rooms: Vec<Room>,
}

/// A mutant, as cargo-mutants names it.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// `<file>:<line>:<column>: <what is done>`.
    pub name: String,
    pub file: String,
    span: Span,
}

#[derive(Clone, Debug, Deserialize)]
struct Span {
    start: Place,
}

#[derive(Clone, Debug, Deserialize)]
struct Place {
    line: usize,
}

impl Mutant {
    /// What is done, without where.
    pub fn what(&self) -> &str {
        self.name.splitn(4, ':').last().unwrap_or_default().trim()
    }

    /// The line of the source that it begins on.
    pub fn line(&self) -> Result<String> {
        let text = std::fs::read_to_string(machine::root().join(&self.file))?;
        let line = text.lines().nth(self.span.start.line.saturating_sub(1));
        Ok(line.with_context(|| format!("{} has no such line", self.name))?.trim().to_owned())
    }
}

impl Mutants {
    pub fn run(self) -> Result<()> {
        let program = parts::cargo_mutants()?;
        let argued = Argued::read(&machine::root().join("crates/core/mutants.yaml"))?;
        argued.each_exists(&listed(&program)?)?;

        let mut complaints = Vec::new();
        for room in &self.rooms {
            let tally = self.look_at(*room, &program)?;
            println!("{:<9} {tally}", room.name());
            for mutant in tally.missed() {
                let is_argued = argued.has(mutant);
                println!("  {}  {}", if is_argued { "argued" } else { "MISSED" }, mutant.name);
                if !is_argued {
                    complaints.push(format!("no test notices {}, and nobody argues for it", mutant.name));
                }
            }
            for mutant in tally.caught().filter(|mutant| argued.has(mutant)) {
                complaints.push(format!("{} is argued for, and a test notices it", mutant.name));
            }
            if self.is_whole() && !tally.reaches(room.goal()) {
                complaints.push(format!("of {} {} % are to be caught", room.name(), room.goal()));
            }
        }
        ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
        Ok(())
    }

    /// Whether all mutants are looked at: of a part a percentage says little.
    fn is_whole(&self) -> bool {
        self.shard.is_none() && self.in_diff.is_none() && self.since.is_none()
    }

    fn look_at(&self, room: Room, program: &Path) -> Result<Tally> {
        let folder = tempfile::tempdir()?;
        let mut command = base(program, &[room]);
        command.args(room.tests().map(|tests| format!("--cargo-arg={tests}")));
        command.args(["--timeout", TIMEOUT, "--output"]).arg(folder.path());
        // Kept from one run to the next, so that nothing is compiled again but what is mutated and its tests.
        command.env("CARGO_TARGET_DIR", machine::root().join("target/mutants"));
        command.env("CARGO_PROFILE_DEV_DEBUG", "false");
        if let Some(shard) = &self.shard {
            command.args(["--sharding", "round-robin", "--shard", shard]);
        }
        if let Some(diff) = &self.in_diff {
            command.arg("--in-diff").arg(std::path::absolute(diff)?);
        }
        if let Some(commit) = &self.since {
            let diff = folder.path().join("since.diff");
            std::fs::write(&diff, changes_since(commit)?)?;
            command.arg("--in-diff").arg(diff);
        }
        let status = command.status().with_context(|| format!("starting {}", program.display()))?;
        // 2 and 3: somebody survived, or went on and on.
        ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo mutants: {status}");
        Tally::read(&folder.path().join("mutants.out/outcomes.json"))
    }
}

/// What asks for the mutants of these rooms, whatever is to be done with them.
fn base(program: &Path, rooms: &[Room]) -> Command {
    let mut command = Command::new(program);
    command.args(["mutants", "--no-config", "--package", PACKAGE]).current_dir(machine::root());
    command.args(rooms.iter().map(|room| format!("--file=crates/core/src/{}/**", room.name())));
    command
}

/// All mutants that there are.
fn listed(program: &Path) -> Result<Vec<Mutant>> {
    let output = base(program, &Room::ALL).args(["--list", "--json"]).output()?;
    ensure!(output.status.success(), "cargo mutants --list: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the list of mutants")
}

fn changes_since(commit: &str) -> Result<Vec<u8>> {
    let diff = ["diff", commit, "--", "crates/core/src"];
    let output = Command::new("git").args(diff).current_dir(machine::root()).output()?;
    ensure!(output.status.success(), "git diff {commit}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
