//! The five scenarios: what is broken, and how long its recovery may take.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::Value;

use crate::ControlPlane;
use crate::incidents::name_of;
use crate::install::{ACCOUNT, Caller, Sandbox};
use crate::stretches::{self, BuildTimes, STRETCHES};

/// The policies of the five workspaces, as manifests.
pub const POLICIES: &str = include_str!("../policies.yaml");

/// The policies of the five workspaces, whose projects' names begin with `prefix`.
pub fn policies(prefix: &str) -> String {
    POLICIES.replace("roject: aiops-", &format!("roject: {prefix}-"))
}

/// What the scenarios break, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The `Name` tag of the web server.
    pub instance: String,
    /// The function.
    pub function: String,
    /// The table.
    pub table: String,
    /// The bucket.
    pub bucket: String,
    /// The parameter.
    pub parameter: String,
}

/// Where scenarios are played: a control plane with an operator, and an AWS with the five resources.
pub trait Place: Sync {
    /// Where the Incidents are.
    fn plane(&self) -> &ControlPlane;

    /// What is broken.
    fn resources(&self) -> Resources;

    /// Runs the AWS CLI as whoever breaks things, and gives back what it printed.
    fn call(&self, args: &[&str]) -> impl Future<Output = Result<String>> + Send;

    /// The builds of an Incident, oldest first.
    fn builds(&self, incident: &Value) -> impl Future<Output = Result<Vec<BuildTimes>>> + Send;
}

impl Place for Sandbox {
    fn plane(&self) -> &ControlPlane {
        self.plane()
    }

    fn resources(&self) -> Resources {
        Resources {
            instance: "aiops-web".to_owned(),
            function: "aiops-monitored-function".to_owned(),
            table: "AiOpsDataTable".to_owned(),
            bucket: format!("aiops-data-bucket-{ACCOUNT}"),
            parameter: "/myapp/config/mode".to_owned(),
        }
    }

    async fn call(&self, args: &[&str]) -> Result<String> {
        self.aws(Caller::Mallory, args).await
    }

    async fn builds(&self, incident: &Value) -> Result<Vec<BuildTimes>> {
        let name = name_of(incident);
        let all = self.edge().builds();
        let ours = all.iter().filter(|b| b.overrides.iter().any(|(k, v)| k == "REFORGE_INCIDENT" && *v == name));
        Ok(ours.map(BuildTimes::from).collect())
    }
}

/// The policy of the further workspace, [`crate::PLATFORM`].
pub const PLATFORM_POLICY: &str = include_str!("../platform-policy.yaml");

/// One scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The resource type, which is the workspace's name too.
    pub name: &'static str,
    /// What happens.
    pub what: &'static str,
    /// Within how many seconds it shall be over.
    pub expected_seconds: u32,
}

/// All five.
pub const SCENARIOS: [Scenario; 5] = [
    Scenario { name: "ec2", what: "the web server is terminated", expected_seconds: 240 },
    Scenario { name: "lambda", what: "the function is deleted", expected_seconds: 120 },
    Scenario { name: "dynamodb", what: "the table is deleted", expected_seconds: 180 },
    Scenario { name: "s3", what: "the bucket is deleted", expected_seconds: 120 },
    Scenario { name: "ssm", what: "the parameter is tampered with", expected_seconds: 120 },
];

/// An Incident that has ended, as the apiserver has it, and its times.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The Incident.
    pub incident: Value,
    /// From the call that broke the resource to the Incident's end, in seconds.
    pub seconds: f64,
    /// What of it was spent neither in builds nor waiting for AWS to carry the change out, in seconds, from when the
    /// call had returned: the start of the AWS CLI takes its time on a busy machine.
    pub outside_builds_seconds: f64,
    /// Where all of it went, in seconds, by [`STRETCHES`].
    pub stretches: [f64; STRETCHES.len()],
}

impl Outcome {
    /// The phase it ended in.
    pub fn phase(&self) -> &str {
        self.incident["status"]["phase"].as_str().unwrap_or("?")
    }

    /// The verdict.
    pub fn verdict(&self) -> &str {
        self.incident["status"]["classification"]["verdict"].as_str().unwrap_or("?")
    }
}

impl Scenario {
    /// Breaks the resource with the AWS CLI, as an attacker or a clumsy colleague would.
    pub async fn break_it(&self, place: &impl Place) -> Result<()> {
        let of = place.resources();
        let instance = if self.name == "ec2" { running_instance(place).await? } else { String::new() };
        let args: Vec<&str> = match self.name {
            "ec2" => vec!["ec2", "terminate-instances", "--instance-ids", &instance],
            "lambda" => vec!["lambda", "delete-function", "--function-name", &of.function],
            "dynamodb" => vec!["dynamodb", "delete-table", "--table-name", &of.table],
            "s3" => vec!["s3api", "delete-bucket", "--bucket", &of.bucket],
            "ssm" => vec!["ssm", "put-parameter", "--name", &of.parameter, "--value", "hacked", "--overwrite"],
            other => bail!("there is no scenario {other}"),
        };
        place.call(&args).await?;
        Ok(())
    }

    /// Breaks the resource and waits for the end of its Incident, `patience` at most.
    pub async fn run(&self, place: &impl Place, patience: Duration) -> Result<Outcome> {
        let incidents = place.plane().incidents().await?;
        let before = incidents.names(Some(self.name)).await?;
        let began = Timestamp::now();
        self.break_it(place).await?;
        let broken = Timestamp::now();
        let is_over =
            |i: &Value| !before.contains(&name_of(i)) && is_of_a_policy(i) && i["status"]["step"]["name"] == "Ended";
        let incident = incidents.find(self.name, patience, is_over).await?;
        outcome(place, incident, began, broken).await
    }
}

/// The instance of the web server that runs.
pub async fn running_instance(place: &impl Place) -> Result<String> {
    let name = place.resources().instance;
    let query = format!(
        "Reservations[].Instances[?State.Name=='running' && Tags[?Key=='Name' && Value=='{name}']][].InstanceId"
    );
    let ids = place.call(&["ec2", "describe-instances", "--query", &query, "--output", "text"]).await?;
    let mut ids = ids.split_whitespace();
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(id.to_owned()),
        (first, second) => bail!("there is not one running instance: {first:?} {second:?}"),
    }
}

/// Whether it is more than a canary, or an alert on what Reforge itself stands on.
fn is_of_a_policy(incident: &Value) -> bool {
    !matches!(incident["spec"]["handling"].as_str(), Some("Canary" | "Alert"))
}

async fn outcome(place: &impl Place, incident: Value, began: Timestamp, broken: Timestamp) -> Result<Outcome> {
    let timeline = &incident["status"]["timeline"];
    let at = |name: &str| timeline[name].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64().max(0.0);
    let ended = at("endedAt").context("an Incident that has ended says when")?;
    let settling = match (at("classifiedAt"), at("settledAt")) {
        (Some(from), Some(to)) => seconds(from, to),
        _ => 0.0,
    };
    let builds = place.builds(&incident).await?;
    let building: f64 = builds.iter().filter_map(|b| Some(seconds(b.start, b.end?))).sum();
    let outside = seconds(broken, ended) - settling - building;
    let stretches = stretches::of(began, timeline, &builds);
    Ok(Outcome { seconds: seconds(began, ended), outside_builds_seconds: outside.max(0.0), stretches, incident })
}
