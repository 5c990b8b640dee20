//! What the machine must have beforehand, and what the sandbox gets by itself.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sandbox::parts;

/// Programs, how to ask for their version, and the oldest that will do.
const PROGRAMS: &[(&str, &[&str], (u32, u32))] = &[
    ("cargo", &["--version"], (1, 95)),
    ("go", &["version"], (1, 26)),
    ("python3", &["--version"], (3, 9)),
    ("terraform", &["version"], (1, 11)),
    ("kubectl", &["version", "--client"], (1, 32)),
    ("jq", &["--version"], (1, 6)),
    ("zip", &["--version"], (3, 0)),
    ("unzip", &["-v"], (6, 0)),
    ("flock", &["--version"], (2, 20)),
];

/// The repository.
pub fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or(manifest.clone(), ToOwned::to_owned)
}

/// Says all that is missing at once.
pub fn check() -> Result<()> {
    let missing: Vec<String> =
        PROGRAMS.iter().filter_map(|(name, args, oldest)| complaint(name, args, *oldest)).collect();
    if !missing.is_empty() {
        bail!("this machine lacks what the README's first lines name:\n  {}", missing.join("\n  "));
    }
    Ok(())
}

fn complaint(name: &str, args: &[&str], oldest: (u32, u32)) -> Option<String> {
    let output = Command::new(name).args(args).stdin(Stdio::null()).output();
    let Ok(output) = output else { return Some(format!("{name}: not on the PATH")) };
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match version_in(&text) {
        None => Some(format!("{name}: does not say its version; {}.{} or newer is needed", oldest.0, oldest.1)),
        Some(found) if found < oldest => {
            Some(format!("{name}: is {}.{}; {}.{} or newer is needed", found.0, found.1, oldest.0, oldest.1))
        }
        Some(_) => None,
    }
}

/// The first "major.minor" in a text.
fn version_in(text: &str) -> Option<(u32, u32)> {
    let numbers = |word: &str| {
        let start = word.find(|c: char| c.is_ascii_digit())?;
        let mut parts = word[start..].split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    text.split_whitespace().find_map(numbers)
}

/// Gets the sandbox's parts.
pub fn setup() -> Result<()> {
    let start = Instant::now();
    eprintln!(
        "xtask: getting the sandbox's parts into {}; about 20 min on two cores the first time, nothing later",
        parts::cache()?.display()
    );
    parts::etcd()?;
    parts::ministack().context("ministack")?;
    parts::aws_cli().context("the AWS CLI")?;
    parts::apiserver().context("kube-apiserver")?;
    parts::helm().context("helm")?;
    parts::terraform_config().context("Terraform's AWS provider")?;
    eprintln!("xtask: all parts are there ({:.0?})", start.elapsed());
    Ok(())
}

/// Runs a command in the repository, showing what it prints.
pub fn run(program: &str, args: &[&str]) -> Result<()> {
    eprintln!("xtask: {program} {}", args.join(" "));
    let status =
        Command::new(program).args(args).current_dir(root()).status().with_context(|| format!("starting {program}"))?;
    if !status.success() {
        bail!("{program} {}: {status}", args.join(" "));
    }
    Ok(())
}

/// Builds the operator: together with what this command is itself made of, for then dependencies have the same features
/// and none is compiled a second time.
pub fn build_operator() -> Result<()> {
    eprintln!("xtask: building the operator (1 min the first time)");
    run("cargo", &["build", "--locked", "--package", "xtask", "--package", "reforge", "--bin", "reforge"])
}

/// The operator's program, beside this command's own.
pub fn operator() -> PathBuf {
    let own = std::env::current_exe().ok().and_then(|program| program.parent().map(ToOwned::to_owned));
    own.unwrap_or_else(|| root().join("target/debug")).join("reforge")
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(version_in("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(version_in("Terraform v1.11.4\non linux_amd64"), Some((1, 11)));
        assert_eq!(version_in("jq-1.7.1"), Some((1, 7)));
        assert_eq!(version_in("Client Version: v1.36.3"), Some((1, 36)));
        assert_eq!(version_in("no version"), None);
    }
}
