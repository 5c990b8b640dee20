//! Files that are made from the Rust types.

use std::fs;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::machine;

/// Where the CRDs go.
const FOLDERS: [&str; 2] = ["crds", "charts/reforge/files/crds"];

/// Write the CustomResourceDefinitions into crds/ and the chart.
#[derive(Debug, Args)]
pub struct Codegen {
    /// Write nothing; fail if something would change.
    #[arg(long)]
    check: bool,
}

impl Codegen {
    pub fn run(self) -> Result<()> {
        if self.check { check() } else { write() }
    }
}

fn write() -> Result<()> {
    for (path, text) in files()? {
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Fails if a generated file differs from what would be written.
pub fn check() -> Result<()> {
    for (path, text) in files()? {
        if fs::read_to_string(&path).unwrap_or_default() != text {
            bail!("{} differs from the types in src/api; run: cargo xtask codegen", path.display());
        }
    }
    Ok(())
}

fn files() -> Result<Vec<(std::path::PathBuf, String)>> {
    let mut files = Vec::new();
    for (name, text) in reforge::cli::manifests()? {
        for folder in FOLDERS {
            let head = "# Generated from src/api by: cargo xtask codegen\n";
            files.push((machine::root().join(folder).join(name), format!("{head}{text}")));
        }
    }
    Ok(files)
}
