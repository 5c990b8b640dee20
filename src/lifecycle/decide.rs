//! What happens next to an Incident. Pure: a [`View`] goes in, a [`Step`] comes out; no client, no clock, no async.
//!
//! The status that a step asks for is written before its effects are carried out, and an effect is only ever asked for
//! together with a status that differs from the one before. A restart between any two instructions therefore finds
//! either the old status, and decides the same again, or the new one, and goes on from there.

use crate::api::{
    BuildKind, BuildRef, Classification, ConditionStatus, Data, IncidentSpec, IncidentStatus, Judge, Moment, Phase,
    Plan, PlannedChange, RecoveryPolicySpec, StepName, Time, Verdict, Verification, condition, reason,
};
use crate::recover::codebuild::BuildState;
use crate::recover::gate::{self, Cleared, Gate, Nothing, Question};
use crate::recover::inventory::Location;
use crate::recover::plan::{PlanDigest, Summary};

use super::transition::{Ending, duration, end, failed, plan_again, progress, record_build, say, stall, want};

/// How long until a build's state is asked for again, should no event tell of it.
const POLL_BUILD: i64 = 5_000;
/// How long until AWS is asked again whether a change is through, or a resource is back.
const POLL_AWS: i64 = 1_000;
/// How long until a busy workspace is looked at again.
const POLL_WORKSPACE: i64 = 2_000;
/// How long until something is tried again that is not there or does not answer.
const POLL_TROUBLE: i64 = 10_000;
/// Replanning without a failure must end: a plan that is always stale needs a human.
const MAX_PLANS: u32 = 20;
/// The most changes that a status shows.
const MAX_SHOWN: usize = 32;

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
    /// The Incident's spec.
    pub spec: IncidentSpec,
    /// The Incident's status.
    pub status: IncidentStatus,
    /// The policy as it stands now.
    pub policy: PolicyState,
    /// Whether the type holds data that Terraform does not bring back.
    pub stateful: bool,
    /// Terraform types that hang on the resource.
    pub attachments: Vec<String>,
    /// What was looked at for this step.
    pub seen: Seen,
}

/// The policy as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PolicyState {
    /// It was deleted.
    Gone,
    /// Its namespace was not granted what it names.
    NotGranted(String),
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

/// What was looked at for the step that the Incident is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Nothing had to be.
    Nothing,
    /// A call failed; what, and whether it may go better next time.
    Trouble(String),
    /// Where the resource belongs.
    Location(Location),
    /// The verdict on the event.
    Verdict(Classification),
    /// Whether AWS has carried the change out; if not, what it says.
    Settling(Option<String>),
    /// Whether the workspace is free for this Incident; if not, who has it.
    Workspace(Option<String>),
    /// The build that runs; None: CodeBuild does not know it.
    Build(Option<BuildState>),
    /// The plan that the plan build published, once it has ended well.
    Planned(BuildState, Option<(Summary, PlanDigest)>),
    /// The plan at the gate.
    AtGate {
        /// The plan.
        summary: Summary,
        /// Its digest.
        digest: PlanDigest,
        /// Whether an apply of ours since the event has covered the resource already.
        covered: bool,
    },
    /// What AWS says of the resource.
    Verified(Verification),
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// The status to write first; the same as before: nothing is written, and nothing is done.
    pub status: IncidentStatus,
    /// What to do once it is written, in order.
    pub effects: Vec<Effect>,
    /// When to look again, in milliseconds; 0: at once, None: when something changes.
    pub wake: Option<i64>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Take the workspace and start the build that the status intends.
    StartBuild(BuildKind),
    /// Give the workspace back.
    ReleaseWorkspace,
    /// Tell people.
    Tell(Moment),
}

/// Decides.
pub fn decide(view: &View) -> Step {
    let mut step = Step { status: view.status.clone(), effects: Vec::new(), wake: Some(0) };
    step.status.observed_generation = view.generation;
    if step.status.timeline.detected_at.is_none() {
        detected(view, &mut step.status);
    }
    if view.status.step.name == StepName::Ended {
        step.wake = None;
        return step;
    }
    let policy = match &view.policy {
        PolicyState::Stands { spec, .. } if !spec.suspend => spec,
        other => return held(view, other, step),
    };
    if let Seen::Trouble(what) = &view.seen {
        let message = format!("{what}; it is tried again every {} s", POLL_TROUBLE / 1000);
        progress(&mut step.status, reason::UNREACHABLE, &message, view.now);
        step.wake = Some(POLL_TROUBLE);
        return step;
    }
    match view.status.step.name {
        StepName::Locate => locate(view, &mut step),
        StepName::Classify => classify(view, &mut step),
        StepName::Settle => settle(view, &mut step),
        StepName::Plan => plan(view, policy, &mut step),
        StepName::Gate => at_gate(view, policy, &mut step),
        StepName::Apply => apply(view, policy, &mut step),
        StepName::Verify => verify(view, policy, &mut step),
        StepName::Ended => {}
    }
    finish(view, &mut step);
    step
}

/// Records a build that was started.
pub fn started(status: &IncidentStatus, kind: BuildKind, build: &BuildState, now: Time) -> IncidentStatus {
    let mut status = status.clone();
    record_build(&mut status, build_ref(kind, build));
    let (why, what) = match kind {
        BuildKind::Plan => (reason::PLANNING, "plans"),
        BuildKind::Apply => (reason::APPLYING, "applies the plan"),
    };
    progress(&mut status, why, &format!("Build {} {what}", build.id), now);
    status
}

/// Plans again, since the policy is no longer the one that the plan was judged by.
pub fn overtaken(status: &IncidentStatus, now: Time) -> IncidentStatus {
    let mut status = status.clone();
    replan(&mut status, Vec::new(), "The policy was changed since the plan", now);
    status
}

/// Says that a build could not be started, and why.
pub fn not_started(status: &IncidentStatus, why: &str, now: Time) -> IncidentStatus {
    let mut status = status.clone();
    let message = format!("The build was not started: {why}; it is tried again");
    progress(&mut status, reason::UNREACHABLE, &message, now);
    status
}

/// Whoever ends gives the workspace back and is told of, whichever way it ended.
fn finish(view: &View, step: &mut Step) {
    if step.status.step.name == StepName::Ended {
        step.wake = None;
        step.effects = vec![Effect::ReleaseWorkspace, Effect::Tell(ending(&step.status))];
    } else if step.status == view.status && step.wake == Some(0) {
        step.wake = Some(POLL_AWS);
    }
}

fn ending(status: &IncidentStatus) -> Moment {
    match status.phase {
        Phase::Recovered => Moment::Recovered,
        Phase::Dismissed => Moment::Dismissed,
        _ => Moment::Failed,
    }
}

fn detected(view: &View, status: &mut IncidentStatus) {
    let event = view.spec.event.time;
    status.timeline.event_time = Some(event);
    status.timeline.detected_at = Some(view.created);
    status.timeline.time_to_detect = Some(duration(view.created.millis_since(event)));
    status.step.attempt = 1;
    progress(status, reason::PROGRESSING, "Looking for the Terraform workspace that owns the resource", view.now);
}

/// The policy does not let the Incident go on.
fn held(view: &View, policy: &PolicyState, mut step: Step) -> Step {
    let name = &view.spec.policy_ref.name;
    let (why, message) = match policy {
        PolicyState::Gone => (
            reason::POLICY_GONE,
            format!("RecoveryPolicy {name} was deleted; create it again to go on, or delete nothing and leave it"),
        ),
        PolicyState::NotGranted(what) => (
            reason::NOT_GRANTED,
            format!("RecoveryPolicy {name}: {what}; extend the operator's grants, or change the policy"),
        ),
        PolicyState::Stands { .. } => (
            reason::SUSPENDED,
            format!(
                "RecoveryPolicy {name} is suspended; to go on: kubectl patch rpol {name} -n {} --type=merge -p '{{\"spec\":{{\"suspend\":false}}}}'",
                view.namespace
            ),
        ),
    };
    stall(&mut step.status, why, &message, view.now);
    step.wake = None;
    step
}

fn locate(view: &View, step: &mut Step) {
    let Seen::Location(location) = &view.seen else { return };
    let status = &mut step.status;
    match location {
        Location::Owned(workspace) => {
            let message = format!("Workspace {} owns it as {}", workspace.name, workspace.addresses.join(", "));
            say(status, condition::LOCATED, ConditionStatus::True, reason::IN_INVENTORY, &message, view.now);
            status.workspace = Some(workspace.clone());
            status.step.name = StepName::Classify;
            progress(status, reason::PROGRESSING, "Judging the event", view.now);
        }
        Location::NotManaged => {
            let message = "No inventory of the policy's workspaces lists the resource: Terraform does not own it";
            say(status, condition::LOCATED, ConditionStatus::False, reason::NOT_MANAGED, message, view.now);
            end(status, Ending::Dismissed, reason::NOT_MANAGED, message, view.now);
        }
        Location::Missing(workspaces) => {
            let message = format!(
                "No inventory of {} was published yet; its next plan build does so: aws codebuild start-build --project-name <the policy's planProject>",
                workspaces.join(", ")
            );
            say(status, condition::LOCATED, ConditionStatus::Unknown, reason::INVENTORY_MISSING, &message, view.now);
            stall(status, reason::INVENTORY_MISSING, &message, view.now);
            step.wake = Some(POLL_TROUBLE);
        }
    }
}

fn classify(view: &View, step: &mut Step) {
    let Seen::Verdict(classification) = &view.seen else { return };
    let status = &mut step.status;
    let why = match classification.by {
        Judge::Rules => reason::BY_RULES,
        Judge::Bedrock => reason::BY_BEDROCK,
    };
    say(status, condition::CLASSIFIED, ConditionStatus::True, why, &classification.reason, view.now);
    status.timeline.classified_at = Some(view.now);
    status.classification = Some(classification.clone());
    if classification.verdict == Verdict::Normal {
        return end(status, Ending::Dismissed, reason::NORMAL, &classification.reason, view.now);
    }
    status.step.name = StepName::Settle;
    progress(status, reason::SETTLING, "Waiting until AWS has carried the change out", view.now);
    step.effects.push(Effect::Tell(Moment::Detected));
}

fn settle(view: &View, step: &mut Step) {
    let Seen::Settling(settling) = &view.seen else { return };
    if let Some(detail) = settling {
        let message = format!("Waiting until AWS has carried the change out: {detail}");
        progress(&mut step.status, reason::SETTLING, &message, view.now);
        step.wake = Some(POLL_AWS);
        return;
    }
    let status = &mut step.status;
    status.timeline.settled_at = Some(view.now);
    status.step.name = StepName::Plan;
    want(status, BuildKind::Plan, Vec::new(), view.now);
    progress(status, reason::PLANNING, "A plan is wanted", view.now);
}

fn plan(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    if let Some(build) = wait_for_build(view, BuildKind::Plan, step) {
        let message = format!("The plan build {} ended as {}", build.id, describe(&build));
        record_build(&mut step.status, build_ref(BuildKind::Plan, &build));
        return build_failed(view, policy, &build, &message, step);
    }
    let Seen::Planned(build, published) = &view.seen else { return };
    record_build(&mut step.status, build_ref(BuildKind::Plan, build));
    let Some((summary, digest)) = published else {
        let message = format!("The plan build {} ended well but published no summary", build.id);
        return failed(&mut step.status, policy.recovery.max_attempts, reason::BUILD_FAILED, &message, view.now);
    };
    if summary.incident != view.name || summary.attempt != view.status.step.attempt {
        let message = format!("The summary of {} is of another Incident or attempt", build.id);
        return failed(&mut step.status, policy.recovery.max_attempts, reason::BUILD_FAILED, &message, view.now);
    }
    let PolicyState::Stands { uid, generation, .. } = &view.policy else { return };
    let status = &mut step.status;
    let own = status.workspace.as_ref().map(|w| w.addresses.clone()).unwrap_or_default();
    status.plan = Some(Plan {
        build: build.id.clone(),
        digest: digest.to_string(),
        change_digest: summary.change_digest(&own, uid, *generation),
        source_version: summary.source_version.clone(),
        policy_generation: *generation,
        policy_uid: uid.clone(),
        targets: summary.targets.iter().take(MAX_SHOWN).cloned().collect(),
        changes_total: u32::try_from(summary.changes.len()).unwrap_or(u32::MAX),
        changes: summary.changes.iter().take(MAX_SHOWN).map(shown).collect(),
        unexplained: gate::unexplained(summary, &own).into_iter().take(MAX_SHOWN).collect(),
    });
    status.timeline.planned_at = Some(view.now);
    status.recovery.intent = None;
    status.step.name = StepName::Gate;
    let message = format!("The plan has {} changes", summary.changes.len());
    say(status, condition::PLANNED, ConditionStatus::True, reason::SUCCEEDED, &message, view.now);
    progress(status, reason::PROGRESSING, "Judging the plan", view.now);
}

fn at_gate(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let (Seen::AtGate { summary, digest, covered }, PolicyState::Stands { uid, generation, .. }, Some(plan)) =
        (&view.seen, &view.policy, &view.status.plan)
    else {
        return;
    };
    let status = &mut step.status;
    if plan.digest != digest.as_str() {
        let message = format!("The summary of {} was changed after it was read", plan.build);
        return end(status, Ending::Failed, reason::REFUSED, &message, view.now);
    }
    if plan.policy_uid != *uid || plan.policy_generation != *generation {
        return replan(status, Vec::new(), "The policy was changed since the plan", view.now);
    }
    let own = status.workspace.as_ref().map(|w| w.addresses.clone()).unwrap_or_default();
    let answer = gate::judge(&Question {
        summary,
        own: &own,
        policy,
        change: view.spec.change,
        stateful: view.stateful,
        attachments: &view.attachments,
        approvals: &view.spec.approvals,
        change_digest: &plan.change_digest,
    });
    status.gate = Some(answer.record());
    match answer {
        Gate::Go(cleared) => {
            let (why, message) = match cleared {
                Cleared::ByPolicy => (reason::CLEARED, "The policy lets this plan go by itself".to_owned()),
                Cleared::ByHuman(by) => (reason::APPROVED_BY_HUMAN, format!("{by} approved this plan")),
            };
            say(status, condition::APPROVED, ConditionStatus::True, why, &message, view.now);
            status.timeline.approved_at = Some(view.now);
            status.timeline.recovering_at = Some(view.now);
            status.recovery.committed_to = Some(plan.digest.clone());
            status.step.name = StepName::Apply;
            want(status, BuildKind::Apply, Vec::new(), view.now);
            progress(status, reason::APPLYING, "The plan is to be applied", view.now);
            step.effects.push(Effect::Tell(Moment::Recovering));
        }
        Gate::Ask(reasons) => {
            let message = format!(
                "A human must approve: {}. kubectl patch incident {} -n {} --type=json -p '[{{\"op\":\"add\",\"path\":\"/spec/approvals/-\",\"value\":{{\"by\":\"<your user>\",\"decision\":\"Approve\",\"changeDigest\":\"{}\"}}}}]'",
                reasons.join("; "),
                view.name,
                view.namespace,
                plan.change_digest
            );
            say(status, condition::APPROVED, ConditionStatus::False, reason::APPROVAL_NEEDED, &message, view.now);
            stall(status, reason::APPROVAL_NEEDED, &message, view.now);
            step.wake = None;
            if view.status.phase != Phase::AwaitingApproval {
                step.effects = vec![Effect::ReleaseWorkspace, Effect::Tell(Moment::AwaitingApproval)];
            }
        }
        Gate::PlanAgain { targets, reasons } => {
            replan(status, targets, &format!("Planning again without it: {}", reasons.join("; ")), view.now);
        }
        Gate::Refuse(reasons) => {
            let message = format!("The plan is refused: {}", reasons.join("; "));
            say(status, condition::APPROVED, ConditionStatus::False, reason::REFUSED, &message, view.now);
            end(status, Ending::Failed, reason::REFUSED, &message, view.now);
        }
        Gate::Denied { by } => {
            let message = format!("{by} denied this plan");
            say(status, condition::APPROVED, ConditionStatus::False, reason::DENIED, &message, view.now);
            end(status, Ending::Dismissed, reason::DENIED, &message, view.now);
        }
        Gate::ObserveOnly(reasons) => {
            let message =
                format!("The plan with {} changes was not applied: {}", summary.changes.len(), reasons.join("; "));
            end(status, Ending::Dismissed, reason::OBSERVED, &message, view.now);
        }
        Gate::Nothing(_) if *covered || status.recovery.committed_to.is_some() => {
            status.step.name = StepName::Verify;
            progress(status, reason::VERIFYING, "An apply since the event has covered it; asking AWS", view.now);
        }
        Gate::Nothing(Nothing::ToRestore) => {
            let message = "The plan does nothing to the resource: it is as its Terraform wants it";
            end(status, Ending::Dismissed, reason::NOTHING_TO_RESTORE, message, view.now);
        }
        Gate::Nothing(Nothing::CoveredByTerraform) => {
            let message = "What was changed is not in the Terraform that owns the resource, so no plan puts it back; look at the event, and undo it by hand or add it to the Terraform";
            end(status, Ending::Failed, reason::NOT_COVERED, message, view.now);
        }
    }
}

fn apply(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let Some(build) = wait_for_build(view, BuildKind::Apply, step) else { return };
    record_build(&mut step.status, build_ref(BuildKind::Apply, &build));
    if build.succeeded() {
        let status = &mut step.status;
        status.recovery.intent = None;
        status.step.name = StepName::Verify;
        progress(status, reason::VERIFYING, "The plan was applied; asking AWS whether the resource is back", view.now);
        step.effects.push(Effect::ReleaseWorkspace);
        return;
    }
    let message = format!("The apply build {} ended as {}", build.id, describe(&build));
    build_failed(view, policy, &build, &message, step);
}

fn verify(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let Seen::Verified(verification) = &view.seen else { return };
    let status = &mut step.status;
    status.verification = Some(verification.clone());
    if crate::verify::passed(verification) {
        let message = match verification.data {
            Data::Empty => "The resource is back in its shape; its data is not: it is empty",
            _ => "The resource is back",
        };
        return end(status, Ending::Recovered, reason::VERIFIED, message, view.now);
    }
    let open: Vec<String> =
        verification.checks.iter().filter(|c| !c.passed).map(|c| format!("{}: {}", c.name, c.detail)).collect();
    let since = status.recovery.build.as_ref().and_then(|b| b.end).or(status.timeline.planned_at).unwrap_or(view.now);
    if view.now.millis_since(since) >= timeout_millis(&policy.verification.timeout) {
        let message = format!("AWS does not confirm that the resource is back: {}", open.join("; "));
        return failed(status, policy.recovery.max_attempts, reason::VERIFICATION_FAILED, &message, view.now);
    }
    progress(status, reason::VERIFYING, &format!("Waiting for AWS: {}", open.join("; ")), view.now);
    step.wake = Some(POLL_AWS);
}

/// Starts the wanted build, or waits for it. Gives the build back once it is over; a plan build only if it failed,
/// since what it published is looked at instead.
fn wait_for_build(view: &View, kind: BuildKind, step: &mut Step) -> Option<BuildState> {
    if let Some(at) = view.status.recovery.next_attempt_time
        && at > view.now
    {
        step.wake = Some(at.millis_since(view.now));
        return None;
    }
    match &view.seen {
        Seen::Workspace(Some(holder)) => {
            let message = format!("Waiting for {holder}, which works on the same Terraform workspace");
            progress(&mut step.status, reason::WORKSPACE_BUSY, &message, view.now);
            step.wake = Some(POLL_WORKSPACE);
            None
        }
        Seen::Workspace(None) => {
            if let Some(intent) = &mut step.status.recovery.intent {
                intent.tries += 1;
                step.effects.push(Effect::StartBuild(kind));
            }
            None
        }
        Seen::Build(None) => {
            let id = view.status.recovery.build.as_ref().map(|b| b.id.clone()).unwrap_or_default();
            Some(BuildState { id, status: "UNKNOWN".into(), url: None, start: None, end: None, error: None })
        }
        Seen::Build(Some(build)) if build.is_over() => Some(build.clone()),
        Seen::Build(Some(_)) => {
            step.wake = Some(POLL_BUILD);
            None
        }
        _ => None,
    }
}

/// A build did not end well: its own word for why decides what follows.
fn build_failed(view: &View, policy: &RecoveryPolicySpec, build: &BuildState, message: &str, step: &mut Step) {
    let status = &mut step.status;
    step.effects.push(Effect::ReleaseWorkspace);
    match build.error.as_deref() {
        Some("StalePlan") => replan(status, Vec::new(), "The state moved since the plan", view.now),
        Some("StateLocked") => {
            replan(status, Vec::new(), "Somebody else holds Terraform's state lock; it is never broken", view.now);
            status.recovery.next_attempt_time = Some(view.now.plus_seconds(30));
        }
        Some("DigestMismatch") => {
            let message = format!("{message}: the saved plan is not the one that was judged; somebody changed it");
            end(status, Ending::Failed, reason::REFUSED, &message, view.now);
        }
        _ => failed(status, policy.recovery.max_attempts, reason::BUILD_FAILED, message, view.now),
    }
}

/// Plans again without counting a failure; gives up when that goes on for too long.
fn replan(status: &mut IncidentStatus, targets: Vec<String>, message: &str, now: Time) {
    if status.step.attempt >= MAX_PLANS {
        let message = format!("{message}. {MAX_PLANS} plans were made and none could be applied; a human is needed");
        return end(status, Ending::Failed, reason::ATTEMPTS_EXHAUSTED, &message, now);
    }
    plan_again(status, targets, reason::PLANNING, message, now);
}

fn describe(build: &BuildState) -> String {
    let log = build.url.as_ref().map(|url| format!(", log: {url}")).unwrap_or_default();
    match &build.error {
        Some(error) => format!("{} ({error}){log}", build.status),
        None => format!("{}{log}", build.status),
    }
}

fn build_ref(kind: BuildKind, build: &BuildState) -> BuildRef {
    BuildRef {
        kind,
        id: build.id.clone(),
        url: build.url.clone(),
        status: build.status.clone(),
        start: build.start,
        end: build.end,
    }
}

fn shown(change: &crate::recover::plan::PlanChange) -> PlannedChange {
    PlannedChange {
        address: change.address.clone(),
        r#type: change.r#type.clone(),
        actions: change.actions.clone(),
        attributes: change.attributes.iter().take(64).cloned().collect(),
    }
}

/// Reads a duration such as 90s, 5m or 1h; the schema admits no other. Falls back to five minutes.
pub fn timeout_millis(text: &str) -> i64 {
    let split = text.len().saturating_sub(1);
    let (number, unit) = (text.get(..split), text.get(split..));
    let seconds = match unit {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => return 300_000,
    };
    number.and_then(|n| n.parse::<i64>().ok()).map_or(300_000, |n| n.saturating_mul(seconds * 1000))
}
