//! The state of the modelled world: two Incidents in one Terraform workspace, two replicas that both believe to lead,
//! the builds, the queue, the people. All values are small, so that the checker can remember millions of them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use reforge_api::{Approval, BuildKind, FaultClass, IncidentStatus, Time};
use reforge_core::incident::view::Effect;

/// How many Incidents, and resources, there are.
pub const INCIDENTS: usize = 2;
/// The seconds that a tick of the clock takes: as long as CodeBuild honours an idempotency token.
pub const TICK: i64 = 300;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Ticks of the clock.
    pub ticks: u8,
    /// The Incidents in the apiserver; None: not opened yet.
    pub incidents: [Option<Stored>; INCIDENTS],
    /// Each Incident's policy: its generation; None: deleted.
    pub policies: [Option<i64>; INCIDENTS],
    /// How often each event is still delivered.
    pub deliveries: [u8; INCIDENTS],
    /// The operator's replicas that believe to lead. They are alike, so they stand in a fixed order.
    pub replicas: Vec<Replica>,
    /// Who has the workspace.
    pub lease: Option<Lease>,
    /// CodeBuild's builds.
    pub builds: Vec<Build>,
    /// Which resources are lost in AWS.
    pub lost: [bool; INCIDENTS],
    /// The serial of the Terraform state.
    pub serial: u8,
    /// Whether all work is on hold.
    pub hold: bool,
    /// How AWS answers every call; None: as it should.
    pub aws: Option<FaultClass>,
    /// Builds whose own calls are in the queue.
    pub echoes: BTreeSet<usize>,
    /// What may still go wrong.
    pub budget: Budget,
    /// What the properties look at.
    pub seen: Seen,
}

/// What may still go wrong, or be done by people: each so often, so that there is an end to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Replicas killed, or their calls to the apiserver failed.
    pub crashes: u8,
    /// Builds that fail.
    pub failures: u8,
    /// Ticks of the clock.
    pub ticks: u8,
    /// Applies of somebody else.
    pub foreign: u8,
    /// Edits of the second policy.
    pub edits: u8,
    /// Deletions of the second policy.
    pub deletions: u8,
    /// Decisions of each of two people.
    pub approvals: u8,
    /// Denials.
    pub denials: u8,
    /// Holds put on and lifted.
    pub holds: u8,
    /// Changes of how AWS answers.
    pub faults: u8,
}

/// What went by, as the properties need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Digests for which the gate was open when an Incident was committed to them, by the model's own judgement.
    pub opened: BTreeSet<(usize, String)>,
    /// What must never happen, and did.
    pub wrongs: BTreeSet<Wrong>,
    /// Writes of each Incident while AWS answered with faults and nothing else happened.
    pub writes: [u8; INCIDENTS],
}

/// Something that must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wrong {
    /// An apply build was started that no open gate stood behind.
    Ungated,
    /// An apply touched something that was not cleared for its digest.
    Uncleared,
    /// Two applies worked on the state at once.
    Overlapped,
    /// A digest was applied twice.
    Repeated,
    /// An attempt or a step went back, or an ended Incident went on.
    WentBack,
    /// A recovery's own call opened an Incident.
    Echoed,
    /// An apply was started on hold.
    StartedOnHold,
    /// An apply was started while a window was closed.
    OutOfHours,
    /// An Incident ended, and an apply of its own went on.
    LeftRunning,
    /// An Incident was written again and again while AWS answered with faults.
    Restless,
}

/// An Incident as the apiserver has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// What people decided.
    pub approvals: Vec<Approval>,
    /// How it stands.
    pub status: IncidentStatus,
}

impl World {
    /// The same world, however its replicas are called.
    pub fn canonical(mut self) -> Self {
        self.replicas.sort_by_cached_key(fingerprint);
        self
    }
}

fn fingerprint<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Stored {
    /// In place of a resourceVersion: two states that are the same are the same version, which is a weaker fence than
    /// the apiserver's, and makes fewer states.
    pub fn version(&self) -> u64 {
        fingerprint(self)
    }
}

/// What a replica is in the middle of. Each variant is a point at which it may be killed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Replica {
    /// Nothing.
    #[default]
    Idle,
    /// It has decided, and decides on what follows before it writes.
    Deciding(Task, Vec<Effect>),
    /// It has decided, and not yet written.
    Decided(Task, Vec<Effect>),
    /// It has written, and has these effects to carry out.
    Acting(Task, Vec<Effect>),
    /// It has the workspace, and is about to start a build.
    Starting(Task, BuildKind),
    /// It has started a build, and not yet written which.
    Started(Task, BuildKind, usize),
}

/// What a replica works on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// The Incident.
    pub incident: usize,
    /// The version that it has read or written last.
    pub version: u64,
    /// The status that it is to write, or has written.
    pub status: IncidentStatus,
}

/// Who has the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The Incident.
    pub holder: usize,
    /// The build that was noted.
    pub build: Option<usize>,
}

/// A build.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Build {
    /// Its Incident.
    pub incident: usize,
    /// Its attempt.
    pub attempt: u32,
    /// Plan or apply.
    pub kind: BuildKind,
    /// For a plan: the addresses; empty: all.
    pub targets: Vec<String>,
    /// For an apply: the plan build and the digest.
    pub plan: Option<(usize, String)>,
    /// When it was started.
    pub at: Time,
    /// How it stands.
    pub state: BuildProgress,
}

/// How a build stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BuildProgress {
    /// It was started, and has done nothing yet.
    Queued,
    /// An apply: it works on the state.
    Applying,
    /// It ended well; a plan has these changes, on this serial of the state.
    Succeeded(Vec<usize>, u8),
    /// It failed, with REFORGE_ERROR.
    Failed(Option<&'static str>),
}

impl BuildProgress {
    /// Whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Succeeded(..) | Self::Failed(_))
    }
}
