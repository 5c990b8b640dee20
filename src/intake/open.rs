//! Stores the Incident of a candidate: a redelivered message, or another replica, finds it there already.

use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use reforge_api::Incident;
use reforge_core::intake::candidate::Candidate;
use reforge_core::intake::naming::{incident_of, is_the_same_event};
use thiserror::Error;

use crate::runtime::{KubeCallError, kube_call};

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The Incident was created.
    New,
    /// It was there already.
    Known,
}

/// Why an Incident could not be stored.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The apiserver refused, or did not answer.
    #[error("creating Incident {name} in {namespace}: {source}")]
    Api {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// What the apiserver said.
        source: KubeCallError,
    },
    /// An Incident of this name is about something else.
    #[error("Incident {namespace}/{name} exists and is about another event; was it made by hand?")]
    Other {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
}

/// Stores the Incident.
pub async fn open(client: &Client, candidate: &Candidate) -> Result<Opened, OpenError> {
    let incident = incident_of(candidate);
    let (namespace, name) = (candidate.namespace.clone(), incident.name_any());
    let api: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    let failed = |source| OpenError::Api { namespace: namespace.clone(), name: name.clone(), source };
    match kube_call(api.create(&PostParams::default(), &incident)).await {
        Ok(_) => Ok(Opened::New),
        Err(e) if e.is_conflict() => {
            let there = kube_call(api.get(&name)).await.map_err(failed)?;
            if is_the_same_event(&there.spec, &incident.spec) {
                Ok(Opened::Known)
            } else {
                Err(OpenError::Other { namespace, name })
            }
        }
        Err(e) => Err(failed(e)),
    }
}
