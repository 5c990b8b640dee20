//! The sandbox that the tests share, and the stage that each has in it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sandbox::edge::{Resource, Script};
use sandbox::incident::phase;
use sandbox::{Caller, Installed, NAMESPACE, Namespace, Programs, Setup};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, RwLock, Semaphore};

/// So many tests run side by side.
const STAGES: usize = 6;
/// The address of each stage's parameter.
pub const ADDRESS: &str = "aws_ssm_parameter.mode";
/// The value that Terraform gives it.
pub const RIGHT: &str = "secure-mode";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static WORLD: LazyLock<World> = LazyLock::new(|| RUNTIME.block_on(World::start()));
/// A test's number: what is named by it is no other test's.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// The sandbox, and the operator in it.
struct World {
    installed: Installed,
    /// Held by all that run side by side, or by one alone.
    turn: RwLock<()>,
    free: Mutex<Vec<String>>,
    /// As many permits as there are free stages.
    room: Semaphore,
    spoilt: AtomicUsize,
}

/// What a test has to itself: a namespace, a workspace with a script, a policy for it and a parameter. The workspace
/// and the namespace go by one name, and are another test's afterwards; the others are this test's alone.
pub struct Stage<'a> {
    installed: &'a Installed,
    /// The namespace and the workspace.
    pub name: String,
    /// The policy.
    pub policy: String,
    /// The parameter.
    pub parameter: String,
    /// What the workspace's builds do.
    pub script: Script,
}

impl Deref for Stage<'_> {
    type Target = Installed;

    fn deref(&self) -> &Installed {
        self.installed
    }
}

/// Runs a test beside others: it leaves alone what they share, such as the operator and how AWS behaves.
pub fn side_by_side(test: impl AsyncFnOnce(&Stage<'_>)) {
    let world = &*WORLD;
    RUNTIME.block_on(async {
        let _turn = world.turn.read().await;
        world.start_operator().await;
        world.play(test).await;
    });
}

/// Runs a test while no other runs, with the operator and AWS as they are otherwise, before and after.
pub fn alone(test: impl AsyncFnOnce(&Stage<'_>)) {
    let world = &*WORLD;
    RUNTIME.block_on(async {
        let _turn = world.turn.write().await;
        world.reset().await;
        world.play(test).await;
        world.reset().await;
    });
}

impl Deref for World {
    type Target = Installed;

    fn deref(&self) -> &Installed {
        &self.installed
    }
}

impl World {
    async fn start() -> Self {
        let start = Instant::now();
        let say = |what: &str| eprintln!("scripted: [{} s] {what}", start.elapsed().as_secs());
        let programs = Programs {
            operator: PathBuf::from(env!("CARGO_BIN_EXE_reforge")),
            plugin: PathBuf::from(env!("CARGO_BIN_EXE_kubectl-reforge")),
        };
        let setup = Setup { stages: STAGES, ..Setup::default() };
        let installed = Installed::start(Path::new(env!("CARGO_MANIFEST_DIR")), setup, programs, say).await;
        let installed = installed.expect("the sandbox starts");
        let free: Vec<String> = (0..STAGES).map(sandbox::stage).collect();
        for name in &free {
            installed.kubectl(&["create", "namespace", name]);
        }
        installed.start_operator().await;
        let (turn, room, spoilt) = (RwLock::new(()), Semaphore::new(STAGES), AtomicUsize::new(0));
        Self { installed, turn, free: Mutex::new(free), room, spoilt }
    }

    async fn play(&self, test: impl AsyncFnOnce(&Stage<'_>)) {
        self.room.acquire().await.expect("a stage that no failed test has left in disorder").forget();
        let disorder = Disorder(self);
        let name = self.free.lock().await.pop().expect("there is room");
        let stage = Stage::set(&self.installed, name.clone()).await;
        test(&stage).await;
        stage.nothing_was_refused();
        stage.kubectl(&["delete", "recoverypolicies", "--all", "-n", &name]);
        std::mem::forget(disorder);
        self.free.lock().await.push(name);
        self.room.add_permits(1);
    }
}

/// Dropped where a test fails: its stage stays as it is, so that no other test stumbles over what is left on it.
struct Disorder<'a>(&'a World);

impl Drop for Disorder<'_> {
    fn drop(&mut self) {
        if self.0.spoilt.fetch_add(1, Ordering::SeqCst) + 1 == STAGES {
            self.0.room.close();
        }
    }
}

impl<'a> Stage<'a> {
    async fn set(installed: &'a Installed, name: String) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let (policy, parameter) = (format!("policy-{number}"), format!("/{name}/{number}/mode"));
        let script = Script::of([Resource::parameter(ADDRESS, &parameter, RIGHT)]);
        let stage = Self { installed, name, policy, parameter, script };
        stage.sandbox.edge().script(&stage.name, Some(stage.script.clone()));
        stage.plant(&stage.parameter, RIGHT).await;
        stage.sandbox.run_plan(&stage.name).await.expect("an inventory");
        stage.apply(&stage.policy, &stage.spec());
        stage
    }

    /// The policy as each test finds it: it recovers what is below `/<stage>/<number>/` by itself.
    pub fn spec(&self) -> Value {
        let (folder, _) = self.parameter.rsplit_once('/').expect("a path");
        let workspace = json!({"name": self.name, "project": format!("aiops-{}-recovery", self.name), "planProject": format!("aiops-{}-plan", self.name)});
        json!({
            "mode": "Enforce",
            "match": {"resourceTypes": ["ssm"], "resourceIds": [format!("{folder}/*")]},
            "recovery": {"workspaces": [workspace]},
            "approval": {"mode": "Never"},
            "limits": {"cooldown": "0s", "maxPerHour": 1000, "maxConcurrent": 10, "stormThreshold": 1000, "tugOfWar": 100},
        })
    }

    /// Puts a policy in force, and waits until the operator has read it.
    pub fn apply(&self, policy: &str, spec: &Value) {
        let manifest = json!({"apiVersion": "reforge.dev/v1alpha1", "kind": "RecoveryPolicy",
            "metadata": {"name": policy, "namespace": self.name}, "spec": spec});
        self.sandbox.plane().kubectl_with(&manifest.to_string(), &["apply", "-f", "-"]).expect("a policy");
        let policy = format!("recoverypolicy/{policy}");
        self.kubectl(&["wait", "-n", &self.name, "--for=condition=Ready", &policy, "--timeout=30s"]);
    }

    /// The namespace.
    pub fn here(&self) -> Namespace<'_> {
        self.installed.namespace(&self.name)
    }

    /// Changes the policy, and waits until the operator has read it.
    pub fn patch_policy(&self, spec: &Value) {
        self.here().patch_policy(&self.policy, spec);
        let policy = ["recoverypolicy", &self.policy, "-n", &self.name];
        let get = [&["get"][..], &policy, &["-o", "jsonpath={.metadata.generation}"]].concat();
        let read = format!("--for=jsonpath={{.status.observedGeneration}}={}", self.kubectl(&get));
        self.kubectl(&[&["wait"][..], &policy, &[&read, "--timeout=30s"]].concat());
    }

    /// Declares one more parameter, as if it had been applied long ago, and gives its name.
    pub async fn declare(&self, name: &str) -> String {
        let (folder, _) = self.parameter.rsplit_once('/').expect("a path");
        let parameter = format!("{folder}/{name}");
        self.plant(&parameter, RIGHT).await;
        self.script.declare(Resource::parameter(&format!("aws_ssm_parameter.{name}"), &parameter, RIGHT));
        self.script.write_state();
        self.sandbox.run_plan(&self.name).await.expect("an inventory");
        parameter
    }

    /// The namespace of the operator, where what is of no policy is told.
    pub fn operators(&self) -> Namespace<'_> {
        self.installed.namespace(NAMESPACE)
    }

    /// Has a parameter be there as if it had been all the time: nobody hears of it.
    pub async fn plant(&self, name: &str, value: &str) {
        let input = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
        self.sandbox.edge().call_unheard("ssm", "AmazonSSM.PutParameter", &input).await.expect("a parameter");
    }

    /// Writes a parameter.
    pub async fn put(&self, who: Caller, name: &str, value: &str) {
        let put = ["ssm", "put-parameter", "--name", name, "--value", value, "--type", "String", "--overwrite"];
        self.sandbox.aws(who, &put).await.expect("the AWS CLI");
    }

    /// Tampers with the parameter, and gives the name of its Incident.
    pub async fn broken(&self) -> String {
        self.here().opened_by("ssm", async || self.put(Caller::Mallory, &self.parameter, "hacked").await).await
    }

    /// Tampers with the parameter, and waits for the end of its Incident.
    pub async fn broken_and_ended(&self) -> Value {
        let name = self.broken().await;
        self.here().ended(&name).await
    }

    /// Tampers with the parameter under a policy that asks, and waits until a human is asked.
    pub async fn asked(&self, approval: &Value) -> String {
        self.patch_policy(&json!({"approval": approval}));
        let name = self.broken().await;
        self.here().until(&name, "waiting for a human", |i| phase(i) == "AwaitingApproval").await;
        name
    }

    /// Approves an Incident's present plan as alice.
    pub fn approve(&self, name: &str) {
        self.here().decide("alice", name, "Approve").expect("alice may approve");
    }

    /// The value of the parameter.
    pub async fn value(&self) -> String {
        let get = ["ssm", "get-parameter", "--name", &self.parameter, "--query", "Parameter.Value", "--output", "text"];
        self.aws(&get).await.trim().to_owned()
    }

    /// Whether an Incident's gate gives a reason with this in it.
    pub fn gate_says(what: &'static str) -> impl Fn(&Value) -> bool {
        move |incident| incident["status"]["gate"]["reasons"].to_string().contains(what)
    }
}
