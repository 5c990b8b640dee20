//! What has ended is deleted, and its event comes again: from a queue, by a sweep, out of an archive. Two reports tell of one
//! change. Which Incident is the elder, what is late, and what is to be deleted is up to the operator's own functions.

mod operator;
mod world;

use std::collections::BTreeSet;

use reforge_api::{condition, reason};
use stateright::{Model, Property};

use crate::explore::Small;
use operator::Flaw;
use world::{From, LEADERS, RECORD, REPORTS, World, Wrong, is_open};

pub use operator::Kept;

/// The last day that is looked at.
const LAST: u8 = 4;

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A queue brings an event.
    Deliver(usize),
    /// A sweep goes through CloudTrail.
    Sweep,
    /// Somebody replays an archive.
    Replay(usize),
    /// The watch tells.
    Watch,
    /// The operator works on an Incident, which ends; well, if there is anything to do.
    Work(usize, bool),
    /// A replica sees that an Incident is due.
    Look(usize, usize),
    /// A replica deletes what it has seen.
    Delete(usize),
    /// A day passes.
    Tick,
}

impl Model for Kept {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            day: 0,
            stored: [None, None],
            index: [None, None],
            is_swept: false,
            deleting: [None; LEADERS],
            concluded: [false; REPORTS],
            wrongs: BTreeSet::new(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Happening>) {
        for report in 0..REPORTS {
            if world.stored[report].is_none() {
                let is_queued = world.day < self.queues;
                actions.push(if is_queued { Happening::Deliver(report) } else { Happening::Replay(report) });
            }
            // One watch feeds the index and wakes the work.
            let is_known = world.index[report] == world.stored[report];
            if world.stored[report].as_ref().is_some_and(|s| is_known && is_open(s)) {
                actions.extend([true, false].map(|well| Happening::Work(report, well)));
            }
        }
        if world.day > 0 && !world.is_swept {
            actions.push(Happening::Sweep);
        }
        if world.index != world.stored {
            actions.push(Happening::Watch);
        }
        let due = self.due(world);
        for (leader, deleting) in world.deleting.iter().enumerate() {
            match deleting {
                Some(_) => actions.push(Happening::Delete(leader)),
                None => actions.extend((0..due.len()).map(|which| Happening::Look(leader, which))),
            }
        }
        if world.day < LAST {
            actions.push(Happening::Tick);
        }
    }

    fn next_state(&self, before: &World, what: Happening) -> Option<World> {
        let mut world = before.clone();
        match what {
            Happening::Deliver(report) => world.open(report, From::AQueue),
            Happening::Replay(report) => world.open(report, From::AnArchive),
            Happening::Sweep => {
                world.open(RECORD, From::ASweep);
                world.is_swept = true;
            }
            Happening::Watch => world.index.clone_from(&world.stored),
            Happening::Work(report, goes_well) => self.work(&mut world, report, goes_well),
            Happening::Look(leader, which) => world.deleting[leader] = self.due(before).get(which).copied(),
            Happening::Delete(leader) => {
                let (report, version) = world.deleting[leader].take()?;
                let stored = world.stored[report].take();
                match stored {
                    Some(stored) if stored.version() == version || self.is(Flaw::DeletesWithoutVersion) => {
                        if is_open(&stored) {
                            world.wrongs.insert(Wrong::DeletedOpen);
                        }
                    }
                    stored => world.stored[report] = stored,
                }
            }
            Happening::Tick => world.day += 1,
        }
        // The replicas are alike.
        world.deleting.sort_unstable();
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("an event that was concluded never goes by itself again", |_, w: &World| {
                !w.wrongs.contains(&Wrong::AppliedAgain)
            }),
            Property::always("an event that a queue or a sweep brings again is known", |_, w: &World| {
                !w.wrongs.contains(&Wrong::OpenedAgain)
            }),
            Property::always("no open Incident is deleted", |_, w: &World| !w.wrongs.contains(&Wrong::DeletedOpen)),
            Property::sometimes("what has ended is deleted", |_, w: &World| {
                (0..REPORTS).any(|report| w.concluded[report] && w.stored[report].is_none())
            }),
            Property::sometimes("a duplicate is known", |_, w: &World| says(w, reason::DUPLICATE)),
            Property::sometimes("an event that is late asks", |_, w: &World| says(w, reason::APPROVAL_EXPIRED)),
        ]
    }
}

fn says(world: &World, why: &str) -> bool {
    let mut conditions = world.stored.iter().flatten().flat_map(|s| &s.status.conditions);
    conditions.any(|c| c.r#type == condition::READY && c.reason == why)
}

impl Small for Kept {
    const NAME: &'static str = "retention";
    const IS_WHOLE: bool = true;

    fn runs() -> Vec<Self> {
        let flaws = &[
            Flaw::ForgetsTheSweep,
            Flaw::HurriesDuplicates,
            Flaw::DeletesOpenOnes,
            Flaw::DeletesWithoutVersion,
            Flaw::ForgetsWhatIsLate,
        ];
        vec![
            Self::with("kept longer than events come again", (3, 2), flaws),
            Self::with("events come again for longer than people want them kept", (1, 3), &[Flaw::ForgetsTheQueues]),
        ]
    }

    fn trouble(&self) -> &'static str {
        self.trouble
    }

    fn variants(&self) -> Vec<(String, Self)> {
        self.flaws.iter().map(|flaw| (format!("{flaw:?}"), self.broken(*flaw))).collect()
    }

    fn describe(world: &World) -> String {
        let stored = world.stored.iter().map(|s| s.as_ref().map(|s| (s.created, s.status.phase)));
        format!("day {}: {:?}", world.day, stored.collect::<Vec<_>>())
    }
}
