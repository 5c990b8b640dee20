//! What one recovery asks of AWS and of the apiserver, and what an operator asks of them that has nothing to do.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use sandbox::edge::{Resource, Script};
use sandbox::incident::{has_ended, phase};
use sandbox::{Caller, Operator, Sandbox, Setup, name_of, stage};
use serde_json::{Value, json};

use crate::machine;

use super::apiserver::{Answered, writes_incident};
use super::{Figure, How};

/// The calls of a recovery, in a whole install with its rights; and those of a minute in which nothing happens.
#[derive(Debug, Args)]
pub struct Calls {
    #[command(flatten)]
    how: How,
    /// Recoveries, one after another; figures are for one.
    #[arg(long, default_value_t = 5)]
    recoveries: usize,
    /// How long nothing happens, in seconds.
    #[arg(long, default_value_t = 60)]
    idle: u64,
}

/// The most that a recovery may take, of each.
const GOAL: f64 = 8.0;
const OPERATOR: &str = "reforge";
const PARAMETER: &str = "/stage-0/mode";
const RIGHT: &str = "secure-mode";
const PATIENCE: Duration = Duration::from_secs(600);
/// After this long of silence all that follows a recovery has been said.
const QUIET: Duration = Duration::from_secs(3);

/// What was asked for so far, of AWS by the operator and of the apiserver by anybody.
struct Asked {
    aws: BTreeMap<String, f64>,
    kube: Answered,
}

impl Calls {
    pub fn run(self) -> Result<()> {
        eprintln!("xtask: some six minutes");
        let program = self.how.program()?;
        let figures = tokio::runtime::Runtime::new()?.block_on(self.measure(&program))?;
        self.how.tell(&figures)
    }

    async fn measure(&self, program: &Path) -> Result<Vec<Figure>> {
        let start = Instant::now();
        let say = |what: &str| eprintln!("xtask: [{:>3} s] {what}", start.elapsed().as_secs());
        let sandbox = Sandbox::start_with(&machine::root(), Setup { stages: 1, ..Setup::default() }, say).await?;
        let settings = sandbox.install_chart().await?;
        let kubeconfig = sandbox.operator_kubeconfig()?;
        set_stage(&sandbox).await?;
        let operator = Operator::start(&sandbox, program, &kubeconfig, &settings, "operator-0").await?;
        sandbox.plane().kubectl_with(&policy().to_string(), &["apply", "-f", "-"])?;
        let namespace = stage(0);
        let ready = ["wait", "-n", &namespace, "--for=condition=Ready", "recoverypolicies", "--all", "--timeout=60s"];
        sandbox.plane().kubectl(&ready)?;
        say("one recovery that does not count: it makes what is made once");
        recover(&sandbox).await?;
        say(&format!("{} recoveries", self.recoveries));
        let before = asked(&sandbox)?;
        for _ in 0..self.recoveries {
            recover(&sandbox).await?;
        }
        let recovery = asked(&sandbox)?.since(&before);
        say(&format!("nothing, for {} s", self.idle));
        let before = asked(&sandbox)?;
        tokio::time::sleep(Duration::from_secs(self.idle)).await;
        let idle = asked(&sandbox)?.since(&before);
        drop(operator);
        sandbox.stop().await;
        Ok(self.figures(&recovery, &idle))
    }

    fn figures(&self, recovery: &Asked, idle: &Asked) -> Vec<Figure> {
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let number = self.recoveries as f64;
        let of_aws = |counts: &dyn Fn(&str) -> bool| -> f64 {
            recovery.aws.iter().filter(|(call, _)| counts(call)).map(|(_, count)| count).sum()
        };
        let totals = [
            ("writes of the Incident, its creation aside", recovery.kube.count(writes_incident)),
            ("calls of AWS that put it back", of_aws(&puts_back)),
            ("calls of AWS, but of its queue", of_aws(&|call| !is_cursor(call))),
        ];
        let goal = |what: &str, of: f64| {
            Figure::new(format!("a recovery: {what}"), of / number, (GOAL, "the most that it should take"), "")
                .of_runs(self.recoveries)
        };
        let mut figures: Vec<Figure> = totals.into_iter().map(|(what, of)| goal(what, of)).collect();
        let part = |whole: &str, call: &str, count: f64, of: f64| {
            Figure::new(format!("{whole}: {call}"), count / of, (GOAL, "the same"), "").of_runs(self.recoveries)
        };
        for (whole, asked, of) in [("a recovery", recovery, number), ("idle", idle, 1.0)] {
            let aws = asked.aws.iter().map(|(call, count)| (call.as_str(), *count));
            figures.extend(aws.chain(asked.kube.each()).map(|(call, count)| part(whole, call, count, of)));
        }
        figures
    }
}

/// What receives and deletes messages has its own pace, whatever is recovered.
fn is_cursor(call: &str) -> bool {
    call.starts_with("sqs ")
}

/// Whether a recovery stands on it: not what people are told, what a model is asked where a policy wants that, and what makes
/// sure, right before each start, that nobody has changed the project.
fn puts_back(call: &str) -> bool {
    let beside = ["sqs ", "sns ", "bedrock ", "codebuild BatchGetProjects"];
    !beside.iter().any(|other| call.starts_with(other))
}

fn asked(sandbox: &Sandbox) -> Result<Asked> {
    let calls = sandbox.edge().faults().all_calls();
    let ours = calls.into_iter().filter(|(_, _, principal, _)| principal == OPERATOR);
    let count = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let aws = ours.map(|(service, operation, _, n)| (format!("{service} {operation}"), count(n))).collect();
    Ok(Asked { aws, kube: Answered::by(sandbox.plane())? })
}

impl Asked {
    fn since(&self, before: &Self) -> Self {
        let more = |(call, count): (&String, &f64)| (call.clone(), count - before.aws.get(call).unwrap_or(&0.0));
        let aws = self.aws.iter().map(more).filter(|(_, count)| *count > 0.0).collect();
        Self { aws, kube: self.kube.since(&before.kube) }
    }
}

async fn set_stage(sandbox: &Sandbox) -> Result<()> {
    let script = Script::of([Resource::parameter("aws_ssm_parameter.mode", PARAMETER, RIGHT)]);
    sandbox.edge().script(&stage(0), Some(script));
    let input = json!({"Name": PARAMETER, "Value": RIGHT, "Type": "String", "Overwrite": true});
    sandbox.edge().call_unheard("ssm", "AmazonSSM.PutParameter", &input).await?;
    sandbox.plane().kubectl(&["create", "namespace", &stage(0)])?;
    sandbox.run_plan(&stage(0)).await
}

fn policy() -> Value {
    let name = stage(0);
    let (apply, plan) = (format!("aiops-{name}-recovery"), format!("aiops-{name}-plan"));
    json!({
        "apiVersion": "reforge.dev/v1alpha1", "kind": "RecoveryPolicy",
        "metadata": {"name": "all", "namespace": name},
        "spec": {
            "mode": "Enforce",
            "match": {"resourceTypes": ["ssm"], "resourceIds": [format!("/{name}/*")]},
            "recovery": {"workspaces": [{"name": name, "project": apply, "planProject": plan}]},
            "approval": {"mode": "Never"},
            "limits": {"cooldown": "0s", "maxPerHour": 1000, "stormThreshold": 1000, "tugOfWar": 100},
        },
    })
}

/// Tampers with the parameter, and waits until it is put back and nobody has anything more to say of it.
async fn recover(sandbox: &Sandbox) -> Result<()> {
    let incidents = sandbox.plane().incidents().await?.in_namespace(&stage(0));
    let before = incidents.names(None).await?;
    let put = ["ssm", "put-parameter", "--name", PARAMETER, "--value", "hacked", "--type", "String", "--overwrite"];
    sandbox.aws(Caller::Mallory, &put).await?;
    let is_new = |incident: &Value| !before.contains(&name_of(incident));
    let name = name_of(&incidents.find("ssm", PATIENCE, is_new).await?);
    let ended = incidents.until(&name, PATIENCE, has_ended).await;
    let ended = ended.map_err(|still| anyhow::anyhow!("it has not ended: {still:#?}"))?;
    ensure!(phase(&ended) == "Recovered", "{ended:#}");
    let (start, mut last) = (Instant::now(), asked(sandbox)?);
    let mut quiet = Instant::now();
    while quiet.elapsed() < QUIET {
        ensure!(start.elapsed() < PATIENCE, "it does not come to rest");
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = asked(sandbox)?;
        if now.since(&last).concerns_recovery() {
            quiet = Instant::now();
        }
        last = now;
    }
    Ok(())
}

impl Asked {
    /// Whether anything was asked for that an idle operator does not.
    fn concerns_recovery(&self) -> bool {
        self.aws.keys().any(|call| call != "sqs ReceiveMessage")
            || self.kube.count(|call| call.contains(" incidents") || call.contains(" events")) > 0.0
    }
}
