//! cargo-mutants, from crates.io.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{kept, long};

const VERSION: &str = "26.2.0";

/// The program.
pub fn cargo_mutants() -> Result<PathBuf> {
    Ok(kept(&format!("cargo-mutants-{VERSION}"), build)?.join("bin/cargo-mutants"))
}

fn build(work: &Path) -> Result<()> {
    let mut install = Command::new("cargo");
    // Not optimised: it waits for the compiler nearly all of the time.
    install
        .args(["install", "--locked", "--quiet", "--debug", &format!("cargo-mutants@{VERSION}"), "--root"])
        .arg(work);
    install.env("CARGO_TARGET_DIR", work.join("target")).env("CARGO_PROFILE_DEV_DEBUG", "false");
    long(&format!("building cargo-mutants {VERSION}"), "2 min on two cores", &mut install, &work.join("build.log"))?;
    std::fs::remove_dir_all(work.join("target"))?;
    Ok(())
}
