//! The AWS CLI, from PyPI, in a virtual environment of its own.

use std::path::PathBuf;

use anyhow::Result;

use super::kept;
use super::python;

const VERSION: &str = "1.45.11";

/// The folder with the program `aws`.
pub fn aws_cli() -> Result<PathBuf> {
    let make = |work: &std::path::Path| python::install(work, "awscli", VERSION, "30 s");
    Ok(kept(&format!("awscli-{VERSION}"), make)?.join("bin"))
}
