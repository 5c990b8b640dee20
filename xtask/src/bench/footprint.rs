//! What a year of Incidents costs the operator: memory, its start, and the work for one more event.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use sandbox::{ACCOUNT, Aws, ControlPlane, Crowd, Launch, NAMESPACE, Operator, parts};
use serde_json::{Value, json};

use crate::machine;

use super::{Figure, tell};

/// The operator's memory, its start, and its work for an event, by how many ended Incidents there are.
#[derive(Debug, Args)]
pub struct Footprint {
    /// Write the figures as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// How many ended Incidents; the first is what the others are compared with.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 10_000])]
    incidents: Vec<usize>,
    /// How many policies.
    #[arg(long, default_value_t = 100)]
    policies: usize,
    /// Measure the build for developing, which is there already, in place of a release.
    #[arg(long)]
    debug: bool,
}

/// Events whose work is measured, by size.
const EVENTS: usize = 100;
const REGION: &str = "us-east-1";
const BUCKET: &str = "bench-artifacts";
const PATIENCE: Duration = Duration::from_secs(300);

/// What was measured with so many Incidents.
struct Measured {
    incidents: usize,
    ready: f64,
    listed: f64,
    resident: f64,
    peak: f64,
    apiserver: f64,
    /// Processor time and calls of the apiserver for one event, in milliseconds and as a number.
    event_millis: f64,
    event_calls: f64,
}

impl Footprint {
    pub fn run(self) -> Result<()> {
        ensure!(!self.incidents.is_empty(), "say how many Incidents");
        eprintln!("xtask: some ten minutes for 10,000 Incidents, an hour for 100,000; a release is built first");
        let program = if self.debug {
            machine::build_operator()?;
            machine::operator()
        } else {
            machine::run("cargo", &["build", "--locked", "--release", "--bin", "reforge"])?;
            machine::root().join("target/release/reforge")
        };
        let measured = tokio::runtime::Runtime::new()?.block_on(self.measure(&program))?;
        tell(&figures(&measured), self.json.as_deref())
    }

    async fn measure(&self, program: &Path) -> Result<Vec<Measured>> {
        let place = Place::start(self.policies).await?;
        let mut measured = Vec::new();
        let mut there = 0;
        for count in &self.incidents {
            eprintln!("xtask: storing ended Incidents up to {count}");
            place.crowd.grow(there, *count).await?;
            there = there.max(*count);
            measured.push(place.measure(program, *count).await?);
        }
        Ok(measured)
    }
}

struct Place {
    plane: ControlPlane,
    aws: Aws,
    crowd: Crowd,
    settings: Value,
}

impl Place {
    async fn start(policies: usize) -> Result<Self> {
        let plane = ControlPlane::start()?;
        let crds = reforge::cli::all_manifests()?;
        plane.kubectl_with(&crds, &["apply", "--server-side", "-f", "-"])?;
        plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
        plane.kubectl(&["create", "namespace", NAMESPACE])?;
        let manifests: Vec<Value> = (0..policies).map(policy).collect();
        let all = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
        plane.kubectl_with(&all.to_string(), &["apply", "-f", "-"])?;
        let aws = Aws::start().await?;
        let queue = |name: &str| -> Result<String> {
            let made = cli(&aws, &["sqs", "create-queue", "--queue-name", name, "--output", "text"])?;
            Ok(made.trim().to_owned())
        };
        let (queue_url, dead) = (queue("events")?, queue("dead")?);
        cli(&aws, &["s3", "mb", &format!("s3://{BUCKET}")])?;
        let inventory = aws.folder().join("inventory.json");
        let owned = json!({"workspace": "w", "accountId": ACCOUNT, "region": REGION, "resources": [],
            "backend": {"bucket": "states", "key": "w"}});
        std::fs::write(&inventory, owned.to_string())?;
        let to = format!("s3://{BUCKET}/inventory/w.json");
        cli(&aws, &["s3", "cp", &inventory.display().to_string(), &to])?;
        let grant = json!({"namespace": NAMESPACE, "accounts": [ACCOUNT], "regions": [REGION], "projects": ["*"]});
        let settings = json!({"queueUrl": queue_url, "deadLetterQueueUrl": dead, "artifactBucket": BUCKET,
            "region": REGION, "grants": [grant]});
        let crowd = Crowd::at(&plane).await?;
        Ok(Self { plane, aws, crowd, settings })
    }

    async fn measure(&self, program: &Path, incidents: usize) -> Result<Measured> {
        // The apiserver fills its own cache in the first list; the second is what the operator is compared with.
        self.crowd.list_in_pages().await?;
        let listed = self.crowd.list_in_pages().await?.as_secs_f64();
        eprintln!("xtask: starting the operator among {incidents}");
        let start = Instant::now();
        let environment = environment(&self.aws);
        let kubeconfig = self.plane.kubeconfig();
        let launch = Launch {
            program,
            folder: self.plane.folder(),
            environment,
            cleared: &[],
            kubeconfig: &kubeconfig,
            settings: &self.settings,
            name: "bench",
        };
        let operator = Operator::launch(&launch).await?;
        let ready = start.elapsed().as_secs_f64();
        let pid = operator.pid()?;
        // The first round warms what is made once, whatever the size.
        self.play(incidents, "warm").await?;
        let (cpu, calls) = (cpu_millis(pid)?, self.calls()?);
        self.play(incidents, "measured").await?;
        let (cpu, calls) = (cpu_millis(pid)? - cpu, self.calls()? - calls);
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        let events = EVENTS as f64;
        Ok(Measured {
            incidents,
            ready,
            listed,
            resident: memory(pid, "VmRSS:")?,
            peak: memory(pid, "VmHWM:")?,
            apiserver: memory(self.plane.apiserver_pid()?, "VmRSS:")?,
            event_millis: cpu / events,
            event_calls: calls / events,
        })
    }

    /// Sends events of resources that no Terraform owns, and waits until their Incidents have ended.
    async fn play(&self, incidents: usize, round: &str) -> Result<()> {
        let queue = self.settings["queueUrl"].as_str().unwrap_or_default();
        for batch in 0..EVENTS / 10 {
            let entry = |i: usize| {
                let id = format!("{round}-{incidents}-{}", batch * 10 + i);
                json!({"Id": i.to_string(), "MessageBody": event(&id).to_string()})
            };
            let entries = Value::from((0..10).map(entry).collect::<Vec<_>>()).to_string();
            cli(&self.aws, &["sqs", "send-message-batch", "--queue-url", queue, "--entries", &entries])?;
        }
        let start = Instant::now();
        let prefix = format!("/bench/{round}-{incidents}-");
        while self.crowd.ended_of("ssm", &prefix).await? < EVENTS {
            if start.elapsed() > PATIENCE {
                bail!("the Incidents of {round} have not ended");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// Calls that the apiserver has answered, but lists and watches.
    fn calls(&self) -> Result<f64> {
        let text = self.plane.kubectl(&["get", "--raw", "/metrics"])?;
        let of_ours = |line: &&str| {
            line.starts_with("apiserver_request_total{")
                && (line.contains("resource=\"incidents\"") || line.contains("resource=\"events\""))
                && !line.contains("verb=\"LIST\"")
                && !line.contains("verb=\"WATCH\"")
        };
        let count = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok());
        Ok(text.lines().filter(of_ours).filter_map(count).sum())
    }
}

fn figures(measured: &[Measured]) -> Vec<Figure> {
    let Some(first) = measured.first() else { return Vec::new() };
    let mut figures = Vec::new();
    for of in measured {
        let n = of.incidents;
        let small = |value: f64| (value, format!("with {} Incidents", first.incidents));
        let mut add = |what: &str, ours: f64, beside: (f64, String), unit: &'static str| {
            figures.push(Figure::new(format!("{n} Incidents: {what}"), ours, beside, unit));
        };
        add("resident memory", of.resident, small(first.resident), "MiB");
        add("peak of it, with the first list", of.peak, (of.apiserver, "the apiserver's memory".to_owned()), "MiB");
        add("ready after", of.ready, (of.listed, "a list in the same pages".to_owned()), "s");
        add("processor time for an event", of.event_millis, small(first.event_millis), "ms");
        add("calls of the apiserver for an event", of.event_calls, small(first.event_calls), "");
    }
    figures
}

fn policy(i: usize) -> Value {
    // The first takes the events; the others are there.
    let id = if i == 0 { "/bench/*".to_owned() } else { format!("/other-{i}/*") };
    json!({
        "apiVersion": "reforge.dev/v1alpha1", "kind": "RecoveryPolicy",
        "metadata": {"name": format!("policy-{i}"), "namespace": NAMESPACE},
        "spec": {
            "mode": "Enforce",
            "match": {"resourceTypes": ["ssm"], "resourceIds": [id]},
            "recovery": {"workspaces": [{"name": "w", "project": "apply", "planProject": "plan"}]},
            "approval": {"mode": "Never"},
        },
    })
}

fn event(id: &str) -> Value {
    // What happened before its policy was created would be none of it.
    let time = format!("{:.0}", jiff::Timestamp::now());
    json!({
        "version": "0", "id": id, "detail-type": "AWS API Call via CloudTrail", "source": "aws.ssm", "account": ACCOUNT,
        "time": time, "region": REGION, "resources": [],
        "detail": {
            "eventVersion": "1.11", "eventID": id, "eventTime": time, "eventSource": "ssm.amazonaws.com",
            "eventName": "DeleteParameter", "awsRegion": REGION, "recipientAccountId": ACCOUNT, "readOnly": false,
            "eventType": "AwsApiCall", "managementEvent": true,
            "userIdentity": {"type": "IAMUser", "arn": format!("arn:aws:iam::{ACCOUNT}:user/{id}")},
            "requestParameters": {"name": format!("/bench/{id}")}, "responseElements": null,
        },
    })
}

fn environment(aws: &Aws) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", aws.url()),
        ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn cli(aws: &Aws, args: &[&str]) -> Result<String> {
    let program = parts::aws_cli()?.join("aws");
    let mut command = std::process::Command::new(program);
    let output = command.args(["--endpoint-url", &aws.url()]).args(args).envs(environment(aws)).output()?;
    ensure!(output.status.success(), "aws {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// A figure of `/proc/<pid>/status`, in MiB.
fn memory(pid: u32, name: &str) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("the figure")?;
    let kib: f64 = line.split_whitespace().next().context("a number")?.parse()?;
    Ok(kib / 1024.0)
}

/// The processor time of a process, in milliseconds: proc(5) counts in hundredths of a second.
fn cpu_millis(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = text.rsplit(')').next().context("the fields after the name")?;
    let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks * 10.0)
}
