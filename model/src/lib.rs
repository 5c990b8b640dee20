//! A model of the lifecycle: the operator's own pure functions (`decide`, the gate, what an effect checks before it
//! starts a build, who is known as a recovery's own build) in a world where everything else happens at the worst moment:
//! messages come twice, replicas die between any two writes, both believe to lead, builds fail, their tokens expire,
//! people decide late, policies change, somebody else applies. A checker (stateright) goes through the states and looks
//! at every property in each; deliberately broken variants show that it would see.

mod steps;
mod view;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use reforge_api::{ConditionStatus, Phase, StepName, condition, reason};
use reforge_core::incident::decide::decide;
use serde::Serialize;
use stateright::{Checker, HasDiscoveries, Model, Property};

pub use steps::{FLAWS, Flaw};
use steps::{Happening, Rules};
use world::{Budget, Replica, Seen, Stored, World, Wrong};

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// States to look at in each run, about.
    pub states_each: usize,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Different states that were looked at, over all runs.
    pub states: usize,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Each run.
    pub runs: Vec<Run>,
    /// Each property.
    pub properties: Vec<Held>,
    /// Each broken variant.
    pub variants: Vec<Caught>,
}

/// One kind of trouble.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// What goes wrong.
    pub trouble: &'static str,
    /// Different states that were looked at.
    pub states: usize,
    /// Whether these are all that there are.
    pub all: bool,
}

/// A property, and whether it held in every state.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// Its name.
    pub name: &'static str,
    /// Whether it held (or, of an ending, whether it was reached).
    pub held: bool,
    /// The steps to where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<String>,
}

/// A broken variant, and whether it was caught.
#[derive(Clone, Debug, Serialize)]
pub struct Caught {
    /// Its name.
    pub name: Flaw,
    /// Whether it was.
    pub caught: bool,
    /// By which property.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'static str>,
}

impl Report {
    /// Whether every property held and every variant was caught.
    pub fn is_good(&self) -> bool {
        self.properties.iter().all(|p| p.held) && self.variants.iter().all(|v| v.caught)
    }
}

/// One kind of trouble, so that each can be gone into deeply.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    /// What it is called.
    name: &'static str,
    /// How many replicas believe to lead.
    replicas: usize,
    /// How often each event is delivered.
    deliveries: [u8; world::INCIDENTS],
    /// What goes wrong.
    budget: Budget,
}

#[derive(Clone, Debug)]
struct Lifecycle {
    rules: Rules,
    trouble: Trouble,
}

const QUIET: Trouble = Trouble {
    name: "nothing",
    replicas: 1,
    deliveries: [1, 1],
    budget: Budget { crashes: 0, failures: 0, ticks: 0, foreign: 0, edits: 0, deletions: 0, approvals: 1, denials: 0 },
};

/// The runs.
fn troubles() -> [Trouble; 8] {
    let quiet = QUIET.budget;
    let with = |name, budget| Trouble { name, budget, ..QUIET };
    [
        QUIET,
        Trouble { replicas: 2, ..with("two leaders", quiet) },
        Trouble {
            deliveries: [2, 1],
            ..with("killed twice, an event delivered twice", Budget { crashes: 2, ..quiet })
        },
        with("killed, tokens expire", Budget { crashes: 1, ticks: 1, ..quiet }),
        with("builds fail", Budget { failures: 2, ticks: 2, ..quiet }),
        with("somebody else applies, a policy is edited", Budget { foreign: 1, edits: 1, approvals: 2, ..quiet }),
        with("killed, a policy is deleted, a plan denied", Budget { crashes: 1, deletions: 1, denials: 1, ..quiet }),
        Trouble { deliveries: [0, 1], ..with("people are late", Budget { ticks: 4, crashes: 1, ..quiet }) },
    ]
}

impl Model for Lifecycle {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            ticks: 0,
            incidents: [None, None],
            policies: [Some(1), Some(1)],
            deliveries: self.trouble.deliveries,
            replicas: vec![Replica::Idle; self.trouble.replicas],
            lease: None,
            builds: Vec::new(),
            lost: [true, true],
            serial: 1,
            echoes: BTreeSet::new(),
            budget: self.trouble.budget,
            seen: Seen::default(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Happening>) {
        self.rules.happenings(world, actions);
    }

    fn next_state(&self, world: &World, what: Happening) -> Option<World> {
        self.rules.after(world, &what)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("an apply touches only what was cleared for its plan", |_, w: &World| {
                never(w, Wrong::Uncleared)
            }),
            Property::always("no apply without a gate that was open for that very plan", |_, w: &World| {
                never(w, Wrong::Ungated)
            }),
            Property::always("never two applies at once in a workspace", |_, w: &World| never(w, Wrong::Overlapped)),
            Property::always("no plan is applied twice", |_, w: &World| never(w, Wrong::Repeated)),
            Property::always("no Incident opens another", |_, w: &World| never(w, Wrong::Echoed)),
            Property::always("attempt and step never decrease, and what ended stays ended", |_, w: &World| {
                never(w, Wrong::WentBack)
            }),
            Property::always("no Incident waits without a named human or time", is_never_quiet),
            Property::sometimes("Recovered is reachable", |_, w: &World| ready_says(w, reason::VERIFIED)),
            Property::sometimes("AttemptsExhausted is reachable", |_, w: &World| {
                ready_says(w, reason::ATTEMPTS_EXHAUSTED)
            }),
            Property::sometimes("Denied is reachable", |_, w: &World| ready_says(w, reason::DENIED)),
            Property::sometimes("NothingToRestore is reachable", |_, w: &World| {
                ready_says(w, reason::NOTHING_TO_RESTORE)
            }),
            Property::sometimes("ApprovalExpired is reachable", |_, w: &World| ready_says(w, reason::APPROVAL_EXPIRED)),
            Property::sometimes("PolicyGone is reachable", |_, w: &World| ready_says(w, reason::POLICY_GONE)),
        ]
    }
}

fn never(world: &World, wrong: Wrong) -> bool {
    !world.seen.wrongs.contains(&wrong)
}

fn ready_says(world: &World, why: &str) -> bool {
    let conditions = world.incidents.iter().flatten().flat_map(|i| &i.status.conditions);
    conditions.into_iter().any(|c| c.r#type == condition::READY && c.reason == why)
}

/// With both replicas at rest: whoever has not ended goes on by itself, at a time, or says which human it waits for.
fn is_never_quiet(model: &Lifecycle, world: &World) -> bool {
    if world.replicas.iter().any(|r| *r != Replica::Idle) {
        return true;
    }
    (0..world::INCIDENTS).all(|i| {
        let Some(view) = model.rules.stage.view(world, i) else { return true };
        if view.status.step.name == StepName::Ended {
            return true;
        }
        let step = decide(&view);
        let stalled = view
            .status
            .conditions
            .iter()
            .any(|c| c.r#type == condition::STALLED && c.status == ConditionStatus::True && !c.message.is_empty());
        let asks = view.status.phase != Phase::AwaitingApproval || stalled;
        asks && (step.status != view.status || step.wake.is_some() || stalled)
    })
}

/// Explores.
pub fn explore(bound: Bound) -> Report {
    let start = Instant::now();
    let mut found: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut runs = Vec::new();
    for trouble in troubles() {
        let checker = model(None, trouble).checker().threads(2).target_state_count(bound.states_each);
        let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join();
        for (name, path) in checker.discoveries() {
            let end: Vec<String> = path.last_state().incidents.iter().flatten().map(describe).collect();
            let steps: Vec<String> = path.into_actions().iter().map(|a| format!("{a:?}")).collect();
            found.insert(name, format!("{}; then: {}", steps.join(", "), end.join(" | ")));
        }
        let (states, all) = (checker.unique_state_count(), checker.state_count() < bound.states_each);
        runs.push(Run { trouble: trouble.name, states, all });
    }
    let held = |p: &Property<Lifecycle>| {
        let example = found.get(p.name);
        let held = example.is_some() != p.expectation.discovery_is_failure();
        Held { name: p.name, held, steps: example.filter(|_| !held).cloned() }
    };
    let properties = model(None, QUIET).properties().iter().map(held).collect();
    let variants = FLAWS.map(|flaw| catches(flaw, bound.states_each)).to_vec();
    let states = runs.iter().map(|r| r.states).sum();
    Report { states, seconds: start.elapsed().as_secs(), runs, properties, variants }
}

/// How an Incident stands, for whoever reads a counterexample.
fn describe(stored: &Stored) -> String {
    let status = &stored.status;
    let said = status.conditions.iter().map(|c| format!("{}={:?} {}", c.r#type, c.status, c.reason));
    format!("{:?} {:?} [{}]", status.phase, status.step, said.collect::<Vec<_>>().join(", "))
}

fn model(flaw: Option<Flaw>, trouble: Trouble) -> Lifecycle {
    Lifecycle { rules: Rules { flaw, ..Rules::default() }, trouble }
}

/// Whether the checker sees that the operator is broken in this way.
fn catches(flaw: Flaw, states: usize) -> Caught {
    let found = troubles().into_iter().find_map(|trouble| {
        let checker = model(Some(flaw), trouble).checker().threads(2).target_state_count(states);
        let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join();
        let properties = checker.model().properties();
        let failures = properties.iter().filter(|p| p.expectation.discovery_is_failure());
        let found = checker.discoveries();
        failures.map(|p| p.name).find(|name| found.contains_key(name))
    });
    Caught { name: flaw, caught: found.is_some(), by: found }
}
