//! When each Incident was written: all of them are watched, so that no write goes unseen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::StreamExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Config, ResourceExt as _};
use reforge_api::Incident;
use sandbox::Sandbox;

/// By the Incident's name, which no other has.
#[derive(Clone, Debug, Default)]
pub struct Writes(Arc<Mutex<HashMap<String, Vec<Instant>>>>);

impl Writes {
    /// Watches until the runtime ends.
    pub async fn watch(sandbox: &Sandbox) -> Self {
        let kubeconfig = Kubeconfig::read_from(sandbox.plane().kubeconfig()).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.expect("a kubeconfig")).expect("a client");
        let writes = Self::default();
        let noted = writes.clone();
        tokio::spawn(async move {
            let mut changes = watcher::watcher(Api::<Incident>::all(client), watcher::Config::default()).boxed();
            while let Some(change) = changes.next().await {
                if let Ok(Event::Apply(incident)) = change {
                    noted.note(incident.name_any());
                }
            }
        });
        writes
    }

    fn note(&self, incident: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(incident).or_default().push(Instant::now());
    }

    /// When an Incident was written, its creation included.
    pub fn of(&self, incident: &str) -> Vec<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(incident).cloned().unwrap_or_default()
    }
}
