//! Looks through CloudTrail for events that the queue never brought: EventBridge gives no guarantee, a rule may have been
//! off. What is found goes the way of any record, under the name that its event gives it, so that one that did come opens
//! nothing twice. What opens something new is counted as a gap.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use reforge_api::{Time, duration_millis};
use reforge_core::intake::detect::Way;
use reforge_core::intake::event;
use reforge_core::policy::grants::Grants;
use tokio_util::sync::CancellationToken;

use crate::intake::Intake;
use crate::intake::queue::Handled;
use crate::runtime::settings::SweepSettings;
use reforge_aws::accounts::Accounts;
use reforge_aws::trail::Trail;
use reforge_cluster::clock;

use reforge_cluster::Notes;

/// How far a sweep looks back into what the one before saw, in seconds: records come late, and not in order.
const OVERLAP: i64 = 300;
/// Accounts and regions that are looked through side by side: each has its own share of calls, and its own faults.
const AT_ONCE: usize = 8;

/// Sweeps over every account and region that was granted.
pub struct Sweep {
    /// Where what is found goes.
    pub intake: Arc<Intake>,
    /// Clients.
    pub accounts: Arc<Accounts>,
    /// How far each sweep came.
    pub notes: Notes,
    /// What was granted.
    pub grants: Grants,
    /// When and how far.
    pub settings: SweepSettings,
}

/// Where it is noted how far the sweep over an account and region has come.
pub fn note_of(account: &str, region: &str) -> String {
    format!("swept-{account}-{region}")
}

impl Sweep {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let millis = |text: &str| duration_millis(text).unwrap_or(900_000);
        let every = Duration::from_millis(millis(&self.settings.every).unsigned_abs());
        let lag = millis(&self.settings.lag);
        loop {
            if stop.run_until_cancelled(self.pass(lag)).await.is_none() {
                return;
            }
            if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                return;
            }
        }
    }

    /// Looks through all once. What each has come to is noted one after the other: the notes are one object.
    async fn pass(&self, lag: i64) {
        let sweeps = self.grants.scopes().into_iter().map(|(account, region)| async move {
            let swept = self.scope(&account, &region, lag).await;
            (account, region, swept)
        });
        let mut sweeps = stream::iter(sweeps).buffer_unordered(AT_ONCE);
        while let Some((account, region, swept)) = sweeps.next().await {
            let noted = match swept {
                Ok(Some((key, time))) => self.notes.note(&key, time).await.map_err(|e| e.to_string()),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = noted {
                self.intake.metrics.sweeps_failed.inc();
                tracing::error!(
                    account,
                    region,
                    error,
                    "the sweep over CloudTrail did not get through; the next one begins where it began"
                );
            }
        }
    }

    /// What is to be noted, when all that was found is stored.
    async fn scope(&self, account: &str, region: &str, lag_millis: i64) -> Result<Option<(String, Time)>, String> {
        let config = self.accounts.config(account, region).await.map_err(|e| e.to_string())?;
        let (began, swept) = (format!("sweeps-since-{account}-{region}"), note_of(account, region));
        let until = Time(clock::now().0 - lag_millis);
        let Some(since) = self.notes.time(&began).await.map_err(|e| e.to_string())? else {
            // What happened before the first sweep of all is nobody's gap.
            return Ok(Some((began, clock::now())));
        };
        let last = self.notes.time(&swept).await.map_err(|e| e.to_string())?;
        let from = last.map_or(since, |t| t.plus_seconds(-OVERLAP)).max(since);
        if until <= from {
            return Ok(None);
        }
        let (mut trail, mut token, mut kept) = (Trail::new(&config), None, 0);
        loop {
            let page = trail.page((from, until), token).await.map_err(|fault| fault.to_string())?;
            for record in &page.records {
                kept += usize::from(!self.found(record).await);
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        if kept > 0 {
            return Err(format!("of what it found, {kept} could not be stored yet"));
        }
        Ok(Some((swept, until)))
    }

    /// Whether all that a record stands for is stored.
    async fn found(&self, text: &str) -> bool {
        let record = serde_json::from_str(text)
            .map_err(|e| e.to_string())
            .and_then(|value| event::of_log(value).map_err(|e| e.to_string()));
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                // Nobody will ever be able to read it, and it stays in CloudTrail.
                tracing::warn!(error, "a record that CloudTrail has cannot be read");
                return true;
            }
        };
        // A canary proves the queue's way, and no other.
        if self.intake.plumbing.is_canary(&self.intake.catalog, &record) {
            return true;
        }
        let (handled, opened) = self.intake.api_call(&record, Way::Sweep).await;
        for incident in opened {
            self.intake.metrics.events_missed.inc();
            tracing::warn!(
                event_id = record.event.id,
                incident,
                "the queue never brought this event; the sweep found it"
            );
        }
        handled != Handled::Keep
    }
}
