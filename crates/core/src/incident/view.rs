//! What a decision about an Incident depends on, and what it gives back: values, and nothing else.

use kube::ResourceExt;
use reforge_api::{
    BuildKind, BuildRef, Classification, Evidence, IncidentSpec, IncidentStatus, Moment, RecoveryPolicy,
    RecoveryPolicySpec, StepName, Time, Verification,
};

use crate::incident::transition::Retries;
use crate::plan::build::BuildState;
use crate::plan::inventory::Location;
use crate::plan::summary::{PlanDigest, Summary};
use crate::policy::approval::Identity;
use crate::policy::grants::Grants;
use crate::policy::limits::{Ledger, Opened};
use crate::policy::reserve::{Reservations, Reserve};
use crate::policy::select;
use crate::words::fault::Fault;

/// All that a decision depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Now.
    pub now: Time,
    /// When the Incident was created.
    pub created: Time,
    /// The generation of the Incident.
    pub generation: i64,
    /// The Incident's name.
    pub name: String,
    /// The Incident's namespace.
    pub namespace: String,
    /// The Incident's spec, as it is judged with the evidence.
    pub spec: IncidentSpec,
    /// What else was told of the same change, and how many reports there are.
    pub evidence: (Vec<Evidence>, u32),
    /// The older Incident that is about the same change, as namespace/name; looked for while this one may give way.
    pub elder: Option<String>,
    /// An apply of ours that may have done what was told without an actor.
    pub own_build: Option<String>,
    /// The Incident's status.
    pub status: IncidentStatus,
    /// The policy as it stands now.
    pub policy: PolicyState,
    /// Whether the type holds data that Terraform does not bring back.
    pub stateful: bool,
    /// Whether the change is one that responders make to contain an attack.
    pub containment: bool,
    /// Whether the change is undone by a verb of its own, beside Terraform.
    pub has_verb: bool,
    /// How old the event was when the Incident was created, in milliseconds, where that is longer than Incidents are kept: there
    /// may have been one before, of which nobody knows any more.
    pub late: Option<i64>,
    /// When the policy was created, where that was after what happened.
    pub policy_since: Option<Time>,
    /// Terraform types that hang on the resource.
    pub attachments: Vec<String>,
    /// Who is who, by the settings.
    pub identities: Vec<Identity>,
    /// Why nothing may be started for this Incident, and what lifts that; None: nothing keeps it.
    pub hold: Option<String>,
    /// The source version that recovered well last in the workspace, where the policy may go back to it.
    pub last_successful: Option<String>,
    /// Builds of ours in the workspace that have ended: whoever of them may have left a lock.
    pub builds_here: Vec<BuildRef>,
    /// What was looked at for this step.
    pub seen: Seen,
}

impl View {
    /// One with nothing around it, of a type that is treated with care, at a time; nothing was looked at yet.
    pub fn alone(name: &str, spec: IncidentSpec, status: IncidentStatus, policy: PolicyState, now: Time) -> Self {
        Self {
            now,
            created: Time(0),
            generation: 1,
            name: name.to_owned(),
            namespace: "n".to_owned(),
            spec,
            evidence: (Vec::new(), 0),
            elder: None,
            own_build: None,
            status,
            policy,
            stateful: true,
            containment: false,
            has_verb: false,
            late: None,
            policy_since: None,
            attachments: Vec::new(),
            identities: Vec::new(),
            hold: None,
            last_successful: None,
            builds_here: Vec::new(),
            seen: Seen::Nothing,
        }
    }

    /// What becomes of a failed attempt.
    pub fn retries<'a>(&'a self, policy: &'a RecoveryPolicySpec) -> Retries<'a> {
        Retries { policy: &policy.recovery, last_successful: self.last_successful.as_deref(), name: &self.name }
    }
}

/// The policy as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PolicyState {
    /// It was deleted.
    Gone,
    /// It cannot be used.
    Unusable {
        /// The stable reason.
        why: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// It stands.
    Stands {
        /// Its UID.
        uid: String,
        /// Its generation.
        generation: i64,
        /// What it says.
        spec: Box<RecoveryPolicySpec>,
    },
}

impl PolicyState {
    /// Of the policy that is there, if it is.
    pub fn of(policy: Option<&RecoveryPolicy>, grants: &Grants) -> Self {
        let Some(policy) = policy else { return Self::Gone };
        match select::validate(policy, grants) {
            Ok(()) => Self::Stands {
                uid: policy.uid().unwrap_or_default(),
                generation: policy.metadata.generation.unwrap_or_default(),
                spec: Box::new(policy.spec.clone()),
            },
            Err(unusable) => Self::Unusable { why: unusable.reason(), what: unusable.to_string() },
        }
    }
}

/// A plan as its build has published it, and the digest of that.
pub type Published = (Summary, PlanDigest);

/// What was looked at for the step that the Incident is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Nothing had to be.
    Nothing,
    /// A call did not go well.
    Trouble(Fault),
    /// Where the resource belongs.
    Location(Location),
    /// The verdict on the event.
    Verdict(Classification),
    /// Whether AWS has carried the change out; if not, what it says.
    Settling(Option<String>),
    /// Whether the workspace is free for this Incident; if not, who has it.
    Workspace(Option<String>),
    /// The build that runs, or that a try to start it was found to have started; None: CodeBuild does not know it.
    Build(Option<BuildState>),
    /// The plan that the plan build published, once it has ended well.
    Planned(Box<BuildState>, Option<Box<Published>>),
    /// The plan, and what else the gate depends on: at the gate, and right before the start of an apply in a free workspace.
    AtGate(Box<AtGate>),
    /// What the plan build had published is no longer there.
    PlanGone,
    /// What AWS says of the resource.
    Verified(Verification),
}

impl Seen {
    /// The plan that was read: what a build has published is read once for as long as an Incident goes on without a pause.
    pub fn published(&self) -> Option<Published> {
        match self {
            Self::Planned(_, published) => published.as_deref().cloned(),
            Self::AtGate(seen) => Some((seen.summary.clone(), seen.digest.clone())),
            _ => None,
        }
    }

    /// Since when the state is locked that a build has found locked: who left the lock is then looked for.
    pub fn locked_at(&self) -> Option<Time> {
        let Self::Build(Some(build)) = self else { return None };
        build.failure.as_ref()?.lock.as_ref()?.created()
    }
}

/// The plan at the gate, and what else the gate depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AtGate {
    /// The plan.
    pub summary: Summary,
    /// Its digest.
    pub digest: PlanDigest,
    /// Whether an apply of ours since the event has covered the resource already.
    pub covered: bool,
    /// The verdict on a record that came since the last one.
    pub judged_again: Option<Classification>,
    /// Why no approval counts, if none does: the apiserver does not check who decides.
    pub unchecked: Option<String>,
    /// What was applied lately in the workspace.
    pub ledger: Ledger,
    /// The Incidents of the policy that were opened lately, this one among them.
    pub opened: Vec<Opened>,
    /// How many other Incidents of the policy apply right now, or have been cleared to.
    pub applying: u32,
    /// What the clears of the policy have taken.
    pub reserved: Reservations,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What is taken before anything is written, where the gate clears.
    pub reserve: Option<Reserve>,
    /// The status to write first; the same as before: nothing is written, and nothing is done.
    pub status: IncidentStatus,
    /// What to do once it is written, in order.
    pub effects: Vec<Effect>,
    /// When to look again, in milliseconds; 0: at once, None: when something changes.
    pub wake: Option<i64>,
}

impl Step {
    /// Whether what comes next can be decided at once and be written together with this: nothing that is to be done waits for the
    /// write, and nobody else counts on it. What the gate says is written before anything else, since others at the gate do.
    pub fn can_be_written_later(&self, view: &View) -> bool {
        let waits = |effect: &Effect| match effect {
            Effect::StartBuild(_) | Effect::NoteBuild => true,
            // Who has applied is done with the workspace; who has failed may want it again at once.
            Effect::ReleaseWorkspace => self.status.step.name != StepName::Verify,
            Effect::LabelWorkspace | Effect::NoteSuccess | Effect::Tell(_) | Effect::Wake(_) => false,
        };
        let moves = self.wake == Some(0) && self.status != view.status;
        moves && !matches!(view.seen, Seen::AtGate(_)) && !self.effects.iter().any(waits)
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Take the workspace and start the build that the status intends.
    StartBuild(BuildKind),
    /// Note the build that was found in the workspace's lease.
    NoteBuild,
    /// Give the workspace back.
    ReleaseWorkspace,
    /// Label the Incident with the workspace, for people who list them.
    LabelWorkspace,
    /// Remember the source version as one that recovers well in the workspace.
    NoteSuccess,
    /// Tell people.
    Tell(Moment),
    /// Wake another Incident, as namespace/name, which this one is evidence for.
    Wake(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::published::{Failure, Lock};

    #[test]
    fn who_left_a_lock_is_looked_for_by_the_time_that_terraform_names() {
        let created = "1970-01-01 00:00:05.000000000 +0000 UTC".to_owned();
        let failure = Failure { said: String::new(), lock: Some(Lock { created, ..Lock::default() }) };
        let build = BuildState { failure: Some(Box::new(failure)), ..BuildState::default() };
        assert_eq!(Seen::Build(Some(build)).locked_at(), Some(Time(5000)));
        assert_eq!(Seen::Build(Some(BuildState::default())).locked_at(), None);
        assert_eq!(Seen::Nothing.locked_at(), None);
    }
}
