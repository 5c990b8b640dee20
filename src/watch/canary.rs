//! A harmless call of Reforge's own, written down by the real trail: if no Incident comes of it, events do not reach the
//! queue, and people are told.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;
use kube::runtime::reflector::Store;
use reforge_api::{Actor, Change, Event, Handling, Incident, Origin, Resource, Time, duration_millis};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::intake::itself::CANARY_TYPE;
use crate::intake::{Intake, open};
use crate::runtime::KubeCallError;
use crate::runtime::aws_fault::ask;
use crate::runtime::clock;

use super::Notes;

/// The name of the event that a canary did not come back.
pub const LOST: &str = "CanaryLost";
const NOTE: &str = "canary-sent";
/// How far CloudTrail's whole seconds and the operator's clock may be apart, in seconds.
const CLOCKS: i64 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where canaries are written to, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanarySettings {
    /// The SSM parameter: the Terraform module's output `canary_parameter`.
    pub parameter: String,
    /// How often.
    #[serde(default = "daily")]
    pub every: String,
    /// How long one may take to come back.
    #[serde(default = "half_an_hour")]
    pub patience: String,
}

fn daily() -> String {
    "24h".to_owned()
}

fn half_an_hour() -> String {
    "30m".to_owned()
}

/// Writes canaries and waits for them.
pub struct Canary {
    /// SSM in the operator's own account and region.
    pub ssm: Client,
    /// Where Incidents are opened.
    pub intake: Arc<Intake>,
    /// Those that there are.
    pub incidents: Store<Incident>,
    /// When the last one was written.
    pub notes: Notes,
    /// The region of the operator's own AWS resources.
    pub region: String,
    /// Where and how often.
    pub settings: CanarySettings,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Write,
    SayLost(Time),
    Wait,
}

/// `written` and `seen` are the times of the last canary that was written and of the last that came back. Times in
/// milliseconds. Pure.
fn next(written: Option<Time>, seen: Option<Time>, now: Time, every: i64, patience: i64) -> Next {
    let Some(written) = written else { return Next::Write };
    let age = now.millis_since(written);
    let is_back = seen.is_some_and(|seen| seen.plus_seconds(CLOCKS) >= written);
    if age >= every {
        Next::Write
    } else if !is_back && age >= patience {
        Next::SayLost(written)
    } else {
        Next::Wait
    }
}

impl Canary {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let millis = |text: &str| duration_millis(text).unwrap_or(i64::MAX);
        let (every, patience) = (millis(&self.settings.every), millis(&self.settings.patience));
        let pause = Duration::from_millis((every.min(patience) / 4).max(500).unsigned_abs()).min(LONGEST_PAUSE);
        loop {
            match stop.run_until_cancelled(self.look(every, patience)).await {
                None => return,
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!(error, "the canary; it goes on"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self, every: i64, patience: i64) -> Result<(), String> {
        let noted = |e: KubeCallError| format!("the notes: {e}");
        let written = self.notes.time(NOTE).await.map_err(noted)?;
        let now = clock::now();
        match next(written, self.seen(), now, every, patience) {
            Next::Wait => Ok(()),
            Next::SayLost(written) => self.say_lost(written).await,
            Next::Write => {
                // Noted first: one that cannot be written is missed as well.
                self.notes.note(NOTE, now).await.map_err(noted)?;
                self.write(now).await
            }
        }
    }

    fn seen(&self) -> Option<Time> {
        let all = self.incidents.state();
        let canaries = all.iter().filter(|i| i.spec.handling == Handling::Canary);
        let last = canaries.map(|i| i.spec.event.time).max();
        if let Some(last) = last {
            self.intake.metrics.canary_seen.set(last.0 / 1000);
        }
        last
    }

    async fn write(&self, now: Time) -> Result<(), String> {
        let call = self
            .ssm
            .put_parameter()
            .name(&self.settings.parameter)
            .value(now.to_string())
            .r#type(ParameterType::String)
            .overwrite(true)
            .send();
        let doing = format!("writing to {}", self.settings.parameter);
        ask(&doing, TIMEOUT, call).await.map(|_| ()).map_err(|fault| fault.to_string())
    }

    /// One Incident for each canary that is lost, however often it is looked.
    async fn say_lost(&self, written: Time) -> Result<(), String> {
        let itself = &self.intake.itself;
        let event = Event {
            origin: Origin::Reforge,
            id: format!("canary-{}", written.0),
            time: written,
            name: LOST.to_owned(),
            source: "reforge.dev".to_owned(),
            account_id: itself.account.clone(),
            region: self.region.clone(),
            actor: Actor { r#type: "Unknown".to_owned(), ..Actor::default() },
            request_parameters: None,
        };
        let resource = Resource {
            r#type: CANARY_TYPE.to_owned(),
            cloud_formation_type: "AWS::SSM::Parameter".to_owned(),
            id: self.settings.parameter.clone(),
            arn: None,
        };
        let candidate = itself.candidate(resource, event, Change::Modified, Handling::Alert);
        open::open(&self.intake.client, &candidate).await.map(|_| ()).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_written_daily_and_missed_when_it_does_not_come_back() {
        let at = |seconds: i64| Time(seconds * 1000);
        let next = |written: Option<i64>, seen: Option<i64>, now: i64| {
            super::next(written.map(at), seen.map(at), at(now), 86_400_000, 1_800_000)
        };
        assert_eq!(next(None, None, 0), Next::Write);
        assert_eq!(next(Some(0), None, 1799), Next::Wait);
        assert_eq!(next(Some(0), None, 1800), Next::SayLost(at(0)));
        assert_eq!(next(Some(0), Some(-5), 1800), Next::Wait, "records have whole seconds");
        assert_eq!(next(Some(0), Some(-100), 1800), Next::SayLost(at(0)), "that was the one before");
        assert_eq!(next(Some(0), Some(0), 86_400), Next::Write);
        assert_eq!(next(Some(0), None, 86_400), Next::Write, "a lost one is no reason to stop");
    }
}
