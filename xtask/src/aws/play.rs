//! Plays the scenarios: a control plane and the operator on this machine, under the operator's own role in AWS.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use sandbox::scenario::{self, Place, Resources, SCENARIOS};
use sandbox::stretches::BuildTimes;
use sandbox::{ControlPlane, Launch, NAMESPACE, Operator, Outputs, WORKSPACES, chart, parts};
use serde_json::{Value, json};

use super::access::Access;
use super::environment;
use super::names::{PREFIX, Site};
use super::stop::Stop;
use crate::machine;
use crate::outcome::Outcomes;

/// A trail that was made just now delivers after some minutes; the first canaries may be lost.
const CANARY_PATIENCE: Duration = Duration::from_secs(45 * 60);
/// A recovery on AWS takes minutes: an event may take five by CloudTrail's word, a build's start one.
const PATIENCE: Duration = Duration::from_secs(45 * 60);

/// A control plane, and an AWS with the five resources.
#[derive(Debug)]
pub struct Stage<'a> {
    plane: ControlPlane,
    access: &'a Access,
    site: &'a Site,
}

impl Place for Stage<'_> {
    fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    fn resources(&self) -> Resources {
        self.site.resources()
    }

    async fn call(&self, args: &[&str]) -> Result<String> {
        self.access.aws(args).await
    }

    async fn builds(&self, incident: &Value) -> Result<Vec<BuildTimes>> {
        let name = &incident["metadata"]["name"];
        let mut all = Vec::new();
        for project in Site::projects(incident["spec"]["resource"]["type"].as_str().unwrap_or_default()) {
            // Newest first, and as many as BatchGetBuilds takes: more than a run makes.
            let list = ["codebuild", "list-builds-for-project", "--project-name", &project, "--query", "ids[:100]"];
            let ids = super::found::strings(&self.access.json(&list).await?);
            if ids.is_empty() {
                continue;
            }
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let builds = self.access.json(&[&["codebuild", "batch-get-builds", "--ids"][..], &ids].concat()).await?;
            let ours = builds["builds"].as_array().into_iter().flatten().filter(|build| {
                let variables = build["environment"]["environmentVariables"].as_array().into_iter().flatten();
                variables.into_iter().any(|v| v["name"] == "REFORGE_INCIDENT" && v["value"] == *name)
            });
            all.extend(ours.filter_map(times_of));
        }
        all.sort_by_key(|build| build.start);
        Ok(all)
    }
}

/// The times of a build, as the CLI prints `BatchGetBuilds`.
fn times_of(build: &Value) -> Option<BuildTimes> {
    let time = |of: &Value| of.as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let phase = |p: &Value| Some((p["phaseType"].as_str()?.to_owned(), time(&p["endTime"])?));
    Some(BuildTimes {
        is_apply: list(&build["environment"]["environmentVariables"])
            .iter()
            .any(|v| v["name"] == "REFORGE_PLAN_DIGEST"),
        start: time(&build["startTime"])?,
        end: time(&build["endTime"]),
        phases: list(&build["phases"]).iter().filter_map(phase).collect(),
    })
}

impl<'a> Stage<'a> {
    /// Starts the control plane.
    pub async fn open(access: &'a Access, site: &'a Site) -> Result<Self> {
        let plane = tokio::task::spawn_blocking(ControlPlane::start).await??;
        Ok(Self { plane, access, site })
    }

    /// Installs the chart, starts the operator and waits until its canary has come back: then events come all the way.
    pub async fn operator(&self, outputs: &Outputs, folder: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<Operator> {
        self.access.allow_operator(&outputs.operator_role_arn)?;
        self.wait_for_the_role().await?;
        let helm = tokio::task::spawn_blocking(parts::helm).await??;
        let settings = settings(outputs, self.site);
        let settings = chart::install(&self.plane, &helm, &machine::root(), &settings).await?;
        let kubeconfig = chart::kubeconfig(&self.plane)?;
        // The sandbox starts it: of the caller's variables none is left by now, and if any were, it would not get it.
        let kept_back = environment::kept_back();
        let kept_back: Vec<&str> = kept_back.iter().map(String::as_str).collect();
        let operator = Operator::launch(&Launch {
            program: &machine::operator(),
            folder,
            environment: self.access.operator_environment(),
            cleared: &kept_back,
            kubeconfig: &kubeconfig,
            settings: &settings,
            name: "operator-0",
        })
        .await?;
        self.plane.kubectl_with(&scenario::policies(PREFIX), &["apply", "-f", "-"])?;
        let ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", "recoverypolicies", "--all", "--timeout=60s"];
        self.plane.kubectl(&ready)?;
        say("waiting for the canary: an event that comes all the way from CloudTrail");
        self.wait_for_the_canary(operator.port()).await?;
        Ok(operator)
    }

    /// Breaks the five, one by one and all at once.
    pub async fn play(&self, stop: &Stop, say: &(dyn Fn(&str) + Sync)) -> Result<Outcomes> {
        let mut one_by_one = Vec::new();
        for scenario in SCENARIOS {
            say(&format!("{}: {}", scenario.name, scenario.what));
            let outcome = stop.or(scenario.run(self, PATIENCE)).await?;
            say(&format!("{}: {} after {:.1} s", scenario.name, outcome.phase(), outcome.seconds));
            one_by_one.push((scenario, outcome));
        }
        say("all five at once");
        let [a, b, c, d, e] = SCENARIOS.each_ref().map(|scenario| scenario.run(self, PATIENCE));
        let (a, b, c, d, e) = stop.or(async { tokio::try_join!(a, b, c, d, e) }).await?;
        Ok(Outcomes {
            codebuild_start: Duration::ZERO,
            one_by_one,
            at_once: SCENARIOS.into_iter().zip([a, b, c, d, e]).collect(),
        })
    }

    /// The kubeconfig of a cluster administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.plane.kubeconfig()
    }

    /// What `kubectl get incidents` shows.
    pub fn incidents(&self) -> Result<String> {
        self.plane.kubectl(&["get", "incidents", "-n", NAMESPACE])
    }

    /// IAM User Guide, "Troubleshoot IAM", "Changes that I make are not always immediately visible".
    async fn wait_for_the_role(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            match self.access.operator_is_known().await {
                Ok(()) => return Ok(()),
                Err(error) if start.elapsed() > Duration::from_secs(120) => {
                    return Err(error.context("becoming the operator's role"));
                }
                Err(_) => tokio::time::sleep(Duration::from_secs(2)).await,
            }
        }
    }

    async fn wait_for_the_canary(&self, port: u16) -> Result<()> {
        let start = Instant::now();
        loop {
            let (_, metrics) = sandbox::get(port, "/metrics").await.context("the operator's metrics")?;
            let seen = metrics.lines().find_map(|line| line.strip_prefix("reforge_canary_seen_timestamp_seconds "));
            if seen.and_then(|at| at.trim().parse::<f64>().ok()).is_some_and(|at| at > 0.0) {
                return Ok(());
            }
            if start.elapsed() > CANARY_PATIENCE {
                bail!("no canary has come back after {:.0?}: events do not come from CloudTrail", start.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// What the chart is told. The rules judge: a model would add a cost, and nothing to what is to be shown here.
fn settings(outputs: &Outputs, site: &Site) -> Value {
    let projects: Vec<String> = WORKSPACES.into_iter().flat_map(Site::projects).collect();
    json!({
        "queueUrl": outputs.queue_url,
        "deadLetterQueueUrl": outputs.dead_letter_queue_url,
        "artifactBucket": outputs.artifact_bucket,
        "region": site.region,
        "topicArn": outputs.topic_arn,
        "classifier": {"mode": "Rules"},
        "grants": [{"namespace": NAMESPACE, "accounts": [site.account], "regions": [site.region], "projects": projects}],
        "recoveryRoles": outputs.recovery_role_arns,
        "eventPatterns": outputs.event_patterns,
        "plumbing": outputs.plumbing,
        "projects": outputs.project_fingerprints,
        "canary": {"parameter": outputs.canary_parameter, "every": "10m", "patience": "9m"},
        "clusterName": PREFIX,
    })
}
