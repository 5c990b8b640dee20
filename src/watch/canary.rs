//! A harmless call of Reforge's own, written down by the real trail: if no Incident comes of it, events do not reach the
//! queue, and people are told.

use std::sync::Arc;
use std::time::Duration;

use reforge_api::{Time, duration_millis};
use reforge_cluster::Incidents;
use reforge_core::index::Index;
use reforge_core::watch::canary::{self, Task};
use tokio_util::sync::CancellationToken;

use crate::intake::{Intake, open};
use crate::runtime::settings::CanarySettings;
use reforge_aws::parameters::Parameters;
use reforge_cluster::KubeCallError;
use reforge_cluster::clock;

use reforge_cluster::Notes;

const NOTE: &str = "canary-sent";
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Writes canaries and waits for them.
pub struct Canary {
    /// Where they are written.
    pub parameters: Parameters,
    /// Where Incidents are opened.
    pub intake: Arc<Intake>,
    /// Those that there are.
    pub incidents: Incidents,
    /// When the last one was written.
    pub notes: Notes,
    /// Where and how often.
    pub settings: CanarySettings,
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
        match canary::next(written, self.seen(), now, every, patience) {
            Task::Wait => Ok(()),
            Task::SayLost(written) => self.say_lost(written).await,
            Task::Write => {
                // Noted first: one that cannot be written is missed as well.
                self.notes.note(NOTE, now).await.map_err(noted)?;
                self.write(now).await
            }
        }
    }

    fn seen(&self) -> Option<Time> {
        let last = self.incidents.look(Index::last_canary);
        if let Some(last) = last {
            self.intake.metrics.canary_seen.set(last.0 / 1000);
        }
        last
    }

    async fn write(&self, now: Time) -> Result<(), String> {
        let written = self.parameters.write(&self.settings.parameter, &now.to_string()).await;
        written.map_err(|fault| fault.to_string())
    }

    /// One Incident for each canary that is lost, however often it is looked.
    async fn say_lost(&self, written: Time) -> Result<(), String> {
        let candidate = canary::lost(&self.intake.plumbing, &self.settings.parameter, written);
        open::open(&self.intake.client, &candidate).await.map(|_| ()).map_err(|e| e.to_string())
    }
}
