//! cargo-deny, from crates.io.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{kept, long};

const VERSION: &str = "0.20.2";

/// The program.
pub fn cargo_deny() -> Result<PathBuf> {
    Ok(kept(&format!("cargo-deny-{VERSION}"), build)?.join("bin/cargo-deny"))
}

fn build(work: &Path) -> Result<()> {
    let mut install = Command::new("cargo");
    install.args(["install", "--locked", "--quiet", &format!("cargo-deny@{VERSION}"), "--root"]).arg(work);
    install.env("CARGO_TARGET_DIR", work.join("target"));
    long(&format!("building cargo-deny {VERSION}"), "5 min on two cores", &mut install, &work.join("build.log"))?;
    std::fs::remove_dir_all(work.join("target"))?;
    Ok(())
}
