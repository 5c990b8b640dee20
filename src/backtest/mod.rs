//! What Reforge would have done: CloudTrail logs through the operator's own intake, rules, policies, limits, windows and
//! storms, by the clock of the records. [`read`] finds what concerns a policy, on all cores; [`order`] brings it into the
//! order of time, on disk where it is much; [`judge`] judges one event after the other, since limits and storms depend on
//! what went before; [`report`] says it as a table, as JSON or as a page.
//!
//! Calls nobody: no AWS, no model, no apiserver. So a plan is assumed that would put back exactly what was changed, and
//! the rules' verdict stands for the model's. What people would have said is not assumed: a question stays one.

pub mod judge;
pub mod order;
pub mod read;
pub mod report;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use reforge_api::RecoveryPolicy;
use reforge_core::catalog::Catalog;
use reforge_core::plan::inventory::Inventory;
use reforge_core::policy::grants::Grants;
use reforge_scan::{Input, Progress};

use judge::Judge;
use order::Sorted;
use read::Reading;
use report::Report;

/// What a backtest is given.
#[derive(Debug)]
pub struct Backtest {
    /// The policies.
    pub policies: Vec<Arc<RecoveryPolicy>>,
    /// The catalogue.
    pub catalog: Arc<Catalog>,
    /// Who may recover what.
    pub grants: Grants,
    /// The roles of the builds.
    pub recovery_roles: Vec<String>,
    /// What Terraform owns; without any, all that a policy matches.
    pub inventories: Vec<Arc<Inventory>>,
    /// Threads that read.
    pub threads: NonZeroUsize,
    /// Where what is too much for memory is put for a while.
    pub scratch: PathBuf,
}

impl Backtest {
    /// Runs; `progress` is told from several threads how far the reading is.
    pub fn run(&self, inputs: &[Input], progress: &(dyn Fn(Progress) + Sync)) -> Result<Report> {
        let start = Instant::now();
        let kept = Sorted::new(&self.scratch);
        let Reading { totals, mut dropped, range } = read::read(self, inputs, progress, &kept)?;
        for (reason, count) in [
            ("FailedCall", totals.counts.failed),
            ("ReadOnly", totals.counts.read_only),
            ("NotInCatalogue", totals.counts.not_in_catalogue),
            ("UnknownKind", totals.counts.other_kind),
            ("MalformedRecord", totals.counts.nameless),
            ("Unreadable", totals.counts.unreadable),
        ] {
            if count > 0 {
                *dropped.entry(reason.to_owned()).or_default() += count;
            }
        }
        let mut report = Report::new(self, &totals, &dropped, range)?;
        let mut judge = Judge::new(self);
        for event in kept.in_order()? {
            let event = event?;
            let outcome = judge.judge(&event)?;
            report.add(&event, &outcome)?;
        }
        report.finish(&judge, start.elapsed());
        Ok(report)
    }
}
