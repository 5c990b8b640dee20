//! Files that are made from the Rust types and the catalogue.

use std::fs;

use anyhow::{Context, Result, bail};
use clap::Args;
use reforge_api::RecoveryPolicy;
use reforge_core::catalog::Catalog;
use reforge_core::intake::pattern;
use sandbox::scenario;

use crate::machine;

/// Where the CRDs go.
const FOLDERS: [&str; 2] = ["crds", "charts/reforge/files/crds"];

/// Where the patterns of the sandbox's further types go.
const PATTERNS: &str = "terraform/environments/sandbox/install/platform-event-patterns.json";

/// Write the CustomResourceDefinitions into crds/ and the chart, and the event patterns of the sandbox.
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
            bail!("{} differs from the types in crates/api or the catalogue; run: cargo xtask codegen", path.display());
        }
    }
    Ok(())
}

fn files() -> Result<Vec<(std::path::PathBuf, String)>> {
    let mut files = Vec::new();
    for (name, text) in reforge::cli::manifests()? {
        for folder in FOLDERS {
            let head = "# Generated from crates/api by: cargo xtask codegen\n";
            files.push((machine::root().join(folder).join(name), format!("{head}{text}")));
        }
    }
    let policy: RecoveryPolicy = serde_yaml::from_str(scenario::PLATFORM_POLICY)?;
    let patterns = pattern::patterns(&pattern::wanted(Catalog::builtin(), &[&policy.spec.r#match]));
    files.push((machine::root().join(PATTERNS), serde_json::to_string_pretty(&patterns)? + "\n"));
    Ok(files)
}
