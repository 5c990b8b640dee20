//! The places of `limits.maxConcurrent`, with a second leader that does not know yet that it is none. Who has a place stands in
//! one record for the policy, which is written by compare-and-swap: before what commits an Incident, and again before a start that comes later.
//! Nobody gives a place back: who needs one looks at who has them. What is decided is carried out within a tick, or not at all.

mod operator;
mod world;

use stateright::{Model, Property};

use crate::explore::Small;
use operator::FLAWS;
use world::{Doing, INCIDENTS, Leader, Places, Step, World};

pub use operator::Slots;

/// The most writes of the record that are looked at, so that there is an end to it.
const MOST_WRITES: u8 = 6;
/// The last tick.
const LAST: u8 = 2;

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
    /// An Incident is taken back to the gate.
    Return(usize),
    /// An apply ends.
    End(usize),
    /// Time passes.
    Tick,
}

impl Model for Slots {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        let leader = Leader { known: None, index: [Step::AtTheGate; INCIDENTS], doing: Doing::Nothing };
        vec![World {
            ticks: 0,
            steps: [Step::AtTheGate; INCIDENTS],
            places: Places::default(),
            leaders: [leader.clone(), leader],
            crashes: 1,
            returns: 1,
            too_many: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Happening>) {
        for (l, leader) in world.leaders.iter().enumerate() {
            if leader.doing == Doing::Nothing {
                let waits = |i: &usize| matches!(world.steps[*i], Step::AtTheGate | Step::Cleared);
                actions.extend((0..INCIDENTS).filter(waits).map(|i| Happening::Decide(l, i)));
            } else {
                actions.push(Happening::Proceed(l));
                if world.crashes > 0 {
                    actions.push(Happening::Crash(l));
                }
            }
            if self.looks_in_the_index() && leader.index != world.steps {
                actions.push(Happening::Watch(l));
            }
        }
        for (i, step) in world.steps.iter().enumerate() {
            match step {
                Step::Cleared if world.returns > 0 => actions.push(Happening::Return(i)),
                Step::Applies => actions.push(Happening::End(i)),
                _ => {}
            }
        }
        if world.ticks < LAST {
            actions.push(Happening::Tick);
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
                world.leaders[leader].known = None;
            }
            Happening::Watch(leader) => world.leaders[leader].index = world.steps,
            Happening::Return(incident) => {
                world.returns -= 1;
                world.steps[incident] = Step::AtTheGate;
            }
            Happening::End(incident) => world.steps[incident] = Step::Ended,
            Happening::Tick => world.ticks += 1,
        }
        // The leaders are alike.
        world.leaders.sort_unstable();
        (world != *before).then_some(world)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.places.version <= MOST_WRITES
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no more applies of a policy than limits.maxConcurrent", |_, w: &World| !w.too_many),
            Property::always("a place that nobody needs is had by whoever waits", is_had),
            Property::sometimes("both apply, one after the other", |_, w: &World| w.steps == [Step::Ended; INCIDENTS]),
        ]
    }
}

/// With nobody at work and a tick later: a leader that reads the record anew has a place for whoever waits at the gate.
fn is_had(model: &Slots, world: &World) -> bool {
    let mut later = World { ticks: world.ticks + 1, ..world.clone() };
    later.leaders[0] = Leader { known: None, index: later.steps, doing: Doing::Nothing };
    let works = |i: usize| matches!(later.steps[i], Step::Cleared | Step::Applies);
    let Some(waits) = (0..INCIDENTS).find(|i| later.steps[*i] == Step::AtTheGate) else { return true };
    if (0..INCIDENTS).any(works) {
        return true;
    }
    model.decide(&mut later, 0, waits);
    later.leaders[0].doing != Doing::Nothing
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
        format!("{:?}, {:?}", world.steps, world.places)
    }
}
