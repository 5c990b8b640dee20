//! What one Incident cannot have is that Incident's matter: others are stored, from the same message too, and nobody waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use reforge::intake::queue::Handled;
use reforge::runtime::settings::SweepSettings;
use reforge::watch::sweep::Sweep;
use reforge_aws::accounts::{Account, Accounts};
use reforge_cluster::Notes;
use reforge_cluster::clock;
use reforge_core::intake::detect::Way;
use reforge_core::intake::event;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, answer};
use crate::queue::{Running, Sqs, incidents, intake, just_now};
use crate::shape::{ACCOUNT, policy};
use crate::world::{client, eventually, namespace, plane};

const LOST: &str = "i-0123456789abcdef0";
const KEPT: &str = "i-0fedcba9876543210";

/// One call that takes an instance of each of two teams.
fn both() -> Value {
    let items = json!([{"instanceId": LOST}, {"instanceId": KEPT}]);
    just_now("ec2.amazonaws.com", "TerminateInstances", &json!({"instancesSet": {"items": items}}))
}

/// A namespace with a policy for one instance.
fn owner_of(id: &str) -> String {
    let namespace = namespace();
    let mut policy = policy(&namespace);
    policy["spec"]["match"]["resourceIds"] = json!([id]);
    plane().kubectl_with(&policy.to_string(), &["apply", "-f", "-"]).expect("a policy");
    namespace
}

/// Nobody empties it here: it goes for as long as the test lasts.
fn begins_to_go(namespace: &str) {
    plane().kubectl(&["delete", "namespace", namespace, "--wait=false"]).expect("deleted");
}

/// An admission policy of the cluster's that lets no Incident into the namespace.
async fn lets_no_incident_in(namespace: &str) {
    let name = format!("none-in-{namespace}");
    let rule = json!({"apiGroups": ["reforge.dev"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["incidents"]});
    let only = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": only},
            "validations": [{"expression": "false", "message": "this team opens its Incidents by hand"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    is_in_force(namespace, &[policy, binding], "by hand").await;
}

/// A webhook of the cluster's that each Incident of the namespace has to pass, and nobody answers.
async fn has_a_silent_webhook(namespace: &str) {
    let name = format!("{namespace}.example.com");
    let rule = json!({"apiGroups": ["reforge.dev"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["incidents"]});
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": name, "rules": [rule], "clientConfig": {"url": "https://127.0.0.1:1/"},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        }],
    });
    is_in_force(namespace, &[webhook], "failed calling webhook").await;
}

async fn is_in_force(namespace: &str, manifests: &[Value], says: &str) {
    for manifest in manifests {
        plane().kubectl_with(&manifest.to_string(), &["apply", "-f", "-"]).expect("it is taken");
    }
    let incident = crate::api::incident(namespace);
    eventually("it is in force", async || {
        let tried = plane().kubectl_with(&incident.to_string(), &["create", "--dry-run=server", "-f", "-"]);
        tried.is_err_and(|e| e.to_string().contains(says)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_namespace_cannot_store_holds_nobody_else_up() {
    let (sqs, gone, shop) = (Sqs::start().await, owner_of(LOST), owner_of(KEPT));
    let running = Running::start(&sqs, plane(), &[&gone, &shop]).await;
    let closed = running.open.subscribe();
    begins_to_go(&gone);
    let message = both().to_string();
    sqs.send(&message).await;
    eventually("the queue is empty", || sqs.is_empty()).await;
    assert_eq!(incidents(plane(), &shop), 1, "the other's Incident is opened");
    let dead = sqs.dead_letters().await;
    let [(body, reason)] = &dead[..] else { panic!("{} messages", dead.len()) };
    assert_eq!(body, &message);
    assert!(reason.contains(&format!("Incident {gone}/ec2-")), "{reason}");
    assert!(reason.contains("being terminated") && reason.contains("Create the namespace again"), "{reason}");
    assert_eq!(running.metrics.refused_so_far("NamespaceGone"), 1);
    assert_eq!(closed.has_changed().ok(), Some(false), "intake was never closed");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_clusters_admission_refuses_is_set_aside_with_its_words() {
    let (namespace, stop) = (owner_of(LOST), CancellationToken::new());
    let intake = intake(plane(), &[&namespace], &stop).await;
    lets_no_incident_in(&namespace).await;
    let (handled, opened) =
        intake.api_call(&event::of_log(both()["detail"].clone()).expect("a record"), Way::Sweep).await;
    assert_eq!(opened, Vec::<String>::new());
    let Handled::DeadLetter("Admission", reason) = handled else { panic!("{handled:?}") };
    assert!(reason.contains("this team opens its Incidents by hand"), "{reason}");
    assert!(*intake.open.borrow(), "the apiserver stores others");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_does_not_answer_keeps_its_own_events_in_the_queue_and_nobody_elses() {
    let (silent, shop, stop) = (owner_of(LOST), owner_of(KEPT), CancellationToken::new());
    let intake = intake(plane(), &[&silent, &shop], &stop).await;
    has_a_silent_webhook(&silent).await;
    let (handled, opened) =
        intake.api_call(&event::of_log(both()["detail"].clone()).expect("a record"), Way::Sweep).await;
    assert_eq!((handled, opened.len()), (Handled::Keep, 1), "it comes again, and the other's Incident is opened");
    assert!(*intake.open.borrow(), "the apiserver stores others");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_goes_on_past_what_one_namespace_cannot_store() {
    let (operators, gone, shop) = (namespace(), owner_of(LOST), owner_of(KEPT));
    let stop = CancellationToken::new();
    let intake = intake(plane(), &[&gone, &shop], &stop).await;
    begins_to_go(&gone);
    let found = json!({"Events": [{"CloudTrailEvent": both()["detail"].to_string()}]}).to_string();
    let trail = Fake::start(move |_| std::future::ready(answer(200, found.clone()))).await;
    let notes = Notes::new(client(plane()).await, &operators);
    let hour_ago = clock::now().plus_seconds(-3600);
    notes.note(&format!("sweeps-since-{ACCOUNT}-eu-west-1"), hour_ago).await.expect("noted");
    let home = Account {
        id: ACCOUNT.into(),
        role_arn: String::new(),
        external_id: String::new(),
        region: "eu-west-1".into(),
        artifact_bucket: "artifacts".into(),
        projects: BTreeMap::new(),
    };
    let sweep = Sweep {
        grants: intake.grants.clone(),
        accounts: Arc::new(Accounts::new(trail.config.clone(), home, Vec::new())),
        notes: notes.clone(),
        settings: SweepSettings { every: "1h".into(), lag: "1s".into() },
        intake: intake.clone(),
    };
    let sweeping = tokio::spawn(sweep.run(stop.clone()));
    eventually("the sweep is through", async || {
        notes.time(&format!("swept-{ACCOUNT}-eu-west-1")).await.expect("the notes")
    })
    .await;
    assert_eq!(incidents(plane(), &shop), 1);
    assert_eq!((intake.metrics.sweeps_failed.get(), intake.metrics.refused_so_far("NamespaceGone")), (0, 1));
    stop.cancel();
    sweeping.await.expect("it ends in order");
}
