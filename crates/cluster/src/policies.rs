//! Every policy, and which of them are to be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::{Client, ResourceExt};
use reforge_api::RecoveryPolicy;
use reforge_core::index::Key;
use reforge_core::words::ids::Id;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::changes::{Changes, Listener};
use crate::incidents::Incidents;
use crate::watch::{Told, follow};

/// What is known of a policy.
#[derive(Clone, Debug)]
pub enum Known {
    /// What it says.
    Read(Arc<RecoveryPolicy>),
    /// It is there, and this version cannot read it; why.
    Unreadable(String),
}

/// Every policy, kept by one watch.
#[derive(Clone, Debug)]
pub struct Policies {
    kept: watch::Sender<Arc<Kept>>,
    changes: Changes<Id>,
    listed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Kept {
    all: BTreeMap<Id, Known>,
    readable: Vec<Arc<RecoveryPolicy>>,
    unreadable: Vec<Id>,
}

impl Policies {
    /// The policies, and what keeps them until `stop`. The open Incidents of a policy that changes are woken once the change is
    /// known here.
    pub fn watch(
        client: Client,
        incidents: Incidents,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let kept = watch::Sender::new(Arc::default());
        let policies = Self { kept, changes: Changes::default(), listed: watch::Sender::new(false) };
        let (watching, mut listing) = (policies.clone(), None);
        let api: Api<DeserializeGuard<RecoveryPolicy>> = Api::all(client);
        (policies, follow(api, stop, move |told| watching.told(told, &mut listing, &incidents)))
    }

    fn told(
        &self,
        told: Told<DeserializeGuard<RecoveryPolicy>>,
        listing: &mut Option<BTreeMap<Id, Known>>,
        incidents: &Incidents,
    ) {
        match (told, listing) {
            (Told::Relist, listing) => *listing = Some(BTreeMap::new()),
            (Told::Is(policy), Some(listing)) => {
                let (id, known) = known(policy);
                listing.insert(id, known);
            }
            (Told::Is(policy), None) => {
                let (id, known) = known(policy);
                self.change(incidents, |all| {
                    all.insert(id.clone(), known);
                    vec![id]
                });
            }
            (Told::Gone(policy), _) => {
                let id = Id::of(&policy);
                self.change(incidents, |all| {
                    all.remove(&id);
                    vec![id]
                });
            }
            (Told::Listed, listing) => {
                let now = listing.take().unwrap_or_default();
                self.change(incidents, |all| {
                    let version = |known: Option<&Known>| match known {
                        Some(Known::Read(policy)) => policy.resource_version(),
                        Some(Known::Unreadable(why)) => Some(why.clone()),
                        None => None,
                    };
                    let ids: BTreeSet<Id> = all.keys().chain(now.keys()).cloned().collect();
                    let differ = ids.into_iter().filter(|id| version(all.get(id)) != version(now.get(id))).collect();
                    *all = now;
                    differ
                });
                self.listed.send_replace(true);
            }
        }
    }

    fn change(&self, incidents: &Incidents, how: impl FnOnce(&mut BTreeMap<Id, Known>) -> Vec<Id>) {
        let mut all = self.kept.borrow().all.clone();
        let differ = how(&mut all);
        let readable = |known: &Known| match known {
            Known::Read(policy) => Some(policy.clone()),
            Known::Unreadable(_) => None,
        };
        let readable = all.values().filter_map(readable).collect();
        let unreadable = all.iter().filter(|(_, known)| matches!(known, Known::Unreadable(_)));
        let unreadable = unreadable.map(|(id, _)| id.clone()).collect();
        self.kept.send_replace(Arc::new(Kept { all, readable, unreadable }));
        for id in differ {
            incidents.wake_of_policy(Key::of_policy(&id.namespace, &id.name));
            self.changes.mark(id);
        }
    }

    /// Every policy that can be read, as they are now.
    pub fn all(&self) -> impl AsRef<[Arc<RecoveryPolicy>]> + use<> {
        Snapshot(self.kept.borrow().clone())
    }

    /// The policies that this version cannot read: nobody can tell what they take.
    pub fn unreadable(&self) -> Vec<Id> {
        self.kept.borrow().unreadable.clone()
    }

    /// A policy; None: there is none of this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Known> {
        let id = Id::new(namespace, name);
        self.kept.borrow().all.get(&id).cloned()
    }

    /// Every policy now, and each that changes from now on.
    pub fn listen(&self) -> Listener<Id> {
        let listener = self.changes.listen();
        let ids: Vec<Id> = self.kept.borrow().all.keys().cloned().collect();
        for id in ids {
            self.changes.mark(id);
        }
        listener
    }

    /// Waits until every policy was seen once; false: the watch has ended before.
    pub async fn ready(&self) -> bool {
        self.listed.subscribe().wait_for(|listed| *listed).await.is_ok()
    }
}

struct Snapshot(Arc<Kept>);

impl AsRef<[Arc<RecoveryPolicy>]> for Snapshot {
    fn as_ref(&self) -> &[Arc<RecoveryPolicy>] {
        &self.0.readable
    }
}

fn known(policy: DeserializeGuard<RecoveryPolicy>) -> (Id, Known) {
    let id = Id::of(&policy);
    match policy.0 {
        Ok(policy) => (id, Known::Read(Arc::new(policy))),
        Err(invalid) => {
            tracing::error!(policy = %id, error = invalid.error, "a policy cannot be read; it is set aside");
            (id, Known::Unreadable(invalid.error))
        }
    }
}
