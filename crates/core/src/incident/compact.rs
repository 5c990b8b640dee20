//! What is kept of an Incident that has ended. It stays for a month, a large account has a hundred thousand of them, and all
//! are read at each start: so its status gives up what nobody decides on any more, as far as it has to, and what is least
//! missed first. What was lost, what was decided and why, what was applied and how it ended stays.
//!
//! What the others still ask of it ([`crate::index`]) is cut last, and never without saying so: a plan that is not shown whole
//! may have changed anything, and a resource that is not listed whole is covered by nothing.

use kube::core::ObjectMeta;
use reforge_api::{Actor, BuildKind, BuildRef, ConditionStatus, Incident, IncidentStatus, Origin, Plan, condition};
use serde::Serialize;

/// What an ended Incident is to take, in bytes of JSON, beside who manages which field. Details go for that.
pub const MOST: usize = 4096;
/// What its status takes at most, whatever is in it. The rest cannot be cut: what the call said, up to 8 KiB, and what people
/// decided are in the spec.
pub const MOST_OF_STATUS: usize = 3072;

/// The details that are given up for the Incident to be small, in this order.
const DETAILS: [fn(&mut IncidentStatus); 7] =
    [attributes, decisions, links, reporters, long_texts, long_lists, conditions];
/// What is given up for the status to be bounded, in this order.
const TERSE: [fn(&mut IncidentStatus); 5] = [few, short, brief, words, facts];

/// The status of an Incident that has ended, as it is stored.
pub fn compact(incident: &Incident, status: &IncidentStatus) -> IncidentStatus {
    let metadata = ObjectMeta { managed_fields: None, ..incident.metadata.clone() };
    let bare_object = Incident { metadata, spec: incident.spec.clone(), status: None };
    let room = MOST.saturating_sub(bytes(&bare_object) + r#","status":"#.len());
    let mut kept = status.clone();
    give_up(&mut kept, room, &DETAILS);
    give_up(&mut kept, MOST_OF_STATUS, &TERSE);
    kept
}

fn give_up(status: &mut IncidentStatus, room: usize, what: &[fn(&mut IncidentStatus)]) {
    for give_up in what {
        if bytes(status) <= room {
            return;
        }
        give_up(status);
    }
}

fn bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

/// Which attributes each change was of; the summary in the bucket has them.
fn attributes(status: &mut IncidentStatus) {
    if let Some(plan) = &mut status.plan {
        plan.changes.iter_mut().for_each(|change| change.attributes.clear());
    }
}

/// When each decision was first seen: the decisions are in the spec. What the plan was limited to, and would have carried along.
fn decisions(status: &mut IncidentStatus) {
    if let Some(asked) = &mut status.approval {
        asked.seen.clear();
        asked.changed = None;
    }
    if let Some(plan) = &mut status.plan {
        plan.targets.clear();
        plan.unexplained.clear();
    }
}

/// Where the logs of earlier builds are: that of the last one stays.
fn links(status: &mut IncidentStatus) {
    let last = status.recovery.build.as_ref().map(|build| build.id.clone());
    for build in &mut status.recovery.builds {
        // It stands beside the list.
        if Some(&build.id) == last.as_ref() || build.end.is_some() {
            build.url = None;
        }
    }
}

/// Of those who reported the same, what says who they are. Where more than one record came, two of them say so.
fn reporters(status: &mut IncidentStatus) {
    status.evidence.sort_by_key(|report| report.origin != Origin::CloudTrail);
    status.evidence.truncate(4);
    for report in &mut status.evidence {
        let Actor { r#type, arn, issuer_arn, invoked_by, .. } = std::mem::take(&mut report.actor);
        report.actor = Actor { r#type, arn, issuer_arn, invoked_by, ..Actor::default() };
    }
}

fn long_texts(status: &mut IncidentStatus) {
    texts(status, 480);
}

fn long_lists(status: &mut IncidentStatus) {
    lists(status, 8);
}

/// What is said once more in the parts of the status that it is about.
fn conditions(status: &mut IncidentStatus) {
    let said_elsewhere = [condition::LOCATED, condition::CLASSIFIED, condition::PLANNED];
    status.conditions.retain(|c| {
        let says_no = c.status == ConditionStatus::False;
        let is_no_news = says_no && [condition::STALLED, condition::RECONCILING].contains(&c.r#type.as_str());
        !is_no_news && !said_elsewhere.contains(&c.r#type.as_str())
    });
}

fn few(status: &mut IncidentStatus) {
    lists(status, 2);
    status.approval = None;
}

fn short(status: &mut IncidentStatus) {
    texts(status, 160);
}

/// What the gate says and what the bucket has, once more; and of the rest a word each.
fn brief(status: &mut IncidentStatus) {
    texts(status, 60);
    lists(status, 1);
    status.conditions.retain(|c| c.r#type != condition::APPROVED);
    if let Some(plan) = &mut status.plan {
        plan.changes.clear();
    }
    if let Some(verification) = &mut status.verification {
        verification.checks.retain(|check| !check.passed);
        verification.new_arn = None;
    }
}

fn words(status: &mut IncidentStatus) {
    texts(status, 30);
}

/// All but the facts: what there is to them is longer than anything that AWS, Terraform and Kubernetes name so.
fn facts(status: &mut IncidentStatus) {
    texts(status, 24);
    lists(status, 1);
    let fits = |text: &str| bytes(&text) <= 96;
    let only = |text: &mut Option<String>| *text = text.take().filter(|text| fits(text));
    status.evidence.clear();
    status.verification = None;
    status.approval = None;
    status.gate = None;
    status.workspace = status.workspace.take().filter(|w| bytes(w) <= 240);
    let plan = status.plan.take().filter(|p| fits(&p.build) && fits(&p.source_version) && fits(&p.policy_uid));
    status.plan = plan.map(|plan| Plan { changes: Vec::new(), targets: Vec::new(), unexplained: Vec::new(), ..plan });
    if let Some(classification) = &mut status.classification {
        (classification.model, classification.record) = (None, None);
    }
    let recovery = &mut status.recovery;
    (recovery.last_failure, recovery.intent) = (None, None);
    only(&mut recovery.applied_version);
    only(&mut recovery.rolled_back_to);
    only(&mut status.duplicate_of);
    recovery.builds.retain(|build| fits(&build.id));
    recovery.build = recovery.build.take().filter(|build| fits(&build.id)).map(|build| {
        let url = build.url.filter(|url| bytes(url) <= 320);
        BuildRef { url, ..build }
    });
    let told = [condition::READY, condition::STALLED, condition::RECOVERED];
    status.conditions.retain(|c| told.contains(&c.r#type.as_str()));
}

/// Of each text for people so many characters at most; of what others say as well, a quarter.
fn texts(status: &mut IncidentStatus, most: usize) {
    // The one sentence that people read keeps its end for as long as there is anything else to give up.
    let sentence = if most < 60 { most } else { most.max(480) };
    for condition in &mut status.conditions {
        cut(&mut condition.message, if condition.r#type == condition::READY { sentence } else { most / 4 });
    }
    if let Some(classification) = &mut status.classification {
        cut(&mut classification.reason, most / 2);
    }
    if let Some(gate) = &mut status.gate {
        gate.reasons.truncate((most / 15).clamp(1, 6));
        // Who approved is among them.
        gate.reasons.iter_mut().for_each(|reason| cut(reason, most));
    }
    if let Some(verification) = &mut status.verification {
        verification.checks.sort_by_key(|check| check.passed);
        verification.checks.truncate((most / 80).max(1));
        verification.checks.iter_mut().for_each(|check| cut(&mut check.detail, most / 4));
    }
    if let Some(failure) = &mut status.recovery.last_failure {
        // Its end says the most.
        let from = failure.said.char_indices().rev().nth(most).map(|(at, _)| at);
        if let Some(from) = from {
            failure.said = format!("…{}", &failure.said[from..]);
        }
    }
}

/// Of each list so many at most; what is not listed any more is counted where it matters to others.
fn lists(status: &mut IncidentStatus, most: usize) {
    if let Some(workspace) = &mut status.workspace {
        let unlisted = workspace.addresses.len().saturating_sub(most);
        workspace.addresses.truncate(most);
        workspace.addresses_unlisted += u32::try_from(unlisted).unwrap_or(u32::MAX);
    }
    if let Some(plan) = &mut status.plan {
        plan.changes.truncate(most);
    }
    status.evidence.truncate(most.max(2));
    // The workspace's record has the others. What was applied is asked about longest.
    let builds = &mut status.recovery.builds;
    let applied = |build: &&BuildRef| build.kind == BuildKind::Apply;
    let (spare, applies) = (builds.len().saturating_sub(most), builds.iter().filter(applied).count());
    let mut plans_to_go = spare.min(builds.len() - applies);
    let mut applies_to_go = spare - plans_to_go;
    builds.retain(|build| {
        let left = if build.kind == BuildKind::Apply { &mut applies_to_go } else { &mut plans_to_go };
        let goes = *left > 0;
        *left = left.saturating_sub(1);
        !goes
    });
}

fn cut(text: &mut String, most: usize) {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
        text.push('…');
    }
}

#[cfg(test)]
mod tests;
