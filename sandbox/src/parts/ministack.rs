//! ministack, the emulated AWS: from PyPI, in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{kept, long};

const VERSION: &str = "1.5.33";

/// The interpreter of the environment that it is installed in.
pub fn ministack() -> Result<PathBuf> {
    Ok(kept(&format!("ministack-{VERSION}"), install)?.join("bin/python"))
}

fn install(work: &Path) -> Result<()> {
    let log = work.join("install.log");
    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(work);
    long("creating a virtual environment", "5 s", &mut create, &log)?;
    let mut pip = Command::new(work.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.arg(format!("ministack=={VERSION}"));
    long("installing ministack", "15 s", &mut pip, &log)
}
