//! The sandbox that the tests share, and what they ask of it.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

pub use sandbox::incident::{condition, message, phase, reason};
use sandbox::scenario::{self, Scenario};
use sandbox::{Installed, NAMESPACE, Namespace, Programs, Setup};
use serde_json::Value;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static WORLD: LazyLock<World> = LazyLock::new(|| RUNTIME.block_on(World::start()));

/// The sandbox with its five workspaces, and the operator in it.
pub struct World {
    installed: Installed,
    turn: tokio::sync::Mutex<()>,
}

impl Deref for World {
    type Target = Installed;

    fn deref(&self) -> &Installed {
        &self.installed
    }
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

/// The scenario of a type.
pub fn scenario(name: &str) -> Scenario {
    scenario::SCENARIOS.into_iter().find(|s| s.name == name).expect("a scenario")
}

impl World {
    async fn start() -> Self {
        let start = Instant::now();
        let say = |what: &str| eprintln!("e2e: [{} s] {what}", start.elapsed().as_secs());
        let programs = Programs {
            operator: PathBuf::from(env!("CARGO_BIN_EXE_reforge")),
            plugin: PathBuf::from(env!("CARGO_BIN_EXE_kubectl-reforge")),
        };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = Installed::start(repository, Setup::default(), programs, say).await;
        Self { installed: installed.expect("the sandbox starts"), turn: tokio::sync::Mutex::new(()) }
    }

    /// Undoes what a test before may have left, also one that failed.
    async fn reset(&self) {
        self.installed.reset().await;
        let others = ["delete", "recoverypolicy", "elsewhere", "platform", "-n", NAMESPACE, "--ignore-not-found"];
        self.kubectl(&others);
        self.sandbox.restore_source().await.expect("the source is as it was");
        self.sandbox.plane().kubectl_with(scenario::POLICIES, &["replace", "--force", "-f", "-"]).expect("policies");
        let ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", "recoverypolicies", "--all", "--timeout=30s"];
        self.kubectl(&ready);
    }

    fn ours(&self) -> Namespace<'_> {
        self.namespace(NAMESPACE)
    }

    /// Changes a policy.
    pub fn patch_policy(&self, name: &str, spec: &Value) {
        self.ours().patch_policy(name, spec);
    }

    /// The names of all Incidents of a type.
    pub async fn names(&self, resource_type: &str) -> BTreeSet<String> {
        self.ours().names(resource_type).await
    }

    /// Does something, and gives the name of the Incident that it opens.
    pub async fn opened_by(&self, resource_type: &str, what: impl AsyncFnOnce()) -> String {
        self.ours().opened_by(resource_type, what).await
    }

    /// An Incident.
    pub fn incident(&self, name: &str) -> Value {
        self.ours().incident(name)
    }

    /// Waits until an Incident is as wanted.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.ours().until(name, what, wanted).await
    }

    /// Waits until an Incident has ended.
    pub async fn ended(&self, name: &str) -> Value {
        self.ours().ended(name).await
    }

    /// Approves an Incident's present plan as alice.
    pub fn approve(&self, name: &str) {
        self.ours().decide("alice", name, "Approve").expect("alice may approve");
    }

    /// Breaks a scenario's resource, and gives the name of its Incident.
    pub async fn broken(&self, name: &str) -> String {
        self.opened_by(name, async || scenario(name).break_it(&self.sandbox).await.expect("broken")).await
    }

    /// Breaks a scenario's resource and waits for the end of its Incident.
    pub async fn broken_and_ended(&self, name: &str) -> Value {
        let opened = self.broken(name).await;
        self.ended(&opened).await
    }

    /// The value of the parameter.
    pub async fn parameter(&self) -> String {
        let get =
            ["ssm", "get-parameter", "--name", "/myapp/config/mode", "--query", "Parameter.Value", "--output", "text"];
        self.aws(&get).await.trim().to_owned()
    }
}
