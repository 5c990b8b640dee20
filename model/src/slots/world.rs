//! Two Incidents of a policy that has one place, and two leaders.

use std::collections::BTreeMap;

/// How many Incidents, and leaders, there are.
pub const INCIDENTS: usize = 2;
pub const LEADERS: usize = 2;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Ticks of the clock: each is longer than what was decided may be carried out.
    pub ticks: u8,
    /// How each Incident stands in the apiserver.
    pub steps: [Step; INCIDENTS],
    /// The record in the apiserver.
    pub places: Places,
    /// Who leads, and who did.
    pub leaders: [Leader; LEADERS],
    /// Leaders that are killed, or whose calls fail.
    pub crashes: u8,
    /// Incidents that are taken back to the gate for another reason: a hold, a denial.
    pub returns: u8,
    /// More applies were at work than there are places.
    pub too_many: bool,
}

/// How far an Incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// It asks to be let go.
    AtTheGate,
    /// It is committed to its plan, and nothing was started.
    Cleared,
    /// Its apply is at work.
    Applies,
    /// It needs no place any more.
    Ended,
}

/// Who has a place, and since which tick.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Places {
    /// The record's version.
    pub version: u8,
    /// The Incidents.
    pub holders: BTreeMap<usize, u8>,
}

/// A leader, or one that was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leader {
    /// The record as it was last read or written; None: not read yet.
    pub known: Option<Places>,
    /// The Incidents as its watch has told.
    pub index: [Step; INCIDENTS],
    /// What it is in the middle of.
    pub doing: Doing,
}

/// What a leader is in the middle of. Each variant is a point at which it may be held up or killed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doing {
    /// Nothing.
    Nothing,
    /// The Incident has a place by what the leader has seen, and the record is to say so.
    Reserving(usize, Step, Places),
    /// What was decided is to be carried out, that was decided in this tick.
    Going(usize, Step, u8),
}

impl World {
    /// Writes how an Incident stands; false: somebody else wrote first.
    pub fn write(&mut self, incident: usize, before: Step, after: Step) -> bool {
        let is_as_seen = self.steps[incident] == before;
        if is_as_seen {
            self.steps[incident] = after;
        }
        is_as_seen
    }
}
