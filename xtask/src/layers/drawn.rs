//! The crates as docs/architecture.md shows them: which imports which, by cargo's own word.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::machine;

const BEGIN: &str = "<!-- cargo xtask layers --write -->\n";
const END: &str = "<!-- end -->\n";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    description: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None: an ordinary one.
    kind: Option<String>,
}

/// Compares what the page shows with what there is, or writes it.
pub fn check(write: bool) -> Result<()> {
    let path = machine::root().join("docs/architecture.md");
    let page = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let (before, rest) = page.split_once(BEGIN).context("docs/architecture.md has no place for the crates")?;
    let (shown, after) = rest.split_once(END).context("the crates in docs/architecture.md have no end")?;
    let drawn = draw(&packages()?);
    if write {
        std::fs::write(&path, format!("{before}{BEGIN}{drawn}{END}{after}"))?;
        return Ok(());
    }
    ensure!(shown == drawn, "docs/architecture.md shows other crates than there are; cargo xtask layers --write");
    Ok(())
}

fn packages() -> Result<Vec<Package>> {
    let arguments = ["metadata", "--locked", "--no-deps", "--format-version", "1"];
    let output = Command::new("cargo").args(arguments).current_dir(machine::root()).output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice::<Metadata>(&output.stdout)?.packages)
}

/// A table, those first that import the fewest.
fn draw(packages: &[Package]) -> String {
    let imports: BTreeMap<&str, Vec<&str>> =
        packages.iter().map(|package| (&*package.name, own(package, packages))).collect();
    let mut sorted: Vec<&Package> = packages.iter().collect();
    sorted.sort_by_key(|package| (depth(&package.name, &imports), &package.name));
    let mut drawn = "\n| Crate | What it is | Imports |\n|---|---|---|\n".to_owned();
    for package in sorted {
        let what = package.description.as_deref().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(drawn, "| `{}` | {what} | {} |", package.name, imports[&*package.name].join(", "));
    }
    drawn + "\n"
}

/// The project's own crates among those that a package imports.
fn own<'a>(package: &'a Package, packages: &[Package]) -> Vec<&'a str> {
    let is_own = |name: &str| packages.iter().any(|other| other.name == name);
    let imported = package.dependencies.iter().filter(|d| d.kind.is_none() && is_own(&d.name));
    let mut names: Vec<&str> = imported.map(|d| d.name.as_str()).collect();
    names.sort_unstable();
    names
}

/// How many crates stand below one; cargo lets there be no circle.
fn depth(name: &str, imports: &BTreeMap<&str, Vec<&str>>) -> usize {
    imports.get(name).into_iter().flatten().map(|below| 1 + depth(below, imports)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_imports_the_fewest_comes_first_and_only_the_projects_own_are_shown() {
        let package = |name: &str, imports: &[&str]| {
            let dependencies = imports.iter().map(|name| Dependency { name: (*name).to_owned(), kind: None }).collect();
            Package { name: name.to_owned(), description: Some("words".to_owned()), dependencies }
        };
        let drawn = draw(&[package("a", &["tokio", "b", "c"]), package("b", &["c"]), package("c", &["serde"])]);
        let rows: Vec<&str> = drawn.lines().filter(|line| line.contains("words")).collect();
        assert_eq!(rows, ["| `c` | words |  |", "| `b` | words | c |", "| `a` | words | b, c |"]);
    }
}
