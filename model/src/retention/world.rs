//! The Incidents of two reports of one change, and what may still bring them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use reforge_api::{IncidentStatus, StepName, Time};

/// The reports: what EC2 tells, and CloudTrail's record of it.
pub const REPORTS: usize = 2;
pub const RECORD: usize = 1;
/// Replicas that believe to lead, and delete.
pub const LEADERS: usize = 2;
/// A day, in milliseconds.
pub const DAY: i64 = 86_400_000;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Days since both events.
    pub day: u8,
    /// The Incidents in the apiserver.
    pub stored: [Option<Stored>; REPORTS],
    /// The Incidents as the operator's watch has told.
    pub index: [Option<Stored>; REPORTS],
    /// Whether the sweep has passed both events.
    pub is_swept: bool,
    /// What each replica is about to delete, as it was seen.
    pub deleting: [Option<(usize, u64)>; LEADERS],
    /// Which events were concluded: their Incidents have ended.
    pub concluded: [bool; REPORTS],
    /// What must never happen, and did.
    pub wrongs: BTreeSet<Wrong>,
}

/// An Incident as the apiserver has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// The day on which it was created.
    pub created: u8,
    pub status: IncidentStatus,
}

/// Something that must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wrong {
    /// An event that was concluded went by itself once more.
    AppliedAgain,
    /// An open Incident was deleted.
    DeletedOpen,
    /// An event that was concluded came again, and not out of an archive, and nobody knew of it.
    OpenedAgain,
}

impl Stored {
    /// In place of a resourceVersion: two that are the same are the same version.
    pub fn version(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl World {
    /// The event's Incident is there, or is created.
    pub fn open(&mut self, report: usize, from: From) {
        if self.stored[report].is_none() {
            if self.concluded[report] && from != From::AnArchive {
                self.wrongs.insert(Wrong::OpenedAgain);
            }
            self.stored[report] = Some(Stored { created: self.day, status: IncidentStatus::default() });
        }
    }
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    AQueue,
    ASweep,
    AnArchive,
}

/// The instant at which a day begins.
pub fn days(days: u8) -> Time {
    Time(i64::from(days) * DAY)
}

/// Whether it has not ended.
pub fn is_open(stored: &Stored) -> bool {
    stored.status.step.name != StepName::Ended
}
