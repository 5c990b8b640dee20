//! `cargo xtask test`: every test of the workspace, as `cargo test` would run them, but two programs side by side. Those that
//! run Terraform wait a third of their time, and take nearly all of it.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::machine;

/// Programs that run at once.
const LANES: usize = 2;
/// The longest, which begin first.
const LONGEST: [&str; 4] = ["e2e", "scripted", "chaos", "terraform_modules"];
/// So many tests run at once in the program that is named, where a test waits more than it works. Else as many as there are
/// cores.
const THREADS: (&str, &str) = ("scripted", "6");

/// Set up what is needed, and run every test.
#[derive(Debug, Args)]
pub struct Test {
    /// Given to the test programs: a filter, or options after `--`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

impl Test {
    pub fn run(self) -> Result<()> {
        machine::check()?;
        machine::setup()?;
        let start = Instant::now();
        eprintln!("xtask: building the tests; about 5 min on two cores the first time");
        let programs = build()?;
        ensure!(!programs.is_empty(), "cargo names no test program");
        eprintln!("xtask: running {} test programs, {LANES} at once; about 30 min on two cores", programs.len());
        let given: Vec<String> = self.rest.into_iter().filter(|word| word != "--").collect();
        let mut ran = run_all(programs, &given);
        let docs = Instant::now();
        let passed =
            machine::run("cargo", &[&["test", "--locked", "--workspace", "--doc", "--"], &words(&given)[..]].concat());
        ran.push(Ran { name: "the documentation's examples".to_owned(), passed: passed.is_ok(), took: docs.elapsed() });
        ran.sort_by_key(|ran| std::cmp::Reverse(ran.took));
        eprintln!("xtask: the longest took");
        for ran in ran.iter().take(8) {
            eprintln!("  {:>6.0?}  {}", ran.took, ran.name);
        }
        let failed: Vec<&str> = ran.iter().filter(|ran| !ran.passed).map(|ran| ran.name.as_str()).collect();
        if !failed.is_empty() {
            bail!("not all tests passed: {}", failed.join(", "));
        }
        eprintln!("xtask: all tests passed ({:.0?})", start.elapsed());
        Ok(())
    }
}

/// A built test program, and the folder of its package: where `cargo test` runs it.
#[derive(Debug)]
struct Program {
    name: String,
    executable: PathBuf,
    package: PathBuf,
}

/// What became of one.
#[derive(Debug)]
struct Ran {
    name: String,
    passed: bool,
    took: Duration,
}

fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

fn build() -> Result<VecDeque<Program>> {
    let build = ["test", "--locked", "--workspace", "--no-run", "--message-format", "json-render-diagnostics"];
    let output = Command::new("cargo")
        .args(build)
        .current_dir(machine::root())
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "the tests can't be built: what the compiler says is above");
    let mut programs: Vec<Program> = String::from_utf8(output.stdout)?
        .lines()
        .map(program)
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    programs.sort_by_key(|p| {
        (LONGEST.iter().position(|name| p.name.ends_with(name)).unwrap_or(LONGEST.len()), p.name.clone())
    });
    Ok(programs.into())
}

/// The test program that a message of cargo's tells of.
fn program(message: &str) -> Result<Option<Program>> {
    let message: Value = serde_json::from_str(message).context("a message of cargo's")?;
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let (true, Some(executable)) = (is_test, message["executable"].as_str()) else { return Ok(None) };
    let manifest = PathBuf::from(message["manifest_path"].as_str().context("a package has a manifest")?);
    let package = manifest.parent().context("a manifest is in a folder")?.to_owned();
    let folder = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let of = if package == machine::root() { "reforge".to_owned() } else { folder };
    let target = message["target"]["name"].as_str().unwrap_or_default();
    Ok(Some(Program { name: format!("{of}/{target}"), executable: executable.into(), package }))
}

fn run_all(programs: VecDeque<Program>, given: &[String]) -> Vec<Ran> {
    let (waiting, ran) = (Mutex::new(programs), Mutex::new(Vec::new()));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    std::thread::scope(|lanes| {
        for _ in 0..LANES {
            lanes.spawn(|| {
                while let Some(program) = next() {
                    let one = run(&program, given);
                    ran.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                }
            });
        }
    });
    ran.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one. Each test is shown as it ends, with the program's seconds so far: where tests take turns, the difference to the
/// one before is its own time. What it said of its failures is shown when all have ended, for two programs at
/// once would not be told apart.
fn run(program: &Program, given: &[String]) -> Ran {
    let start = Instant::now();
    eprintln!("xtask: {} begins", program.name);
    let (passed, said) = watch(program, given).unwrap_or_else(|error| (false, format!("{error:#}\n")));
    let (name, took) = (program.name.clone(), start.elapsed());
    println!("xtask: {name} {} after {took:.0?}\n{said}", if passed { "passed" } else { "FAILED" });
    Ran { name, passed, took }
}

/// Whether it passed, and what it said beside the names of its tests.
fn watch(program: &Program, given: &[String]) -> Result<(bool, String)> {
    let start = Instant::now();
    let mut command = Command::new(&program.executable);
    if program.name.ends_with(THREADS.0) && std::env::var_os("RUST_TEST_THREADS").is_none() {
        command.env("RUST_TEST_THREADS", THREADS.1);
    }
    let mut child = command
        .args(given)
        .current_dir(&program.package)
        .env("CARGO_MANIFEST_DIR", &program.package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.executable.display()))?;
    let (out, err) = (child.stdout.take().context("a pipe")?, child.stderr.take().context("a pipe")?);
    let beside = std::thread::spawn(move || std::io::read_to_string(err));
    let mut said = String::new();
    for line in BufReader::new(out).lines() {
        let line = line?;
        if line.starts_with("test ") && !line.starts_with("test result") {
            println!("[{:>4} s] {line}", start.elapsed().as_secs());
        } else if !line.is_empty() {
            said.push_str(&line);
            said.push('\n');
        }
    }
    let beside = beside.join().map_err(|_| anyhow!("what it said could not be read"))??;
    Ok((child.wait()?.success(), beside + &said))
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn only_test_programs_are_run() {
        let message = |reason: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"{reason}","profile":{{"test":{test}}},"executable":{executable},"manifest_path":"/r/scan/Cargo.toml","target":{{"name":"it"}}}}"#
            )
        };
        let found = program(&message("compiler-artifact", true, "\"/r/it-1\"")).expect("a message").expect("a program");
        assert_eq!((found.name.as_str(), found.executable.to_str()), ("scan/it", Some("/r/it-1")));
        for other in [
            message("compiler-artifact", false, "\"/r/it-1\""),
            message("compiler-artifact", true, "null"),
            message("build-finished", true, "\"/r/it-1\""),
        ] {
            assert!(program(&other).expect("a message").is_none(), "{other}");
        }
        assert!(program("no JSON").is_err());
    }
}
