//! From logs to the events that concern a policy: the scanner's cheap first look, then the operator's own parsing and
//! detection for what is left.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};
use reforge_api::Time;
use reforge_core::index::own::Ours;
use reforge_core::intake::detect::{Detection, Surroundings, Way, detect};
use reforge_core::intake::event;
use reforge_core::intake::plumbing::Plumbing;
use reforge_scan::{Input, Kept, Progress, Totals, Wanted, scan};

use super::Backtest;
use super::order::{Logged, Sorted};

/// Why records opened nothing, counted beside what the scanner counts itself.
pub type Dropped = BTreeMap<String, u64>;

/// What was read.
#[derive(Debug)]
pub struct Reading {
    /// What the scanner counted.
    pub totals: Totals,
    /// What it let through, and nothing came of.
    pub dropped: Dropped,
    /// The first and the last time among what it let through.
    pub range: Option<(Time, Time)>,
}

/// Reads all inputs; the events go to `kept`, in no order.
pub fn read(
    backtest: &Backtest,
    inputs: &[Input],
    progress: &(dyn Fn(Progress) + Sync),
    kept: &Sorted,
) -> Result<Reading> {
    let wanted = backtest.catalog.events().collect::<Wanted>();
    let (dropped, failed, range) = (Mutex::new(Dropped::new()), Mutex::new(None), Mutex::new(None));
    let drop = |reason: &str| *lock(&dropped).entry(reason.to_owned()).or_default() += 1;
    let around = Surroundings {
        way: Way::Queue,
        catalog: &backtest.catalog,
        policies: &backtest.policies,
        grants: &backtest.grants,
        // A log of the past changes nothing that Reforge stands on now.
        plumbing: &Plumbing::default(),
        recovery_roles: &backtest.recovery_roles,
        // Which builds an Incident started is not in a log: a recovery role in a session that CodeBuild named is ours.
        is_own_build: &|_, _| Ours::Yes,
        // What would have waited is counted, however much it is.
        open_of: &|_, _| 0,
    };
    let keep = |record: Kept<'_>| {
        let parsed = serde_json::from_slice(record.text).map_err(|_| "Unreadable");
        let parsed = parsed.and_then(|value| event::of_log(value).map_err(|why| why.word()));
        if let Ok(record) = &parsed {
            let mut range = lock(&range);
            let at = record.event.time;
            let (from, to) = range.unwrap_or((at, at));
            *range = Some((from.min(at), to.max(at)));
        }
        let detected = parsed.and_then(|record| detect(&record, &around).map_err(|why| why.word()));
        let candidates = match detected {
            Ok(Detection::Open(candidates)) => candidates,
            Ok(Detection::OpenSome(candidates, unreadable)) => {
                drop(unreadable.word());
                candidates
            }
            Ok(Detection::Drop(reason)) => return drop(reason.word()),
            Ok(Detection::Later) => return drop("OwnAction"),
            Err(word) => return drop(word),
        };
        for candidate in candidates {
            if let Err(error) = kept.add(Logged::of(candidate)) {
                lock(&failed).get_or_insert(error);
            }
        }
    };
    let totals = scan(inputs, &wanted, backtest.threads, progress, &keep);
    if let Some(error) = lock(&failed).take() {
        return Err(anyhow!(error).context("keeping what concerns a policy"));
    }
    let dropped = std::mem::take(&mut *lock(&dropped));
    let range = *lock(&range);
    Ok(Reading { totals, dropped, range })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use reforge_core::catalog::Catalog;

    #[test]
    fn the_scanner_takes_the_same_part_of_a_name_for_a_version_as_the_operator() {
        let odd = ["", "v2", "20150331", "x20150331v", "Deletev2", "Delete20150331v2v3", "ü20150331", "Delete2015033"];
        let versions = |name: &str| ["", "20150331", "20150331v2"].map(|version| format!("{name}{version}"));
        let known = Catalog::builtin().events().flat_map(|(_, name)| versions(name));
        for name in known.chain(odd.map(str::to_owned)) {
            let operator = reforge_core::words::text::without_version(&name);
            assert_eq!(reforge_scan::without_version(&name), operator, "{name}");
        }
    }
}
