//! Looks through CloudTrail for events that the queue never brought: EventBridge gives no guarantee, a rule may have been
//! off. What is found goes the way of any record, under the name that its event gives it, so that one that did come opens
//! nothing twice. What opens something new is counted as a gap.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::error::ProvideErrorMetadata;
use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsOutput;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use reforge_api::{Time, duration_millis};
use reforge_core::intake::detect::Way;
use reforge_core::intake::event;
use reforge_core::policy::grants::Grants;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::intake::Intake;
use crate::intake::queue::Handled;
use crate::runtime::accounts::Accounts;
use crate::runtime::aws_fault;
use crate::runtime::clock;
use crate::runtime::settings::SweepSettings;

use super::Notes;

/// CloudTrail takes two LookupEvents a second for an account and region (AWS CloudTrail User Guide, "Quotas"); others look
/// things up as well.
const PACE: Duration = Duration::from_millis(650);
const TIMEOUT: Duration = Duration::from_secs(20);
/// How far a sweep looks back into what the one before saw, in seconds: records come late, and not in order.
const OVERLAP: i64 = 300;
/// How long is waited when CloudTrail wants fewer calls, and how often.
const THROTTLED: (Duration, usize) = (Duration::from_secs(5), 5);

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
        loop {
            for (account, region) in self.grants.scopes() {
                let swept = self.scope(&account, &region, millis(&self.settings.lag));
                match stop.run_until_cancelled(swept).await {
                    None => return,
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
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
            if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                return;
            }
        }
    }

    async fn scope(&self, account: &str, region: &str, lag_millis: i64) -> Result<(), String> {
        let client = Client::new(&self.accounts.config(account, region).await.map_err(|e| e.to_string())?);
        let (began, swept) = (format!("sweeps-since-{account}-{region}"), note_of(account, region));
        let until = Time(clock::now().0 - lag_millis);
        let Some(since) = self.notes.time(&began).await.map_err(|e| e.to_string())? else {
            // What happened before the first sweep of all is nobody's gap.
            return self.notes.note(&began, clock::now()).await.map_err(|e| e.to_string());
        };
        let last = self.notes.time(&swept).await.map_err(|e| e.to_string())?;
        let from = last.map_or(since, |t| t.plus_seconds(-OVERLAP)).max(since);
        if until <= from {
            return Ok(());
        }
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut token, mut kept) = (None, 0);
        loop {
            let page = page(&client, &mut pace, (from, until), token).await?;
            for found in page.events() {
                let stored = self.found(found.cloud_trail_event().unwrap_or_default()).await;
                kept += usize::from(!stored);
            }
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        if kept > 0 {
            return Err(format!("of what it found, {kept} could not be stored yet"));
        }
        self.notes.note(&swept, until).await.map_err(|e| e.to_string())
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

/// One page, waited for where CloudTrail wants fewer calls.
async fn page(
    client: &Client,
    pace: &mut Interval,
    (from, until): (Time, Time),
    token: Option<String>,
) -> Result<LookupEventsOutput, String> {
    let writes =
        LookupAttribute::builder().attribute_key(LookupAttributeKey::ReadOnly).attribute_value("false").build();
    let writes = writes.map_err(|e| e.to_string())?;
    for _ in 0..THROTTLED.1 {
        pace.tick().await;
        let call = client
            .lookup_events()
            .lookup_attributes(writes.clone())
            .start_time(DateTime::from_millis(from.0))
            .end_time(DateTime::from_millis(until.0))
            .max_results(50)
            .set_next_token(token.clone())
            .send();
        match tokio::time::timeout(TIMEOUT, call).await {
            Ok(Ok(page)) => return Ok(page),
            Ok(Err(e)) if e.code() == Some("ThrottlingException") => tokio::time::sleep(THROTTLED.0).await,
            Ok(Err(e)) => return Err(aws_fault::of("looking up events in CloudTrail", &e).to_string()),
            Err(_) => return Err("CloudTrail gave no answer in time".to_owned()),
        }
    }
    Err("CloudTrail wants fewer calls; others look things up as well".to_owned())
}
