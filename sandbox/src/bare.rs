//! A place for measuring: a control plane with nothing but the custom resources and policies, and an AWS with a queue and
//! workspaces whose builds follow a script. No chart, no Terraform and nobody's rights: what is measured is the operator.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::edge::{self, Edge, Resource, Script};
use crate::incidents::client_at;
use crate::install::{ACCOUNT, NAMESPACE, REGION, printed};
use crate::process::Scratch;
use crate::{Aws, ControlPlane, Crowd, Launch, Operator, parts};

/// The value that Terraform gives each workspace's parameter.
const RIGHT: &str = "secure-mode";
/// A user's key: it may do everything.
const ADMINISTRATOR: &str = "administrator";
const BUCKET: &str = "bare-artifacts";
const ROLE: &str = "bare-builds";
/// The inventories that are made at once.
const AT_ONCE: usize = 8;

/// What is measured in; ends when it is dropped.
#[derive(Debug)]
pub struct Bare {
    plane: ControlPlane,
    edge: Edge,
    crowd: Crowd,
    settings: Value,
    _aws: Aws,
    folder: Scratch,
}

impl Bare {
    /// Starts one with these custom resources, so many policies, and a number of workspaces, of which each belongs to the policy
    /// of its number.
    ///
    /// # Errors
    /// When a part of it can't be had or does not start.
    pub async fn start(crds: &str, policies: usize, workspaces: usize) -> Result<Self> {
        let (aws_cli, models) = tokio::task::spawn_blocking(|| -> Result<_> {
            parts::apiserver()?;
            parts::ministack()?;
            Ok((parts::aws_cli()?, parts::api_models()?))
        })
        .await??;
        let folder = Scratch::new("reforge-bare-")?;
        let plane = tokio::task::spawn_blocking(ControlPlane::start).await??;
        plane.kubectl_with(crds, &["apply", "--server-side", "-f", "-"])?;
        plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
        plane.kubectl(&["create", "namespace", NAMESPACE])?;
        let manifests: Vec<Value> = (0..policies).map(|i| policy(i, i % workspaces.max(1))).collect();
        let all = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
        plane.kubectl_with(&all.to_string(), &["apply", "-f", "-"])?;

        let aws = Aws::start().await?;
        let mut config = edge::Config::new(aws.url(), folder.path(), models);
        // Each workspace may build at once: how many an account may is not what is measured.
        config.concurrent_builds = u64::try_from(policies.max(workspaces))?.max(config.concurrent_builds);
        let edge = Edge::start(config).await?;
        let crowd = Crowd::at(&plane).await?;
        let mut bare = Self { plane, edge, crowd, settings: Value::Null, _aws: aws, folder };
        bare.settings = bare.furnish(&aws_cli.join("aws")).await?;
        let each = stream::iter(0..workspaces).map(Ok);
        each.try_for_each_concurrent(AT_ONCE, |i| bare.add_workspace(i)).await?;
        Ok(bare)
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// The AWS.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The Incidents.
    pub fn crowd(&self) -> &Crowd {
        &self.crowd
    }

    /// Starts an operator in it, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get so far.
    pub async fn launch(&self, program: &Path, name: &str) -> Result<Operator> {
        let (environment, kubeconfig) = (self.environment(), self.plane.kubeconfig());
        let folder = self.folder.path();
        let settings = &self.settings;
        Operator::launch(&Launch {
            program,
            folder,
            environment,
            cleared: &[],
            kubeconfig: &kubeconfig,
            settings,
            name,
        })
        .await
    }

    /// Puts messages into the operator's queue.
    ///
    /// # Errors
    /// When the queue does not take them.
    pub async fn send(&self, bodies: &[String]) -> Result<()> {
        for batch in bodies.chunks(10) {
            let entry = |(i, body): (usize, &String)| json!({"Id": i.to_string(), "MessageBody": body});
            let entries: Vec<Value> = batch.iter().enumerate().map(entry).collect();
            let input = json!({"QueueUrl": self.settings["queueUrl"], "Entries": entries});
            self.edge.call_unheard("sqs", "AmazonSQS.SendMessageBatch", &input).await?;
        }
        Ok(())
    }

    /// Messages in the operator's queue, in sight and in flight.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn in_queue(&self) -> Result<u64> {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let input = json!({"QueueUrl": self.settings["queueUrl"], "AttributeNames": names});
        let answer = self.edge.call_unheard("sqs", "AmazonSQS.GetQueueAttributes", &input).await?;
        Ok(names.iter().filter_map(|name| answer["Attributes"][name].as_str()?.parse::<u64>().ok()).sum())
    }

    /// Somebody else leads, until what this gives back is dropped: operators work off their queue, and nothing else.
    ///
    /// # Errors
    /// When the apiserver does not answer, or an operator leads.
    pub async fn led_by_another(&self) -> Result<JoinSet<()>> {
        let leases: Api<Lease> = Api::namespaced(client_at(&self.plane.kubeconfig()).await?, NAMESPACE);
        let lease = json!({"metadata": {"name": "reforge-leader"}, "spec": {"holderIdentity": "another"}});
        leases.create(&PostParams::default(), &serde_json::from_value(lease)?).await.context("making the lease")?;
        let mut renewing = JoinSet::new();
        renewing.spawn(async move {
            loop {
                // A lease that does not change for 15 s is anybody's.
                let renewed = json!({"spec": {"renewTime": format!("{:.6}", jiff::Timestamp::now())}});
                let patch = Patch::Merge(renewed);
                if let Err(error) = leases.patch("reforge-leader", &PatchParams::default(), &patch).await {
                    tracing::warn!(%error, "the lease was not renewed");
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        Ok(renewing)
    }

    /// Gives the parameter of a workspace another value than Terraform does; nobody hears of it.
    ///
    /// # Errors
    /// When AWS refuses.
    pub async fn tamper(&self, workspace: usize) -> Result<()> {
        self.plant(&parameter(workspace), "hacked").await
    }

    /// Starts a build of the plan of a workspace, as anybody may, and gives back its id.
    ///
    /// # Errors
    /// When CodeBuild refuses.
    pub async fn start_plan(&self, workspace: usize) -> Result<String> {
        let input = json!({"projectName": project(workspace, "plan")});
        let started = self.edge.call(ADMINISTRATOR, "codebuild", "CodeBuild_20161006.StartBuild", &input).await?;
        Ok(started["build"]["id"].as_str().context("a build has an id")?.to_owned())
    }

    async fn plant(&self, name: &str, value: &str) -> Result<()> {
        let input = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
        self.edge.call_unheard("ssm", "AmazonSSM.PutParameter", &input).await.map(|_| ())
    }

    /// Makes what all workspaces share, and gives back the operator's settings.
    async fn furnish(&self, aws: &Path) -> Result<Value> {
        let cli = async |args: &[&str]| -> Result<String> {
            let mut command = Command::new(aws);
            command.args(["--endpoint-url", &self.edge.url()]).args(args).envs(self.environment());
            printed(&mut command, &format!("aws {}", args.join(" "))).await
        };
        let everybody = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}});
        let queue = async |name: &str| -> Result<Value> {
            let input = json!({"QueueName": name, "Attributes": {"Policy": everybody.to_string()}});
            Ok(self.edge.call_unheard("sqs", "AmazonSQS.CreateQueue", &input).await?["QueueUrl"].clone())
        };
        let (queue_url, dead) = (queue("events").await?, queue("dead").await?);
        let pattern = json!({"source": ["aws.codebuild"], "detail-type": ["CodeBuild Build State Change"]}).to_string();
        let rule = json!({"Name": "builds", "EventPattern": pattern, "State": "ENABLED"});
        self.edge.call_unheard("events", "AWSEvents.PutRule", &rule).await?;
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:events");
        let targets = json!({"Rule": "builds", "Targets": [{"Id": "queue", "Arn": arn}]});
        self.edge.call_unheard("events", "AWSEvents.PutTargets", &targets).await?;
        cli(&["s3", "mb", &format!("s3://{BUCKET}")]).await?;
        let trust = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole"}});
        let all = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        let (trust, all) = (trust.to_string(), all.to_string());
        cli(&["iam", "create-role", "--role-name", ROLE, "--assume-role-policy-document", &trust]).await?;
        let put = ["iam", "put-role-policy", "--role-name", ROLE, "--policy-name", "all", "--policy-document", &all];
        cli(&put).await?;
        let grant = json!({"namespace": NAMESPACE, "accounts": [ACCOUNT], "regions": [REGION], "projects": ["*"]});
        Ok(json!({"queueUrl": queue_url, "deadLetterQueueUrl": dead, "artifactBucket": BUCKET, "region": REGION,
            "grants": [grant], "recoveryRoles": [role()]}))
    }

    /// A workspace with its parameter, its projects, its script and its first inventory.
    async fn add_workspace(&self, number: usize) -> Result<()> {
        for mode in ["plan", "apply"] {
            self.edge.call_unheard("codebuild", "CodeBuild_20161006.CreateProject", &manifest(number, mode)).await?;
        }
        let declared = Resource::parameter("aws_ssm_parameter.mode", &parameter(number), RIGHT);
        self.edge.script(&workspace(number), Some(Script::of([declared])));
        self.plant(&parameter(number), RIGHT).await?;
        let id = self.start_plan(number).await?;
        loop {
            let build = self.edge.builds().into_iter().find(|b| b.id == id).context("the build is there")?;
            if build.end.is_some() {
                ensure!(build.status == "SUCCEEDED", "the plan of workspace {number} ended as {}", build.status);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.edge.url()),
            ("AWS_ACCESS_KEY_ID", ADMINISTRATOR.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "bare".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// The name of the parameter that a workspace declares.
pub fn parameter(workspace: usize) -> String {
    format!("/bare/{workspace}/mode")
}

fn workspace(number: usize) -> String {
    format!("bare-{number}")
}

fn project(workspace: usize, mode: &str) -> String {
    format!("bare-{workspace}-{mode}")
}

fn role() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}")
}

/// The policy takes what is below `/bare/<number>/`, and is the owner of that workspace if there is one.
fn policy(number: usize, of: usize) -> Value {
    json!({
        "apiVersion": "reforge.dev/v1alpha1", "kind": "RecoveryPolicy",
        "metadata": {"name": format!("policy-{number}"), "namespace": NAMESPACE},
        "spec": {
            "mode": "Enforce",
            "match": {"resourceTypes": ["ssm"], "resourceIds": [format!("/bare/{number}/*")]},
            "recovery": {"workspaces": [{"name": workspace(of), "project": project(of, "apply"), "planProject": project(of, "plan")}]},
            "approval": {"mode": "Never"},
            "limits": {"cooldown": "0s", "maxPerHour": 1000, "maxConcurrent": 10, "stormThreshold": 1000, "tugOfWar": 100},
        },
    })
}

fn manifest(number: usize, mode: &str) -> Value {
    let variable = |name: &str, value: String| json!({"name": name, "value": value, "type": "PLAINTEXT"});
    json!({
        "name": project(number, mode), "serviceRole": role(),
        "source": {"type": "NO_SOURCE", "buildspec": "version: 0.2"}, "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [
                variable("REFORGE_MODE", mode.to_owned()), variable("REFORGE_WORKSPACE", workspace(number)),
                variable("REFORGE_BUCKET", BUCKET.to_owned()), variable("REFORGE_STATE_BUCKET", "states".to_owned()),
                variable("REFORGE_STATE_KEY", workspace(number)),
            ],
        },
    })
}
