//! What the leader must remember across restarts and other leaders: a few times, as annotations of one `Lease` in the
//! operator's namespace, written by compare-and-swap.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use reforge_api::Time;

use crate::call::{KubeCallError, kube_call};

const NAME: &str = "reforge-notes";

/// The notes.
#[derive(Clone)]
pub struct Notes {
    leases: Api<Lease>,
}

impl Notes {
    /// In the operator's own namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { leases: Api::namespaced(client, namespace) }
    }

    /// The time under a key; None: nothing was noted, or nothing that is a time.
    pub async fn time(&self, key: &str) -> Result<Option<Time>, KubeCallError> {
        let lease = kube_call(self.leases.get_opt(NAME)).await?;
        Ok(lease.and_then(|l| Time::parse(l.annotations().get(&annotation(key))?)))
    }

    /// Notes a time under a key. Lost to somebody else who writes at the same time: then an error, and nothing is written.
    pub async fn note(&self, key: &str, time: Time) -> Result<(), KubeCallError> {
        let params = PostParams::default();
        match kube_call(self.leases.get_opt(NAME)).await? {
            Some(mut lease) => {
                lease.annotations_mut().insert(annotation(key), time.to_string());
                kube_call(self.leases.replace(NAME, &params, &lease)).await.map(|_| ())
            }
            None => {
                let annotations = [(annotation(key), time.to_string())].into();
                let metadata =
                    ObjectMeta { name: Some(NAME.to_owned()), annotations: Some(annotations), ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: None };
                kube_call(self.leases.create(&params, &lease)).await.map(|_| ())
            }
        }
    }
}

fn annotation(key: &str) -> String {
    format!("reforge.dev/{key}")
}
