//! `cargo xtask test` and `cargo xtask lint`.

use std::time::Instant;

use anyhow::Result;
use clap::Args;
use sandbox::parts;

use crate::{codegen, machine};

/// Set up what is needed, and run every test.
#[derive(Debug, Args)]
pub struct Test {
    /// Given to the test programs: a filter, or options after `--`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

impl Test {
    pub fn run(self) -> Result<()> {
        machine::check()?;
        machine::setup()?;
        let start = Instant::now();
        eprintln!(
            "xtask: building and running the tests; about 4 min to build on two cores the first time, 10 min to run"
        );
        let rest: Vec<&str> = self.rest.iter().map(String::as_str).collect();
        machine::run("cargo", &[&["test", "--locked", "--workspace", "--no-fail-fast"], &rest[..]].concat())?;
        eprintln!("xtask: all tests passed ({:.0?})", start.elapsed());
        Ok(())
    }
}

/// Format, lints, generated files, licences and sources of dependencies.
pub fn lint() -> Result<()> {
    machine::run("cargo", &["fmt", "--all", "--check"])?;
    machine::run("cargo", &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    codegen::check()?;
    let deny = parts::cargo_deny()?;
    // The advisories' database is not part of the repository; a scheduled job asks it.
    machine::run(&deny.display().to_string(), &["check", "licenses", "bans", "sources"])?;
    machine::run("terraform", &["fmt", "-check", "-recursive", "terraform"])?;
    machine::run(&parts::hadolint()?.display().to_string(), &["Dockerfile"])?;
    let required = "settings.queueUrl=q,settings.deadLetterQueueUrl=d,settings.artifactBucket=b,settings.region=r";
    machine::run(&parts::helm()?.display().to_string(), &["lint", "--strict", "charts/reforge", "--set", required])?;
    eprintln!("xtask: nothing to complain of");
    Ok(())
}
