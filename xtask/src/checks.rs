//! `cargo xtask test` and `cargo xtask lint`.

use std::time::Instant;

use anyhow::Result;
use clap::Args;

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
    let deny = sandbox::parts::cargo_deny()?;
    // The advisories' database is not part of the repository; a scheduled job asks it.
    machine::run(&deny.display().to_string(), &["--offline", "check", "licenses", "bans", "sources"])?;
    machine::run("terraform", &["fmt", "-check", "-recursive", "terraform"])?;
    eprintln!("xtask: nothing to complain of");
    Ok(())
}
