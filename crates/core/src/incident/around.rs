//! What the other Incidents mean for one: who is at work, what was opened lately, what an apply has covered already. They come
//! from a cache, and may be behind.

use kube::ResourceExt;
use reforge_api::{BuildKind, BuildRef, Incident, IncidentStatus, Phase, StepName, Time};

use crate::policy::limits::{self, Opened};

/// The builds of all Incidents in the same Terraform state that have ended.
pub fn builds_here<'a>(status: &IncidentStatus, all: impl Iterator<Item = &'a IncidentStatus>) -> Vec<BuildRef> {
    let backend = status.workspace.as_ref().map(|w| w.backend.as_str());
    let here = all.filter(|s| s.workspace.as_ref().map(|w| w.backend.as_str()) == backend);
    here.flat_map(|s| s.recovery.builds.iter().filter(|b| b.end.is_some()).cloned()).collect()
}

/// Whether another Incident is one of the same policy, ended ones too.
pub fn is_of_the_policy(me: &Incident, other: &Incident) -> bool {
    other.namespace() == me.namespace() && other.spec.policy_ref == me.spec.policy_ref && other.uid() != me.uid()
}

/// How many of these apply right now.
pub fn applying<'a>(others: impl Iterator<Item = &'a Incident>) -> u32 {
    let count = others.filter(|i| i.status.as_ref().is_some_and(|s| s.step.name == StepName::Apply)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// These Incidents as a storm's judgement sees them: no duplicates, and none from before somebody said that it is over.
pub fn opened<'a>(incidents: impl Iterator<Item = &'a Incident>, storm_over: Option<Time>) -> Vec<Opened> {
    let counts = |i: &&Incident| i.status.as_ref().is_none_or(|s| s.duplicate_of.is_none());
    let opened = incidents.filter(counts).filter_map(|i| {
        let at = i.creation_timestamp().map(|t| Time(t.0.as_millisecond()))?;
        Some(Opened { at, actor: limits::actor_key(&i.judged_spec()) })
    });
    opened.filter(|o| storm_over.is_none_or(|over| o.at > over)).collect()
}

/// Whether another Incident of the same workspace was recovered by an apply that began after this event, and had the
/// same addresses.
pub fn covered<'a>(me: &Incident, backend: &str, mut all: impl Iterator<Item = &'a Incident>) -> bool {
    let mine = me.status.as_ref().and_then(|s| s.workspace.as_ref());
    let addresses = mine.map(|w| w.addresses.as_slice()).unwrap_or_default();
    all.any(|other| {
        let Some(status) = other.status.as_ref().filter(|s| s.phase == Phase::Recovered) else { return false };
        let same = status
            .workspace
            .as_ref()
            .is_some_and(|w| w.backend == backend && addresses.iter().all(|a| w.addresses.contains(a)));
        let applied = status.recovery.builds.iter().any(|b| {
            b.kind == BuildKind::Apply
                && b.status == "SUCCEEDED"
                && b.start.is_some_and(|start| start >= me.spec.event.time)
        });
        same && applied && other.uid() != me.uid()
    })
}
