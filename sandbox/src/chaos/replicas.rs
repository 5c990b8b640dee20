//! The operator's replicas: started, killed at random instants, and started again, as kubelet would.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{Operator, Sandbox};

use super::{Builds, Run};

const NAMES: [&str; 2] = ["operator-0", "operator-1"];

pub struct Replicas<'a> {
    sandbox: &'a Sandbox,
    program: PathBuf,
    kubeconfig: PathBuf,
    settings: Value,
    running: Mutex<[Option<Operator>; 2]>,
    ended_by_itself: AtomicU32,
}

impl<'a> Replicas<'a> {
    pub fn start(sandbox: &'a Sandbox, program: &Path, kubeconfig: &Path, settings: &Value) -> Result<Self> {
        let replicas = Self {
            sandbox,
            program: program.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            settings: settings.clone(),
            running: Mutex::new([None, None]),
            ended_by_itself: AtomicU32::new(0),
        };
        for index in 0..NAMES.len() {
            replicas.spawn(index)?;
        }
        Ok(replicas)
    }

    /// Waits until both are ready.
    pub async fn ready(&self) -> Result<()> {
        let ports: Vec<u16> = self.running().iter().flatten().map(Operator::port).collect();
        let start = Instant::now();
        for port in ports {
            while !crate::get(port, "/readyz").await.is_ok_and(|(status, _)| status == 200) {
                if start.elapsed() > Duration::from_secs(60) {
                    bail!("a replica is not ready; its log is in {}", self.sandbox.folder().display());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Kills one or the other with SIGKILL, until as many kills are done as were asked for.
    pub async fn kill_at_random(&self, run: &Run<'_>) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(run.chaos.seed ^ 1);
        // Spread over about the time that the Incidents take; what is over early goes on at this pace.
        let each = if run.chaos.builds == Builds::Terraform { 7000 } else { 2500 };
        let pace = (u64::from(run.chaos.incidents) * each / u64::from(run.chaos.kills.max(1))).clamp(500, 20_000);
        while run.kills.load(Ordering::Relaxed) < run.chaos.kills {
            tokio::time::sleep(Duration::from_millis(random.u64(0..2 * pace))).await;
            let index = random.usize(0..NAMES.len());
            let Some(operator) = self.running()[index].take() else { continue };
            // One that had ended by itself is counted as such.
            match operator.kill() {
                Ok(()) => run.kills.fetch_add(1, Ordering::Relaxed),
                Err(_) => self.ended_by_itself.fetch_add(1, Ordering::Relaxed),
            };
            tokio::time::sleep(Duration::from_millis(random.u64(0..1500))).await;
            self.spawn(index)?;
            self.revive()?;
        }
        Ok(())
    }

    /// Starts again whoever ended by itself.
    fn revive(&self) -> Result<()> {
        for index in 0..NAMES.len() {
            let ended = self.running()[index].as_mut().is_some_and(Operator::has_ended);
            if ended {
                self.ended_by_itself.fetch_add(1, Ordering::Relaxed);
                self.spawn(index)?;
            }
        }
        Ok(())
    }

    /// Ends both; gives back how often one had ended by itself.
    pub fn stop(&self) -> u32 {
        for operator in self.running().iter_mut() {
            if operator.as_mut().is_some_and(Operator::has_ended) {
                self.ended_by_itself.fetch_add(1, Ordering::Relaxed);
            }
            *operator = None;
        }
        self.ended_by_itself.load(Ordering::Relaxed)
    }

    fn spawn(&self, index: usize) -> Result<()> {
        let operator = Operator::spawn(self.sandbox, &self.program, &self.kubeconfig, &self.settings, NAMES[index])?;
        self.running()[index] = Some(operator);
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, [Option<Operator>; 2]> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
