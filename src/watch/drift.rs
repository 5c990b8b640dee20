//! Plans on a policy's schedule: what Terraform finds changed in resources that it owns, and no event told of, opens
//! Incidents too. Such a plan applies nothing; each Incident is planned and judged again as any other.
//!
//! What is scheduled, and which build does it, is in the policy's status before anything is started.

use kube::ResourceExt;
use reforge_api::{
    Actor, Change, DriftPolicy, DriftStatus, Event, Handling, Incident, Origin, Phase, PolicyRef, RecoveryPolicy,
    Resource, StepName, Time, Workspace,
};
use sha2::{Digest, Sha256};

use crate::intake::catalog::{Catalog, Entry};
use crate::intake::detect::Candidate;
use crate::intake::event::shorten;
use crate::intake::open::{self, Opened};
use crate::lifecycle::controller::Context;
use crate::lifecycle::reach::Install;
use crate::policy::select;
use crate::recover::codebuild::{BuildState, Order, uuid_of};
use crate::recover::inventory::{Inventory, Owned};
use crate::recover::plan::{PlanChange, Summary};
use crate::runtime::clock;

/// How long until a running build is asked for again, in milliseconds.
const POLL: i64 = 5_000;
/// How long a build that could not be started is tried for, in seconds.
const GIVE_UP: i64 = 3600;
/// What is begun later than this after its time is made up for, in seconds.
const LATE: i64 = 600;
const DAY: i64 = 86_400;

/// Why a schedule cannot be read.
pub fn invalid(policy: &DriftPolicy) -> Option<String> {
    crontab(policy).err().map(|why| format!("drift.schedule {:?}: {why}", policy.schedule))
}

fn crontab(policy: &DriftPolicy) -> Result<cronexpr::Crontab, String> {
    let zone = policy.time_zone.as_deref().unwrap_or("UTC");
    cronexpr::parse_crontab(&format!("{} {zone}", policy.schedule)).map_err(|e| e.to_string())
}

fn next_after(crontab: &cronexpr::Crontab, time: Time) -> Option<Time> {
    let next = crontab.find_next(time.to_string().as_str()).ok()?;
    Some(Time(next.timestamp().as_millisecond()))
}

/// The last time of the schedule after `last` that has come; those before it are passed over. Pure.
fn due(crontab: &cronexpr::Crontab, last: Time, now: Time) -> Option<Time> {
    let mut due = next_after(crontab, last).filter(|t| *t <= now)?;
    if let Some(recent) = next_after(crontab, now.plus_seconds(-DAY)).filter(|t| *t > due && *t <= now) {
        due = recent;
    }
    while let Some(later) = next_after(crontab, due).filter(|t| *t <= now) {
        due = later;
    }
    Some(due)
}

/// Notes for each workspace what is due now. Gives back when the next one is, in milliseconds from now. Pure.
pub fn schedule(policy: &RecoveryPolicy, drift: &mut Vec<DriftStatus>, now: Time) -> Option<i64> {
    let workspaces = &policy.spec.recovery.workspaces;
    drift.retain(|d| workspaces.iter().any(|w| w.name == d.workspace));
    let Some(crontab) = policy.spec.drift.as_ref().filter(|_| !policy.spec.suspend).and_then(|d| crontab(d).ok())
    else {
        drift.clear();
        return None;
    };
    let created = policy.creation_timestamp().map_or(now, |t| Time(t.0.as_millisecond()));
    for workspace in workspaces {
        let known = drift.iter_mut().find(|d| d.workspace == workspace.name);
        let last = known.as_ref().map_or(created, |d| d.last_schedule_time);
        let Some(at) = due(&crontab, last, now) else { continue };
        // What is made up for begins now, and not when nobody was there.
        let at = if now.millis_since(at) > LATE * 1000 { now } else { at };
        let fresh =
            DriftStatus { workspace: workspace.name.clone(), last_schedule_time: at, build: None, result: None };
        match known {
            // One plan at a time: what is due while it runs is passed over.
            Some(known) if known.result.is_none() => {}
            Some(known) => *known = fresh,
            None => drift.push(fresh),
        }
    }
    if drift.iter().any(|d| d.result.is_none()) {
        return Some(POLL);
    }
    next_after(&crontab, now).map(|t| t.millis_since(now).clamp(1, DAY * 1000))
}

/// Takes what is scheduled a step further: starts its build, or looks what became of it.
pub async fn go_on(ctx: &Context, policy: &RecoveryPolicy, drift: &mut [DriftStatus]) {
    for entry in drift.iter_mut().filter(|d| d.result.is_none()) {
        let Some(workspace) = policy.spec.recovery.workspaces.iter().find(|w| w.name == entry.workspace) else {
            continue;
        };
        match step(ctx, policy, workspace, entry).await {
            Ok(()) => {}
            Err(error) if clock::now() > entry.last_schedule_time.plus_seconds(GIVE_UP) => {
                entry.result = Some(shorten(&format!("Given up: {error}"), 512));
            }
            Err(error) => {
                tracing::warn!(policy = policy.name_any(), workspace = workspace.name, error, "looking for drift");
            }
        }
    }
}

async fn step(
    ctx: &Context,
    policy: &RecoveryPolicy,
    workspace: &Workspace,
    entry: &mut DriftStatus,
) -> Result<(), String> {
    let Some((install, inventory)) = owner(ctx, policy, workspace).await? else {
        entry.result = Some("No build has published an inventory of the workspace yet".to_owned());
        return Ok(());
    };
    let Some(build) = &entry.build else {
        if let Some(hold) = ctx.holds.of_everything() {
            return Err(hold);
        }
        let order = order(policy, workspace, entry.last_schedule_time);
        entry.build = Some(install.builds.start(&order).await.map_err(|e| e.to_string())?.id);
        return Ok(());
    };
    match install.builds.get(build).await.map_err(|e| e.to_string())? {
        Some(state) if !state.is_over() => {}
        Some(state) if state.succeeded() => {
            let found = install.artifacts.summary(&workspace.name, uuid_of(build)).await.map_err(|e| e.to_string())?;
            let (summary, _) = found.ok_or("the build published no summary")?;
            let opened = open_all(ctx, policy, (&summary, &inventory), &state).await?;
            entry.result = Some(shorten(&said(&opened), 512));
        }
        other => {
            let status = other.map_or_else(|| "unknown to CodeBuild".to_owned(), |b| b.status);
            entry.result = Some(format!("The build {build} ended as {status}"));
        }
    }
    Ok(())
}

fn said(opened: &[String]) -> String {
    match opened.len() {
        0 => "No drift that a policy is concerned by".to_owned(),
        n => format!("{n} found: {}", opened.join(", ")),
    }
}

/// Of the accounts that the policy is about, the one whose install has the workspace.
async fn owner(
    ctx: &Context,
    policy: &RecoveryPolicy,
    workspace: &Workspace,
) -> Result<Option<(Install, Inventory)>, String> {
    let named = &policy.spec.r#match.accounts;
    let grants = ctx.settings.grants();
    let namespace = policy.namespace().unwrap_or_default();
    let granted: Vec<String> = grants.of(&namespace).flat_map(|g| g.accounts.clone()).collect();
    for account in if named.is_empty() { &granted } else { named } {
        // An account that the settings do not have is none of those that the workspace can be in.
        let Ok(install) = ctx.reach.install(account).await else { continue };
        if let Some(inventory) = install.artifacts.inventory(&workspace.name).await.map_err(|e| e.to_string())? {
            return Ok(Some((install, inventory)));
        }
    }
    Ok(None)
}

fn order(policy: &RecoveryPolicy, workspace: &Workspace, at: Time) -> Order {
    let token = format!("{}/{}/{}", policy.uid().unwrap_or_default(), workspace.name, at.0);
    Order {
        project: workspace.plan_project.clone(),
        incident: format!("drift-{}", policy.name_any()),
        attempt: 0,
        token: hex::encode(Sha256::digest(token)),
        source_version: workspace.source_version.clone(),
        targets: Vec::new(),
        undo: None,
        restore: None,
        plan: None,
    }
}

async fn open_all(
    ctx: &Context,
    policy: &RecoveryPolicy,
    (summary, inventory): (&Summary, &Inventory),
    build: &BuildState,
) -> Result<Vec<String>, String> {
    let (all, policies, grants) = (ctx.incidents.state(), ctx.policies.state(), ctx.settings.grants());
    let incidents: Vec<&Incident> = all.iter().map(AsRef::as_ref).collect();
    let at = build.start.unwrap_or_else(clock::now);
    let mut opened = Vec::new();
    for candidate in candidates(&ctx.catalog, policy, (summary, inventory), &incidents, at) {
        let Candidate { event, resource, .. } = &candidate;
        let takes = select::select(&policies, &grants, event, resource);
        // What Reforge itself stands on is an alert's, and its own event's.
        let is_ours = ctx.itself.handling(&resource.r#type, &resource.id, event).is_some();
        if is_ours || takes.is_none_or(|p| p.uid() != policy.uid()) {
            continue;
        }
        if open::open(&ctx.client, &candidate).await.map_err(|e| e.to_string())? == Opened::New {
            ctx.metrics.opened(&resource.r#type);
        }
        opened.push(open::name_of(&candidate));
    }
    Ok(opened)
}

/// The Incidents of what a plan found: what Terraform owned, somebody changed, and a plan would put back. Nothing for a
/// resource that an Incident is open about. Pure.
fn candidates(
    catalog: &Catalog,
    policy: &RecoveryPolicy,
    (summary, inventory): (&Summary, &Inventory),
    incidents: &[&Incident],
    at: Time,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for change in &summary.changes {
        let Some(owned) = inventory.resources.iter().find(|o| o.address == change.address) else { continue };
        if !summary.drift.iter().any(|d| d.address == change.address) {
            continue;
        }
        let Some((entry, id)) = resource(catalog, owned) else { continue };
        let is_itself = entry.terraform_types.contains(&owned.r#type);
        let change_is = if is_itself && summary.is_gone(&change.address) { Change::Deleted } else { Change::Modified };
        let about = |i: &&&Incident| {
            let (resource, event) = (&i.spec.resource, &i.spec.event);
            (&resource.r#type, &resource.id) == (&entry.r#type, &id)
                && event.account_id == inventory.account_id
                && (entry.global || event.region == inventory.region)
        };
        let mut earlier = incidents.iter().filter(about);
        let is_open = |i: &&Incident| i.status.as_ref().is_none_or(|s| s.step.name != StepName::Ended);
        let found_already = |c: &Candidate| (&c.resource.r#type, &c.resource.id) == (&entry.r#type, &id);
        if found.iter().any(found_already) || earlier.clone().any(is_open) {
            continue;
        }
        // The same drift is the same Incident, however often it is found; once it was put back, or that failed, it is
        // another one.
        let is_over = |phase: Phase| matches!(phase, Phase::Recovered | Phase::Failed);
        let times = earlier.by_ref().filter(|i| i.status.as_ref().is_some_and(|s| is_over(s.phase))).count();
        let event = Event {
            origin: Origin::Drift,
            id: event_id(policy, change, times),
            time: at,
            name: "DriftDetected".to_owned(),
            source: "reforge.dev".to_owned(),
            account_id: inventory.account_id.clone(),
            region: inventory.region.clone(),
            actor: Actor { r#type: "Unknown".to_owned(), ..Actor::default() },
            request_parameters: None,
        };
        found.push(Candidate {
            namespace: policy.namespace().unwrap_or_default(),
            policy: PolicyRef { name: policy.name_any() },
            resource: Resource {
                r#type: entry.r#type.clone(),
                cloud_formation_type: entry.cloud_formation_type.clone(),
                arn: entry.arn_of(&inventory.region, &inventory.account_id, &id),
                id,
            },
            event,
            change: change_is,
            handling: Handling::Recover,
        });
    }
    found
}

fn resource<'a>(catalog: &'a Catalog, owned: &Owned) -> Option<(&'a Entry, String)> {
    let of = |types: &dyn Fn(&Entry) -> &Vec<String>| {
        catalog.entries().iter().filter(|e| types(e).contains(&owned.r#type)).find_map(|entry| {
            let mut named = entry.identity.iter().filter_map(|name| owned.attributes.get(name));
            named.find_map(|id| catalog.valid_id(entry, id)).map(|id| (entry, id))
        })
    };
    of(&|e| &e.terraform_types).or_else(|| of(&|e| &e.attachments))
}

fn event_id(policy: &RecoveryPolicy, change: &PlanChange, times: usize) -> String {
    let (uid, mode) = (policy.uid().unwrap_or_default(), policy.spec.mode);
    let text = format!("{uid}\n{mode:?}\n{}\n{}\n{times}", change.address, change.value_hash);
    format!("drift-{}", &hex::encode(Sha256::digest(text))[..32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recover::inventory::Backend;
    use crate::recover::plan::Drift;
    use serde_json::json;

    fn at(text: &str) -> Time {
        Time::parse(text).expect("a time")
    }

    fn daily() -> cronexpr::Crontab {
        crontab(&DriftPolicy { schedule: "0 6 * * *".into(), time_zone: None }).expect("a schedule")
    }

    #[test]
    fn what_was_missed_is_done_once() {
        let due = |last: &str, now: &str| due(&daily(), at(last), at(now)).map(|t| t.to_string());
        assert_eq!(due("2026-01-02T06:00:00Z", "2026-01-03T05:59:00Z"), None);
        assert_eq!(due("2026-01-02T06:00:00Z", "2026-01-03T06:00:00Z").as_deref(), Some("2026-01-03T06:00:00.000Z"));
        assert_eq!(due("2026-01-02T06:00:00Z", "2026-02-09T12:00:00Z").as_deref(), Some("2026-02-09T06:00:00.000Z"));
    }

    #[test]
    fn a_schedule_has_the_time_zone_that_the_policy_says() {
        let berlin = DriftPolicy { schedule: "0 6 * * *".into(), time_zone: Some("Europe/Berlin".into()) };
        let next = next_after(&crontab(&berlin).expect("a schedule"), at("2026-07-01T00:00:00Z"));
        assert_eq!(next, Some(at("2026-07-01T04:00:00Z")));
        let nonsense = DriftPolicy { schedule: "every day".into(), time_zone: None };
        assert!(invalid(&nonsense).is_some_and(|why| why.contains("every day")));
    }

    fn policy() -> RecoveryPolicy {
        let spec = json!({
            "match": {"resourceTypes": ["s3", "dynamodb"]}, "drift": {"schedule": "0 6 * * *"},
            "recovery": {"workspaces": [{"name": "shop", "project": "a", "planProject": "p"}]},
        });
        let mut policy = RecoveryPolicy::new("shop", serde_json::from_value(spec).expect("a spec"));
        policy.metadata.namespace = Some("shop".into());
        let created = at("2026-01-01T00:00:00Z").0;
        policy.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            k8s_openapi::jiff::Timestamp::from_millisecond(created).expect("a time"),
        ));
        policy
    }

    #[test]
    fn one_plan_at_a_time_and_nothing_while_suspended() {
        let (mut policy, mut drift) = (policy(), Vec::new());
        assert!(schedule(&policy, &mut drift, at("2026-01-01T05:00:00Z")).is_some());
        assert!(drift.is_empty());
        schedule(&policy, &mut drift, at("2026-01-01T06:00:10Z"));
        assert_eq!(drift[0].last_schedule_time, at("2026-01-01T06:00:00Z"));
        drift[0].build = Some("p:1".into());
        schedule(&policy, &mut drift, at("2026-01-02T06:00:10Z"));
        assert_eq!(drift[0].build.as_deref(), Some("p:1"), "it runs yet");
        drift[0].result = Some("No drift".into());
        schedule(&policy, &mut drift, at("2026-01-02T06:00:10Z"));
        assert_eq!((drift[0].build.clone(), drift[0].last_schedule_time), (None, at("2026-01-02T06:00:00Z")));
        policy.spec.suspend = true;
        assert_eq!(schedule(&policy, &mut drift, at("2026-01-03T06:00:10Z")), None);
    }

    fn found(incidents: &[&Incident]) -> Vec<Candidate> {
        let owned = |address: &str, r#type: &str, name: &str, value: &str| Owned {
            address: address.into(),
            r#type: r#type.into(),
            attributes: [(name.to_owned(), value.to_owned())].into(),
        };
        let change = |address: &str, r#type: &str, action: &str| -> PlanChange {
            serde_json::from_value(json!({"address": address, "type": r#type, "actions": [action], "valueHash": "h"}))
                .expect("a change")
        };
        let drift = |address: &str, action: &str| Drift { address: address.into(), actions: vec![action.into()] };
        let inventory = Inventory {
            workspace: "shop".into(),
            account_id: "111122223333".into(),
            region: "eu-west-1".into(),
            backend: Backend { bucket: "b".into(), key: "k".into() },
            resources: vec![
                owned("aws_dynamodb_table.a", "aws_dynamodb_table", "name", "orders"),
                owned("aws_s3_bucket_policy.p", "aws_s3_bucket_policy", "bucket", "shop-data"),
                owned("aws_dynamodb_table.b", "aws_dynamodb_table", "name", "carts"),
            ],
        };
        let summary = Summary {
            drift: vec![drift("aws_dynamodb_table.a", "delete"), drift("aws_s3_bucket_policy.p", "update")],
            changes: vec![
                change("aws_dynamodb_table.a", "aws_dynamodb_table", "create"),
                change("aws_s3_bucket_policy.p", "aws_s3_bucket_policy", "update"),
                // Its Terraform was changed and is not applied yet.
                change("aws_dynamodb_table.b", "aws_dynamodb_table", "update"),
                change("aws_dynamodb_table.new", "aws_dynamodb_table", "create"),
            ],
            ..Summary::default()
        };
        candidates(Catalog::builtin(), &policy(), (&summary, &inventory), incidents, at("2026-01-01T06:00:30Z"))
    }

    fn incident(candidate: &Candidate, ended: Option<Phase>) -> Incident {
        let mut incident = Incident::new("i", candidate.spec());
        incident.status = ended.map(|phase| {
            let mut status = reforge_api::IncidentStatus { phase, ..Default::default() };
            status.step.name = StepName::Ended;
            status
        });
        incident
    }

    #[test]
    fn drift_is_what_somebody_changed_and_not_what_its_owner_has_not_applied() {
        let found = found(&[]);
        let what: Vec<_> = found.iter().map(|c| (c.resource.id.as_str(), c.change)).collect();
        assert_eq!(what, [("orders", Change::Deleted), ("shop-data", Change::Modified)]);
        assert!(found.iter().all(|c| c.event.origin == Origin::Drift));
    }

    #[test]
    fn the_same_drift_is_the_same_incident_until_it_was_put_back() {
        let first = &found(&[])[0];
        assert!(found(&[&incident(first, None)]).iter().all(|c| c.resource.id != "orders"), "one is open");
        let again = |phase| found(&[&incident(first, Some(phase))])[0].event.id.clone();
        assert_eq!(again(Phase::Dismissed), first.event.id);
        assert_ne!(again(Phase::Recovered), first.event.id);
        assert_ne!(again(Phase::Failed), first.event.id);
    }
}
