//! Builds that follow a script in place of a shell, for tests that are not about Terraform.
//!
//! A scripted workspace declares SSM parameters, tables, functions and instances, and nothing else. Its builds publish what real ones would publish of them,
//! make their calls through the edge under their own sessions, with the rights of their roles, and so leave records and
//! events as real ones do; or they end as the script says. `terraform` decides (pure) about each `resource`, `course` does, `session`
//! calls, `carried_out` knows what to call for each type.
//! An end-to-end test compares what both kinds of builds publish.

mod carried_out;
mod course;
mod resource;
mod session;
mod terraform;

pub use course::run;
pub use resource::{Kind, Resource};

use super::build::Build;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terraform::{Change, State};
use tokio::sync::watch;

/// The two kinds of builds, as `REFORGE_MODE` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Plans.
    Plan,
    /// Applies a plan.
    Apply,
}

/// How a build ends that does not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It fails before it changes anything, with this `REFORGE_ERROR` and these last words of Terraform's.
    Fails(&'static str, String),
    /// It runs out of time, and publishes nothing.
    TimedOut,
    /// It succeeds, and publishes nothing.
    Silent,
    /// It does its work, and what it publishes of it is no JSON.
    Garbled,
}

/// A scripted workspace: what its Terraform declares, what its state holds, how its next builds end. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Script(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    paused: watch::Sender<bool>,
}

#[derive(Debug)]
struct World {
    declared: BTreeMap<String, Resource>,
    state: State,
    source_version: String,
    /// Where the resources are, if it is not where the builds run.
    region: Option<String>,
    lock: Option<Value>,
    plans: VecDeque<Ending>,
    applies: VecDeque<Ending>,
}

impl Script {
    /// A workspace that declares these resources, and has applied them.
    pub fn of(declared: impl IntoIterator<Item = Resource>) -> Self {
        let declared: BTreeMap<String, Resource> = declared.into_iter().map(|p| (p.address.clone(), p)).collect();
        let state = State { held: declared.clone(), serial: 1, modified: Timestamp::now() };
        let (plans, applies) = (VecDeque::new(), VecDeque::new());
        let world = World { declared, state, source_version: "1".to_owned(), region: None, lock: None, plans, applies };
        Self(Arc::new(Inner { world: Mutex::new(world), paused: watch::Sender::new(false) }))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its resources are in another region than its builds.
    pub fn elsewhere(&self, region: &str) {
        self.world().region = Some(region.to_owned());
    }

    /// Declares one more resource, or the one at its address otherwise.
    pub fn declare(&self, resource: Resource) {
        self.world().declared.insert(resource.address.clone(), resource);
    }

    /// Declares the resource at an address no more.
    pub fn drop_declaration(&self, address: &str) {
        self.world().declared.remove(address);
    }

    /// Somebody else writes the state, which then holds what is declared.
    pub fn write_state(&self) {
        let mut world = self.world();
        world.state.held = world.declared.clone();
        world.state.written();
    }

    /// Locks the state: `lock` is what Terraform says of who holds it. None: lets go of it.
    pub fn lock(&self, lock: Option<Value>) {
        self.world().lock = lock;
    }

    /// The next build of the mode ends so; those that are set first are first.
    pub fn next(&self, mode: Mode, ending: Ending) {
        let mut world = self.world();
        match mode {
            Mode::Plan => world.plans.push_back(ending),
            Mode::Apply => world.applies.push_back(ending),
        }
    }

    /// Builds stay in their phase BUILD, without having done anything, until [`Script::go_on`], or until they are stopped.
    pub fn pause(&self) {
        self.0.paused.send_replace(true);
    }

    /// Ends [`Script::pause`].
    pub fn go_on(&self) {
        self.0.paused.send_replace(false);
    }

    async fn unpaused(&self) {
        // The sender lives as long as the script does.
        let _ = self.0.paused.subscribe().wait_for(|paused| !paused).await;
    }

    fn ending(&self, mode: Mode) -> Option<Ending> {
        let mut world = self.world();
        match mode {
            Mode::Plan => world.plans.pop_front(),
            Mode::Apply => world.applies.pop_front(),
        }
    }
}

/// A variable of a build's environment, as the project and `StartBuild` have it; empty when there is none.
pub fn variable<'a>(build: &'a Build, name: &str) -> &'a str {
    let all = build.project["environment"]["environmentVariables"].as_array().into_iter().flatten();
    let mut values = all.filter(|v| v["name"] == name).filter_map(|v| v["value"].as_str());
    values.next().unwrap_or_default()
}
