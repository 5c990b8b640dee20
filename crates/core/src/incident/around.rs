//! What the other Incidents mean for one: who is at work, what was opened lately, what an apply has covered already. They come
//! from the index, and may be behind.

use reforge_api::{RecoveryPolicySpec, Time, WorkspaceRef, duration_millis};

use crate::index::{How, Id, Index, Key, Row};
use crate::policy::limits::Opened;

/// The Incidents with a build in the same Terraform state that was at work at that time and has ended: whoever left a lock then.
pub fn at_work_here(index: &Index, backend: &str, at: Time) -> Vec<Id> {
    let here = index.of_backend(Key::of(&[backend]));
    let left = |row: &&Row| {
        row.builds().iter().any(|b| b.start.is_some_and(|start| start <= at) && b.end.is_some_and(|end| at <= end))
    };
    here.filter(left).map(|row| row.id.clone()).collect()
}

/// The Incidents of the policy, this one among them, that a storm's judgement sees: no duplicates, and none from before somebody
/// said that it is over. A storm looks back two windows at most.
pub fn opened(
    index: &Index,
    me: &Row,
    policy: &RecoveryPolicySpec,
    storm_over: Option<Time>,
    now: Time,
) -> Vec<Opened> {
    let window = duration_millis(&policy.limits.storm_window).unwrap_or(i64::MAX);
    let since = Time(now.0.saturating_sub(window.saturating_mul(2)));
    let counts = |row: &&Row| !row.is_duplicate && storm_over.is_none_or(|over| row.created > over);
    let rows = index.of_policy_since(me.policy, since).filter(counts);
    rows.map(|row| Opened { at: row.created, actor: row.actor.clone() }).collect()
}

/// Whether another Incident of the same workspace was recovered by an apply that began after this event, and had the
/// same addresses.
pub fn covered(index: &Index, me: &Row, workspace: &WorkspaceRef) -> bool {
    let addresses: Vec<Key> = workspace.addresses.iter().map(|a| Key::of(&[a])).collect();
    index.of_backend(Key::of(&[&workspace.backend])).any(|other| {
        let recovered = other.ended.is_some_and(|e| e.how == How::Recovered);
        let Some(work) = other.work.as_ref().filter(|_| recovered && other.id != me.id) else { return false };
        let applied =
            work.builds.iter().any(|b| b.applies && b.succeeded && b.start.is_some_and(|start| start >= me.time));
        applied && addresses.iter().all(|a| work.addresses.contains(a))
    })
}
