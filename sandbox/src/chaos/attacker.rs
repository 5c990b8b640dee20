//! Who breaks things: a clumsy colleague most of the time, an attacker now and then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scenario::{SCENARIOS, Scenario};
use crate::{ACCOUNT, Caller, Sandbox};

use super::{Builds, OPEN, PARAMETERS, Run, WORKSPACES, has_ended, incidents, text};

const ROLE: &str = "attacker";

/// What is broken: the resource's name, and since when.
pub struct Attacker<'a> {
    run: &'a Run<'a>,
    random: fastrand::Rng,
    began: Timestamp,
    /// Resources that are broken and not known to be recovered, with the number of Incidents that they had before.
    broken: BTreeMap<String, usize>,
    /// How many Incidents each resource had when it was looked last.
    known: BTreeMap<String, usize>,
}

/// The names of all parameters of a chaos run.
pub fn parameters() -> impl Iterator<Item = String> {
    WORKSPACES.iter().flat_map(|w| (0..PARAMETERS).map(move |i| format!("/chaos/{w}/{i}")))
}

/// A role that the attacker may assume, with rights on parameters.
pub async fn make_role(sandbox: &Sandbox) -> Result<()> {
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole",
    }});
    let rights = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}});
    let (trust, rights) = (trust.to_string(), rights.to_string());
    if sandbox.aws(Caller::Terraform, &["iam", "get-role", "--role-name", ROLE]).await.is_ok() {
        return Ok(());
    }
    let make = ["iam", "create-role", "--role-name", ROLE, "--assume-role-policy-document", &trust];
    sandbox.aws(Caller::Terraform, &make).await?;
    let give =
        ["iam", "put-role-policy", "--role-name", ROLE, "--policy-name", "parameters", "--policy-document", &rights];
    sandbox.aws(Caller::Terraform, &give).await?;
    Ok(())
}

impl<'a> Attacker<'a> {
    pub fn new(run: &'a Run<'a>) -> Self {
        let random = fastrand::Rng::with_seed(run.chaos.seed);
        Self { run, random, began: Timestamp::now(), broken: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// When the first resource was broken, or before.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Breaks one resource after the other, some at once, and attacks at fixed points in between.
    pub async fn break_all(&mut self, say: &impl Fn(&str)) -> Result<()> {
        let count = self.run.chaos.incidents;
        // So many attacks of each kind, spread evenly.
        let every = (count / 4).max(1);
        for n in 0..count {
            self.room().await?;
            match n % every {
                1 => {
                    let attack = n / every;
                    say(&format!("{n} of {count}; attack: {}", self.attack(attack).await?));
                }
                _ => self.break_one().await?,
            }
            if n % 10 == 9 {
                say(&format!("{} of {count} resources were broken", n + 1));
            }
        }
        Ok(())
    }

    /// Waits until few enough Incidents are open, and forgets what is recovered.
    async fn room(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let all = incidents(self.run.sandbox).await?;
            self.known.clear();
            for id in all.iter().filter_map(|i| i["spec"]["resource"]["id"].as_str()) {
                *self.known.entry(id.to_owned()).or_default() += 1;
            }
            self.broken.retain(|resource, before| {
                let of: Vec<&Value> = all.iter().filter(|i| i["spec"]["resource"]["id"] == **resource).collect();
                of.len() <= *before || !of.iter().all(|i| has_ended(i))
            });
            if self.broken.len() < OPEN {
                return Ok(());
            }
            if start.elapsed() > super::PATIENCE {
                bail!("nothing recovers any more: {:?}", self.broken.keys());
            }
            // A look at all of them costs the apiserver more than an Incident costs the operator.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    async fn break_one(&mut self) -> Result<()> {
        let scenarios: Vec<Scenario> = SCENARIOS.into_iter().filter(|s| s.name != "ssm").collect();
        if self.run.chaos.builds == Builds::Terraform && self.random.u8(0..8) == 0 {
            let scenario = scenarios[self.random.usize(0..scenarios.len())];
            let id = match scenario.name {
                "ec2" => crate::scenario::running_instance(self.run.sandbox).await.ok(),
                "lambda" => Some("aiops-monitored-function".to_owned()),
                "dynamodb" => Some("AiOpsDataTable".to_owned()),
                _ => Some(format!("aiops-data-bucket-{ACCOUNT}")),
            };
            if let Some(id) = id.filter(|id| !self.broken.contains_key(id)) {
                self.note(&id);
                return scenario.break_it(self.run.sandbox).await;
            }
        }
        let name = self.healthy();
        self.tamper(Caller::Mallory.access_key(), &name).await
    }

    fn healthy(&mut self) -> String {
        let all: Vec<String> = parameters().filter(|p| !self.broken.contains_key(p)).collect();
        all[self.random.usize(0..all.len())].clone()
    }

    async fn tamper(&mut self, key: &str, name: &str) -> Result<()> {
        self.note(name);
        let value = format!("tampered {}", self.random.u32(..));
        let change: &[&str] = if self.random.bool() {
            &["ssm", "put-parameter", "--overwrite", "--name", name, "--value", &value]
        } else {
            &["ssm", "delete-parameter", "--name", name]
        };
        self.run.sandbox.aws_as(key, change).await?;
        Ok(())
    }

    /// What is not broken has no Incident that is still to come: what was known last is what it had.
    fn note(&mut self, resource: &str) {
        let before = self.known.get(resource).copied().unwrap_or_default();
        self.broken.insert(resource.to_owned(), before);
    }

    async fn attack(&mut self, which: u32) -> Result<&'static str> {
        let mallory = Caller::Mallory.access_key();
        // The last needs a build that does what its caller says.
        let kinds = if self.run.chaos.builds == Builds::Terraform { 4 } else { 3 };
        match which % kinds {
            0 => {
                for i in 0..5 {
                    let name = format!("/junk/{i}");
                    let put =
                        ["ssm", "put-parameter", "--overwrite", "--name", &name, "--type", "String", "--value", "x"];
                    self.run.sandbox.aws_as(mallory, &put).await?;
                    self.run.sandbox.aws_as(mallory, &["ssm", "delete-parameter", "--name", &name]).await?;
                }
                let target = self.healthy();
                self.tamper(mallory, &target).await?;
                Ok("junk deletions first, and the real target after")
            }
            1 => {
                let tag = ["ssm", "add-tags-to-resource", "--resource-type", "Parameter", "--tags", "Key=a,Value=b"];
                for workspace in WORKSPACES {
                    let id = format!("/chaos/{workspace}/0");
                    self.run.sandbox.aws_as(mallory, &[&tag[..], &["--resource-id", &id]].concat()).await?;
                }
                let target = self.healthy();
                self.tamper(mallory, &target).await?;
                Ok("a harmless edit in each workspace, which makes every plan unexplained")
            }
            2 => {
                let role = format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}");
                let assume =
                    ["sts", "assume-role", "--output", "json", "--role-arn", &role, "--role-session-name", "deploy"];
                let session: Value = serde_json::from_str(&self.run.sandbox.aws_as(mallory, &assume).await?)?;
                let key = text(&session, "/Credentials/AccessKeyId")?.to_owned();
                let target = self.healthy();
                self.tamper(&key, &target).await?;
                Ok("a session named like the expected actor")
            }
            _ => {
                let target = self.healthy();
                self.note(&target);
                self.build_by_hand(&target).await?;
                Ok("a build started by hand with the recovery role")
            }
        }
    }

    /// The project takes one build at a time: it is tried until none of Reforge's runs.
    async fn build_by_hand(&self, target: &str) -> Result<()> {
        let spec = format!(
            "version: 0.2\nphases: {{build: {{commands: ['aws ssm put-parameter --overwrite --name {target} --value by-hand']}}}}\n"
        );
        let start = ["codebuild", "start-build", "--project-name", "aiops-ssm-recovery", "--buildspec-override", &spec];
        let began = Instant::now();
        while let Err(error) = self.run.sandbox.aws(Caller::Mallory, &start).await {
            if began.elapsed() > super::PATIENCE {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(())
    }
}
