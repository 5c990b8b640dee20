//! `cargo xtask iam`: which rights a run needs, which it lacks, and which nobody used and nobody argues for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use sandbox::rights::{self, Rights};
use sandbox::scenario::{self, SCENARIOS, Scenario};
use sandbox::{ACCOUNT, ELSEWHERE, MEMBER, MEMBER_POLICY, NAMESPACE, Operator, PLATFORM, Sandbox};
use serde_json::{Value, json};

use crate::machine;

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
        ensure!(
            rights.is_good(),
            "{} actions were denied, and {} that are allowed were neither seen nor argued for",
            rights.denied.len(),
            rights.unargued.len()
        );
        outcome
    }
}

/// Everything that makes calls: another account, a further workspace, the operator, the five scenarios, a table elsewhere.
async fn exercise(sandbox: &Sandbox, say: impl Fn(&str)) -> Result<()> {
    say("applying the further workspace, and having another account join (2 min)");
    sandbox.apply_workspace(PLATFORM).await?;
    sandbox.run_plan(PLATFORM).await?;
    let (account, roles) = sandbox.join().await?;
    say("installing the chart, starting the operator under its ServiceAccount");
    let settings = with_member(sandbox.install_chart().await?, &account, roles)?;
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
    elsewhere(sandbox).await?;
    drop(operator);
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

/// Deletes the member's table, and waits until its Incident has ended.
async fn elsewhere(sandbox: &Sandbox) -> Result<()> {
    let start = Instant::now();
    sandbox.aws_as(MEMBER, &["dynamodb", "delete-table", "--table-name", "AiOpsDataTable"]).await?;
    loop {
        let incidents = sandbox.plane().incidents().await?.list(Some("dynamodb")).await?;
        let ended = incidents
            .iter()
            .find(|i| i["spec"]["event"]["accountId"] == MEMBER && i["status"]["step"]["name"] == "Ended");
        if let Some(ended) = ended {
            let phase = ended["status"]["phase"].as_str().unwrap_or_default();
            ensure!(phase == "Recovered", "the table elsewhere ended as {phase}");
            return Ok(());
        }
        ensure!(start.elapsed() < Duration::from_secs(360), "the Incident of the table elsewhere does not end");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
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
