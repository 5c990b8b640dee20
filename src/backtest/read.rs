//! From logs to the events that concern a policy: the scanner's cheap first look, then the operator's own parsing and
//! detection for what is left.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow};
use reforge_scan::{Input, Kept, Progress, Totals, Wanted, scan};

use crate::intake::detect::{Detection, Ours, Surroundings, detect};
use crate::intake::event;

use super::Backtest;
use super::order::{Event, Sorted};

/// Why records opened nothing, counted beside what the scanner counts itself.
pub type Dropped = BTreeMap<String, u64>;

/// Reads all inputs; the events go to `kept`, in no order.
pub fn read(
    backtest: &Backtest,
    inputs: &[Input],
    progress: &(dyn Fn(Progress) + Sync),
    kept: &Sorted,
) -> Result<(Totals, Dropped)> {
    let wanted = backtest.catalog.events().collect::<Wanted>();
    let (dropped, failed) = (Mutex::new(Dropped::new()), Mutex::new(None));
    let drop = |reason: &str| {
        *dropped.lock().unwrap_or_else(PoisonError::into_inner).entry(reason.to_owned()).or_default() += 1;
    };
    let around = Surroundings {
        catalog: &backtest.catalog,
        policies: &backtest.policies,
        grants: &backtest.grants,
        recovery_roles: &backtest.recovery_roles,
        // Which builds an Incident started is not in a log: a recovery role in a session that CodeBuild named is ours.
        is_own_build: &|_| Ours::Yes,
    };
    let keep = |record: Kept<'_>| {
        let parsed = serde_json::from_slice(record.text).map_err(|_| "Unreadable");
        let parsed = parsed.and_then(|value| event::of_log(value).map_err(|why| why.word()));
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
            if let Err(error) = kept.add(Event::of(candidate)) {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    let totals = scan(inputs, &wanted, backtest.threads, progress, &keep);
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(anyhow!(error).context("keeping what concerns a policy")),
        None => Ok((totals, dropped.into_inner().unwrap_or_else(PoisonError::into_inner))),
    }
}
