//! How fast logs are judged, beside programs that only do the first filter, in the same run.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use sandbox::parts;
use serde_json::json;

use crate::machine;

/// `reforge backtest` with all its judgement, against jq, DuckDB and gzip with the first filter only.
#[derive(Debug, Args)]
pub struct Backtest {
    /// Write the result as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Size of the log, in MiB.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Rounds; the best of each program counts, since the machine may be shared.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// jq is slow: it gets this much, and its time is scaled, in MiB.
const SAMPLE: u64 = 64;
const EVENTS: &str =
    r#""DeleteTable","TerminateInstances","DeleteFunction20150331","DeleteBucketPolicy","DeleteParameter""#;
const POLICY: &str = "apiVersion: reforge.dev/v1alpha1
kind: RecoveryPolicy
metadata: {name: all, namespace: bench}
spec:
  mode: Enforce
  match: {resourceTypes: [dynamodb, ec2, lambda, s3, ssm]}
  recovery: {workspaces: [{name: w, project: apply, planProject: plan}]}
  approval: {mode: Never}
";

struct Program<'a> {
    name: &'static str,
    command: Box<dyn Fn() -> Command + 'a>,
    /// What its time is multiplied by, where it gets less than the whole log.
    scale: f64,
}

impl Backtest {
    pub fn run(self) -> Result<()> {
        eprintln!(
            "xtask: building the release (7 min on two cores the first time), then {} rounds of about 30 s",
            self.rounds
        );
        machine::run("cargo", &["build", "--locked", "--release", "--bin", "reforge"])?;
        machine::run("cargo", &["build", "--locked", "--release", "-p", "reforge-scan", "--example", "generate"])?;
        let python = parts::duckdb()?;
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("policy.yaml"), POLICY)?;
        eprintln!("xtask: writing {} MiB of log, twice, and compressing it", self.mib);
        generate("ndjson", self.mib, &at("log.ndjson"))?;
        generate("ndjson", SAMPLE, &at("sample.ndjson"))?;
        generate("records", self.mib, &at("log.json"))?;
        let mut gzip = Command::new("gzip");
        gzip.args(["-6", "-c"]).arg(at("log.ndjson")).stdout(File::create(at("log.gz"))?);
        ensure!(gzip.status()?.success(), "gzip failed");

        let reforge = machine::root().join("target/release/reforge");
        let backtest = |log: &'static str, threads: Option<&'static str>| {
            let (reforge, policy, log) = (reforge.clone(), at("policy.yaml"), at(log));
            Box::new(move || {
                let mut command = Command::new(&reforge);
                command.args(["backtest", "--format", "json", "--policies"]).arg(&policy).arg(&log);
                if let Some(threads) = threads {
                    command.args(["--threads", threads]);
                }
                command
            }) as Box<dyn Fn() -> Command>
        };
        let duckdb = |threads: &'static str| {
            let (python, log) = (python.clone(), at("log.ndjson"));
            Box::new(move || {
                let query = format!(
                    "select count(*) from read_json('{}', format='newline_delimited', columns={{eventName: 'VARCHAR', errorCode: 'VARCHAR', readOnly: 'BOOLEAN'}}) where errorCode is null and not readOnly and eventName in ({})",
                    log.display(),
                    EVENTS.replace('"', "'")
                );
                let code = format!(
                    "import duckdb; c = duckdb.connect(); c.execute('set threads to {threads}'); print(c.execute({query:?}).fetchone())"
                );
                let mut command = Command::new(&python);
                command.args(["-c", &code]);
                command
            }) as Box<dyn Fn() -> Command>
        };
        let cores = std::thread::available_parallelism()?.to_string();
        let cores: &'static str = Box::leak(cores.into_boxed_str());
        #[expect(clippy::cast_precision_loss, reason = "a few thousand MiB")]
        let scale = self.mib as f64 / SAMPLE as f64;
        let (sample, packed) = (at("sample.ndjson"), at("log.gz"));
        let programs = [
            Program { name: "reforge, one a line", command: backtest("log.ndjson", None), scale: 1.0 },
            Program { name: "reforge, one a line, one core", command: backtest("log.ndjson", Some("1")), scale: 1.0 },
            Program { name: "reforge, Records", command: backtest("log.json", None), scale: 1.0 },
            Program { name: "reforge, Records, one core", command: backtest("log.json", Some("1")), scale: 1.0 },
            Program { name: "reforge, gzip", command: backtest("log.gz", None), scale: 1.0 },
            Program { name: "DuckDB, one a line", command: duckdb(cores), scale: 1.0 },
            Program { name: "DuckDB, one a line, one core", command: duckdb("1"), scale: 1.0 },
            Program {
                name: "jq, one a line",
                command: Box::new(move || {
                    let filter =
                        format!("select(.errorCode == null and .readOnly == false and (.eventName | IN({EVENTS})))");
                    let mut command = Command::new("jq");
                    command.args(["-c", &filter]).arg(&sample);
                    command
                }),
                scale,
            },
            Program {
                name: "gzip -dc",
                command: Box::new(move || {
                    let mut command = Command::new("gzip");
                    command.arg("-dc").arg(&packed);
                    command
                }),
                scale: 1.0,
            },
        ];
        let mut best: BTreeMap<&str, f64> = BTreeMap::new();
        for round in 1..=self.rounds {
            eprintln!("xtask: round {round} of {}", self.rounds);
            for program in &programs {
                let seconds = time(&mut (program.command)(), program.name)? * program.scale;
                let known = best.entry(program.name).or_insert(f64::MAX);
                *known = known.min(seconds);
            }
        }
        self.tell(&programs, &best)
    }

    fn tell(&self, programs: &[Program<'_>], best: &BTreeMap<&str, f64>) -> Result<()> {
        println!("{} MiB of log, best of {} rounds\n", self.mib, self.rounds);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand MiB")]
        let mib = self.mib as f64;
        for program in programs {
            println!("{:<32} {:>8.2} s {:>9.0} MiB/s", program.name, best[program.name], mib / best[program.name]);
        }
        let ratio = |slower: &str, faster: &str| best[slower] / best[faster];
        let ratios = [
            ("duckdb", ratio("DuckDB, one a line", "reforge, one a line")),
            ("duckdbOneCore", ratio("DuckDB, one a line, one core", "reforge, one a line, one core")),
            ("jq", ratio("jq, one a line", "reforge, one a line")),
            ("jqOneCore", ratio("jq, one a line", "reforge, one a line, one core")),
            ("gzip", ratio("gzip -dc", "reforge, gzip")),
        ];
        println!();
        for (name, ratio) in ratios {
            println!("{ratio:>6.1} times as fast as {name}");
        }
        if let Some(file) = &self.json {
            let all = json!({"mib": self.mib, "seconds": best, "timesAsFastAs": BTreeMap::from(ratios)});
            std::fs::write(file, format!("{all:#}\n")).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }
}

fn generate(form: &str, mib: u64, to: &Path) -> Result<()> {
    let program = machine::root().join("target/release/examples/generate");
    let made = Command::new(program).args([form, &mib.to_string(), "1"]).stdout(File::create(to)?).status()?;
    ensure!(made.success(), "the log could not be written");
    Ok(())
}

fn time(command: &mut Command, name: &str) -> Result<f64> {
    let start = Instant::now();
    let ended =
        command.stdin(Stdio::null()).stdout(Stdio::null()).status().with_context(|| format!("starting {name}"))?;
    ensure!(ended.success(), "{name}: {ended}");
    Ok(start.elapsed().as_secs_f64())
}
