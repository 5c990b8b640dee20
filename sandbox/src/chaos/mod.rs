//! A chaos run: resources broken by the dozen, also as an attacker would, while the operator's replicas are killed at
//! random instants, the apiserver, the queue and CodeBuild go away for a while, and messages are doubled and overtake each
//! other. Afterwards everything is let be, and it is counted what became of each event.
//!
//! All choices follow from the seed. When something happens does not: that is up to the machine.

mod attacker;
mod count;
mod replicas;
mod trouble;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::edge::{Resource, Script, Times};
use crate::{Caller, NAMESPACE, Sandbox, Setup};

use attacker::Attacker;
use replicas::Replicas;

/// Parameters beside the five resources, in each of these workspaces.
const PARAMETERS: u32 = 6;
/// The value that each is to have.
const DECLARED: &str = "as declared";
const WORKSPACES: [&str; 5] = ["ssm", "dynamodb", "s3", "lambda", "ec2"];
const POLICIES: &str = include_str!("policies.yaml");
/// Incidents that are open at once, at most.
const OPEN: usize = 8;
/// Longer than anything takes once everything is let be.
const PATIENCE: Duration = Duration::from_secs(900);

/// Who does the work of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builds {
    /// Terraform; what is broken is any of the five resources, or a parameter.
    Terraform,
    /// A script, in a fraction of the time; only parameters are broken, and nobody starts a build by hand.
    Scripted,
}

/// How much chaos.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// Who does the work of a build.
    pub builds: Builds,
    /// Resources to break, at least.
    pub incidents: u32,
    /// Kills of the operator.
    pub kills: u32,
    /// What all choices follow from.
    pub seed: u64,
}

/// What became of it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Incidents that were opened.
    pub incidents: u32,
    /// Of these, those that ended.
    pub ended: u32,
    /// Of these, those that ended as Recovered.
    pub recovered: u32,
    /// Events that concern a policy and opened no Incident.
    pub lost: u32,
    /// Incidents that a recovery's own calls opened.
    pub echoed: u32,
    /// Apply builds that ended well.
    pub applies: u32,
    /// Incidents that recovered by an apply of their own; the others were covered by one of another's.
    pub recoveries: u32,
    /// Plans that more than one build applied.
    pub applied_twice: u32,
    /// Transitions of which people were told more than once.
    pub told_twice: u32,
    /// Resources that are not as their Terraform wants them.
    pub left_broken: u32,
    /// Times that the operator was killed.
    pub kills: u32,
    /// Times that the operator ended by itself.
    pub ended_by_itself: u32,
    /// Outages of the apiserver, the queue and CodeBuild.
    pub outages: u32,
    /// What all choices followed from.
    pub seed: u64,
    /// From the first broken resource to the last Incident's end, in seconds.
    pub seconds: u64,
}

impl Summary {
    /// Whether nothing is lost, done twice or left.
    pub fn is_good(&self) -> bool {
        self.ended == self.incidents
            && self.applies == self.recoveries
            && [self.lost, self.echoed, self.applied_twice, self.told_twice, self.left_broken, self.ended_by_itself]
                == [0; 6]
    }
}

/// What the parts of a run share.
struct Run<'a> {
    sandbox: &'a Sandbox,
    chaos: Chaos,
    kills: AtomicU32,
    outages: AtomicU32,
    /// Whether every resource has been broken.
    broken: AtomicBool,
}

impl Run<'_> {
    fn is_over(&self) -> bool {
        self.broken.load(Ordering::Relaxed) && self.kills.load(Ordering::Relaxed) >= self.chaos.kills
    }
}

/// The sandbox that it takes: parameters are the cheapest to break, so each workspace has some.
pub const SETUP: Setup = Setup { times: Times::DEFAULT, services: &["ssm"], stages: 0 };

/// Runs in a sandbox of [`SETUP`] that was [prepared](prepare) for such builds and in which no operator runs; `program` is the
/// operator, `settings` the chart's. `say` is told how far it is. Several runs may follow each other: what is counted is of all.
pub async fn run(
    sandbox: &Sandbox,
    program: &Path,
    settings: &Value,
    chaos: Chaos,
    say: impl Fn(&str),
) -> Result<Summary> {
    say(&format!("seed {}", chaos.seed));
    let kubeconfig = sandbox.operator_kubeconfig()?;
    let replicas = Replicas::start(sandbox, program, &kubeconfig, settings)?;
    replicas.ready().await?;
    sandbox.plane().kubectl_with(POLICIES, &["apply", "-f", "-"])?;
    let ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", "recoverypolicies", "--all", "--timeout=60s"];
    sandbox.plane().kubectl(&ready)?;

    let faults = sandbox.edge().faults();
    faults.set_delivery_twice(true);
    faults.set_delivery_reordered(true);
    let run =
        Run { sandbox, chaos, kills: AtomicU32::new(0), outages: AtomicU32::new(0), broken: AtomicBool::new(false) };
    let start = Instant::now();
    let mut attacker = Attacker::new(&run);
    let breaking = async {
        let done = attacker.break_all(&say).await;
        run.broken.store(true, Ordering::Relaxed);
        done
    };
    let (broken, killed, away) = tokio::join!(breaking, replicas.kill_at_random(&run), trouble::at_random(&run));
    broken.and(killed).and(away)?;
    say("everything was broken and killed; letting it be until the last Incident has ended");
    settled(sandbox, &say).await?;
    let seconds = start.elapsed().as_secs();
    // What is delivered last is looked at as well: nobody may open anything now.
    let ended_by_itself = replicas.stop();
    let mut summary = count::count(&run, attacker.began()).await?;
    summary.kills = run.kills.load(Ordering::Relaxed);
    summary.outages = run.outages.load(Ordering::Relaxed);
    (summary.seed, summary.seconds, summary.ended_by_itself) = (chaos.seed, seconds, ended_by_itself);
    Ok(summary)
}

/// Makes more to break than five resources, and who may break it; the events of that are nobody's yet.
pub async fn prepare(sandbox: &Sandbox, builds: Builds) -> Result<()> {
    match builds {
        Builds::Terraform => declare(sandbox).await?,
        Builds::Scripted => script(sandbox).await?,
    }
    attacker::make_role(sandbox).await?;
    let purge = ["sqs", "purge-queue", "--queue-url", &sandbox.outputs().queue_url];
    sandbox.aws(Caller::Terraform, &purge).await?;
    sandbox.messages().await?;
    Ok(())
}

/// Parameters that Terraform declares beside what each workspace has.
async fn declare(sandbox: &Sandbox) -> Result<()> {
    let more = format!(
        "\nresource \"aws_ssm_parameter\" \"chaos\" {{\n  count = {PARAMETERS}\n  name  = \"/chaos/WORKSPACE/${{count.index}}\"\n  type  = \"String\"\n  value = \"{DECLARED}\"\n}}\n"
    );
    for workspace in WORKSPACES {
        let file = format!("environments/sandbox/workspaces/{workspace}/main.tf");
        let more = more.replace("WORKSPACE", workspace);
        sandbox.edit_source(&file, |text| format!("{text}{more}")).await?;
        sandbox.apply_workspace(workspace).await?;
        sandbox.run_plan(workspace).await?;
    }
    Ok(())
}

/// The same parameters, and a script in the place of each workspace's Terraform.
async fn script(sandbox: &Sandbox) -> Result<()> {
    for workspace in WORKSPACES {
        let declared = (0..PARAMETERS).map(|i| {
            Resource::parameter(&format!("aws_ssm_parameter.chaos[{i}]"), &format!("/chaos/{workspace}/{i}"), DECLARED)
        });
        let declared: Vec<Resource> = declared.collect();
        for Resource { name, value, .. } in &declared {
            let put = ["ssm", "put-parameter", "--overwrite", "--type", "String", "--name", name, "--value", value];
            sandbox.aws(Caller::Terraform, &put).await?;
        }
        sandbox.edge().script(workspace, Some(Script::of(declared)));
        sandbox.run_plan(workspace).await?;
    }
    Ok(())
}

/// Waits until no event is under way and every Incident has ended.
async fn settled(sandbox: &Sandbox, say: &impl Fn(&str)) -> Result<()> {
    let (start, mut said) = (Instant::now(), Instant::now());
    loop {
        let incidents = incidents(sandbox).await?;
        let open: Vec<&Value> = incidents.iter().filter(|i| !has_ended(i)).collect();
        if open.is_empty() && is_queue_empty(sandbox).await? {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            bail!("{} Incidents have not ended: {open:#?}", open.len());
        }
        if said.elapsed() > Duration::from_secs(15) {
            say(&format!("{} of {} Incidents are open", open.len(), incidents.len()));
            said = Instant::now();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn is_queue_empty(sandbox: &Sandbox) -> Result<bool> {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let url = &sandbox.outputs().queue_url;
    let get =
        [&["sqs", "get-queue-attributes", "--output", "json", "--queue-url", url, "--attribute-names"][..], &names];
    let answer: Value = serde_json::from_str(&sandbox.aws(Caller::Terraform, &get.concat()).await?)?;
    Ok(names.iter().all(|name| answer["Attributes"][name] == "0"))
}

fn has_ended(incident: &Value) -> bool {
    incident["status"]["step"]["name"] == "Ended"
}

/// Every Incident, by an apiserver that may be away for a while.
async fn incidents(sandbox: &Sandbox) -> Result<Vec<Value>> {
    let start = Instant::now();
    loop {
        match sandbox.plane().incidents().await?.list(None).await {
            Ok(all) => return Ok(all),
            Err(error) if start.elapsed() > Duration::from_secs(60) => return Err(error.context("listing Incidents")),
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("{pointer} is missing"))
}
