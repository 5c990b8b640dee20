//! The hold of the operator's namespace: a ConfigMap that people create to stop new work, and delete to let it go on.
//! Read from a cache for deciding, and live before an apply.

use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::IncidentSpec;
use crate::policy::hold::Hold;
use crate::runtime::{KubeCallError, kube_call};

/// The ConfigMap's name. While it exists nothing is started for what it covers; docs/operations.md has the commands.
pub const CONFIG_MAP: &str = "reforge-hold";

/// What is known of the hold.
#[derive(Clone, Debug)]
enum Known {
    /// Nothing yet: as if everything were on hold.
    Nothing,
    /// It is there, or not.
    Now(Option<Hold>),
}

/// The hold, as it changes.
#[derive(Clone, Debug)]
pub struct Holds {
    api: Api<ConfigMap>,
    namespace: String,
    known: watch::Receiver<Known>,
}

impl Holds {
    /// Watches the ConfigMap in `namespace` until `stop`.
    pub fn watch(client: Client, namespace: &str, stop: CancellationToken) -> Self {
        let api: Api<ConfigMap> = Api::namespaced(client, namespace);
        let (sender, known) = watch::channel(Known::Nothing);
        let stream = watcher::watch_object(api.clone(), CONFIG_MAP).default_backoff();
        tokio::spawn(async move {
            let mut stream = pin!(stream);
            while let Some(Some(seen)) = stop.run_until_cancelled(stream.next()).await {
                match seen {
                    Ok(found) => {
                        let hold = found.map(|map| Hold::parse(&map.data.unwrap_or_default()));
                        if let Some(hold) = &hold {
                            tracing::warn!(reason = hold.reason(), "work is on hold");
                        }
                        sender.send_replace(Known::Now(hold));
                    }
                    Err(error) => tracing::warn!(%error, "watching the hold; what was last known stands"),
                }
            }
        });
        Self { api, namespace: namespace.to_owned(), known }
    }

    /// Why nothing may be started for an Incident, and the command that lifts it; None: nothing keeps it.
    pub fn of(&self, spec: &IncidentSpec) -> Option<String> {
        match &*self.known.borrow() {
            Known::Nothing => Some("It is not known yet whether work is on hold; the operator asks".to_owned()),
            Known::Now(hold) => self.explain(hold.as_ref(), spec),
        }
    }

    /// The same, asked live.
    pub async fn live(&self, spec: &IncidentSpec) -> Result<Option<String>, KubeCallError> {
        let found = kube_call(self.api.get_opt(CONFIG_MAP)).await?;
        Ok(self.explain(found.map(|map| Hold::parse(&map.data.unwrap_or_default())).as_ref(), spec))
    }

    fn explain(&self, hold: Option<&Hold>, spec: &IncidentSpec) -> Option<String> {
        let hold = hold.filter(|hold| hold.covers(spec))?;
        Some(format!(
            "On hold: {}; to go on: kubectl delete configmap {CONFIG_MAP} -n {}",
            hold.reason(),
            self.namespace
        ))
    }
}
