//! Outages: the apiserver, the queue or CodeBuild is away for some seconds.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;

use super::Run;

/// Until the run is over. Everything is back when this ends.
pub async fn at_random(run: &Run<'_>) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(run.chaos.seed ^ 2);
    let faults = run.sandbox.edge().faults();
    loop {
        let quiet = Duration::from_millis(random.u64(3_000..12_000));
        for _ in 0..quiet.as_millis() / 250 {
            if run.is_over() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let away = Duration::from_millis(random.u64(500..5_000));
        run.outages.fetch_add(1, Ordering::Relaxed);
        match random.u8(0..3) {
            0 => {
                run.sandbox.plane().stop_apiserver();
                tokio::time::sleep(away).await;
                tokio::task::block_in_place(|| run.sandbox.plane().start_apiserver())?;
            }
            which => {
                let service = if which == 1 { "sqs" } else { "codebuild" };
                faults.take_away(service);
                tokio::time::sleep(away).await;
                faults.bring_back(service);
            }
        }
    }
}
