//! CloudTrail's own list of an account's calls, a page at a time, at a pace that leaves others theirs.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use reforge_api::{FaultClass, Time};
use reforge_core::words::fault::Fault;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::ask::ask;

/// CloudTrail takes two LookupEvents a second for an account and region (AWS CloudTrail User Guide, "Quotas"); others look
/// things up as well.
const PACE: Duration = Duration::from_millis(650);
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long is waited when CloudTrail wants fewer calls: others look things up as well.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(40)];
const DOING: &str = "looking up events in CloudTrail";

/// The list of one account and region.
#[derive(Debug)]
pub struct Trail {
    client: Client,
    pace: Interval,
}

/// A page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Records, as JSON.
    pub records: Vec<String>,
    /// What the next page is asked for by; None: this is the last.
    pub next: Option<String>,
}

impl Trail {
    /// Of the account and region that `config` is for.
    pub fn new(config: &SdkConfig) -> Self {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { client: Client::new(config), pace }
    }

    /// The calls that changed something between two times; the first page without a token, each other with the one before's.
    ///
    /// # Errors
    /// What CloudTrail answered; that it wants fewer calls, once that was waited for.
    pub async fn page(&mut self, (from, until): (Time, Time), token: Option<String>) -> Result<Page, Fault> {
        let writes = LookupAttribute::builder().attribute_key(LookupAttributeKey::ReadOnly).attribute_value("false");
        let writes = writes.build().map_err(|error| Fault::ours(DOING, &error.to_string()))?;
        let mut pauses = PAUSES.iter();
        loop {
            self.pace.tick().await;
            let call = self
                .client
                .lookup_events()
                .lookup_attributes(writes.clone())
                .start_time(DateTime::from_millis(from.0))
                .end_time(DateTime::from_millis(until.0))
                .max_results(50)
                .set_next_token(token.clone())
                .send();
            match ask(DOING, TIMEOUT, call).await {
                Ok(page) => {
                    let next = page.next_token;
                    let records = page.events.unwrap_or_default().into_iter();
                    return Ok(Page { records: records.filter_map(|event| event.cloud_trail_event).collect(), next });
                }
                Err(fault) => match pauses.next().filter(|_| fault.class == FaultClass::Throttled) {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(fault),
                },
            }
        }
    }
}
