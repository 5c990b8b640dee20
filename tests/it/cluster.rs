//! What is known of the cluster, on a real apiserver: the index follows what is stored, and nobody is woken for nothing.

use std::collections::BTreeSet;

use kube::api::{Api, Patch, PatchParams, PostParams};
use reforge::lifecycle::policies;
use reforge_api::{ConditionStatus, Incident, RecoveryPolicy, condition};
use reforge_cluster::status::{self, Written};
use reforge_cluster::{Incidents, Policies};
use reforge_core::index::{Key, Row};
use reforge_core::words::ids::Id;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::shape::{envelope, policy};
use crate::world::{client, eventually, namespace, plane};

/// More than one page of a list.
const MANY: usize = 130;

pub async fn create(api: &Api<Incident>, name: &str) -> Incident {
    let event = envelope("dynamodb.amazonaws.com", "DeleteTable", &json!({"tableName": "orders"}));
    let spec = json!({
        "event": {"id": name, "time": event["time"], "name": "DeleteTable", "source": "dynamodb.amazonaws.com",
            "accountId": "111122223333", "region": "eu-west-1", "actor": {"type": "IAMUser"}},
        "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": name},
        "change": "Deleted", "policyRef": {"name": "all"},
    });
    let incident = Incident::new(name, serde_json::from_value(spec).expect("a spec"));
    api.create(&PostParams::default(), &incident).await.expect("it is stored")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_follows_what_is_stored_however_many_there_are() {
    let (client, namespace, stop) = (client(plane()).await, namespace(), CancellationToken::new());
    let api: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    for i in 0..MANY {
        create(&api, &format!("dynamodb-{i}")).await;
    }
    let (incidents, watching) = Incidents::watch(client, stop.clone());
    let watching = tokio::spawn(watching);
    assert!(incidents.ready().await);
    let mine = |row: &reforge_core::index::Row| *row.id.namespace == *namespace;
    let count = || incidents.look(|index| index.open().filter(|row| mine(row)).count());
    assert_eq!(count(), MANY);

    let mut changes = incidents.listen();
    let all: BTreeSet<Id> = changes.changed().await.into_iter().filter(|id| *id.namespace == *namespace).collect();
    assert_eq!(all.len(), MANY, "whoever begins to listen sees all that is open");

    plane().kubectl(&["delete", "inc", "dynamodb-7", "-n", &namespace]).expect("deleted");
    eventually("the index forgets it", async || (count() == MANY - 1).then_some(())).await;

    let status = json!({"status": {"step": {"attempt": 1, "name": "Ended"}}}).to_string();
    let end = ["patch", "inc", "dynamodb-8", "-n", &namespace, "--subresource=status", "--type=merge", "-p", &status];
    plane().kubectl(&end).expect("patched");
    eventually("the index knows its end", async || (count() == MANY - 2).then_some(())).await;

    let note = ["annotate", "inc", "dynamodb-9", "-n", &namespace, "by=somebody"];
    plane().kubectl(&note).expect("annotated");
    let woken = Id::new(&namespace, "dynamodb-9");
    while !changes.changed().await.contains(&woken) {}
    stop.cancel();
    watching.await.expect("it ends in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_writes_is_known_at_once_and_wakes_nobody() {
    let (client, namespace, stop) = (client(plane()).await, namespace(), CancellationToken::new());
    let api: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    // The watch is not begun: what is known is known from the write.
    let (incidents, watching) = Incidents::watch(client, stop.clone());
    let written = create(&api, "dynamodb-1").await;
    incidents.writing(Id::of(&written)).done(&written);
    assert!(incidents.look(|index| index.get(&Id::of(&written)).is_some()));

    let mut changes = incidents.listen();
    changes.changed().await;
    let watching = tokio::spawn(watching);
    assert!(incidents.ready().await);
    create(&api, "dynamodb-2").await;
    let last = Id::new(&namespace, "dynamodb-2");
    let mut woken = BTreeSet::new();
    while !woken.contains(&last) {
        woken.extend(changes.changed().await);
    }
    assert!(!woken.contains(&Id::of(&written)), "the watch brought what was known");
    stop.cancel();
    watching.await.expect("it ends in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_the_watch_tells_of_before_it_is_answered_wakes_nobody_and_one_of_another_does() {
    let (client, namespace, stop) = (client(plane()).await, namespace(), CancellationToken::new());
    let api: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    let incident = create(&api, "dynamodb-1").await;
    let id = Id::of(&incident);
    let (incidents, watching) = Incidents::watch(client, stop.clone());
    let watching = tokio::spawn(watching);
    assert!(incidents.ready().await);
    let mut changes = incidents.listen();
    changes.changed().await;
    let labelled = async |name: &str| {
        let patch = json!({"metadata": {"labels": {name: "x"}}});
        let labelled = api.patch("dynamodb-1", &PatchParams::default(), &Patch::Merge(patch)).await.expect("labelled");
        let version = Row::from(&labelled).version;
        let known = || incidents.look(|index| index.get(&id).map(|row| row.version));
        eventually("the watch has told of it", async || (known() == Some(version)).then_some(())).await;
        labelled
    };
    let writing = incidents.writing(id.clone());
    let ours = labelled("ours").await;
    writing.done(&ours);
    create(&api, "dynamodb-2").await;
    let other = Id::new(&namespace, "dynamodb-2");
    let mut woken = BTreeSet::new();
    while !woken.contains(&other) {
        woken.extend(changes.changed().await);
    }
    assert!(!woken.contains(&id), "it was our own");

    let writing = incidents.writing(id.clone());
    let ours = labelled("ours-again").await;
    labelled("theirs").await;
    writing.done(&ours);
    while !changes.changed().await.contains(&id) {}
    stop.cancel();
    watching.await.expect("it ends in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changes_wakes_its_open_incidents_once_the_change_is_known() {
    let (client, namespace, stop) = (client(plane()).await, namespace(), CancellationToken::new());
    plane().kubectl_with(&policy(&namespace).to_string(), &["apply", "-f", "-"]).expect("a policy");
    create(&Api::namespaced(client.clone(), &namespace), "dynamodb-1").await;
    let (incidents, watching) = Incidents::watch(client.clone(), stop.clone());
    tokio::spawn(watching);
    let (policies, watching) = Policies::watch(client, incidents.clone(), stop.clone());
    tokio::spawn(watching);
    assert!(incidents.ready().await && policies.ready().await);
    assert_eq!(incidents.look(|index| index.open_of_policy(Key::of_policy(&namespace, "all")).count()), 1);
    let mut changes = incidents.listen();
    changes.changed().await;
    let me = Id::new(&namespace, "dynamodb-1");
    let suspend = ["patch", "rpol", "all", "-n", &namespace, "--type=merge", "-p", r#"{"spec":{"suspend":true}}"#];
    plane().kubectl(&suspend).expect("patched");
    while !changes.changed().await.contains(&me) {}
    let Some(reforge_cluster::Known::Read(known)) = policies.get(&namespace, "all") else { panic!("it is there") };
    assert!(known.spec.suspend, "nobody is woken for what cannot be seen yet");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_read_says_so_and_keeps_what_a_newer_version_wrote() {
    let (client, namespace) = (client(plane()).await, namespace());
    plane().kubectl_with(&policy(&namespace).to_string(), &["apply", "-f", "-"]).expect("a policy");
    let condition = |r#type: &str| {
        json!({"type": r#type, "status": "True", "reason": "Succeeded", "message": "before",
            "lastTransitionTime": "2026-03-01T12:00:00.000Z"})
    };
    let newer = json!({"apiVersion": "reforge.dev/v1alpha1", "kind": "RecoveryPolicy",
        "metadata": {"name": "all", "namespace": namespace}, "status": {"observedGeneration": 1,
            "drift": [{"workspace": "shop", "lastScheduleTime": "2026-03-01T12:00:00.000Z"}],
            "conditions": [condition("Ready"), condition("Stalled"), condition("EventsDelivered")]}});
    let apply = ["apply", "--server-side", "--subresource=status", "--field-manager=reforge", "-f", "-"];
    plane().kubectl_with(&newer.to_string(), &apply).expect("a status");
    let api: Api<RecoveryPolicy> = Api::namespaced(client.clone(), &namespace);
    let before = api.get("all").await.expect("it is there").status.expect("a status");

    let id = Id::new(&namespace, "all");
    policies::say_unreadable(&client, &id, "unknown variant").await.expect("it is written");
    let stored = api.get("all").await.expect("it is there");
    let status = stored.status.clone().expect("a status");
    let of = |r#type: &str| status.conditions.iter().find(|c| c.r#type == r#type).expect("it says");
    assert_eq!((of("Ready").status, of("Ready").reason.as_str()), (ConditionStatus::False, "Unreadable"));
    assert_eq!((&status.drift, of("EventsDelivered")), (&before.drift, &before.conditions[2]));
    policies::say_unreadable(&client, &id, "unknown variant").await.expect("it stands there");
    let again = api.get("all").await.expect("it is there");
    assert_eq!(again.metadata.resource_version, stored.metadata.resource_version, "and is not written again");

    // Whoever can read it again has the last word.
    plane().kubectl_with(&newer.to_string(), &[&apply[..], &["--force-conflicts"]].concat()).expect("a status");
    let after = api.get("all").await.expect("it is there").status.expect("a status");
    assert_eq!(after, before, "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_the_apiserver_refuses_is_said_in_the_one_before_and_not_hurried() {
    let (client, namespace) = (client(plane()).await, namespace());
    let api: Api<Incident> = Api::namespaced(client, &namespace);
    let stored = create(&api, "dynamodb-1").await;
    let mut next = reforge_api::IncidentStatus::default();
    next.step.attempt = 7;
    next.recovery.committed_to = Some("no digest".to_owned());
    let Written::Refused(_, pause) = status::write(&api, &stored, &next).await.expect("the apiserver answers") else {
        panic!("a digest has 64 characters")
    };
    assert!(pause.as_secs() >= 5, "{pause:?}");
    let told = api.get("dynamodb-1").await.expect("it is there").status.expect("it says so");
    assert_eq!((told.step.attempt, told.trouble.map(|t| t.tries)), (0, Some(1)), "nothing of the next is stored");
    let ready = told.conditions.iter().find(|c| c.r#type == condition::READY).expect("it says so");
    assert!(ready.message.starts_with("storing what comes next in this status: not accepted"), "{}", ready.message);
    assert!(ready.message.contains("status.recovery.committedTo"), "in the apiserver's words: {}", ready.message);
}
