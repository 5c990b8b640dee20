//! `kubectl reforge approve|deny`: shows a plan, asks, and decides on that very plan in the caller's own name.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use reforge_api::{Decision, Incident, Phase, StepName};
use serde_json::json;

use reforge_cluster::kube_call;

use super::output;

/// Decide on what Reforge would apply.
#[derive(Debug, Parser)]
#[command(name = "kubectl-reforge", bin_name = "kubectl reforge", version)]
pub struct Plugin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show an Incident's plan, and approve it.
    Approve(Choice),
    /// Show an Incident's plan, and deny it; that is final.
    Deny(Choice),
}

#[derive(Debug, Args)]
struct Choice {
    /// The Incident.
    name: String,
    /// Its namespace; without it, that of the present context.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Why, for the record.
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

impl Plugin {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        // kube and the AWS SDK could each bring their own; here there is only kube.
        if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
            bail!("a TLS provider was installed before");
        }
        let (decision, choice) = match self.command {
            Command::Approve(choice) => (Decision::Approve, choice),
            Command::Deny(choice) => (Decision::Deny, choice),
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(decide(decision, choice))
    }
}

async fn decide(decision: Decision, choice: Choice) -> Result<()> {
    let client = Client::try_default().await.context("finding the apiserver; is the kubeconfig right?")?;
    let namespace = choice.namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    let incidents: Api<Incident> = Api::namespaced(client.clone(), &namespace);
    let found = kube_call(incidents.get_opt(&choice.name)).await?;
    let incident = found.with_context(|| {
        format!("there is no Incident {} in namespace {namespace}; give its namespace with -n", choice.name)
    })?;
    let plan = incident.status.as_ref().and_then(|s| s.plan.as_ref());
    let plan = plan.context("there is no plan to decide on yet; kubectl describe says what the Incident waits for")?;
    let ended = incident.status.as_ref().is_some_and(|s| s.step.name == StepName::Ended);
    ensure!(!ended, "the Incident has ended; nothing more will be applied for it");
    // What nobody could read, nobody has agreed to.
    let mut out = std::io::stdout();
    out.write_all(show(&incident).as_bytes())
        .and_then(|()| out.flush())
        .context("showing the plan; nothing was decided")?;

    let user = whoami(&client).await?;
    if !choice.yes {
        ensure!(std::io::stdin().is_terminal(), "nobody can be asked here; give --yes to decide without being asked");
        let question = write!(out, "\n{decision:?} this plan as {user}? [y/N] ").and_then(|()| out.flush());
        question.context("asking; nothing was decided")?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), "nothing was decided");
    }
    let mut value = json!({"by": user, "decision": decision, "changeDigest": plan.change_digest});
    if let Some(reason) = choice.reason {
        value["reason"] = json!(reason);
    }
    // Appended, and only to the plan that was shown.
    let patch = json!([
        {"op": "test", "path": "/status/plan/changeDigest", "value": plan.change_digest},
        {"op": "add", "path": "/spec/approvals/-", "value": value},
    ]);
    let patch: Patch<Incident> = Patch::Json(serde_json::from_value(patch)?);
    kube_call(incidents.patch(&choice.name, &PatchParams::default(), &patch)).await.context("it was not decided")?;
    Ok(output::print(&format!("\n{decision:?} is recorded in the name of {user}.\n"))?)
}

/// The caller's name, as the apiserver knows it.
async fn whoami(client: &Client) -> Result<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = kube_call(reviews.create(&PostParams::default(), &SelfSubjectReview::default())).await?;
    let user = review.status.and_then(|s| s.user_info).and_then(|u| u.username);
    user.context("the apiserver does not say who you are")
}

/// What somebody should have read before deciding.
fn show(incident: &Incident) -> String {
    let (event, resource) = (&incident.spec.event, &incident.spec.resource);
    let status = incident.status.clone().unwrap_or_default();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("Incident", &format!("{}/{}", incident.namespace().unwrap_or_default(), incident.name_any()));
    line("Resource", &format!("{} {} in {} {}", resource.r#type, resource.id, event.account_id, event.region));
    line("Event", &format!("{} at {}", event.name, event.time));
    line("By", event.actor.arn.as_deref().unwrap_or(&event.actor.r#type));
    if let Some(c) = &status.classification {
        line("Verdict", &format!("{:?} ({} %): {}", c.verdict, c.confidence_percent, c.reason));
    }
    for reason in status.gate.iter().flat_map(|g| &g.reasons) {
        line("Asked", reason);
    }
    if let Some(changed) = status.approval.as_ref().and_then(|a| a.changed.as_ref()) {
        line("Changed", changed);
    }
    if status.phase != Phase::AwaitingApproval {
        line("Note", "nobody is asked at present; a decision counts should that change");
    }
    for said in &incident.spec.approvals {
        let reason = said.reason.as_deref().unwrap_or("no reason was given");
        line("Decided", &format!("{:?} by {}: {reason}", said.decision, said.by));
    }
    if let Some(plan) = &status.plan {
        line("Plan", &format!("{} changes, from the Terraform at {}", plan.changes_total, plan.source_version));
        for change in &plan.changes {
            let attributes = change.attributes.join(", ");
            line("", &format!("{:<14} {} ({attributes})", change.actions.join("+"), change.address));
        }
        let hidden = (plan.changes_total as usize).saturating_sub(plan.changes.len());
        if hidden > 0 {
            line("", &format!("and {hidden} more, in the log of {}", plan.build));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_on_is_shown() {
        let mut incident = Incident::new(
            "dynamodb-1",
            serde_json::from_value(json!({
                "event": {"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "s",
                    "accountId": "111122223333", "region": "eu-west-1",
                    "actor": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory"}},
                "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
                "change": "Deleted", "policyRef": {"name": "p"},
                "approvals": [{"by": "ann", "decision": "Approve", "changeDigest": "d"}]
            }))
            .unwrap(),
        );
        incident.status = serde_json::from_value(json!({
            "step": {"attempt": 1, "name": "Gate"}, "phase": "AwaitingApproval",
            "gate": {"decision": "Ask", "reasons": ["the type holds data"]},
            "plan": {"build": "b:1", "digest": "d", "changeDigest": "d", "sourceVersion": "abc123",
                "policyGeneration": 1, "policyUid": "u", "changesTotal": 40,
                "changes": [{"address": "aws_dynamodb_table.orders", "type": "aws_dynamodb_table",
                    "actions": ["create"], "attributes": ["name", "billing_mode"]}]}
        }))
        .unwrap();
        let text = show(&incident);
        for part in [
            "user/mallory",
            "the type holds data",
            "abc123",
            "create",
            "aws_dynamodb_table.orders (name, billing_mode)",
            "and 39 more",
            "Approve by ann",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
