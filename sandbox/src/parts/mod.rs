//! What the sandbox is made of, had once and kept: in `REFORGE_CACHE`, else `XDG_CACHE_HOME/reforge`, else
//! `~/.cache/reforge`. Each `ensure` says how long it will take before it takes long.

mod apiserver;
mod aws_cli;
mod cargo_deny;
mod cargo_mutants;
mod duckdb;
mod hadolint;
mod helm;
mod ministack;
mod provider;
mod python;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use apiserver::apiserver;
pub use aws_cli::{api_models, aws_cli};
pub use cargo_deny::cargo_deny;
pub use cargo_mutants::cargo_mutants;
pub use duckdb::duckdb;
pub use hadolint::hadolint;
pub use helm::helm;
pub use ministack::ministack;
pub use provider::terraform_config;

/// etcd, from the crate that ships it.
pub fn etcd() -> Result<PathBuf> {
    etcd_bin_vendored::etcd_bin_path().map(Path::to_owned).context("etcd-bin-vendored ships no etcd for this platform")
}

/// Where parts are kept.
pub fn cache() -> Result<PathBuf> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = env("REFORGE_CACHE")
        .or_else(|| env("XDG_CACHE_HOME").map(|p| p.join("reforge")))
        .or_else(|| env("HOME").map(|p| p.join(".cache/reforge")))
        .context("neither REFORGE_CACHE nor HOME is set: there is no place to keep the sandbox's parts")?;
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

/// Gives the folder `name` of the cache, made by `make` in a folder beside it if it is not there. Two processes never
/// make the same part at once, and a part is there whole or not at all.
fn kept(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = cache()?;
    let folder = cache.join(name);
    if folder.exists() {
        return Ok(folder);
    }
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock()?;
    if folder.exists() {
        return Ok(folder);
    }
    let work = tempfile::Builder::new().prefix("making-").tempdir_in(&cache)?;
    make(work.path())?;
    fs::rename(work.keep(), &folder).with_context(|| format!("moving the part to {}", folder.display()))?;
    Ok(folder)
}

/// Runs a long command, and says every ten seconds that it still does. On failure shows the end of what it printed.
fn long(what: &str, expected: &str, command: &mut Command, log: &Path) -> Result<()> {
    eprintln!("sandbox: {what} (about {expected}; once)");
    let out = File::create(log)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let (start, mut said) = (Instant::now(), Instant::now());
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if said.elapsed() >= Duration::from_secs(10) {
            said = Instant::now();
            eprintln!("sandbox: {what}: {} s so far", start.elapsed().as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        let printed = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = printed.lines().collect();
        bail!("{what}: {status}\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
    }
    Ok(())
}
