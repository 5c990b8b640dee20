//! The places among the applies of a policy, on a real apiserver: what two that both believe to lead may clear together, and
//! what a leader may whose index is behind.

use futures::StreamExt;
use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use reforge_api::{Incident, IncidentStatus, StepName, Time};
use reforge_cluster::Incidents;
use reforge_cluster::status::{self, Written};
use reforge_cluster::{Places, Taken};
use reforge_core::incident::around;
use reforge_core::index::Row;
use reforge_core::policy::reserve::{Reservations, Reserve};
use reforge_core::words::ids::Id;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cluster::create;
use crate::world::{client, namespace, plane};

/// Where another leader could take the same.
const SHARED: Reserve = Reserve { in_storm: false, is_stored: true };
const NOW: Time = Time(1_000_000);

/// One that believes to lead. Its index knows what it was told, and nothing of what the other does.
struct Leader {
    places: Places,
    incidents: Incidents,
    policy: Id,
    most: u32,
}

impl Leader {
    /// One of a policy that allows so many applies at once.
    fn new(client: &Client, namespace: &str, most: u32) -> Self {
        let (incidents, _unwatched) = Incidents::watch(client.clone(), CancellationToken::new());
        let places = Places::new(client.clone(), namespace, incidents.clone());
        Self { places, incidents, policy: Id::new(namespace, "all"), most }
    }

    /// Clears an Incident where there is a place.
    async fn clears(&self, incident: &Incident, reserve: Reserve) -> Option<Taken> {
        let me = Row::from(incident);
        let decision = |reserved: &Reservations| {
            let applying = self.incidents.look(|index| around::applying(index, &me, reserved));
            let drawn = reserved.drawn_beside(&me.id.to_string(), Time(0)).len();
            let is_free = if reserve.in_storm { drawn < self.most as usize } else { applying < self.most };
            ((), is_free.then_some(reserve))
        };
        let decided = self.places.decide((&self.policy, &me), (NOW, Time(0)), decision).await;
        decided.expect("the apiserver answers").1
    }

    /// Learns of an Incident.
    fn sees(&self, incident: &Incident) {
        self.incidents.writing(Id::of(incident)).done(incident);
    }
}

async fn incidents(client: &Client, namespace: &str, count: usize) -> Vec<Incident> {
    let api: Api<Incident> = Api::namespaced(client.clone(), namespace);
    join_all((0..count).map(async |i| create(&api, &format!("dynamodb-{i}")).await)).await
}

/// Has an Incident be in a step, whoever wrote it there.
fn goes_to(incident: &Incident, step: &str) -> Incident {
    let (name, namespace) = (incident.name_any(), incident.namespace().unwrap_or_default());
    let status = json!({"status": {"step": {"attempt": 1, "name": step}}}).to_string();
    let patch = ["patch", "inc", &name, "-n", &namespace, "--subresource=status", "--type=merge", "-p", &status];
    let patched = plane().kubectl(&[&patch[..], &["-o", "json"]].concat()).expect("patched");
    serde_json::from_str(&patched).expect("an Incident")
}

fn count(taken: &[Option<Taken>]) -> usize {
    taken.iter().flatten().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_both_lead_clear_no_more_together_than_one_may() {
    let (client, namespace) = (client(plane()).await, namespace());
    let api: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    let all = incidents(&client, &namespace, 24).await;
    let leaders = [Leader::new(&client, &namespace, 3), Leader::new(&client, &namespace, 3)];
    let applies = join_all(all.iter().enumerate().map(async |(i, one)| {
        let leader = &leaders[i % 2];
        let Some(_taken) = leader.clears(one, SHARED).await else { return false };
        match status::write(&api, one, &in_step(StepName::Apply)).await {
            Ok(Written::Done(written)) => {
                leader.sees(&written);
                true
            }
            Err(error) if error.is_conflict() => false,
            other => panic!("{other:?}"),
        }
    }));
    let applying = applies.await.into_iter().filter(|applies| *applies).count();
    assert!((1..=3).contains(&applying), "{applying} of 3, and each leader saw nobody apply at first");
}

fn in_step(step: StepName) -> IncidentStatus {
    let mut status = IncidentStatus::default();
    status.step.name = step;
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_storm_leaves_is_drawn_once_whoever_leads() {
    let (client, namespace) = (client(plane()).await, namespace());
    let all = incidents(&client, &namespace, 12).await;
    let leaders = [Leader::new(&client, &namespace, 4), Leader::new(&client, &namespace, 4)];
    let storm = Reserve { in_storm: true, is_stored: true };
    let taken = join_all(all.iter().enumerate().map(async |(i, one)| leaders[i % 2].clears(one, storm).await)).await;
    assert_eq!(count(&taken), 4);
    // Applied or not, it was drawn; also for who leads next.
    drop(taken);
    for one in &all {
        goes_to(one, "Ended");
    }
    let next = Leader::new(&client, &namespace, 4);
    let late = create(&Api::namespaced(client.clone(), &namespace), "dynamodb-late").await;
    assert!(next.clears(&late, storm).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_free_again_when_its_incident_says_so_and_nobody_gave_it_back() {
    let (client, namespace) = (client(plane()).await, namespace());
    let all = incidents(&client, &namespace, 2).await;
    let first = Leader::new(&client, &namespace, 1);
    let taken = first.clears(&all[0], SHARED).await.expect("a place");
    let applying = goes_to(&all[0], "Apply");
    drop(taken);
    drop(first);
    // Another one leads, whose index knows of nobody yet.
    let second = Leader::new(&client, &namespace, 1);
    assert!(second.clears(&all[1], SHARED).await.is_none(), "the Incident was asked: it applies");
    second.sees(&goes_to(&applying, "Verify"));
    assert!(second.clears(&all[1], SHARED).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_an_incident_that_is_gone_is_free() {
    let (client, namespace) = (client(plane()).await, namespace());
    let all = incidents(&client, &namespace, 2).await;
    drop(Leader::new(&client, &namespace, 1).clears(&all[0], SHARED).await.expect("a place"));
    plane().kubectl(&["delete", "inc", "dynamodb-0", "-n", &namespace]).expect("deleted");
    assert!(Leader::new(&client, &namespace, 1).clears(&all[1], SHARED).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cleared_and_never_written_cannot_be_written_once_its_place_is_anothers() {
    let (client, namespace) = (client(plane()).await, namespace());
    let all = incidents(&client, &namespace, 2).await;
    let api: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    // It has cleared, and stands still before it writes so.
    let late = Leader::new(&client, &namespace, 1);
    let taken = late.clears(&all[0], SHARED).await.expect("a place");
    let next = Leader::new(&client, &namespace, 1);
    assert!(next.clears(&all[1], SHARED).await.is_some(), "nobody waits for a leader that is gone");
    let written = status::write(&api, &all[0], &in_step(StepName::Apply)).await;
    assert!(written.expect_err("it was written to since").is_conflict());
    drop(taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clears_at_once_are_few_writes_and_what_no_other_leader_could_take_is_none() {
    let (client, namespace) = (client(plane()).await, namespace());
    let all = incidents(&client, &namespace, 60).await;
    let leader = Leader::new(&client, &namespace, 100);
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let alone = Reserve { in_storm: false, is_stored: false };
    let kept = join_all(all[..20].iter().map(|one| leader.clears(one, alone))).await;
    let stored = leases.list(&ListParams::default()).await.expect("the Leases");
    assert_eq!((count(&kept), stored.items.len()), (20, 0));

    let since = stored.metadata.resource_version.expect("a version");
    let mut writes = leases.watch(&WatchParams::default(), &since).await.expect("a watch").boxed();
    let taken = join_all(all[20..].iter().map(|one| leader.clears(one, SHARED))).await;
    assert_eq!(count(&taken), 40);
    let mut seen = 0;
    loop {
        let (WatchEvent::Added(lease) | WatchEvent::Modified(lease)) =
            writes.next().await.expect("it goes on").expect("an event")
        else {
            panic!("a Lease is written")
        };
        seen += 1;
        let text = lease.annotations().get("reforge.dev/reservations").expect("it says who");
        let reservations: Reservations = serde_json::from_str(text).expect("it can be read");
        if reservations.0.len() == 60 {
            break;
        }
    }
    assert!(seen <= 10, "40 clears were {seen} writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_and_cannot_be_read_lets_nobody_through() {
    let (client, namespace) = (client(plane()).await, namespace());
    let all = incidents(&client, &namespace, 2).await;
    let leader = Leader::new(&client, &namespace, 3);
    leader.clears(&all[0], SHARED).await.expect("a place");
    let leases = plane().kubectl(&["get", "lease", "-n", &namespace, "-o", "name"]).expect("a Lease");
    plane()
        .kubectl(&["annotate", leases.trim(), "-n", &namespace, "--overwrite", "reforge.dev/reservations=?"])
        .expect("annotated");
    let me = Row::from(&all[1]);
    let asked = leader.places.decide((&leader.policy, &me), (NOW, Time(0)), |_| ((), Some(SHARED))).await;
    assert!(asked.is_err_and(|error| !error.is_conflict()), "it is told in the Incident");
}
