//! `cargo xtask iam`: which rights a run needs, which it lacks, and which nobody used and nobody argues for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use sandbox::rights::{self, Rights};
use sandbox::scenario::{self, SCENARIOS, Scenario};
use sandbox::{ACCOUNT, Caller, ELSEWHERE, MEMBER, MEMBER_POLICY, NAMESPACE, Operator, Sandbox, name_of, platform};
use serde_json::{Value, json};

use crate::machine;

/// Longer than any recovery takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(360);
/// Who approves, as the sandbox's apiserver knows them.
const ADMINISTRATOR: &str = "sandbox-admin";

/// Compare the rights of the operator and of the builds with those that a run makes use of.
#[derive(Debug, Args)]
pub struct Iam {
    /// Write what was seen, denied, unseen and unargued here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Iam {
    pub fn run(self) -> Result<()> {
        machine::check()?;
        machine::setup()?;
        machine::build_operator()?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.go())
    }

    async fn go(self) -> Result<()> {
        let start = Instant::now();
        let say = |what: &str| eprintln!("iam: [{:>4} s] {what}", start.elapsed().as_secs());
        let sandbox = Sandbox::start(&machine::root(), say).await?;
        let outcome = exercise(&sandbox, say).await;
        let rights = compared(&sandbox).await?;
        sandbox.stop().await;
        show(&rights);
        if let Some(file) = &self.json {
            let json = format!("{}\n", serde_json::to_string_pretty(&rights)?);
            std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
        }
        outcome.context("the run that was to show which rights are used")?;
        ensure!(
            rights.is_good(),
            "{} actions were denied, and {} that are allowed were neither seen nor argued for",
            rights.denied.len(),
            rights.unargued.len()
        );
        Ok(())
    }
}

/// Everything that makes calls: another account, a further workspace, the operator with its sweep and its canary, the five
/// scenarios, each further type, a table elsewhere, a message that can't be read.
async fn exercise(sandbox: &Sandbox, say: impl Fn(&str)) -> Result<()> {
    // Before the operator sweeps: making things is no change to undo.
    say("applying the further workspace (1 min)");
    platform::apply(sandbox).await?;
    say("having another account join, installing the chart, starting the operator (2 min)");
    let (account, roles) = sandbox.join().await?;
    let mut settings = with_member(sandbox.install_chart().await?, &account, roles)?;
    settings["sweep"] = json!({"every": "5s", "lag": "2s"});
    settings["canary"] = json!({"parameter": sandbox.outputs().canary_parameter, "every": "60s", "patience": "40s"});
    let who = format!("arn:aws:iam::{ACCOUNT}:user/administrator");
    settings["identities"] = json!([{"user": ADMINISTRATOR, "arns": [who]}]);
    let kubeconfig = sandbox.operator_kubeconfig()?;
    let program = machine::operator();
    let operator = Operator::start(sandbox, &program, &kubeconfig, &settings, "operator-0").await?;
    for policies in [scenario::POLICIES, MEMBER_POLICY] {
        sandbox.plane().kubectl_with(policies, &["apply", "-f", "-"])?;
    }
    let ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", "recoverypolicies", "--all", "--timeout=30s"];
    sandbox.plane().kubectl(&ready)?;
    for scenario in SCENARIOS {
        say(&format!("{}: {}", scenario.name, scenario.what));
        run(&scenario, sandbox).await?;
    }
    say("elsewhere: the table of another account is deleted");
    let delete = ["dynamodb", "delete-table", "--table-name", "AiOpsDataTable"];
    let is_elsewhere = |incident: &Value| incident["spec"]["event"]["accountId"] == MEMBER;
    broken_and_recovered(sandbox, MEMBER, "dynamodb", &delete, is_elsewhere).await?;
    platform::govern(sandbox)?;
    let mallory = Caller::Mallory.access_key();
    for (resource_type, call) in platform::breakages(sandbox).await? {
        say(&format!("{resource_type}: {}", call[..2].join(" ")));
        let call: Vec<&str> = call.iter().map(String::as_str).collect();
        broken_and_recovered(sandbox, mallory, resource_type, &call, |_| true).await?;
    }
    say("the queue: a message that can't be read");
    let send = ["sqs", "send-message", "--queue-url", &sandbox.outputs().queue_url, "--message-body", "no event"];
    sandbox.aws(Caller::Terraform, &send).await?;
    for (service, operation) in [("sqs", "SendMessage"), ("ssm", "PutParameter"), ("cloudtrail", "LookupEvents")] {
        called(sandbox, service, operation).await?;
    }
    drop(operator);
    Ok(())
}

/// Waits until the operator has made a call.
async fn called(sandbox: &Sandbox, service: &str, operation: &str) -> Result<()> {
    let start = Instant::now();
    while sandbox.edge().faults().calls(service, operation, Some("reforge")) == 0 {
        ensure!(start.elapsed() < PATIENCE, "the operator does not call {operation}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

fn with_member(mut settings: Value, account: &Value, roles: Vec<Value>) -> Result<Value> {
    settings["accounts"] = json!([account]);
    let grant = &mut settings["grants"][0];
    grant["accounts"] = json!([ACCOUNT, MEMBER]);
    let projects = grant["projects"].as_array_mut().context("a grant names projects")?;
    projects.extend([json!(format!("aiops-{ELSEWHERE}-plan")), json!(format!("aiops-{ELSEWHERE}-recovery"))]);
    settings["recoveryRoles"].as_array_mut().context("settings name the recovery roles")?.extend(roles);
    Ok(settings)
}

async fn run(scenario: &Scenario, sandbox: &Sandbox) -> Result<()> {
    let patience = Duration::from_secs(2 * u64::from(scenario.expected_seconds));
    let outcome = scenario.run(sandbox, patience).await?;
    ensure!(outcome.phase() == "Recovered", "{} ended as {}", scenario.name, outcome.phase());
    Ok(())
}

/// Breaks something, approves where a human is asked, and waits until its Incident has ended well.
async fn broken_and_recovered(
    sandbox: &Sandbox,
    access_key: &str,
    resource_type: &str,
    call: &[&str],
    is_wanted: impl Fn(&Value) -> bool,
) -> Result<()> {
    let incidents = sandbox.plane().incidents().await?;
    let before = incidents.names(Some(resource_type)).await?;
    sandbox.aws_as(access_key, call).await?;
    let is_new = |incident: &Value| is_wanted(incident) && !before.contains(&name_of(incident));
    let opened = incidents.find(resource_type, PATIENCE, is_new).await;
    let name = name_of(&opened.with_context(|| format!("what {} opens", call.join(" ")))?);
    let has_ended = |incident: &Value| incident["status"]["step"]["name"] == "Ended";
    let asks = |incident: &Value| incident["status"]["phase"] == "AwaitingApproval";
    let until = async |what: &str, wanted: &(dyn Fn(&Value) -> bool + Sync)| {
        incidents.until(&name, PATIENCE, wanted).await.map_err(|last| anyhow!("{name} is still not {what}: {last:#?}"))
    };
    let incident = until("asking or at its end", &|i| has_ended(i) || asks(i)).await?;
    if asks(&incident) {
        let digest = &incident["status"]["plan"]["changeDigest"];
        let value = json!({"by": ADMINISTRATOR, "decision": "Approve", "changeDigest": digest});
        let patch = json!([{"op": "add", "path": "/spec/approvals/-", "value": value}]).to_string();
        sandbox.plane().kubectl(&["patch", "incident", &name, "-n", NAMESPACE, "--type=json", "-p", &patch])?;
    }
    let incident = until("at its end", &has_ended).await?;
    let phase = incident["status"]["phase"].as_str().unwrap_or_default();
    ensure!(phase == "Recovered", "{name} ended as {phase}: {}", incident["status"]["conditions"]);
    Ok(())
}

async fn compared(sandbox: &Sandbox) -> Result<Rights> {
    let report = sandbox.edge().iam();
    let outputs = sandbox.outputs();
    let mut roles: Vec<String> = outputs.recovery_role_arns.clone();
    roles.push(outputs.operator_role_arn.clone());
    roles.extend(report.actors.iter().map(|a| a.actor.clone()).filter(|actor| actor.contains(":role/")));
    let mut allowed = BTreeMap::new();
    for role in roles {
        let actions = sandbox.edge().allowed_actions(&role).await?;
        allowed.insert(role, actions);
    }
    let argued = rights::argued_in(&machine::root().join("terraform/modules/reforge"))?;
    Ok(rights::compare(&report, &allowed, &argued))
}

fn show(rights: &Rights) {
    let name = |actor: &str| actor.rsplit('/').next().unwrap_or(actor).to_owned();
    println!("\nSeen: {} actions by {} roles and services", rights.seen.len(), {
        let actors: std::collections::BTreeSet<&str> = rights.seen.iter().map(|s| s.actor.as_str()).collect();
        actors.len()
    });
    for seen in &rights.seen {
        println!(
            "  {:<28} {:<44} {:>6} times on {} resources",
            name(&seen.actor),
            seen.action,
            seen.times,
            seen.resources
        );
    }
    println!("\nDenied: {}", rights.denied.len());
    for denied in &rights.denied {
        println!(
            "  {:<28} {} for {} on {}, {} times: {}",
            name(&denied.actor),
            denied.action,
            denied.operation,
            denied.resource,
            denied.times,
            denied.why
        );
    }
    println!("\nUnseen: {}; without an argument: {}", rights.unseen.len(), rights.unargued.len());
    for right in &rights.unargued {
        println!("  {:<28} {}", name(&right.actor), right.action);
    }
    if !rights.unmapped.is_empty() {
        println!("\nOperations of which the sandbox does not know what AWS asks:");
        for unmapped in &rights.unmapped {
            println!("  {:<28} {}", name(&unmapped.actor), unmapped.operation);
        }
    }
}
