//! The places of `limits.maxConcurrent`, with a second leader that does not know yet that it is none. Who has a place stands in
//! one Lease for the policy, written by compare-and-swap before an Incident is committed. Nobody gives a place back: who needs
//! one looks at who has them, and what is still as it was when it was cleared is written to first.

mod operator;
mod world;

use reforge_api::StepName;
use stateright::{Model, Property};

use crate::explore::Small;
use operator::FLAWS;
use world::{Doing, INCIDENTS, Incident, Leader, Page, World};

pub use operator::Slots;

/// The most writes of the Lease, and of an Incident, that are looked at, so that there is an end to it.
const MOST_WRITES: u8 = 3;
/// The most calls until somebody who waits has a place that is free.
const MOST_CALLS: usize = 6;

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A leader looks at an Incident.
    Decide(usize, usize),
    /// A leader goes one step further.
    Proceed(usize),
    /// A leader is killed, or its call fails.
    Crash(usize),
    /// A leader's watch tells.
    Watch(usize),
    /// A person decides on an Incident: it is another version.
    Edit(usize),
    /// An Incident that has started nothing is taken back to the gate.
    Return(usize),
    /// An apply ends.
    End(usize),
}

impl Model for Slots {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        let incidents = [Incident { step: StepName::Gate, version: 0 }; INCIDENTS];
        let leader = Leader { page: None, index: incidents, doing: Doing::Nothing };
        vec![World { incidents, lease: Page::default(), leaders: [leader.clone(), leader], crashes: 1, edits: 1 }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Happening>) {
        for (l, leader) in world.leaders.iter().enumerate() {
            if leader.doing == Doing::Nothing {
                let waits = |i: &usize| world.incidents[*i].step == StepName::Gate;
                actions.extend((0..INCIDENTS).filter(waits).map(|i| Happening::Decide(l, i)));
            } else {
                actions.push(Happening::Proceed(l));
                if world.crashes > 0 {
                    actions.push(Happening::Crash(l));
                }
            }
            if leader.index != world.incidents {
                actions.push(Happening::Watch(l));
            }
        }
        for (i, incident) in world.incidents.iter().enumerate() {
            let may_edit = world.edits > 0;
            match incident.step {
                StepName::Gate if may_edit => actions.push(Happening::Edit(i)),
                StepName::Apply => {
                    actions.push(Happening::End(i));
                    if may_edit {
                        actions.push(Happening::Return(i));
                    }
                }
                _ => {}
            }
        }
    }

    fn next_state(&self, before: &World, what: Happening) -> Option<World> {
        let mut world = before.clone();
        match what {
            Happening::Decide(leader, incident) => self.decide(&mut world, leader, incident),
            Happening::Proceed(leader) => self.proceed(&mut world, leader),
            Happening::Crash(leader) => {
                world.crashes -= 1;
                world.leaders[leader].doing = Doing::Nothing;
                world.leaders[leader].page = None;
            }
            Happening::Watch(leader) => world.leaders[leader].index = world.incidents,
            Happening::Edit(incident) | Happening::Return(incident) => {
                world.edits -= 1;
                world.write(incident, StepName::Gate);
            }
            Happening::End(incident) => world.write(incident, StepName::Ended),
        }
        (world != *before).then(|| world.canonical())
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.lease.version <= MOST_WRITES && world.incidents.iter().all(|i| i.version <= MOST_WRITES)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no more applies of a policy than limits.maxConcurrent", |model: &Self, w| {
                !model.is_over_full(w)
            }),
            Property::always("a place that nobody needs is had by whoever waits", is_had),
            Property::sometimes("both apply, one after the other", |_, w: &World| {
                w.incidents.iter().all(|i| i.step == StepName::Ended)
            }),
        ]
    }
}

/// Where nobody applies, a leader that begins its term has a place for whoever waits at the gate.
fn is_had(model: &Slots, world: &World) -> bool {
    let is = |step: StepName| (0..INCIDENTS).find(|i| world.incidents[*i].step == step);
    let (Some(waits), None) = (is(StepName::Gate), is(StepName::Apply)) else { return true };
    let mut later = world.clone();
    later.leaders[0] = Leader { page: None, index: world.incidents, doing: Doing::Nothing };
    for _ in 0..MOST_CALLS {
        match later.leaders[0].doing {
            Doing::Nothing => model.decide(&mut later, 0, waits),
            Doing::Writing(..) => return true,
            Doing::Storing(..) | Doing::Asking(_) => model.proceed(&mut later, 0),
        }
    }
    false
}

impl Small for Slots {
    const NAME: &'static str = "places";
    const IS_WHOLE: bool = true;

    fn runs() -> Vec<Self> {
        vec![Self::with(None)]
    }

    fn trouble(&self) -> &'static str {
        "two leaders, killed and held up"
    }

    fn variants(&self) -> Vec<(String, Self)> {
        FLAWS.map(|flaw| (format!("{flaw:?}"), Self::with(Some(flaw)))).to_vec()
    }

    fn describe(world: &World) -> String {
        format!("{:?}, {:?}", world.incidents, world.lease)
    }
}
