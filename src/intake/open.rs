//! Creates the Incident of a candidate, under a name that follows from the event: a redelivered message, or another
//! replica, finds it there already.

use std::collections::BTreeMap;

use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use reforge_api::{Incident, LABEL_POLICY, LABEL_TYPE};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::runtime::{KubeCallError, kube_call};

use super::detect::Candidate;

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

/// `<type>-<20 hex digits>`: the same for the same event and resource, in whatever order and however often it comes.
pub fn name_of(candidate: &Candidate) -> String {
    let event = &candidate.event;
    let text = [&event.account_id, &event.region, &event.id, &candidate.resource.id].map(String::as_str).join("\n");
    let digest = hex::encode(Sha256::digest(text));
    format!("{}-{}", candidate.resource.r#type, &digest[..20])
}

/// Stores the Incident.
pub async fn open(client: &Client, candidate: &Candidate) -> Result<Opened, OpenError> {
    let (namespace, name) = (candidate.namespace.clone(), name_of(candidate));
    let api: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    let labels = BTreeMap::from([
        (LABEL_TYPE.to_owned(), candidate.resource.r#type.clone()),
        (LABEL_POLICY.to_owned(), candidate.policy.name.clone()),
    ]);
    let incident = Incident {
        metadata: ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() },
        spec: candidate.spec(),
        status: None,
    };
    let failed = |source| OpenError::Api { namespace: namespace.clone(), name: name.clone(), source };
    match kube_call(api.create(&PostParams::default(), &incident)).await {
        Ok(_) => Ok(Opened::New),
        Err(e) if e.is_conflict() => {
            let there = kube_call(api.get(&name)).await.map_err(failed)?;
            let (a, b) = (&there.spec, &incident.spec);
            // The policy is not compared: another one may take the event by now.
            let same = (&a.event.id, &a.event.account_id, &a.event.region, &a.resource.id)
                == (&b.event.id, &b.event.account_id, &b.event.region, &b.resource.id);
            if same { Ok(Opened::Known) } else { Err(OpenError::Other { namespace, name }) }
        }
        Err(e) => Err(failed(e)),
    }
}
