//! People's word on all work at once, as ConfigMaps of the operator's namespace: the hold, created to stop new work and
//! deleted to let it go on; and the end of a storm, created when people have seen what it was. Read from a cache for
//! deciding, the hold also live before an apply.

use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use reforge_api::{IncidentSpec, Time};
use reforge_core::policy::hold::Hold;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::call::{KubeCallError, kube_call};

/// The ConfigMap's name. While it exists nothing is started for what it covers; docs/operations.md has the commands.
pub const CONFIG_MAP: &str = "reforge-hold";
/// The ConfigMap by which people say that a storm is over: what was opened before it was created counts for none.
pub const STORM_OVER: &str = "reforge-storm-over";

/// What is known of the hold.
#[derive(Clone, Debug)]
enum Heard {
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
    known: watch::Receiver<Heard>,
    storm_over: watch::Receiver<Option<Time>>,
}

impl Holds {
    /// The hold, and what watches the ConfigMaps in `namespace` until `stop`.
    pub fn watch(
        client: Client,
        namespace: &str,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let api: Api<ConfigMap> = Api::namespaced(client, namespace);
        let (sender, known) = watch::channel(Heard::Nothing);
        let holds = follow(api.clone(), CONFIG_MAP, stop.clone(), move |found| {
            let hold = found.map(|map| Hold::parse(&map.data.unwrap_or_default()));
            if let Some(hold) = &hold {
                tracing::warn!(reason = hold.reason(), "work is on hold");
            }
            sender.send_replace(Heard::Now(hold));
        });
        let (sender, storm_over) = watch::channel(None);
        let storms = follow(api.clone(), STORM_OVER, stop, move |found| {
            let created = found.and_then(|map| map.metadata.creation_timestamp);
            sender.send_replace(created.map(|t| Time(t.0.as_millisecond())));
        });
        let watching = async {
            tokio::join!(holds, storms);
        };
        (Self { api, namespace: namespace.to_owned(), known, storm_over }, watching)
    }

    /// Since when people have said that a storm is over, if they have.
    pub fn storm_over(&self) -> Option<Time> {
        *self.storm_over.borrow()
    }

    /// Why nothing may be started for an Incident, and the command that lifts it; None: nothing keeps it.
    pub fn of(&self, spec: &IncidentSpec) -> Option<String> {
        match &*self.known.borrow() {
            Heard::Nothing => Some("It is not known yet whether work is on hold; the operator asks".to_owned()),
            Heard::Now(hold) => self.explain(hold.as_ref(), spec),
        }
    }

    /// Why nothing at all may be started, where a hold covers everything.
    pub fn of_everything(&self) -> Option<String> {
        match &*self.known.borrow() {
            Heard::Nothing => Some("It is not known yet whether work is on hold; the operator asks".to_owned()),
            Heard::Now(hold) => hold.as_ref().filter(|h| h.covers_everything()).map(|h| self.said(h)),
        }
    }

    /// The same, asked live.
    pub async fn live(&self, spec: &IncidentSpec) -> Result<Option<String>, KubeCallError> {
        let found = kube_call(self.api.get_opt(CONFIG_MAP)).await?;
        Ok(self.explain(found.map(|map| Hold::parse(&map.data.unwrap_or_default())).as_ref(), spec))
    }

    fn explain(&self, hold: Option<&Hold>, spec: &IncidentSpec) -> Option<String> {
        hold.filter(|hold| hold.covers(spec)).map(|hold| self.said(hold))
    }

    fn said(&self, hold: &Hold) -> String {
        format!("On hold: {}; to go on: kubectl delete configmap {CONFIG_MAP} -n {}", hold.reason(), self.namespace)
    }
}

/// Tells of one ConfigMap, as it changes; what was last known stands while it cannot be watched.
async fn follow(
    api: Api<ConfigMap>,
    name: &'static str,
    stop: CancellationToken,
    mut tell: impl FnMut(Option<ConfigMap>) + Send,
) {
    let mut stream = pin!(watcher::watch_object(api, name).default_backoff());
    while let Some(Some(seen)) = stop.run_until_cancelled(stream.next()).await {
        match seen {
            Ok(found) => tell(found),
            Err(error) => tracing::warn!(%error, name, "watching a ConfigMap; what was last known stands"),
        }
    }
}
