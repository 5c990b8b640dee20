//! helm, built from Go modules.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{kept, long};

const VERSION: &str = "4.3.1";

/// The program.
pub fn helm() -> Result<PathBuf> {
    Ok(kept(&format!("helm-{VERSION}"), build)?.join("helm"))
}

fn build(work: &Path) -> Result<()> {
    let mut install = Command::new("go");
    install.args(["install", "-trimpath", "-ldflags", "-s -w", &format!("helm.sh/helm/v4/cmd/helm@v{VERSION}")]);
    install.env("GOBIN", work).env("CGO_ENABLED", "0");
    long(&format!("building helm {VERSION}"), "2 min on two cores", &mut install, &work.join("build.log"))
}
