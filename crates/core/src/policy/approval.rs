//! People's word on a plan: who has decided, whose decision counts, who is still missing.
//!
//! That a decision was made by the person whose name it bears, once and on the plan that was there, is the apiserver's
//! to check: the chart's admission policies. Here it is judged what the decisions amount to.

use std::collections::BTreeSet;

use reforge_api::{Actor, Approval, ApprovalPolicy, Decision, SeenApproval, Time, duration_millis};
use serde::Deserialize;

/// Which AWS identities a Kubernetes user has, as the operator's settings say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The user's name in Kubernetes, as `kubectl auth whoami` prints it.
    pub user: String,
    /// ARNs of the users, roles or sessions that this person acts as in AWS; empty: none.
    #[serde(default)]
    pub arns: Vec<String>,
}

/// What people decided about a change, and what that is judged by.
#[derive(Clone, Debug)]
pub struct Ballot<'a> {
    /// The policy's rules.
    pub policy: &'a ApprovalPolicy,
    /// All decisions.
    pub approvals: &'a [Approval],
    /// What a decision must be on.
    pub change_digest: &'a str,
    /// When the operator first saw which decision.
    pub seen: &'a [SeenApproval],
    /// When people were first asked about this very change.
    pub asked: Option<Time>,
    /// Now.
    pub now: Time,
    /// Who made the change.
    pub actor: &'a Actor,
    /// Who is who.
    pub identities: &'a [Identity],
}

/// What the decisions amount to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// Somebody denied it; that is final.
    Denied(String),
    /// Enough people approved: these.
    Given(Vec<String>),
    /// Not enough yet; what is missing.
    Missing(String),
    /// Nobody decided in time.
    Expired,
}

/// Judges the decisions on a change.
pub fn word_of(ballot: &Ballot<'_>) -> Word {
    let on_it = |a: &&Approval| a.change_digest == ballot.change_digest;
    if let Some(denied) = ballot.approvals.iter().filter(on_it).find(|a| a.decision == Decision::Deny) {
        return Word::Denied(denied.by.clone());
    }
    let patience = patience(ballot.policy);
    let counts = |a: &&Approval| {
        let seen = ballot.seen.iter().find(|s| s.by == a.by && s.change_digest == a.change_digest);
        seen.is_none_or(|s| ballot.now.millis_since(s.at) < patience)
    };
    let approved: BTreeSet<&str> =
        ballot.approvals.iter().filter(on_it).filter(counts).map(|a| a.by.as_str()).collect();
    let (actors, others): (BTreeSet<&str>, BTreeSet<&str>) =
        approved.into_iter().partition(|by| !ballot.policy.actor_may_approve && is_actor(ballot, by) == Some(true));
    let unknown = !ballot.policy.actor_may_approve && others.iter().any(|by| is_actor(ballot, by).is_none());
    let needed = if unknown { ballot.policy.approvers.max(2) } else { ballot.policy.approvers } as usize;
    if others.len() >= needed {
        return Word::Given(others.into_iter().map(str::to_owned).collect());
    }
    if ballot.asked.is_some_and(|asked| ballot.now.millis_since(asked) >= patience) {
        return Word::Expired;
    }
    let mut missing = vec![format!("{} of {needed} approvals", others.len())];
    if let Some(actor) = actors.first() {
        missing.push(format!("that of {actor} does not count, who made the change"));
    }
    if unknown {
        missing.push("two are needed, since it cannot be told that the approver is not the one who made the change (settings.identities says who is who)".to_owned());
    }
    Word::Missing(missing.join("; "))
}

/// When people are reminded, and when it is too late, if they were asked at `asked`.
pub fn deadlines(policy: &ApprovalPolicy, asked: Time) -> (Time, Time) {
    let patience = patience(policy);
    (Time(asked.0.saturating_add(patience / 2)), Time(asked.0.saturating_add(patience)))
}

/// The schema admits nothing that is not a duration; should one slip through, it is over at once: the careful side.
fn patience(policy: &ApprovalPolicy) -> i64 {
    duration_millis(&policy.expires_after).unwrap_or(0)
}

/// The type of an actor that no record tells of.
const UNKNOWN: &str = "Unknown";

/// Whether a user is who made the change; None where the two cannot be compared.
fn is_actor(ballot: &Ballot<'_>, user: &str) -> Option<bool> {
    let actor = ballot.actor;
    let theirs: BTreeSet<&str> = [&actor.arn, &actor.issuer_arn].into_iter().flatten().map(String::as_str).collect();
    // What an AWS service does on its own has no ARN that a person could have; where nobody knows who it was, it may be anyone.
    if theirs.is_empty() {
        return (actor.r#type != UNKNOWN).then_some(false);
    }
    if theirs.contains(user) {
        return Some(true);
    }
    if let Some(known) = ballot.identities.iter().find(|i| i.user == user) {
        return Some(known.arns.iter().any(|arn| theirs.contains(arn.as_str())));
    }
    user.starts_with("arn:").then_some(false)
}

#[cfg(test)]
mod tests;
