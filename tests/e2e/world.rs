//! The sandbox that the tests share, and what they ask of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sandbox::edge::{BuildInfo, ModelMode};
use sandbox::scenario::{self, Scenario};
use sandbox::{ACCOUNT, Caller, Incidents, NAMESPACE, Operator, Sandbox, StillNot, name_of, tail};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Longer than any recovery takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
const OPERATOR: &str = "operator-0";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static WORLD: LazyLock<World> = LazyLock::new(|| RUNTIME.block_on(World::start()));

/// The sandbox and the operator in it.
pub struct World {
    pub sandbox: Sandbox,
    settings: Value,
    operator: Mutex<Option<Operator>>,
    /// Whether the operator runs with other settings than those of the install.
    changed: AtomicBool,
    turn: tokio::sync::Mutex<()>,
    /// What was refused in tests before, or is what a test is about.
    refused: Mutex<BTreeSet<String>>,
}

/// Runs a test in its turn, with everything as it was installed.
pub fn in_turn(test: impl AsyncFnOnce(&World)) {
    let world = &*WORLD;
    RUNTIME.block_on(async {
        let _turn = world.turn.lock().await;
        world.reset().await;
        // A test that failed has said so itself.
        world.refusals_were_wanted();
        test(world).await;
        world.nothing_was_refused();
    });
}

/// A user's name in Kubernetes.
pub fn user_name(user: &str) -> String {
    format!("system:serviceaccount:{NAMESPACE}:{user}")
}

/// The scenario of a type.
pub fn scenario(name: &str) -> Scenario {
    scenario::SCENARIOS.into_iter().find(|s| s.name == name).expect("a scenario")
}

/// An Incident's phase.
pub fn phase(incident: &Value) -> &str {
    incident["status"]["phase"].as_str().unwrap_or_default()
}

/// One of an Incident's conditions.
pub fn condition<'a>(incident: &'a Value, r#type: &str) -> &'a Value {
    let conditions = incident["status"]["conditions"].as_array();
    conditions.and_then(|all| all.iter().find(|c| c["type"] == r#type)).unwrap_or(&Value::Null)
}

/// The reason of an Incident's Ready condition.
pub fn reason(incident: &Value) -> &str {
    condition(incident, "Ready")["reason"].as_str().unwrap_or_default()
}

/// The message of an Incident's Ready condition.
pub fn message(incident: &Value) -> &str {
    condition(incident, "Ready")["message"].as_str().unwrap_or_default()
}

impl World {
    async fn start() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let start = Instant::now();
        let say = |what: &str| eprintln!("e2e: [{} s] {what}", start.elapsed().as_secs());
        let sandbox = Sandbox::start(repository, say).await.expect("the sandbox starts");
        let mut settings = sandbox.install_chart().await.expect("the chart is installed");
        settings["classifier"]["timeoutSeconds"] = json!(5);
        let known = |user: &str, arn: &str| json!({"user": user_name(user), "arns": [format!("arn:aws:iam::{ACCOUNT}:user/{arn}")]});
        settings["identities"] = json!([known("alice", "alice"), known("bob", "bob"), known("mal", "mallory")]);
        let operator = Mutex::new(None);
        let (changed, turn) = (AtomicBool::new(false), tokio::sync::Mutex::new(()));
        let refused = Mutex::default();
        let world = Self { sandbox, settings, operator, changed, turn, refused };
        // Carol may write Incidents, but lacks the verb that decisions take.
        let write = [
            "--verb=get,list,update,patch,create,delete",
            "--resource=incidents.reforge.dev,incidents.reforge.dev/status",
        ];
        world.kubectl(&["create", "clusterrole", "incident-writer", write[0], write[1]]);
        for user in ["alice", "bob", "mal", "stranger", "carol"] {
            world.kubectl(&["create", "serviceaccount", user, "-n", NAMESPACE]);
            let role = if user == "carol" { "--clusterrole=incident-writer" } else { "--clusterrole=reforge-approver" };
            let who = format!("--serviceaccount={NAMESPACE}:{user}");
            world.kubectl(&["create", "clusterrolebinding", user, role, &who]);
        }
        world
    }

    /// Undoes what a test before may have left, also one that failed.
    async fn reset(&self) {
        let faults = self.sandbox.edge().faults();
        faults.set_model(ModelMode::Scripted);
        faults.set_delivery_twice(false);
        faults.set_delivery_lost(false);
        faults.set_instance_states(false);
        faults.release_delivery();
        if self.changed.swap(false, Ordering::SeqCst) {
            self.kill_operator();
        }
        for service in ["s3", "codebuild", "sqs", "bedrock"] {
            faults.bring_back(service);
        }
        let word = ["delete", "configmap", "reforge-hold", "reforge-storm-over", "-n", NAMESPACE];
        self.kubectl(&[&word[..], &["--ignore-not-found"]].concat());
        let others = ["delete", "recoverypolicy", "elsewhere", "platform", "-n", NAMESPACE, "--ignore-not-found"];
        self.kubectl(&others);
        self.sandbox.restore_source().await.expect("the source is as it was");
        self.start_operator().await;
        self.sandbox.plane().kubectl_with(scenario::POLICIES, &["replace", "--force", "-f", "-"]).expect("policies");
        let ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", "recoverypolicies", "--all", "--timeout=30s"];
        self.kubectl(&ready);
    }

    /// Every call of the operator, the builds and AWS's own services was within the rights that the module gives them, and
    /// every answer was of the shape that AWS's has: a test that gets along with less shows nothing. A read that Terraform
    /// needs fails its build when it is refused; those that it goes on without are `cargo xtask iam`'s to name.
    pub fn nothing_was_refused(&self) {
        let refused = self.refusals();
        let new: Vec<&String> = refused.iter().filter(|refusal| !self.known_refusals().contains(*refusal)).collect();
        assert!(new.is_empty(), "a right is missing: {new:#?}");
        let misshapen = self.sandbox.edge().faults().misshapen_answers();
        assert!(misshapen.is_empty(), "the emulated AWS answers as AWS does not: {misshapen:#?}");
    }

    /// What was refused up to now is what the test wanted.
    pub fn refusals_were_wanted(&self) {
        let all = self.refusals();
        self.known_refusals().extend(all);
    }

    fn known_refusals(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> BTreeSet<String> {
        let reads = |action: &str| [":Describe", ":Get", ":List"].iter().any(|verb| action.contains(verb));
        let mut all = BTreeSet::new();
        for actor in self.sandbox.edge().iam().actors {
            let builds = actor.actor.ends_with("-plan") || actor.actor.ends_with("-apply");
            let denied = actor.denied.iter().filter(|denied| !(builds && reads(&denied.action)));
            all.extend(
                denied
                    .map(|d| format!("{}: {} on {} for {}: {}", actor.actor, d.action, d.resource, d.operation, d.why)),
            );
        }
        all
    }

    fn program() -> PathBuf {
        PathBuf::from(env!("CARGO_BIN_EXE_reforge"))
    }

    /// Starts the operator if it does not run.
    pub async fn start_operator(&self) {
        if self.operator.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return;
        }
        self.start_with(&self.settings).await;
    }

    /// Starts the operator anew with settings that are changed for this test.
    pub async fn restart_with(&self, change: impl FnOnce(&mut Value)) {
        self.kill_operator();
        self.changed.store(true, Ordering::SeqCst);
        let mut settings = self.settings.clone();
        change(&mut settings);
        self.start_with(&settings).await;
    }

    async fn start_with(&self, settings: &Value) {
        let kubeconfig = self.sandbox.operator_kubeconfig().expect("a kubeconfig");
        let started = Operator::start(&self.sandbox, &Self::program(), &kubeconfig, settings, OPERATOR).await;
        let operator = started.expect("the operator starts");
        *self.operator.lock().unwrap_or_else(PoisonError::into_inner) = Some(operator);
    }

    /// Kills the operator with SIGKILL.
    pub fn kill_operator(&self) {
        let operator = self.operator.lock().unwrap_or_else(PoisonError::into_inner).take();
        operator.expect("the operator runs").kill().expect("the operator is killed");
    }

    /// The operator's metrics.
    pub async fn metric(&self, line: &str) -> f64 {
        let port = self.operator.lock().unwrap_or_else(PoisonError::into_inner).as_ref().expect("it runs").port();
        let (_, text) = sandbox::get(port, "/metrics").await.expect("metrics");
        let found = text.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("there is no {line} in:\n{text}"))
    }

    /// Runs kubectl as the administrator.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.sandbox.plane().kubectl(args).expect("kubectl")
    }

    /// Runs kubectl as a user; what it printed if it was refused.
    pub fn kubectl_as(&self, user: &str, args: &[&str]) -> Result<String, String> {
        self.run_as(user, "kubectl", args)
    }

    /// Runs the kubectl plugin as a user.
    pub fn plugin_as(&self, user: &str, args: &[&str]) -> Result<String, String> {
        self.run_as(user, env!("CARGO_BIN_EXE_kubectl-reforge"), args)
    }

    fn run_as(&self, user: &str, program: &str, args: &[&str]) -> Result<String, String> {
        let kubeconfig = self.sandbox.plane().kubeconfig_of(NAMESPACE, user).expect("a kubeconfig");
        let output = Command::new(program).env("KUBECONFIG", kubeconfig).args(args).output().expect(program);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Changes a policy.
    pub fn patch_policy(&self, name: &str, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        self.kubectl(&["patch", "recoverypolicy", name, "-n", NAMESPACE, "--type=merge", "-p", &patch]);
    }

    /// Calls AWS as somebody who breaks things.
    pub async fn aws(&self, args: &[&str]) -> String {
        self.sandbox.aws(Caller::Mallory, args).await.expect("the AWS CLI")
    }

    /// All Incidents.
    pub async fn incidents(&self) -> &Incidents {
        self.sandbox.plane().incidents().await.expect("the apiserver")
    }

    /// The names of all Incidents of a type.
    pub async fn names(&self, resource_type: &str) -> BTreeSet<String> {
        self.incidents().await.names(Some(resource_type)).await.expect("Incidents")
    }

    /// Does something, and gives the name of the Incident that it opens.
    pub async fn opened_by(&self, resource_type: &str, what: impl AsyncFnOnce()) -> String {
        let before = self.names(resource_type).await;
        what().await;
        let is_new = |incident: &Value| !before.contains(&name_of(incident));
        match self.incidents().await.find(resource_type, PATIENCE, is_new).await {
            Ok(incident) => name_of(&incident),
            Err(error) => panic!("{error:#}\n{}", self.log()),
        }
    }

    /// An Incident.
    pub fn incident(&self, name: &str) -> Value {
        let text = self.kubectl(&["get", "incident", name, "-n", NAMESPACE, "-o", "json"]);
        serde_json::from_str(&text).expect("JSON")
    }

    /// Waits until an Incident is as wanted.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        match self.incidents().await.until(name, PATIENCE, wanted).await {
            Ok(incident) => incident,
            Err(StillNot(last)) => panic!("still not {what}: {last:#?}\n{}", self.log()),
        }
    }

    /// Waits until an Incident has ended.
    pub async fn ended(&self, name: &str) -> Value {
        self.until(name, "ended", |i| i["status"]["step"]["name"] == "Ended").await
    }

    /// Breaks a scenario's resource and waits for the end of its Incident.
    pub async fn broken_and_ended(&self, name: &str) -> Value {
        let opened = self.opened_by(name, async || scenario(name).break_it(&self.sandbox).await.expect("broken")).await;
        self.ended(&opened).await
    }

    /// The builds of an Incident, of the plan or the apply projects, oldest first.
    pub fn builds(&self, incident: &str, suffix: &str) -> Vec<BuildInfo> {
        let ours = |b: &BuildInfo| b.overrides.iter().any(|(k, v)| k == "REFORGE_INCIDENT" && v == incident);
        self.sandbox.edge().builds().into_iter().filter(|b| ours(b) && b.project.ends_with(suffix)).collect()
    }

    /// The value of the parameter.
    pub async fn parameter(&self) -> String {
        let get =
            ["ssm", "get-parameter", "--name", "/myapp/config/mode", "--query", "Parameter.Value", "--output", "text"];
        self.aws(&get).await.trim().to_owned()
    }

    /// The messages that people got about an Incident, as long as they come.
    pub async fn messages(&self, incident: &str) -> Vec<String> {
        let mut all = self.sandbox.messages().await.expect("the mailbox");
        all.retain(|text| text.contains(incident));
        all
    }

    /// The same, once there are any.
    pub async fn told(&self, incident: &str) -> Vec<String> {
        let start = Instant::now();
        loop {
            let messages = self.messages(incident).await;
            if !messages.is_empty() {
                return messages;
            }
            assert!(start.elapsed() < PATIENCE, "nobody was told of {incident}; {}", self.log());
        }
    }

    fn log(&self) -> String {
        format!("the operator's log ends with:\n{}", tail(&self.sandbox.folder().join(format!("{OPERATOR}.log"))))
    }
}
