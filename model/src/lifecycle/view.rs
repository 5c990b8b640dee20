//! What `observe` would see in the modelled world: the same [`View`] that the operator decides on.

use std::collections::BTreeMap;

use reforge_api::{
    Approval, ApprovalMode, ApprovalPolicy, BuildKind, Classification, Data, Decision, Hours, IncidentSpec,
    IncidentStatus, Judge, Mode, RecoveryPolicySpec, StepName, Time, Verdict, Verification, Window, WorkspaceRef,
};
use reforge_core::incident::fences::works;
use reforge_core::incident::needs::{Known, Need, needs};
use reforge_core::incident::view::{AtGate, PolicyState, Seen, View};
use reforge_core::plan::build::{BuildError, BuildState, BuildStatus};
use reforge_core::plan::inventory::Location;
use reforge_core::plan::summary::{PlanChange, PlanDigest, Summary};
use reforge_core::policy::limits::Ledger;
use reforge_core::policy::reserve::Reservations;
use reforge_core::words::fault::Fault;
use serde_json::json;

use super::world::{Build, BuildProgress, INCIDENTS, TICK, World};

/// The workspace's key.
const BACKEND: &str = "states/shop";

/// The tick that a policy with windows denies, and the same in its own words.
const DENIED: i64 = 1;
const DENIED_HOURS: (&str, &str) = ("00:05", "00:10");

/// The parts that never change.
#[derive(Clone, Debug)]
pub struct Stage {
    specs: Vec<IncidentSpec>,
    policies: Vec<RecoveryPolicySpec>,
}

impl Stage {
    /// The first Incident's policy lets it go by itself, the second one's asks a human; both may have a window.
    pub fn new(has_window: bool) -> Self {
        let spec = |i: usize| {
            serde_json::from_value(json!({
                "event": {"id": i.to_string(), "time": "1970-01-01T00:00:00Z", "name": "DeleteTable",
                    "source": "dynamodb.amazonaws.com", "accountId": "111122223333", "region": "eu-west-1",
                    "actor": {"type": "AWSService"}},
                "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": format!("t{i}")},
                "change": "Deleted", "policyRef": {"name": format!("p{i}")}
            }))
            .expect("a spec")
        };
        let (from, to) = DENIED_HOURS;
        let hours = Hours { days: Vec::new(), from: from.to_owned(), to: to.to_owned(), time_zone: "UTC".to_owned() };
        let window = Window { allow: None, deny: Some(hours) };
        let policy = |mode: ApprovalMode| {
            RecoveryPolicySpec {
            mode: Mode::Enforce,
            approval: Some(ApprovalPolicy { mode, expires_after: "10m".to_owned(), ..ApprovalPolicy::default() }),
            windows: if has_window { vec![window.clone()] } else { Vec::new() },
            ..serde_json::from_value(json!({
                "match": {"resourceTypes": ["dynamodb"]},
                "recovery": {"workspaces": [{"name": "shop", "project": "apply", "planProject": "plan"}], "maxAttempts": 2}
            }))
            .expect("a policy")
        }
        };
        Self {
            specs: (0..INCIDENTS).map(spec).collect(),
            policies: vec![policy(ApprovalMode::Never), policy(ApprovalMode::Always)],
        }
    }
}

/// The address of an Incident's resource.
pub fn address(incident: usize) -> String {
    format!("aws_dynamodb_table.t{incident}")
}

/// The id of a build, as CodeBuild would have it.
pub fn build_id(index: usize) -> String {
    format!("project:{index}")
}

/// The build behind an id.
pub fn build_index(id: &str) -> Option<usize> {
    id.rsplit(':').next()?.parse().ok()
}

/// The instant of a tick.
pub fn now(world: &World) -> Time {
    Time(i64::from(world.ticks) * TICK * 1000)
}

/// The digest of what a plan build published.
pub fn digest(plan: usize, changes: &[usize], serial: u8) -> PlanDigest {
    PlanDigest::of(format!("{plan}/{changes:?}/{serial}").as_bytes())
}

/// A build as CodeBuild tells of it.
pub fn state_of(index: usize, build: &Build) -> BuildState {
    let (status, error) = match &build.state {
        BuildProgress::Queued | BuildProgress::Applying => (BuildStatus::InProgress, None),
        BuildProgress::Succeeded(..) => (BuildStatus::Succeeded, None),
        BuildProgress::Failed(error) => (BuildStatus::Failed, error.map(BuildError::of)),
    };
    BuildState { id: build_id(index), status, error, ..BuildState::default() }
}

/// Whether the plan of an apply that is not known to run was denied.
pub fn is_denied(world: &World, incident: usize) -> bool {
    world.incidents[incident].as_ref().is_some_and(|stored| {
        let digest = stored.status.plan.as_ref().map(|p| p.change_digest.as_str());
        let denies = |a: &Approval| a.decision == Decision::Deny && Some(a.change_digest.as_str()) == digest;
        stored.status.recovery.build.is_none() && stored.approvals.iter().any(denies)
    })
}

/// What AWS says in place of an answer.
pub fn fault_of(world: &World) -> Option<Fault> {
    Some(Fault::new("asking AWS", world.aws?, "not now"))
}

/// Who has the workspace, if it is somebody else who still needs it: the operator's own rule.
pub fn held_by_other(world: &World, me: usize) -> Option<usize> {
    let lease = world.lease.as_ref().filter(|l| l.holder != me)?;
    let busy = world.incidents[lease.holder].as_ref().is_some_and(|i| works(&i.status));
    let running = lease.build.is_some_and(|b| !world.builds[b].state.is_over());
    (busy || running).then_some(lease.holder)
}

impl Stage {
    /// The policy of an Incident.
    pub fn policy(&self, incident: usize) -> &RecoveryPolicySpec {
        &self.policies[incident]
    }

    /// What an observer sees now.
    pub fn view(&self, world: &World, incident: usize) -> Option<View> {
        let stored = world.incidents[incident].as_ref()?;
        let spec = &self.policies[incident];
        let policy = world.policies[incident].map_or(PolicyState::Gone, |generation| PolicyState::Stands {
            uid: "uid".to_owned(),
            generation,
            spec: Box::new(spec.clone()),
        });
        let hold = world.hold.then(|| "On hold; to go on: lift it".to_owned());
        let of = IncidentSpec { approvals: stored.approvals.clone(), ..self.specs[incident].clone() };
        let need = needs(&Known {
            status: &stored.status,
            policy: &policy,
            spec: &of,
            evidence: &[],
            hold: hold.as_deref(),
            has_elder: false,
            now: now(world),
        });
        let seen = look(world, incident, &stored.status, &need);
        let view = View::alone(&format!("i{incident}"), of, stored.status.clone(), policy, now(world));
        Some(View { seen, hold, ..view })
    }

    /// Whether the policies' window is closed.
    pub fn is_closed(&self, at: Time) -> bool {
        !self.policies[0].windows.is_empty() && at.0 / (TICK * 1000) == DENIED
    }
}

/// Whether AWS is asked.
fn asks_aws(world: &World, incident: usize, need: &Need) -> bool {
    match need {
        Need::Nothing | Need::Verdict => false,
        // Only where the workspace is free the gate's plan is read.
        Need::Workspace { gate, may_have_started: false, .. } => {
            gate.is_some() && held_by_other(world, incident).is_none()
        }
        Need::Workspace { .. }
        | Need::Location
        | Need::Settling
        | Need::Build(_)
        | Need::Gate(_)
        | Need::Verification => true,
    }
}

fn look(world: &World, incident: usize, status: &IncidentStatus, need: &Need) -> Seen {
    if let Some(fault) = fault_of(world).filter(|_| asks_aws(world, incident, need)) {
        return Seen::Trouble(fault);
    }
    match need {
        Need::Nothing => Seen::Nothing,
        Need::Location => Seen::Location(Location::Owned(WorkspaceRef {
            name: "shop".to_owned(),
            backend: BACKEND.to_owned(),
            addresses: vec![address(incident)],
            addresses_unlisted: 0,
        })),
        Need::Verdict => Seen::Verdict(Classification {
            verdict: Verdict::Failure,
            confidence_percent: 90,
            by: Judge::Rules,
            model: None,
            record: None,
            reason: String::new(),
            input_tokens: 0,
            output_tokens: 0,
        }),
        Need::Settling => Seen::Settling(None),
        Need::Build(kind) => build(world, status, *kind),
        Need::Workspace { kind, may_have_started, .. } => {
            before_start(world, incident, status, (*kind, *may_have_started))
        }
        Need::Gate(_) => at_gate(world, incident, status).unwrap_or(Seen::Nothing),
        Need::Verification => Seen::Verified(Verification {
            checks: vec![reforge_api::Check {
                name: "table is ACTIVE".to_owned(),
                passed: !world.lost[incident],
                detail: String::new(),
            }],
            new_id: None,
            new_arn: None,
            data: Data::Empty,
        }),
    }
}

fn build(world: &World, status: &IncidentStatus, kind: BuildKind) -> Seen {
    let known = status.recovery.build.as_ref().and_then(|b| build_index(&b.id));
    let Some(index) = known.filter(|i| *i < world.builds.len()) else { return Seen::Build(None) };
    let state = state_of(index, &world.builds[index]);
    match summary(world, index) {
        Some(published) if kind == BuildKind::Plan => Seen::Planned(Box::new(state), Some(Box::new(published))),
        _ => Seen::Build(Some(state)),
    }
}

/// A build that a try has started, who has the workspace, or the gate's question.
fn before_start(
    world: &World,
    incident: usize,
    status: &IncidentStatus,
    (kind, may_have_started): (BuildKind, bool),
) -> Seen {
    let same = |b: &Build| (b.incident, b.attempt, b.kind) == (incident, status.step.attempt, kind);
    if let Some(index) = world.builds.iter().position(same).filter(|_| may_have_started) {
        return Seen::Build(Some(state_of(index, &world.builds[index])));
    }
    match held_by_other(world, incident) {
        None if kind == BuildKind::Apply => at_gate(world, incident, status).unwrap_or(Seen::Nothing),
        other => Seen::Workspace(other.map(|other| format!("n/i{other}"))),
    }
}

fn at_gate(world: &World, incident: usize, status: &IncidentStatus) -> Option<Seen> {
    let (summary, digest) = summary(world, build_index(&status.plan.as_ref()?.build)?)?;
    let others = world.incidents.iter().enumerate().filter(|(i, _)| *i != incident);
    let applying = others.filter(|(_, o)| o.as_ref().is_some_and(|o| o.status.step.name == StepName::Apply)).count();
    Some(Seen::AtGate(Box::new(AtGate {
        summary,
        digest,
        covered: false,
        judged_again: None,
        unchecked: None,
        ledger: Ledger::default(),
        opened: Vec::new(),
        applying: u32::try_from(applying).unwrap_or(u32::MAX),
        reserved: Reservations::default(),
    })))
}

/// What a plan build published.
fn summary(world: &World, index: usize) -> Option<(Summary, PlanDigest)> {
    let build = world.builds.get(index)?;
    let BuildProgress::Succeeded(changes, serial) = &build.state else { return None };
    let change = |i: &usize| PlanChange {
        address: address(*i),
        r#type: "aws_dynamodb_table".to_owned(),
        actions: vec!["create".to_owned()],
        attributes: vec!["name".to_owned()],
        references: BTreeMap::default(),
        value_hash: String::new(),
    };
    let summary = Summary {
        workspace: "shop".to_owned(),
        build: index.to_string(),
        incident: format!("i{}", build.incident),
        attempt: build.attempt,
        source_version: "commit".to_owned(),
        targets: build.targets.clone(),
        changes: changes.iter().map(change).collect(),
        ..Summary::default()
    };
    Some((summary, digest(index, changes, *serial)))
}
