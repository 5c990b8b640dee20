//! `reforge backtest`: what Reforge would have done with logs that are there already.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use kube::ResourceExt;
use reforge_api::RecoveryPolicy;
use reforge_aws::{accounts, logs};
use reforge_core::catalog::Catalog;
use reforge_core::plan::inventory::Inventory;
use reforge_core::policy::grants::{Grant, Grants};
use reforge_scan::{Input, Progress};

use crate::backtest::Backtest;
use crate::backtest::judge::Decision;
use crate::runtime::settings::Settings;

use super::event_pattern::policies_in;
use super::output;

/// Some input could not be read, and the rest was done.
const PARTLY_READ: u8 = 2;
/// A decision of --fail-on was met.
const MET: u8 = 3;

/// Say what Reforge would have done with CloudTrail logs.
///
/// Logs are files, folders, `-` for standard input, or s3://BUCKET/PREFIX; {"Records": [...]}, one record or EventBridge
/// event a line, plain, gzip or zstd. The exit status is 0, 1 if nothing could be done, 2 if some input could not be read
/// (the rest was done), 3 if --fail-on was met.
#[derive(Debug, Args)]
pub struct RunBacktest {
    /// The logs.
    #[arg(required = true)]
    logs: Vec<String>,
    /// A folder, or a file, with RecoveryPolicy manifests.
    #[arg(long)]
    policies: PathBuf,
    /// The operator's settings: grants, recovery roles, entries of the catalogue. Without them every policy is granted
    /// what it names.
    #[arg(long)]
    settings: Option<PathBuf>,
    /// Inventories as the builds publish them (inventory/WORKSPACE.json): what Terraform owns. Without any, all that a
    /// policy matches counts as owned.
    #[arg(long)]
    inventory: Vec<PathBuf>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write the result to this file, and not to standard output.
    #[arg(long)]
    output: Option<PathBuf>,
    /// Exit with 3 if there is an Incident with one of these decisions, as in --fail-on ask,refuse.
    #[arg(long, value_enum, value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    /// How many threads read; as many as there are cores if not given.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
    Html,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    Go,
    Wait,
    Ask,
    ObserveOnly,
    Held,
    Suspended,
    Refuse,
    Any,
}

impl FailOn {
    fn is(self, decision: Decision) -> bool {
        matches!(
            (self, decision),
            (Self::Any, _)
                | (Self::Go, Decision::Go)
                | (Self::Wait, Decision::Wait)
                | (Self::Ask, Decision::Ask)
                | (Self::ObserveOnly, Decision::ObserveOnly)
                | (Self::Held, Decision::Held)
                | (Self::Suspended, Decision::Suspended)
                | (Self::Refuse, Decision::Refuse)
        )
    }
}

impl RunBacktest {
    /// Carries the command out.
    pub fn run(self) -> Result<ExitCode> {
        let scratch = tempfile::tempdir().context("a folder for what does not fit into memory")?;
        let backtest = self.backtest(scratch.path())?;
        let inputs = inputs(&self.logs, scratch.path())?;
        let bar = bar();
        let progress = |p: Progress| {
            if let Some(total) = p.total {
                bar.set_length(total);
            }
            bar.set_position(p.done);
        };
        let mut report = backtest.run(&inputs, &progress)?;
        bar.finish_and_clear();
        let mut out: Box<dyn Write> = match &self.output {
            Some(path) => Box::new(std::fs::File::create(path).with_context(|| format!("writing {}", path.display()))?),
            None => Box::new(output::stdout()),
        };
        let mut out = std::io::BufWriter::new(&mut out);
        match self.format {
            Format::Table => report.table(&mut out)?,
            Format::Json => report.json(&mut out)?,
            Format::Html => report.html(&mut out)?,
        }
        out.flush()?;
        for trouble in report.troubles() {
            output::complain(&format_args!("reforge: {trouble}"));
        }
        let met = Decision::ALL.into_iter().any(|d| report.count(d) > 0 && self.fail_on.iter().any(|f| f.is(d)));
        Ok(match (report.troubles().is_empty(), met) {
            (_, true) => MET.into(),
            (false, false) => PARTLY_READ.into(),
            (true, false) => ExitCode::SUCCESS,
        })
    }

    fn backtest(&self, scratch: &Path) -> Result<Backtest> {
        let settings = self.settings.as_deref().map(Settings::load).transpose()?;
        let mut policies = policies_in(&self.policies)?;
        ensure!(!policies.is_empty(), "there is no RecoveryPolicy in {}", self.policies.display());
        for policy in &mut policies {
            policy.metadata.namespace.get_or_insert_with(|| "default".to_owned());
            // What an exported one would have done, had it been there all the time.
            policy.metadata.creation_timestamp = None;
        }
        let own = settings.as_ref().map(|s| s.catalog.as_slice()).unwrap_or_default();
        let catalog = Catalog::with(own).context("the catalogue with settings.catalog")?;
        let inventories = self.inventory.iter().map(|path| {
            let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let inventory = serde_json::from_slice::<Inventory>(&text);
            inventory.map(Arc::new).with_context(|| format!("{} is no inventory", path.display()))
        });
        let threads = self.threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        Ok(Backtest {
            grants: settings.as_ref().map_or_else(|| everything(&policies), Settings::grants),
            recovery_roles: settings.map(|s| s.recovery_roles).unwrap_or_default(),
            policies: policies.into_iter().map(Arc::new).collect(),
            catalog: Arc::new(catalog),
            inventories: inventories.collect::<Result<_>>()?,
            threads,
            scratch: scratch.to_owned(),
        })
    }
}

fn everything(policies: &[RecoveryPolicy]) -> Grants {
    let namespaces: BTreeSet<String> = policies.iter().filter_map(ResourceExt::namespace).collect();
    Grants(namespaces.into_iter().map(Grant::everything).collect())
}

/// The inputs; what is in S3 is brought here first.
fn inputs(logs: &[String], scratch: &Path) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for log in logs {
        match log.strip_prefix("s3://") {
            Some(rest) => inputs.push(Input::Path(fetch(rest, &scratch.join("s3"))?)),
            None if log == "-" => inputs.push(Input::Stdin),
            None => {
                ensure!(Path::new(log).exists(), "there is no {log}");
                inputs.push(Input::Path(log.into()));
            }
        }
    }
    Ok(inputs)
}

/// Brings every object below `BUCKET/PREFIX` into a folder.
fn fetch(from: &str, folder: &Path) -> Result<PathBuf> {
    let (bucket, prefix) = from.split_once('/').unwrap_or((from, ""));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        std::fs::create_dir_all(folder)?;
        let count = logs::fetch(&accounts::own(None).await, (bucket, prefix), folder).await?;
        ensure!(count > 0, "there is nothing below s3://{from}");
        Ok(folder.to_owned())
    })
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(0);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
