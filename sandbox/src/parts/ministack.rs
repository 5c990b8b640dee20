//! ministack, the emulated AWS: from PyPI, in a virtual environment of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{kept, python};

const VERSION: &str = "1.5.33";

/// The interpreter of the environment that it is installed in.
pub fn ministack() -> Result<PathBuf> {
    let make = |work: &Path| python::install(work, "ministack", VERSION, "15 s");
    Ok(kept(&format!("ministack-{VERSION}"), make)?.join("bin/python"))
}
