//! Goes through the states of small worlds, and looks at every property in each.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use serde::Serialize;
use stateright::{Checker, HasDiscoveries, Model};

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// States to look at in each run, about.
    pub states_each: usize,
}

/// A small world in which one side of the operator is explored, with one kind of trouble.
pub trait Small:
    Model<State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static, Action: Clone + Debug + PartialEq>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// What it is called.
    const NAME: &'static str;
    /// Whether it is small enough to be gone through whole, whatever the bound.
    const IS_WHOLE: bool;

    /// Each run: one for each kind of trouble.
    fn runs() -> Vec<Self>;

    /// What goes wrong in it.
    fn trouble(&self) -> &'static str;

    /// The same with the operator broken, in each way that is to be seen in it.
    fn variants(&self) -> Vec<(String, Self)>;

    /// How a state stands, for whoever reads a counterexample.
    fn describe(state: &Self::State) -> String;
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
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
    /// In which world.
    pub world: &'static str,
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
    /// Of which world.
    pub world: &'static str,
    /// Its name.
    pub name: &'static str,
    /// In how many states it was looked at.
    pub states: usize,
    /// Whether it held (or, of an ending, whether it was reached).
    pub held: bool,
    /// The steps to where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<String>,
}

/// A broken variant, and whether it was caught.
#[derive(Clone, Debug, Serialize)]
pub struct Caught {
    /// Of which world.
    pub world: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it was.
    pub caught: bool,
    /// By which property.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'static str>,
    /// Different states that were looked at until then.
    pub states: usize,
}

impl Report {
    /// Whether every property held and every variant was caught.
    pub fn is_good(&self) -> bool {
        self.properties.iter().all(|p| p.held) && self.variants.iter().all(|v| v.caught)
    }

    /// Adds what is found in a world.
    pub(crate) fn add<M: Small>(&mut self, bound: Bound) {
        let mut found: BTreeMap<&'static str, String> = BTreeMap::new();
        let mut states = 0;
        for run in M::runs() {
            let checker = check(run.clone(), bound);
            for (name, path) in checker.discoveries() {
                let end = M::describe(path.last_state());
                let steps: Vec<String> = path.into_actions().iter().map(|a| format!("{a:?}")).collect();
                found.insert(name, format!("{}: {}; then: {end}", run.trouble(), steps.join(", ")));
            }
            let all = M::IS_WHOLE || checker.state_count() < bound.states_each;
            let unique = checker.unique_state_count();
            states += unique;
            self.runs.push(Run { world: M::NAME, trouble: run.trouble(), states: unique, all });
            self.variants.extend(run.variants().into_iter().map(|(name, variant)| catch(name, variant, bound)));
        }
        self.states += states;
        let properties = M::runs().first().map(Model::properties).unwrap_or_default();
        self.properties.extend(properties.iter().map(|p| {
            let example = found.get(p.name);
            let held = example.is_some() != p.expectation.discovery_is_failure();
            Held { world: M::NAME, name: p.name, states, held, steps: example.filter(|_| !held).cloned() }
        }));
    }
}

/// Whether the checker sees that the operator is broken in this way.
fn catch<M: Small>(name: String, variant: M, bound: Bound) -> Caught {
    let checker = check(variant, bound);
    let properties = checker.model().properties();
    let mut failures = properties.iter().filter(|p| p.expectation.discovery_is_failure());
    let found = checker.discoveries();
    let by = failures.find(|p| found.contains_key(p.name)).map(|p| p.name);
    Caught { world: M::NAME, name, caught: by.is_some(), by, states: checker.unique_state_count() }
}

fn check<M: Small>(model: M, bound: Bound) -> impl Checker<M> {
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = if M::IS_WHOLE { checker } else { checker.target_state_count(bound.states_each) };
    checker.spawn_dfs().join()
}
