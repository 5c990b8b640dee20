//! The operator, as far as it keeps to `limits.maxConcurrent`.

use reforge_api::{Criticality, LimitsPolicy, Time};
use reforge_core::policy::limits::{self, Lately, Ledger};
use reforge_core::policy::reserve::Reservations;

use super::world::{Doing, INCIDENTS, Step, World};

/// A way in which the operator could be broken; the checker must see each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Places are counted by looking at the index, and nothing is reserved.
    CountsFromTheIndex,
    /// The record is written whatever was written since.
    ReservesWithoutVersion,
    /// Whoever is seen at the gate has no place, though it may just be on its way from there.
    FreesWhoJustReserved,
    /// Who has a place is looked at in the index.
    FreesByTheIndex,
    /// What was reserved once is not written again before a start.
    TrustsItsReservation,
}

/// Every flaw.
pub const FLAWS: [Flaw; 5] = [
    Flaw::CountsFromTheIndex,
    Flaw::ReservesWithoutVersion,
    Flaw::FreesWhoJustReserved,
    Flaw::FreesByTheIndex,
    Flaw::TrustsItsReservation,
];

/// The places of a policy with one of them.
#[derive(Clone, Debug)]
pub struct Slots {
    limits: LimitsPolicy,
    flaw: Option<Flaw>,
}

impl Slots {
    /// With an operator that is broken in a way, or in none.
    pub fn with(flaw: Option<Flaw>) -> Self {
        Self { limits: LimitsPolicy { max_concurrent: 1, ..LimitsPolicy::default() }, flaw }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Only then it matters how far behind the index is.
    pub fn looks_in_the_index(&self) -> bool {
        self.is(Flaw::CountsFromTheIndex) || self.is(Flaw::FreesByTheIndex)
    }

    /// Whether the operator's own limits let one more apply.
    fn has_place(&self, applying: usize) -> bool {
        let (ledger, now) = (Ledger::default(), Time(0));
        let held = limits::hold(&Lately {
            limits: &self.limits,
            criticality: Criticality::Standard,
            ledger: &ledger,
            opened: &[],
            applying: u32::try_from(applying).unwrap_or(u32::MAX),
            reserved: &Reservations::default(),
            incident: "n/i",
            resource: "r",
            actor: "a",
            now,
        });
        held.busy.is_none()
    }

    /// Whether nobody needs the place that an Incident has had since then.
    fn is_free(&self, world: &World, leader: usize, (holder, since): (usize, u8)) -> bool {
        let steps = if self.is(Flaw::FreesByTheIndex) { &world.leaders[leader].index } else { &world.steps };
        match steps[holder] {
            Step::AtTheGate => since < world.ticks || self.is(Flaw::FreesWhoJustReserved),
            Step::Cleared | Step::Applies => false,
            Step::Ended => true,
        }
    }

    /// A leader looks at an Incident in its turn.
    pub fn decide(&self, world: &mut World, leader: usize, incident: usize) {
        let (step, at) = (world.steps[incident], world.ticks);
        if self.is(Flaw::CountsFromTheIndex) {
            let index = world.leaders[leader].index;
            let others = (0..INCIDENTS).filter(|i| *i != incident);
            let applying = others.filter(|i| matches!(index[*i], Step::Cleared | Step::Applies)).count();
            if step == Step::Cleared || self.has_place(applying) {
                world.leaders[leader].doing = Doing::Going(incident, step, at);
            }
            return;
        }
        let known = world.leaders[leader].known.get_or_insert_with(|| world.places.clone()).clone();
        // For as long as what was decided may be carried out, nobody takes away what was reserved.
        let is_reserved = |since: &u8| *since == at || (step == Step::Cleared && self.is(Flaw::TrustsItsReservation));
        if known.holders.get(&incident).is_some_and(is_reserved) {
            world.leaders[leader].doing = Doing::Going(incident, step, at);
            return;
        }
        let mut places = known;
        places.holders.retain(|holder, since| *holder == incident || !self.is_free(world, leader, (*holder, *since)));
        let beside = places.holders.keys().filter(|holder| **holder != incident).count();
        if self.has_place(beside) {
            places.holders.insert(incident, at);
            world.leaders[leader].doing = Doing::Reserving(incident, step, places);
        } else if step == Step::Cleared {
            world.write(incident, step, Step::AtTheGate);
        }
    }

    /// A leader goes one step further.
    pub fn proceed(&self, world: &mut World, leader: usize) {
        let doing = std::mem::replace(&mut world.leaders[leader].doing, Doing::Nothing);
        match doing {
            Doing::Nothing => {}
            Doing::Reserving(incident, step, mut places) => {
                if places.version != world.places.version && !self.is(Flaw::ReservesWithoutVersion) {
                    // Another leader wrote: it is read and looked at again.
                    world.leaders[leader].known = None;
                    return;
                }
                let since = places.holders.get(&incident).copied().unwrap_or_default();
                places.version = world.places.version + 1;
                world.places = places.clone();
                world.leaders[leader].known = Some(places);
                world.leaders[leader].doing = Doing::Going(incident, step, since);
            }
            Doing::Going(incident, Step::AtTheGate, _) => {
                world.write(incident, Step::AtTheGate, Step::Cleared);
            }
            Doing::Going(incident, step, at) => {
                if at == world.ticks && world.write(incident, step, Step::Applies) {
                    let applying = world.steps.iter().filter(|s| **s == Step::Applies).count();
                    world.too_many |= applying > self.limits.max_concurrent as usize;
                }
            }
        }
    }
}
