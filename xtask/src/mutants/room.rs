//! The rooms of core whose mutants are looked at: what is asked of each, and which tests have to answer.

use clap::ValueEnum;

/// A room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Room {
    Plan,
    Policy,
    Incident,
    Intake,
}

impl Room {
    pub const ALL: [Self; 4] = [Self::Plan, Self::Policy, Self::Incident, Self::Intake];

    /// Its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Policy => "policy",
            Self::Incident => "incident",
            Self::Intake => "intake",
        }
    }

    /// How many of a hundred mutants have to be noticed at least.
    pub fn goal(self) -> usize {
        match self {
            Self::Plan | Self::Policy | Self::Incident => 95,
            Self::Intake => 85,
        }
    }

    /// The tests that have to notice them. Intake is tested with whole records, from outside; those tests take longer to build
    /// than all of the others.
    pub fn tests(self) -> impl Iterator<Item = &'static str> {
        ["--lib", "--test=it"].into_iter().filter(move |tests| *tests == "--lib" || self == Self::Intake)
    }
}
