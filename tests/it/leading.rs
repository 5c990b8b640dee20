//! Who leads, by the lease in a real apiserver: not a replica that would erase what a newer one has written.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use kube::{Client, ResourceExt};
use reforge_cluster::leader::{Candidate, elect};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::{client, eventually, namespace, plane};

const VERSION: &str = "reforge.dev/status-version";

/// A replica that wants to lead.
struct Replica {
    leads: watch::Receiver<bool>,
    is_too_old: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(client: &Client, namespace: &str, identity: &str, status_version: u32) -> Self {
        let (sender, leads) = watch::channel(false);
        let (told, is_too_old) = watch::channel(false);
        let stop = CancellationToken::new();
        let candidate = Candidate { status_version, ..Candidate::new(namespace, identity) };
        let (client, stopped) = (client.clone(), stop.clone());
        let too_old = move |is: bool| {
            told.send_replace(is);
        };
        let task = tokio::spawn(async move { elect(client, &candidate, too_old, sender, stopped).await });
        Self { leads, is_too_old, stop, task }
    }

    async fn leads(&mut self) {
        self.leads.wait_for(|leads| *leads).await.expect("it goes on");
    }

    /// Ends it in order: it gives the lease back.
    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("it ends in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_does_not_lead_after_a_newer_one_until_somebody_says_so() {
    let (client, namespace) = (client(plane()).await, namespace());
    let mut newer = Replica::start(&client, &namespace, "newer", 2);
    newer.leads().await;
    newer.end().await;

    let mut older = Replica::start(&client, &namespace, "older", 1);
    let is_told = async || older.is_too_old.borrow().then_some(());
    eventually("the older one says that it may not", is_told).await;
    assert!(!*older.leads.borrow(), "nobody has the lease, and it does not take it");

    plane()
        .kubectl(&["annotate", "lease", "reforge-leader", "-n", &namespace, &format!("{VERSION}-")])
        .expect("lifted");
    older.leads().await;
    assert!(!*older.is_too_old.borrow());
    older.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_raises_the_version_and_who_has_none_of_it_is_as_before() {
    let (client, namespace) = (client(plane()).await, namespace());
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    for (identity, version) in [("first", 3), ("same", 3), ("newer", 4)] {
        let mut replica = Replica::start(&client, &namespace, identity, version);
        replica.leads().await;
        let lease = leases.get("reforge-leader").await.expect("the lease");
        assert_eq!(lease.annotations().get(VERSION), Some(&version.to_string()));
        replica.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_stops_when_the_lease_says_that_it_is_too_old() {
    let (client, namespace) = (client(plane()).await, namespace());
    let mut replica = Replica::start(&client, &namespace, "one", 1);
    replica.leads().await;
    let raise = format!("{VERSION}=what a later release writes");
    plane().kubectl(&["annotate", "--overwrite", "lease", "reforge-leader", "-n", &namespace, &raise]).expect("raised");
    replica.leads.wait_for(|leads| !*leads).await.expect("it goes on");
    replica.end().await;
}
