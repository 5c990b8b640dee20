//! The operator, as far as it keeps to `limits.maxConcurrent`: what it knows of the others, what it stores, writes and asks, one
//! call at a time. Who has a place, and whether there is one, is up to its own functions.

use reforge_api::{Criticality, LimitsPolicy, StepName, Time};
use reforge_core::incident::around::{Place, applying, place};
use reforge_core::index::{Ended, Glimpse, How, Index, Row};
use reforge_core::policy::limits::{self, Lately, Ledger};
use reforge_core::policy::reserve::{Reservation, Reservations};
use serde_json::json;

use super::world::{Doing, INCIDENTS, Incident, Page, World};

/// What the Incidents are called.
const NAMES: [&str; INCIDENTS] = ["n/one", "n/two"];

/// A way in which the operator could be broken; the checker must see each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Places are counted by looking at the index, and nothing is stored.
    CountsFromTheIndex,
    /// The Lease is written whatever was written since.
    StoresWithoutVersion,
    /// What the gate clears is written in the Incident first.
    StoresAfterwards,
    /// Whoever is seen at the gate has no place, though it may just be on its way from there.
    FreesWhoIsAtTheGate,
    /// A place is freed without a write of its Incident, which whoever cleared it may be about to write.
    FreesWithoutAWrite,
}

/// Every flaw.
pub const FLAWS: [Flaw; 5] = [
    Flaw::CountsFromTheIndex,
    Flaw::StoresWithoutVersion,
    Flaw::StoresAfterwards,
    Flaw::FreesWhoIsAtTheGate,
    Flaw::FreesWithoutAWrite,
];

/// A policy that lets one Incident apply at once.
#[derive(Clone, Debug)]
pub struct Slots {
    limits: LimitsPolicy,
    rows: [Row; INCIDENTS],
    flaw: Option<Flaw>,
}

impl Slots {
    /// With an operator that is broken in a way, or in none.
    pub fn with(flaw: Option<Flaw>) -> Self {
        let row = |id: &str| {
            let name = id.rsplit('/').next();
            let glimpse: Glimpse = serde_json::from_value(json!({
                "metadata": {"name": name, "namespace": "n"}, "spec": {"policyRef": {"name": "p"}},
            }))
            .expect("a glimpse");
            Row::of(&glimpse)
        };
        let limits = LimitsPolicy { max_concurrent: 1, ..LimitsPolicy::default() };
        Self { limits, rows: NAMES.map(row), flaw }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Whether more apply than there are places.
    pub fn is_over_full(&self, world: &World) -> bool {
        let applying = world.incidents.iter().filter(|i| i.step == StepName::Apply).count();
        applying > self.limits.max_concurrent as usize
    }

    fn row(&self, which: usize, incident: Incident) -> Row {
        let ended = (incident.step == StepName::Ended).then_some(Ended { at: None, how: How::Recovered });
        Row { version: incident.version.into(), step: Some(incident.step), ended, ..self.rows[which].clone() }
    }

    fn index(&self, incidents: [Incident; INCIDENTS]) -> Index {
        let mut index = Index::default();
        for (which, incident) in incidents.into_iter().enumerate() {
            index.put(self.row(which, incident));
        }
        index
    }

    fn place(&self, index: &Index, reservation: &Reservation) -> Place {
        match place(index, reservation) {
            Place::Unknown if self.is(Flaw::FreesWhoIsAtTheGate) => Place::Free,
            known => known,
        }
    }

    /// Whether the operator's own limits let one more apply.
    fn has_place(&self, index: &Index, me: &Row, reserved: &Reservations) -> bool {
        let held = limits::hold(&Lately {
            limits: &self.limits,
            criticality: Criticality::Standard,
            ledger: &Ledger::default(),
            opened: &[],
            applying: applying(index, me, reserved),
            reserved,
            incident: &me.id.to_string(),
            resource: "r",
            actor: "a",
            now: Time(0),
        });
        held.busy.is_none()
    }

    /// A leader looks at an Incident at the gate.
    pub fn decide(&self, world: &mut World, leader: usize, which: usize) {
        let index = self.index(world.leaders[leader].index);
        let version = world.incidents[which].version;
        let me = self.row(which, world.incidents[which]);
        if self.is(Flaw::CountsFromTheIndex) {
            if self.has_place(&index, &me, &Reservations::default()) {
                world.leaders[leader].doing = Doing::Writing(which, version);
            }
            return;
        }
        let page = world.leaders[leader].page.get_or_insert_with(|| world.lease.clone());
        page.reservations.forget(Time(0), |r| self.place(&index, r) == Place::Free);
        if self.has_place(&index, &me, &page.reservations) {
            let incident = NAMES[which].to_owned();
            page.reservations.add(Reservation { incident, version: me.version, at: Time(0), in_storm: false });
            let afterwards = self.is(Flaw::StoresAfterwards);
            world.leaders[leader].doing =
                if afterwards { Doing::Writing(which, version) } else { Doing::Storing(which, version) };
            return;
        }
        let mut others = page.reservations.beside(NAMES[which]);
        if let Some(unknown) = others.find(|r| self.place(&index, r) == Place::Unknown).cloned() {
            world.leaders[leader].doing = Doing::Asking(unknown);
        }
    }

    /// A leader goes one step further.
    pub fn proceed(&self, world: &mut World, leader: usize) {
        let doing = std::mem::replace(&mut world.leaders[leader].doing, Doing::Nothing);
        match doing {
            Doing::Nothing => {}
            Doing::Storing(which, version) => {
                let is_stored = self.store(world, leader);
                if is_stored && !self.is(Flaw::StoresAfterwards) {
                    world.leaders[leader].doing = Doing::Writing(which, version);
                }
            }
            Doing::Writing(which, version) => {
                if world.incidents[which].version != version {
                    return;
                }
                world.write(which, StepName::Apply);
                world.leaders[leader].index[which] = world.incidents[which];
                if self.is(Flaw::StoresAfterwards) {
                    world.leaders[leader].doing = Doing::Storing(which, version);
                }
            }
            Doing::Asking(reservation) => self.ask(world, leader, &reservation),
        }
    }

    /// Stores what a leader knows; false: somebody else has written, and it is to be read again.
    fn store(&self, world: &mut World, leader: usize) -> bool {
        let Some(page) = &mut world.leaders[leader].page else { return false };
        if page.version != world.lease.version && !self.is(Flaw::StoresWithoutVersion) {
            world.leaders[leader].page = None;
            return false;
        }
        let version = world.lease.version + 1;
        *page = Page { version, ..page.clone() };
        world.lease = page.clone();
        true
    }

    /// Asks about a place. Where the clear is not written in the Incident, the Incident is written to, so that it cannot be.
    fn ask(&self, world: &mut World, leader: usize, reservation: &Reservation) {
        let Some(which) = NAMES.iter().position(|name| *name == reservation.incident) else { return };
        let live = world.incidents[which];
        if u64::from(live.version) <= reservation.version && live.step != StepName::Apply {
            if self.is(Flaw::FreesWithoutAWrite) {
                if let Some(page) = &mut world.leaders[leader].page {
                    page.reservations.0.retain(|r| r != reservation);
                }
                return;
            }
            world.write(which, live.step);
        }
        world.leaders[leader].index[which] = world.incidents[which];
    }
}
