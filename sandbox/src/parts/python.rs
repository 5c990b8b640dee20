//! Packages of PyPI.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::long;

/// Installs a package into a virtual environment in `folder`.
pub fn install(folder: &Path, package: &str, version: &str, expected: &str) -> Result<()> {
    let log = folder.join("install.log");
    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(folder);
    long("creating a virtual environment", "5 s", &mut create, &log)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &format!("{package}=={version}")]);
    long(&format!("installing {package} {version}"), expected, &mut pip, &log)?;
    rewrite_scripts(folder)
}

/// pip writes the folder's present path into its scripts; the folder is renamed when it is whole, so they look for
/// the interpreter beside them instead.
fn rewrite_scripts(folder: &Path) -> Result<()> {
    let old = format!("#!{}", folder.join("bin").display());
    for entry in std::fs::read_dir(folder.join("bin"))? {
        let path = entry?.path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if let Some((first, rest)) = text.split_once('\n')
            && first.starts_with(&old)
        {
            let start = "#!/bin/sh\n'''exec' \"$(dirname \"$0\")/python\" \"$0\" \"$@\"\n' '''\n";
            std::fs::write(&path, format!("{start}{rest}"))?;
        }
    }
    Ok(())
}
