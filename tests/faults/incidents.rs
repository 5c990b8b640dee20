//! All Incidents, as one watch tells of them: how each is, and when it was written, so that no write goes unseen and nobody
//! has to ask again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Config, ResourceExt as _};
use sandbox::Sandbox;
use serde_json::Value;
use tokio::sync::watch;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// Clones share what is known.
#[derive(Clone)]
pub struct Incidents(Arc<Inside>);

struct Inside {
    known: Mutex<BTreeMap<String, Known>>,
    changed: watch::Sender<()>,
}

/// One of them.
#[derive(Clone, Default)]
struct Known {
    writes: Vec<Instant>,
    now: Value,
}

impl Incidents {
    /// Watches until the runtime ends.
    pub async fn watch(sandbox: &Sandbox) -> Self {
        let kubeconfig = Kubeconfig::read_from(sandbox.plane().kubeconfig()).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.expect("a kubeconfig")).expect("a client");
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("reforge.dev", "v1alpha1", "Incident"));
        let all = Self(Arc::new(Inside { known: Mutex::default(), changed: watch::Sender::new(()) }));
        let noting = all.clone();
        tokio::spawn(async move {
            let api: Api<DynamicObject> = Api::all_with(client, &kind);
            let mut changes = watcher::watcher(api, watcher::Config::default()).boxed();
            while let Some(change) = changes.next().await {
                if let Ok(Event::Apply(incident) | Event::InitApply(incident)) = change {
                    noting.note(&incident);
                }
            }
        });
        all
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, incident: &DynamicObject) {
        let mut all = self.known();
        let known = all.entry(incident.name_any()).or_default();
        let now = serde_json::to_value(incident).expect("JSON");
        // A watch that begins anew tells of each once more.
        if known.now["metadata"]["resourceVersion"] == now["metadata"]["resourceVersion"] {
            return;
        }
        *known = Known { writes: [&known.writes[..], &[Instant::now()]].concat(), now };
        drop(all);
        self.0.changed.send_replace(());
    }

    /// When an Incident was written, its creation included.
    pub fn writes(&self, incident: &str) -> Vec<Instant> {
        self.known().get(incident).map(|known| known.writes.clone()).unwrap_or_default()
    }

    /// The names of those in a namespace.
    pub fn names(&self, namespace: &str) -> BTreeSet<String> {
        let all = self.known();
        let here = all.iter().filter(|(_, known)| known.now["metadata"]["namespace"] == namespace);
        here.map(|(name, _)| name.clone()).collect()
    }

    /// How an Incident is.
    pub fn get(&self, incident: &str) -> Value {
        self.known().get(incident).map(|known| known.now.clone()).unwrap_or_default()
    }

    /// Waits until there is an Incident in a namespace that is as wanted.
    pub async fn until(&self, namespace: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut changed = self.0.changed.subscribe();
        let here = |incident: &&Value| incident["metadata"]["namespace"] == namespace;
        let looking = async {
            loop {
                changed.mark_unchanged();
                let found = self.known().values().map(|known| &known.now).filter(here).find(|i| wanted(i)).cloned();
                if let Some(found) = found {
                    return found;
                }
                // The sender lives as long as this does.
                let _ = changed.changed().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| {
            let all = self.known();
            let here: Vec<&Value> = all.values().map(|known| &known.now).filter(here).collect();
            panic!("after {} s none is {what}: {here:#?}", PATIENCE.as_secs())
        })
    }
}
