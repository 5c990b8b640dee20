//! Opens and closes intake: nothing is received before the policies are in the cache, and while the apiserver does not
//! store Incidents.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ListParams};
use reforge_api::RecoveryPolicy;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use reforge_cluster::kube_call;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Whenever intake is closed, asks the apiserver for one policy, with growing pauses, and opens it on an answer.
pub async fn keep(client: Client, open: watch::Sender<bool>, stop: CancellationToken) {
    let policies: Api<RecoveryPolicy> = Api::all(client);
    let mut closed = open.subscribe();
    loop {
        let watched = async {
            if closed.wait_for(|open| !*open).await.is_err() {
                return;
            }
            let mut pause = FIRST_PAUSE;
            loop {
                tokio::time::sleep(pause).await;
                match kube_call(policies.list(&ListParams::default().limit(1))).await {
                    Ok(_) => break,
                    Err(error) => tracing::warn!(%error, "the apiserver does not answer; no events are received"),
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            open.send_replace(true);
        };
        if stop.run_until_cancelled(watched).await.is_none() {
            return;
        }
    }
}
