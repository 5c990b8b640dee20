//! The AWS CLI, from PyPI, in a virtual environment of its own; with it come the models of the APIs that it calls.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::kept;
use super::python;

const VERSION: &str = "1.45.11";

/// The folder with the program `aws`.
pub fn aws_cli() -> Result<PathBuf> {
    let make = |work: &std::path::Path| python::install(work, "awscli", VERSION, "30 s");
    Ok(kept(&format!("awscli-{VERSION}"), make)?.join("bin"))
}

/// The folder with the API models: botocore's `data`.
pub fn api_models() -> Result<PathBuf> {
    let lib = aws_cli()?.with_file_name("lib");
    let pythons = std::fs::read_dir(&lib).with_context(|| format!("reading {}", lib.display()))?;
    let mut models = pythons.filter_map(|python| Some(python.ok()?.path().join("site-packages/botocore/data")));
    models.find(|folder| folder.is_dir()).with_context(|| format!("there is no botocore in {}", lib.display()))
}
