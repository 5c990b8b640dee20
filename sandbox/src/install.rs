//! A whole install: the emulated AWS behind the edge, the AWS side of Reforge and five workspaces applied by real
//! Terraform, and a control plane with the chart.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::edge::{self, Edge, Times};
use crate::process::Scratch;
use crate::warm_cli::WarmCli;
use crate::{Aws, ControlPlane, chart, parts};

/// The workspaces, by the name of the service that each recovers.
pub const WORKSPACES: [&str; 5] = ["dynamodb", "ec2", "lambda", "s3", "ssm"];
/// A further workspace, with projects but not applied yet: for who wants more types.
pub const PLATFORM: &str = "platform";
/// The namespace of the operator and of the policies.
pub const NAMESPACE: &str = "reforge";
/// The emulated account.
pub const ACCOUNT: &str = "000000000000";
/// The region of everything.
pub const REGION: &str = "us-east-1";
const SOURCE_BUCKET: &str = "platform-source";
const SOURCE_KEY: &str = "terraform.zip";

/// How many of the workspaces are applied and planned at once: Terraform waits for the emulated AWS half of its time.
const AT_ONCE: usize = 3;

/// What kind of a sandbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// How long things take in its AWS.
    pub times: Times,
    /// Services whose resources any workspace may have, beside its own.
    pub services: &'static [&'static str],
    /// So many workspaces whose builds follow a script, [`stage`] by name, in place of the five and of [`PLATFORM`].
    /// Nothing is applied of them, and no script is set.
    pub stages: usize,
}

/// The name of a scripted workspace, and of the namespace that its projects are granted to.
pub fn stage(number: usize) -> String {
    format!("stage-{number}")
}

/// Who calls AWS: the access key tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The operator, under its role.
    Operator,
    /// Somebody who breaks things.
    Mallory,
    /// The platform engineer, applying Terraform by hand.
    Terraform,
}

impl Caller {
    /// The access key id.
    pub fn access_key(self) -> &'static str {
        match self {
            Self::Operator => "AKIAOPERATOR",
            Self::Mallory => "AKIAMALLORY",
            Self::Terraform => "AKIATERRAFORM",
        }
    }
}

/// What the Terraform of the install says about itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Outputs {
    /// The queue with the events.
    pub queue_url: String,
    /// Where unreadable messages go.
    pub dead_letter_queue_url: String,
    /// States, plans, summaries, inventories.
    pub artifact_bucket: String,
    /// The topic of the messages.
    pub topic_arn: String,
    /// The roles of the builds.
    pub recovery_role_arns: Vec<String>,
    /// What the install stands on, as the operator's settings have it.
    pub plumbing: Value,
    /// The projects' fingerprints, by name.
    pub project_fingerprints: Value,
    /// The parameter that canaries are written to.
    pub canary_parameter: String,
    /// The bus that other accounts and regions send to, if it is a hub.
    pub bus_arn: Option<String>,
    /// What a policy's events come by.
    pub event_patterns: Vec<String>,
    /// What comes from calls on what the install stands on.
    pub plumbing_patterns: Vec<String>,
    /// The operator's role.
    pub operator_role_arn: String,
}

/// An install; everything ends when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    plane: ControlPlane,
    edge: Edge,
    outputs: Outputs,
    messages_url: String,
    stages: usize,
    tools: Tools,
    repository: PathBuf,
    /// Dropped last: the others write into it.
    _aws: Aws,
    _cli: WarmCli,
    folder: Scratch,
    /// Whether the source is another than the repository's.
    edited: AtomicBool,
}

/// Programs that are had, and not expected on the machine.
#[derive(Clone, Debug)]
struct Tools {
    terraform_config: PathBuf,
    aws_bin: PathBuf,
    api_models: PathBuf,
    helm: PathBuf,
}

impl Sandbox {
    /// Gets all parts, starts everything and applies the Terraform of `repository`; `say` is told each step.
    pub async fn start(repository: &Path, say: impl Fn(&str)) -> Result<Self> {
        Self::start_with(repository, Setup::default(), say).await
    }

    /// The same, of another kind.
    pub async fn start_with(repository: &Path, setup: Setup, say: impl Fn(&str)) -> Result<Self> {
        let mut tools = tokio::task::spawn_blocking(|| -> Result<Tools> {
            parts::apiserver()?;
            parts::ministack()?;
            Ok(Tools {
                terraform_config: parts::terraform_config()?,
                aws_bin: parts::aws_cli()?,
                api_models: parts::api_models()?,
                helm: parts::helm()?,
            })
        })
        .await??;
        say("starting etcd, kube-apiserver and the emulated AWS (5 s)");
        let folder = Scratch::new("reforge-sandbox-")?;
        let plane = tokio::task::spawn_blocking(ControlPlane::start);
        let (installed, beside) = (tools.aws_bin.clone(), folder.path().to_owned());
        let cli = tokio::task::spawn_blocking(move || WarmCli::start(&installed, &beside));
        let aws = Aws::start().await?;
        let cli = cli.await??;
        cli.bin().clone_into(&mut tools.aws_bin);
        let mut config = edge::Config::new(aws.url(), folder.path(), &tools.api_models);
        config.build_env = vec![
            ("TF_CLI_CONFIG_FILE".to_owned(), tools.terraform_config.display().to_string()),
            // A lock that is met is worth a test, and not a minute.
            ("REFORGE_LOCK_TIMEOUT".to_owned(), "3s".to_owned()),
        ];
        config.path_prefix = vec![tools.aws_bin.clone()];
        config.times = setup.times;
        let edge = Edge::start(config).await?;
        let plane = plane.await??;
        copy_terraform(&repository.join("terraform"), &folder.path().join("terraform"))?;

        let mut sandbox = Self {
            plane,
            edge,
            outputs: Outputs::default(),
            messages_url: String::new(),
            stages: setup.stages,
            tools,
            repository: repository.to_owned(),
            _aws: aws,
            _cli: cli,
            folder,
            edited: AtomicBool::new(false),
        };
        sandbox.create_source_bucket(Caller::Terraform.access_key(), SOURCE_BUCKET).await?;
        sandbox.publish_source().await?;
        say("applying the AWS side of the install: queue, rules, projects, roles, bucket, topic (1 min)");
        sandbox.outputs = sandbox.apply_install(setup.services).await?;
        sandbox.subscribe().await?;
        if setup.stages > 0 {
            return Ok(sandbox);
        }
        say("applying the five workspaces, as their owner would (1 min)");
        let each = || futures::stream::iter(WORKSPACES).map(Ok);
        each().try_for_each_concurrent(AT_ONCE, |workspace| sandbox.apply_workspace(workspace)).await?;
        say("publishing the first inventories: one plan build for each workspace (1 min)");
        each().try_for_each_concurrent(AT_ONCE, |workspace| sandbox.run_plan(workspace)).await?;
        Ok(sandbox)
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// The edge: its builds, records and faults.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// What the install's Terraform says about itself.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Where this install keeps its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The copy of the repository's Terraform that the source is made from.
    pub fn terraform_folder(&self) -> PathBuf {
        self.folder.path().join("terraform")
    }

    /// What AWS tools need in their environment.
    pub fn environment(&self, caller: Caller) -> Vec<(String, String)> {
        self.environment_as(caller.access_key())
    }

    fn environment_as(&self, access_key: &str) -> Vec<(String, String)> {
        let pair = |k: &str, v: String| (k.to_owned(), v);
        let path = std::env::var("PATH").unwrap_or_default();
        vec![
            pair("AWS_ENDPOINT_URL", self.edge.url()),
            pair("AWS_ACCESS_KEY_ID", access_key.to_owned()),
            pair("AWS_SECRET_ACCESS_KEY", "sandbox".to_owned()),
            pair("AWS_REGION", REGION.to_owned()),
            pair("AWS_DEFAULT_REGION", REGION.to_owned()),
            pair("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            pair("AWS_CONFIG_FILE", self.folder.path().join("aws-config").display().to_string()),
            pair("TF_CLI_CONFIG_FILE", self.tools.terraform_config.display().to_string()),
            pair("PATH", format!("{}:{path}", self.tools.aws_bin.display())),
        ]
    }

    /// Runs the AWS CLI, and gives back what it printed.
    pub async fn aws(&self, caller: Caller, args: &[&str]) -> Result<String> {
        self.aws_as(caller.access_key(), args).await
    }

    /// Runs the AWS CLI with an access key, as AssumeRole gave it.
    pub async fn aws_as(&self, access_key: &str, args: &[&str]) -> Result<String> {
        let config = self.folder.path().join("aws-config");
        if !config.exists() {
            fs::write(&config, "[default]\ns3 =\n  addressing_style = path\n")?;
        }
        let mut command = Command::new(self.tools.aws_bin.join("aws"));
        // Version 1 of the CLI has a legacy host for SQS that goes before AWS_ENDPOINT_URL.
        command
            .args(["--endpoint-url", &self.edge.url()])
            .args(args)
            .envs(self.environment_as(access_key))
            .env("AWS_PAGER", "");
        printed(&mut command, &format!("aws {}", args.join(" "))).await
    }

    /// Zips the Terraform as it now is, and puts it where the projects take it from.
    pub async fn publish_source(&self) -> Result<()> {
        self.publish_source_to(Caller::Terraform.access_key(), SOURCE_BUCKET).await
    }

    pub(crate) async fn publish_source_to(&self, access_key: &str, bucket: &str) -> Result<()> {
        let zip = self.folder.path().join(SOURCE_KEY);
        let from = self.terraform_folder();
        let to = zip.clone();
        tokio::task::spawn_blocking(move || zip_folder(&from, &to)).await??;
        let body = zip.display().to_string();
        let put = ["s3api", "put-object", "--bucket", bucket, "--key", SOURCE_KEY, "--body", &body];
        self.aws_as(access_key, &put).await?;
        Ok(())
    }

    pub(crate) async fn create_source_bucket(&self, access_key: &str, bucket: &str) -> Result<()> {
        self.aws_as(access_key, &["s3api", "create-bucket", "--bucket", bucket]).await?;
        let versioned = ["s3api", "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration"];
        self.aws_as(access_key, &[&versioned[..], &["Status=Enabled"]].concat()).await?;
        Ok(())
    }

    /// Changes a file of the Terraform, and publishes it: the next plan sees it.
    pub async fn edit_source(&self, file: &str, edit: impl FnOnce(String) -> String) -> Result<()> {
        let path = self.terraform_folder().join(file);
        let text = fs::read_to_string(&path)?;
        let edited = edit(text.clone());
        anyhow::ensure!(edited != text, "the edit of {file} changes nothing");
        self.edited.store(true, Ordering::SeqCst);
        fs::write(&path, edited)?;
        self.publish_source().await
    }

    /// Takes back all edits.
    pub async fn restore_source(&self) -> Result<()> {
        if !self.edited.load(Ordering::SeqCst) {
            return Ok(());
        }
        copy_terraform(&self.repository.join("terraform"), &self.terraform_folder())?;
        self.publish_source().await?;
        self.edited.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Applies a workspace by hand, as its owner does the first time.
    pub async fn apply_workspace(&self, workspace: &str) -> Result<()> {
        let place = (Caller::Terraform.access_key(), self.outputs.artifact_bucket.as_str());
        self.apply_workspace_in(place, workspace, workspace).await
    }

    /// Applies the root module `root` as a workspace, with an access key, its state in a bucket.
    pub(crate) async fn apply_workspace_in(
        &self,
        (access_key, bucket): (&str, &str),
        root: &str,
        workspace: &str,
    ) -> Result<()> {
        let root = self.terraform_folder().join("environments/sandbox/workspaces").join(root);
        let prebuild = root.join("reforge-prebuild.sh");
        if prebuild.exists() {
            let mut command = Command::new("bash");
            command.arg(&prebuild);
            printed(&mut command, "the prebuild script").await?;
        }
        let bucket = format!("-backend-config=bucket={bucket}");
        let key = format!("-backend-config=key=state/{workspace}/terraform.tfstate");
        let region = format!("-backend-config=region={REGION}");
        let init = [
            "init",
            "-input=false",
            "-reconfigure",
            &bucket,
            &key,
            &region,
            "-backend-config=use_lockfile=true",
            "-backend-config=use_path_style=true",
            "-backend-config=skip_metadata_api_check=true",
            "-backend-config=skip_region_validation=true",
        ];
        self.terraform(access_key, &root, &init).await?;
        self.terraform(access_key, &root, &["apply", "-input=false", "-auto-approve"]).await?;
        Ok(())
    }

    /// Runs Terraform in a folder, with an access key.
    pub async fn terraform(&self, access_key: &str, root: &Path, args: &[&str]) -> Result<String> {
        let mut command = Command::new("terraform");
        command.args(args).arg("-no-color").current_dir(root).envs(self.environment_as(access_key));
        // S3 Control puts the account before the host; only the edge knows that host.
        command.envs([
            ("HTTP_PROXY", self.edge.url()),
            ("TF_IN_AUTOMATION", "1".to_owned()),
            ("CHECKPOINT_DISABLE", "1".to_owned()),
        ]);
        printed(&mut command, &format!("terraform {} in {}", args[0], root.display())).await
    }

    /// Starts a workspace's plan project and waits for its end: so an inventory is published.
    pub async fn run_plan(&self, workspace: &str) -> Result<()> {
        self.run_plan_as(Caller::Terraform.access_key(), workspace).await
    }

    pub(crate) async fn run_plan_as(&self, access_key: &str, workspace: &str) -> Result<()> {
        let project = format!("aiops-{workspace}-plan");
        let start = ["codebuild", "start-build", "--project-name", &project, "--output", "json"];
        let started: Value = serde_json::from_str(&self.aws_as(access_key, &start).await?)?;
        let id = started["build"]["id"].as_str().context("a build has an id")?.to_owned();
        let ended = loop {
            let build = self.edge.builds().into_iter().find(|b| b.id == id).context("the build is there")?;
            if build.status != "IN_PROGRESS" {
                break build;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        if ended.status != "SUCCEEDED" {
            bail!("the plan of {workspace} ended as {}:\n{}", ended.status, tail(&ended.log));
        }
        Ok(())
    }

    /// What the chart is told of this install: its own namespace is granted the workspaces, or each stage's its own one.
    fn settings(&self) -> Value {
        let projects = |workspace: &str| [format!("aiops-{workspace}-plan"), format!("aiops-{workspace}-recovery")];
        let grant = |namespace: &str, projects: &[String]| json!({"namespace": namespace, "accounts": [ACCOUNT], "regions": [REGION], "projects": projects});
        let grants: Vec<Value> = if self.stages == 0 {
            let all: Vec<String> = WORKSPACES.into_iter().chain([PLATFORM]).flat_map(projects).collect();
            vec![grant(NAMESPACE, &all)]
        } else {
            (0..self.stages).map(stage).map(|name| grant(&name, &projects(&name))).collect()
        };
        json!({
            "queueUrl": self.outputs.queue_url,
            "deadLetterQueueUrl": self.outputs.dead_letter_queue_url,
            "artifactBucket": self.outputs.artifact_bucket,
            "region": REGION,
            "topicArn": self.outputs.topic_arn,
            "classifier": {"mode": "Bedrock", "modelId": "amazon.nova-lite-v1:0", "timeoutSeconds": 10},
            "grants": grants,
            "recoveryRoles": self.outputs.recovery_role_arns,
            "plumbing": self.outputs.plumbing,
            "projects": self.outputs.project_fingerprints,
            // A test sweeps when it wants to.
            "sweep": null,
            "clusterName": "sandbox",
        })
    }

    /// Installs the chart with helm, and waits until its admission policies are enforced. No pod will run: the operator
    /// is a child process under the chart's ServiceAccount, with the settings that come back: those of the chart.
    pub async fn install_chart(&self) -> Result<Value> {
        chart::install(&self.plane, &self.tools.helm, &self.repository, &self.settings()).await
    }

    /// Installs the chart, or puts back what was changed of it.
    pub async fn upgrade_chart(&self) -> Result<()> {
        chart::upgrade(&self.plane, &self.tools.helm, &self.repository, &self.settings()).await
    }

    /// A kubeconfig of the chart's ServiceAccount.
    pub fn operator_kubeconfig(&self) -> Result<PathBuf> {
        chart::kubeconfig(&self.plane)
    }

    /// The messages that people got since this was asked last, each once.
    pub async fn messages(&self) -> Result<Vec<String>> {
        let url = self.messages_url.as_str();
        let bounds = ["--max-number-of-messages", "10", "--visibility-timeout", "3600", "--wait-time-seconds", "1"];
        let receive = [&["sqs", "receive-message", "--output", "json", "--queue-url", url][..], &bounds].concat();
        let mut all = Vec::new();
        loop {
            let answer = self.aws(Caller::Terraform, &receive).await?;
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            let Some(messages) = answer["Messages"].as_array() else { return Ok(all) };
            all.extend(messages.iter().filter_map(|m| m["Body"].as_str()).map(ToOwned::to_owned));
        }
    }

    /// Ends builds before their folders go.
    pub async fn stop(self) {
        self.edge.shutdown().await;
    }

    async fn apply_install(&self, services: &[&str]) -> Result<Outputs> {
        let bucket = format!("source_bucket={SOURCE_BUCKET}");
        let services = format!("services={}", json!(services));
        let stages = format!("stages={}", json!((0..self.stages).map(stage).collect::<Vec<_>>()));
        let given = [bucket.as_str(), &services, &stages];
        let outputs = self.apply_root(Caller::Terraform.access_key(), "install", &given).await?;
        serde_json::from_value(outputs).context("the outputs of the install")
    }

    /// Applies one of the sandbox's environments, and gives its output back.
    pub(crate) async fn apply_root(&self, access_key: &str, name: &str, variables: &[&str]) -> Result<Value> {
        let root = self.terraform_folder().join("environments/sandbox").join(name);
        self.terraform(access_key, &root, &["init", "-input=false"]).await?;
        let given: Vec<&str> = variables.iter().flat_map(|v| ["-var", v]).collect();
        let apply = [&["apply", "-input=false", "-auto-approve", "-parallelism=20"][..], &given].concat();
        self.terraform(access_key, &root, &apply).await?;
        let outputs: Value = serde_json::from_str(&self.terraform(access_key, &root, &["output", "-json"]).await?)?;
        Ok(outputs["reforge"]["value"].clone())
    }

    /// A queue behind the topic, in place of somebody's mailbox.
    async fn subscribe(&mut self) -> Result<()> {
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:mailbox");
        let topic = self.outputs.topic_arn.clone();
        let policy = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }});
        let attributes = json!({"Policy": policy.to_string()}).to_string();
        let create =
            ["sqs", "create-queue", "--queue-name", "mailbox", "--output", "json", "--attributes", &attributes];
        let made: Value = serde_json::from_str(&self.aws(Caller::Terraform, &create).await?)?;
        made["QueueUrl"].as_str().context("a queue has a URL")?.clone_into(&mut self.messages_url);
        let subscribe = [
            "sns",
            "subscribe",
            "--topic-arn",
            &topic,
            "--protocol",
            "sqs",
            "--notification-endpoint",
            &arn,
            "--attributes",
            "RawMessageDelivery=true",
        ];
        self.aws(Caller::Terraform, &subscribe).await?;
        Ok(())
    }
}

pub(crate) async fn printed(command: &mut Command, what: &str) -> Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.with_context(|| what.to_owned())?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{what}: {}\n{}\n{}", output.status, last_lines(&out), last_lines(&err));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// The end of a log.
pub fn tail(log: &Path) -> String {
    last_lines(&fs::read_to_string(log).unwrap_or_default())
}

/// What Terraform makes beside its source.
fn is_made(name: &str) -> bool {
    name == ".terraform" || name == "build" || name.contains(".tfstate")
}

/// Copies Terraform's source without what Terraform makes beside it.
pub fn copy_terraform(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        // The module's own folder `build` is source; one made by a prebuild script holds archives.
        if is_made(&name.to_string_lossy()) && !entry.path().join("inventory.jq").exists() {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_terraform(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Zips Terraform's source, as the projects take it from S3.
pub fn zip_folder(from: &Path, to: &Path) -> Result<()> {
    let mut archive = zip::ZipWriter::new(fs::File::create(to)?);
    add_folder(&mut archive, from, "")?;
    archive.finish()?;
    Ok(())
}

fn add_folder(archive: &mut zip::ZipWriter<fs::File>, folder: &Path, prefix: &str) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_made(&name) && !entry.path().join("inventory.jq").exists() {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            add_folder(archive, &entry.path(), &format!("{path}/"))?;
        } else {
            let mode = entry.metadata()?.permissions().mode();
            archive.start_file(path, zip::write::SimpleFileOptions::default().unix_permissions(mode))?;
            archive.write_all(&fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
