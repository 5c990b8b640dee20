//! Two Incidents of a policy that has one place, and two leaders.

use std::hash::{DefaultHasher, Hash, Hasher};

use reforge_api::StepName;
use reforge_core::policy::reserve::{Reservation, Reservations};

/// How many Incidents, and leaders, there are.
pub const INCIDENTS: usize = 2;
pub const LEADERS: usize = 2;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The Incidents in the apiserver.
    pub incidents: [Incident; INCIDENTS],
    /// The policy's Lease in the apiserver.
    pub lease: Page,
    /// Who leads, and who did. They are alike, so they stand in a fixed order.
    pub leaders: [Leader; LEADERS],
    /// Leaders that are killed, or whose calls fail.
    pub crashes: u8,
    /// Incidents that are taken back to the gate, or decided on by people.
    pub edits: u8,
}

/// An Incident: at the gate, applying, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incident {
    /// Its step.
    pub step: StepName,
    /// Its resourceVersion.
    pub version: u8,
}

/// The reservations as they are stored, or as a leader knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Page {
    /// The version that is stored, or was read.
    pub version: u8,
    /// Who has a place.
    pub reservations: Reservations,
}

/// A leader, or one that was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leader {
    /// The Lease as it was last read or written; None: not read yet.
    pub page: Option<Page>,
    /// The Incidents as its watch has told.
    pub index: [Incident; INCIDENTS],
    /// What it is in the middle of.
    pub doing: Doing,
}

/// What a leader is in the middle of. Each variant is a point at which it may be held up or killed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Nothing.
    Nothing,
    /// The gate has cleared an Incident of that version, and its place is to be stored.
    Storing(usize, u8),
    /// The same is to be written in the Incident.
    Writing(usize, u8),
    /// Somebody else's place is to be asked about.
    Asking(Reservation),
}

impl World {
    /// The same world, however its leaders are called.
    pub fn canonical(mut self) -> Self {
        self.leaders.sort_by_cached_key(|leader| {
            let mut hasher = DefaultHasher::new();
            leader.hash(&mut hasher);
            hasher.finish()
        });
        self
    }

    /// Writes how an Incident stands.
    pub fn write(&mut self, incident: usize, step: StepName) {
        let stored = &mut self.incidents[incident];
        *stored = Incident { step, version: stored.version + 1 };
    }
}
