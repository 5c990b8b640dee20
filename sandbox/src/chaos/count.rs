//! What became of it, by what AWS recorded, what CodeBuild ran, what the apiserver has and what people were told.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use crate::edge::BuildInfo;
use crate::{Caller, Sandbox};

use super::attacker::parameters;
use super::{Builds, DECLARED, Run, Summary, has_ended, incidents};

/// Calls that concern the run's policies.
const EVENTS: [&str; 7] = [
    "TerminateInstances",
    "DeleteFunction20150331",
    "DeleteTable",
    "DeleteBucket",
    "PutParameter",
    "DeleteParameter",
    "UpdateFunctionConfiguration20150331v2",
];

/// Of all runs in the sandbox; what was lost, of those since `began`.
pub async fn count(run: &Run<'_>, began: Timestamp) -> Result<Summary> {
    let sandbox = run.sandbox;
    let incidents = incidents(sandbox).await?;
    let builds = sandbox.edge().builds();
    let applied = applies(&builds);
    let known: BTreeSet<&str> = incidents.iter().filter_map(|i| i["spec"]["event"]["id"].as_str()).collect();
    let (theirs, ours) = events(sandbox, began, &builds);
    let recovered: Vec<&Value> = incidents.iter().filter(|i| i["status"]["phase"] == "Recovered").collect();
    Ok(Summary {
        incidents: number(incidents.len()),
        ended: number(incidents.iter().filter(|i| has_ended(i)).count()),
        recovered: number(recovered.len()),
        lost: number(theirs.iter().filter(|id| !known.contains(id.as_str())).count()),
        echoed: number(ours.iter().filter(|id| known.contains(id.as_str())).count()),
        applies: number(applied.len()),
        recoveries: number(recovered.iter().filter(|i| applied_itself(i)).count()),
        applied_twice: number(more_than_once(applied.iter().map(|b| variable(b, "REFORGE_PLAN_DIGEST")))),
        told_twice: number(told_twice(&sandbox.messages().await?)),
        left_broken: left_broken(sandbox, run.chaos.builds).await?,
        ..Summary::default()
    })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn variable<'a>(build: &'a BuildInfo, name: &str) -> &'a str {
    build.overrides.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str()).unwrap_or_default()
}

/// Apply builds for Incidents that ended well.
fn applies(builds: &[BuildInfo]) -> Vec<&BuildInfo> {
    let is = |b: &&BuildInfo| b.status == "SUCCEEDED" && !variable(b, "REFORGE_PLAN_DIGEST").is_empty();
    builds.iter().filter(is).collect()
}

fn applied_itself(incident: &Value) -> bool {
    let builds = incident["status"]["recovery"]["builds"].as_array();
    builds.is_some_and(|all| all.iter().any(|b| b["kind"] == "Apply" && b["status"] == "SUCCEEDED"))
}

/// The ids of events since the run began: those of others, and those of recoveries' own builds.
fn events(sandbox: &Sandbox, since: Timestamp, builds: &[BuildInfo]) -> (Vec<String>, Vec<String>) {
    let own: BTreeSet<String> = builds
        .iter()
        .filter(|b| !variable(b, "REFORGE_INCIDENT").is_empty())
        .map(|b| format!("/AWSCodeBuild-{}", b.id.rsplit(':').next().unwrap_or_default()))
        .collect();
    let happened = |r: &Value| {
        let at = r["eventTime"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
        // Records have whole seconds.
        at.is_some_and(|at| at.as_second() > since.as_second())
            && r["errorCode"].is_null()
            && r["eventName"].as_str().is_some_and(|name| EVENTS.contains(&name))
    };
    let records: Vec<Value> = sandbox.edge().records().into_iter().filter(happened).collect();
    let is_own = |r: &Value| {
        let arn = r["userIdentity"]["arn"].as_str().unwrap_or_default();
        own.iter().any(|session| arn.ends_with(session.as_str()))
    };
    let (ours, theirs): (Vec<Value>, Vec<Value>) = records.into_iter().partition(is_own);
    let ids = |records: Vec<Value>| records.iter().filter_map(|r| r["eventID"].as_str()).map(str::to_owned).collect();
    (ids(theirs), ids(ours))
}

fn more_than_once<'a>(all: impl Iterator<Item = &'a str>) -> usize {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for one in all {
        *times.entry(one).or_default() += 1;
    }
    times.values().filter(|count| **count > 1).count()
}

/// A message's first line has the transition, another one the Incident.
fn told_twice(messages: &[String]) -> usize {
    let told: Vec<String> = messages
        .iter()
        .map(|text| {
            let moment = text.split(':').next().unwrap_or_default();
            let incident = text.lines().find_map(|line| line.trim().strip_prefix("Incident ")).unwrap_or_default();
            format!("{moment} {}", incident.trim())
        })
        .collect();
    more_than_once(told.iter().map(String::as_str))
}

/// Asks AWS for each parameter, and for the other four resources where they are broken too.
async fn left_broken(sandbox: &Sandbox, builds: Builds) -> Result<u32> {
    let mut broken = 0;
    for name in parameters() {
        let get = ["ssm", "get-parameter", "--output", "text", "--query", "Parameter.Value", "--name", &name];
        let value = sandbox.aws(Caller::Terraform, &get).await.unwrap_or_default();
        broken += u32::from(value.trim() != DECLARED);
    }
    if builds == Builds::Scripted {
        return Ok(broken);
    }
    let bucket = format!("aiops-data-bucket-{}", crate::ACCOUNT);
    let rest: [&[&str]; 3] = [
        &["dynamodb", "describe-table", "--table-name", "AiOpsDataTable"],
        &["lambda", "get-function-configuration", "--function-name", "aiops-monitored-function"],
        &["s3api", "head-bucket", "--bucket", &bucket],
    ];
    for ask in rest {
        broken += u32::from(sandbox.aws(Caller::Terraform, ask).await.is_err());
    }
    broken += u32::from(crate::scenario::running_instance(sandbox).await.is_err());
    Ok(broken)
}
