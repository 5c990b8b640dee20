//! Stores the Incident of a candidate: a redelivered message, or another replica, finds it there already.

use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use reforge_api::Incident;
use reforge_core::intake::candidate::Candidate;
use reforge_core::intake::naming::{incident_of, is_the_same_event};
use reforge_core::words::text::shorten;
use thiserror::Error;

use reforge_cluster::refusal::Refusal;
use reforge_cluster::{KubeCallError, kube_call};

/// The most of what the apiserver said that is kept, in characters.
const MAX_SAID: usize = 600;

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The Incident was created.
    New,
    /// It was there already.
    Known,
}

/// Why an Incident could not be stored.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The apiserver is away, overloaded, or lets this operator store nothing: no other Incident would fare better.
    #[error("creating Incident {namespace}/{name}: {source}")]
    Away {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// What the apiserver said.
        source: KubeCallError,
    },
    /// The apiserver stores others, and not this one: its namespace, its quota, or what admits it has to change first.
    #[error("Incident {namespace}/{name} was refused: {said}. {}", refusal.remedy())]
    Refused {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// Why.
        refusal: Refusal,
        /// What the apiserver said.
        said: String,
    },
    /// Somebody wrote at the same time: the next try finds out.
    #[error("Incident {namespace}/{name} was there, and is not")]
    Overtaken {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
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

impl OpenError {
    /// One word for the counter, where it is this Incident's matter alone and a human's to mend.
    pub fn set_aside(&self) -> Option<&'static str> {
        match self {
            Self::Refused { refusal, .. } => (!refusal.passes()).then_some(refusal.word()),
            Self::Other { .. } => Some("NameTaken"),
            Self::Away { .. } | Self::Overtaken { .. } => None,
        }
    }
}

/// Stores the Incident.
pub async fn open(client: &Client, candidate: &Candidate) -> Result<Stored, OpenError> {
    let incident = incident_of(candidate);
    let (namespace, name) = (candidate.namespace.clone(), incident.name_any());
    let api: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    let failed = |source: KubeCallError| {
        let (namespace, name) = (namespace.clone(), name.clone());
        match source.refusal() {
            Some(refusal) => {
                OpenError::Refused { namespace, name, refusal, said: shorten(&source.to_string(), MAX_SAID) }
            }
            None => OpenError::Away { namespace, name, source },
        }
    };
    match kube_call(api.create(&PostParams::default(), &incident)).await {
        Ok(_) => Ok(Stored::New),
        Err(e) if e.is_conflict() => match kube_call(api.get_opt(&name)).await.map_err(failed)? {
            Some(there) if is_the_same_event(&there.spec, &incident.spec) => Ok(Stored::Known),
            Some(_) => Err(OpenError::Other { namespace, name }),
            // It was deleted since, or the conflict was one of the namespace's quota.
            None => Err(OpenError::Overtaken { namespace, name }),
        },
        Err(e) => Err(failed(e)),
    }
}
