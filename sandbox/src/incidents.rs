//! The Incidents of a control plane: read and watched by one client, for a program started for each look would take the
//! machine that the recoveries run on.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config};
use serde_json::Value;

use crate::install::NAMESPACE;

/// Between two looks at all of a type.
const LOOK: Duration = Duration::from_millis(200);

/// The Incidents in a namespace.
#[derive(Clone)]
pub struct Incidents(Api<DynamicObject>);

impl fmt::Debug for Incidents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Incidents")
    }
}

/// What an Incident was when patience ran out, if it was there at all.
#[derive(Debug)]
pub struct StillNot(pub Option<Value>);

impl Incidents {
    /// Those in the operator's namespace, of the control plane that a kubeconfig leads to.
    pub(crate) async fn at(kubeconfig: &std::path::Path) -> Result<Self> {
        incidents_at(kubeconfig).await.map(Self)
    }

    /// Those in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self(Api::namespaced_with(self.0.clone().into_client(), namespace, &kind()))
    }

    /// All, or those of a type.
    ///
    /// # Errors
    /// When the apiserver does not answer.
    pub async fn list(&self, resource_type: Option<&str>) -> Result<Vec<Value>> {
        let all = self.0.list(&of_type(resource_type)).await.context("listing Incidents")?;
        all.items.into_iter().map(|incident| Ok(serde_json::to_value(incident)?)).collect()
    }

    /// The names of all, or of those of a type.
    ///
    /// # Errors
    /// When the apiserver does not answer.
    pub async fn names(&self, resource_type: Option<&str>) -> Result<BTreeSet<String>> {
        let all = self.0.list_metadata(&of_type(resource_type)).await.context("listing Incidents")?;
        Ok(all.items.into_iter().filter_map(|incident| incident.metadata.name).collect())
    }

    /// Waits for an Incident of a type that is as wanted, and gives the first.
    ///
    /// # Errors
    /// All that there are of the type when patience runs out, or when the apiserver does not answer.
    pub async fn find(
        &self,
        resource_type: &str,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let start = Instant::now();
        loop {
            let all = self.list(Some(resource_type)).await?;
            if let Some(found) = all.iter().find(|incident| wanted(incident)) {
                return Ok(found.clone());
            }
            if start.elapsed() > patience {
                bail!("after {} s no Incident of type {resource_type} is as wanted: {all:#?}", patience.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until an Incident is as wanted: each state is looked at, however short it is, unless the apiserver is away.
    ///
    /// # Errors
    /// What it is when patience runs out.
    pub async fn until(
        &self,
        name: &str,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, StillNot> {
        let mut last = None;
        let looking = async {
            let mut states = pin!(watcher::watch_object(self.0.clone(), name).default_backoff());
            loop {
                // A watch that breaks is begun again, after a pause; it never ends by itself.
                let Ok(state) = states.try_next().await else { continue };
                let Some(Ok(state)) = state.expect("a watch goes on").map(serde_json::to_value) else { continue };
                if wanted(last.insert(state)) {
                    return;
                }
            }
        };
        let found = tokio::time::timeout(patience, looking).await;
        match (found, last) {
            (Ok(()), Some(state)) => Ok(state),
            (_, last) => Err(StillNot(last)),
        }
    }
}

/// The Incidents in the namespace of the operator, where a kubeconfig leads to.
pub(crate) async fn incidents_at(kubeconfig: &std::path::Path) -> Result<Api<DynamicObject>> {
    Ok(Api::namespaced_with(client_at(kubeconfig).await?, NAMESPACE, &kind()))
}

/// A client by a kubeconfig.
pub(crate) async fn client_at(kubeconfig: &std::path::Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

pub(crate) fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("reforge.dev", "v1alpha1", "Incident"))
}

/// An Incident's name.
pub fn name_of(incident: &Value) -> String {
    incident["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn of_type(resource_type: Option<&str>) -> ListParams {
    resource_type.map(|t| ListParams::default().fields(&format!("spec.resource.type={t}"))).unwrap_or_default()
}
