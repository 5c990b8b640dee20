//! DuckDB, for comparison, from PyPI.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{kept, python};

const VERSION: &str = "2.0.1";

/// The interpreter of the environment that it is installed in.
pub fn duckdb() -> Result<PathBuf> {
    let make = |work: &Path| python::install(work, "duckdb", VERSION, "10 s");
    Ok(kept(&format!("duckdb-{VERSION}"), make)?.join("bin/python"))
}
