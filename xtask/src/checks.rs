//! `cargo xtask lint`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use sandbox::parts;

use crate::{codegen, layers, machine};

/// Format, lints, layers, generated files, licences and sources of dependencies.
pub fn lint() -> Result<()> {
    machine::run("cargo", &["fmt", "--all", "--check"])?;
    machine::run("cargo", &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    layers::check(false)?;
    codegen::check()?;
    compiled_once()?;
    let deny = parts::cargo_deny()?;
    // The advisories' database is not part of the repository; a scheduled job asks it.
    machine::run(&deny.display().to_string(), &["check", "licenses", "bans", "sources"])?;
    machine::run("terraform", &["fmt", "-check", "-recursive", "terraform"])?;
    machine::run(&parts::hadolint()?.display().to_string(), &["Dockerfile"])?;
    image_has_the_workspace()?;
    let required = "settings.queueUrl=q,settings.deadLetterQueueUrl=d,settings.artifactBucket=b,settings.region=r";
    machine::run(&parts::helm()?.display().to_string(), &["lint", "--strict", "charts/reforge", "--set", required])?;
    eprintln!("xtask: nothing to complain of");
    Ok(())
}

/// What this command and the tests both stand on has the same features in both, or it would be compiled twice: the AWS SDKs
/// take most of the time that a build takes.
fn compiled_once() -> Result<()> {
    let (own, tests) = (features(&["--package", "xtask", "--edges", "normal,build"])?, features(&["--workspace"])?);
    let sdks = tests.keys().filter(|package| package.starts_with("aws-sdk-")).count();
    ensure!(sdks > 0, "cargo tree shows no AWS SDK: this check sees nothing");
    let twice: Vec<String> = own
        .iter()
        .filter_map(|(package, own)| Some((package, own, tests.get(package).filter(|tests| *tests != own)?)))
        .map(|(package, own, tests)| format!("{package}: {own:?} here, {tests:?} with the tests"))
        .collect();
    ensure!(
        twice.is_empty(),
        "give xtask the features that the tests have, or all is compiled twice:\n{}",
        twice.join("\n")
    );
    Ok(())
}

/// The features of all packages that a selection needs; a package that is built in several ways has a line for each.
fn features(selection: &[&str]) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let tree = ["tree", "--locked", "--quiet", "--prefix", "none", "--format", "{p}\t{f}"];
    let output =
        std::process::Command::new("cargo").args(tree).args(selection).current_dir(machine::root()).output()?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (package, features) = line.trim_end_matches(" (*)").split_once('\t').unwrap_or((line, ""));
        all.entry(package.to_owned()).or_default().insert(features.to_owned());
    }
    Ok(all)
}

/// No engine builds the image here; that what it copies is a whole workspace is seen without one.
fn image_has_the_workspace() -> Result<()> {
    let (root, folder) = (machine::root(), tempfile::tempdir()?);
    let dockerfile = std::fs::read_to_string(root.join("Dockerfile"))?;
    let copies =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--"));
    for path in copies.flat_map(str::split_whitespace).filter(|path| root.join(path).exists() && *path != "./") {
        let copied = std::process::Command::new("cp").arg("-r").arg(root.join(path)).arg(folder.path()).status()?;
        ensure!(copied.success(), "{path} could not be copied");
    }
    let manifest = folder.path().join("Cargo.toml").display().to_string();
    let metadata = ["metadata", "--locked", "--no-deps", "--format-version=1", "--manifest-path", &manifest];
    let read = std::process::Command::new("cargo").args(metadata).stdout(std::process::Stdio::null()).status()?;
    ensure!(read.success(), "what the Dockerfile copies is not a whole workspace; does a member miss a COPY?");
    Ok(())
}
