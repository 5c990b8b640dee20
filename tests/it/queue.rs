//! The queue on an emulated SQS and a real apiserver: what is deleted, what stays, what goes to the dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Credentials;
use aws_sdk_sqs::types::QueueAttributeName;
use reforge::intake::Intake;
use reforge::intake::queue::{Handled, QueueState, Receiver};
use reforge::lifecycle::asked::Asked;
use reforge::runtime::gate;
use reforge::runtime::metrics::Metrics;
use reforge_aws::accounts::{Account, Accounts};
use reforge_aws::clients::Clients;
use reforge_aws::queue::Queue;
use reforge_cluster::Workspaces;
use reforge_cluster::{Incidents, Policies, clock};
use reforge_core::catalog::Catalog;
use reforge_core::intake::plumbing::Plumbing;
use reforge_core::policy::grants::{Grant, Grants};
use reforge_core::words::ids::Id;
use sandbox::{Aws, ControlPlane};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::shape::{ACCOUNT, BUILD, ROLE, envelope, policy};
use crate::world::{client, eventually, namespace, plane};

/// An emulated SQS with a queue for events and one for dead letters.
pub struct Sqs {
    config: SdkConfig,
    client: Client,
    url: String,
    dead: String,
    _aws: Aws,
}

impl Sqs {
    pub async fn start() -> Self {
        let aws = Aws::start().await.expect("the emulated AWS starts");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::for_tests())
            .endpoint_url(aws.url())
            .load()
            .await;
        let client = Client::new(&config);
        let create = async |name: &str| {
            client.create_queue().queue_name(name).send().await.expect("a queue").queue_url.expect("its URL")
        };
        let (url, dead) = (create("events").await, create("dead").await);
        Self { config, client, url, dead, _aws: aws }
    }

    fn queue(&self) -> Receiver {
        Receiver::new(Queue::new(&self.config, &self.url, &self.dead), Metrics::default())
    }

    pub async fn send(&self, body: &str) {
        self.client.send_message().queue_url(&self.url).message_body(body).send().await.expect("sent");
    }

    /// The dead letters: body and reason.
    pub async fn dead_letters(&self) -> Vec<(String, String)> {
        let call = self.client.receive_message().queue_url(&self.dead).message_attribute_names("All");
        let dead = call.max_number_of_messages(10).send().await.expect("received").messages.unwrap_or_default();
        let read = dead.into_iter().map(|message| {
            let reason = message.message_attributes.and_then(|a| a.get("ReforgeReason")?.string_value.clone());
            (message.body.unwrap_or_default(), reason.unwrap_or_default())
        });
        read.collect()
    }

    /// Messages in a queue, in sight and in flight.
    async fn count(&self, url: &str) -> u32 {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let call = self.client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
        let attributes = call.send().await.expect("attributes").attributes.unwrap_or_default();
        attributes.values().filter_map(|v| v.parse::<u32>().ok()).sum()
    }

    /// Whether a message is in flight.
    async fn is_taken(&self) -> Option<()> {
        let in_flight = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let call = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(in_flight);
        let attributes = call.send().await.expect("attributes").attributes.unwrap_or_default();
        attributes.values().any(|count| count == "1").then_some(())
    }

    pub async fn is_empty(&self) -> Option<()> {
        (self.count(&self.url).await == 0).then_some(())
    }
}

/// Intake on a control plane, with the policies of these namespaces.
pub async fn intake(plane: &ControlPlane, namespaces: &[&str], stop: &CancellationToken) -> Arc<Intake> {
    let client = client(plane).await;
    // Nothing ever gets into this one: it is as far behind as it can be.
    let (incidents, _never) = Incidents::watch(client.clone(), stop.clone());
    let (policies, watching) = Policies::watch(client.clone(), incidents.clone(), stop.clone());
    tokio::spawn(watching);
    assert!(policies.ready().await, "the policies are read");
    let workspaces = workspaces(&client, namespaces.first().copied().unwrap_or("default"));
    let grant = |namespace: &&str| {
        let (accounts, regions) = (vec![ACCOUNT.into()], vec!["eu-west-1".into()]);
        Grant::new((*namespace).into(), accounts, regions, vec!["aiops-*".into()])
    };
    Arc::new(Intake {
        client,
        policies,
        incidents,
        workspaces,
        catalog: Arc::new(Catalog::with(&[]).expect("the catalogue")),
        grants: Grants(namespaces.iter().map(grant).collect()),
        plumbing: Plumbing::default(),
        recovery_roles: vec![ROLE.into()],
        metrics: Metrics::default(),
        open: watch::Sender::new(true),
    })
}

/// The whole of intake with its queue, until it is stopped.
pub struct Running {
    stop: CancellationToken,
    pub metrics: Metrics,
    pub open: watch::Sender<bool>,
    workspaces: Workspaces,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub async fn start(sqs: &Sqs, plane: &ControlPlane, namespaces: &[&str]) -> Self {
        let stop = CancellationToken::new();
        let intake = intake(plane, namespaces, &stop).await;
        let workspaces = intake.workspaces.clone();
        let (metrics, open) = (intake.metrics.clone(), intake.open.clone());
        tokio::spawn(gate::keep(intake.client.clone(), open.clone(), stop.clone()));
        let receiving = sqs.queue().run(open.subscribe(), stop.clone(), move |body| intake.clone().handle(body));
        Self { stop, metrics, open, workspaces, task: tokio::spawn(receiving) }
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("intake ends in order");
    }
}

/// The workspaces' leases in a namespace; no build is asked about.
fn workspaces(client: &kube::Client, namespace: &str) -> Workspaces {
    let home = Account {
        id: "111122223333".into(),
        role_arn: String::new(),
        external_id: String::new(),
        region: "eu-west-1".into(),
        artifact_bucket: "none".into(),
        projects: BTreeMap::new(),
    };
    let accounts = Accounts::new(aws_config::SdkConfig::builder().build(), home, Vec::new());
    Workspaces::new(client.clone(), namespace, Arc::new(Asked(Arc::new(Clients::new(Arc::new(accounts))))))
}

/// A call of just now: the policies of these tests are no older than the tests.
pub fn just_now(source: &str, name: &str, parameters: &Value) -> Value {
    let mut envelope = envelope(source, name, parameters);
    let now = clock::now().to_string();
    envelope["time"] = json!(now);
    envelope["detail"]["eventTime"] = json!(now);
    envelope
}

fn deleted_table() -> String {
    just_now("dynamodb.amazonaws.com", "DeleteTable", &json!({"tableName": "orders"})).to_string()
}

pub fn incidents(plane: &ControlPlane, namespace: &str) -> usize {
    plane.kubectl(&["get", "inc", "-n", namespace, "-o", "name"]).map_or(0, |list| list.lines().count())
}

/// Intake of a namespace with a policy.
async fn with_policy() -> (Sqs, String, Running) {
    let (sqs, namespace) = (Sqs::start().await, namespace());
    plane().kubectl_with(&policy(&namespace).to_string(), &["apply", "-f", "-"]).expect("a policy");
    let running = Running::start(&sqs, plane(), &[&namespace]).await;
    (sqs, namespace, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivered_message_opens_no_second_incident() {
    let (sqs, namespace, running) = with_policy().await;
    let message = deleted_table();
    for _ in 0..3 {
        sqs.send(&message).await;
    }
    eventually("the queue is empty", || sqs.is_empty()).await;
    assert_eq!(incidents(plane(), &namespace), 1);
    assert_eq!(running.metrics.redelivered.get(), 2);
    running.end().await;
}

/// A call that a recovery build makes.
fn own_call() -> String {
    let mut own = just_now("ssm.amazonaws.com", "PutParameter", &json!({"name": "/app/mode"}));
    own["detail"]["userIdentity"] = json!({
        "type": "AssumedRole",
        "arn": format!("arn:aws:sts::111122223333:assumed-role/aiops-shop-recovery/AWSCodeBuild-{BUILD}"),
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE}},
    });
    own.to_string()
}

/// The index of Incidents is empty in these tests: as far behind as it can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_recoverys_own_call_opens_nothing_however_far_behind_the_index_is() {
    let (sqs, namespace, running) = with_policy().await;
    sqs.send(&deleted_table()).await;
    eventually("the queue is empty", || sqs.is_empty()).await;
    let name = plane().kubectl(&["get", "inc", "-n", &namespace, "-o", "name"]).expect("an Incident");
    let build = json!({"kind": "Apply", "id": format!("aiops-shop-recovery:{BUILD}"), "status": "IN_PROGRESS"});
    let status = json!({"status": {"recovery": {"builds": [build]}}}).to_string();
    let patch = ["patch", name.trim(), "-n", &namespace, "--subresource=status", "--type=merge", "-p", &status];
    plane().kubectl(&patch).expect("patched");
    let incident = name.trim().rsplit('/').next().expect("a name").to_owned();
    let holder = Id::new(&namespace, &incident);
    running.workspaces.take("b/k", &holder).await.expect("the apiserver answers").expect("nobody has it");

    sqs.send(&own_call()).await;
    eventually("the queue is empty", || sqs.is_empty()).await;
    assert_eq!(running.metrics.dropped_so_far("OwnAction"), 1);
    assert_eq!(incidents(plane(), &namespace), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recoverys_own_call_opens_nothing_when_its_incident_is_long_gone() {
    let (sqs, namespace, running) = with_policy().await;
    let holder = Id::new(&namespace, "gone");
    running.workspaces.take("b/k", &holder).await.expect("the apiserver answers").expect("nobody has it");
    running
        .workspaces
        .note_build("b/k", &holder, ("111122223333", &format!("p:{BUILD}"), clock::now()))
        .await
        .expect("noted");
    // The record of that call is of long ago, and so is the build.
    let lease = plane().kubectl(&["get", "lease", "-n", &namespace, "-o", "name"]).expect("the lease");
    let builds = json!([{"id": format!("p:{BUILD}"), "start": "2020-01-01T00:00:00.000Z"}]);
    let note = format!("reforge.dev/builds={builds}");
    plane().kubectl(&["annotate", "--overwrite", lease.trim(), "-n", &namespace, &note]).expect("annotated");
    running.workspaces.release("b/k", &holder).await.expect("given back");

    sqs.send(&own_call()).await;
    eventually("the queue is empty", || sqs.is_empty()).await;
    assert_eq!((running.metrics.dropped_so_far("OwnAction"), incidents(plane(), &namespace)), (1, 0));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_the_session_of_a_build_that_nobody_started_is_somebody_elses() {
    let (sqs, namespace, running) = with_policy().await;
    sqs.send(&own_call()).await;
    eventually("the queue is empty", || sqs.is_empty()).await;
    assert_eq!((running.metrics.dropped_so_far("OwnAction"), incidents(plane(), &namespace)), (0, 1));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_goes_to_the_dead_letters_with_its_reason() {
    let (sqs, namespace) = (Sqs::start().await, namespace());
    let running = Running::start(&sqs, plane(), &[&namespace]).await;
    sqs.send("{ this is no JSON").await;
    eventually("the queue is empty", || sqs.is_empty()).await;
    let dead = sqs.dead_letters().await;
    let [(body, reason)] = &dead[..] else { panic!("{} messages", dead.len()) };
    assert_eq!(body, "{ this is no JSON");
    assert!(reason.contains("not an EventBridge event"), "{reason}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_event_is_counted_and_leaves_the_queue() {
    let (sqs, namespace) = (Sqs::start().await, namespace());
    let running = Running::start(&sqs, plane(), &[&namespace]).await;
    sqs.send(&deleted_table()).await;
    eventually("the queue is empty", || sqs.is_empty()).await;
    assert_eq!(running.metrics.dropped_so_far("NoPolicy"), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_stays_in_the_queue_while_the_apiserver_stores_nothing() {
    let sqs = Sqs::start().await;
    let own = ControlPlane::start().expect("a control plane of its own");
    let crds = reforge::cli::all_manifests().expect("CRDs");
    own.kubectl_with(&crds, &["apply", "--server-side", "-f", "-"]).expect("applied");
    own.kubectl(&["wait", "--for=condition=Established", "crd", "--all"]).expect("established");
    own.kubectl(&["create", "namespace", "shop"]).expect("a namespace");
    own.kubectl_with(&policy("shop").to_string(), &["apply", "-f", "-"]).expect("a policy");
    let running = Running::start(&sqs, &own, &["shop"]).await;

    own.stop_apiserver();
    sqs.send(&deleted_table()).await;
    let mut open = running.open.subscribe();
    open.wait_for(|open| !*open).await.expect("intake closes");
    assert_eq!(sqs.count(&sqs.url).await, 1, "the message is still there");

    own.start_apiserver().expect("it comes back");
    eventually("the queue is empty", || sqs.is_empty()).await;
    assert_eq!(incidents(&own, "shop"), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_of_a_newer_version_may_take_stays_in_the_queue_until_it_can_be_read() {
    let sqs = Sqs::start().await;
    let own = ControlPlane::start().expect("a control plane of its own");
    // The CRD of a version that knows one mode more.
    let crds = reforge::cli::all_manifests().expect("CRDs");
    let lines = crds.lines().map(|line| match line.strip_suffix("- Enforce") {
        Some(indent) => format!("{line}\n{indent}- Rehearse"),
        None => line.to_owned(),
    });
    let crds = lines.collect::<Vec<_>>().join("\n");
    own.kubectl_with(&crds, &["apply", "--server-side", "-f", "-"]).expect("applied");
    own.kubectl(&["wait", "--for=condition=Established", "crd", "--all"]).expect("established");
    own.kubectl(&["create", "namespace", "shop"]).expect("a namespace");
    let mut newer = policy("shop");
    newer["spec"]["mode"] = json!("Rehearse");
    own.kubectl_with(&newer.to_string(), &["apply", "-f", "-"]).expect("a policy");
    let running = Running::start(&sqs, &own, &["shop"]).await;
    sqs.send(&deleted_table()).await;
    eventually("it is taken", || sqs.is_taken()).await;
    assert_eq!((sqs.count(&sqs.url).await, incidents(&own, "shop")), (1, 0));
    let mend = ["patch", "rpol", "all", "-n", "shop", "--type=merge", "-p", r#"{"spec":{"mode":"Enforce"}}"#];
    own.kubectl(&mend).expect("patched");
    eventually("the queue is empty", || sqs.is_empty()).await;
    assert_eq!(incidents(&own, "shop"), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_received_before_the_policies_are_known() {
    let sqs = Sqs::start().await;
    sqs.send("anything").await;
    let (open, stop) = (watch::Sender::new(false), CancellationToken::new());
    let queue = sqs.queue();
    let state = queue.state();
    let task = tokio::spawn(queue.run(open.subscribe(), stop.clone(), |_| async { Handled::Done }));
    // A receive would have hidden the message at once; the state would have changed with it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(*state.borrow(), QueueState::Unknown);
    assert_eq!(sqs.count(&sqs.url).await, 1);
    open.send_replace(true);
    eventually("the queue is empty", || sqs.is_empty()).await;
    stop.cancel();
    task.await.expect("it ends in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_queue_is_said_clearly() {
    let sqs = Sqs::start().await;
    let missing = format!("{}-missing", sqs.url);
    let queue = Receiver::new(Queue::new(&sqs.config, &missing, &sqs.dead), Metrics::default());
    let (open, stop) = (watch::Sender::new(true), CancellationToken::new());
    let mut state = queue.state();
    let task = tokio::spawn(queue.run(open.subscribe(), stop.clone(), |_| async { Handled::Done }));
    let said = state.wait_for(|s| matches!(s, QueueState::Trouble(_))).await.expect("a state").clone();
    let QueueState::Trouble(trouble) = said else { unreachable!("waited for") };
    assert!(trouble.contains("does not exist; check settings.queueUrl"), "{trouble}");
    stop.cancel();
    task.await.expect("it ends in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_what_is_in_hand() {
    let sqs = Sqs::start().await;
    sqs.send("slow").await;
    let (open, stop) = (watch::Sender::new(true), CancellationToken::new());
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let go_on = Arc::new(tokio::sync::Notify::new());
    let waits = go_on.clone();
    let task = tokio::spawn(sqs.queue().run(open.subscribe(), stop.clone(), move |_| {
        let (begun, waits) = (begun.clone(), waits.clone());
        async move {
            begun.send(()).await.expect("the test listens");
            waits.notified().await;
            Handled::Done
        }
    }));
    has_begun.recv().await.expect("the handler begins");
    stop.cancel();
    go_on.notify_one();
    task.await.expect("it ends in order");
    assert_eq!(sqs.count(&sqs.url).await, 0, "the message was deleted before the end");
}
