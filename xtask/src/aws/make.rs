//! Makes what a run needs in AWS: the trail, the source, the install and the five workspaces with their inventories.
//!
//! The trail and the two buckets come first and by the AWS CLI: they must be there before the Terraform is applied, whose
//! source they hold. Everything else is Terraform's.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use sandbox::{Outputs, WORKSPACES};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::access::Access;
use super::found::strings;
use super::identity::Identity;
use super::names::{PREFIX, SOURCE_KEY, Site, TAG, TERRAFORM_KEY};
use super::programs;
use super::record::Record;
use super::stop::Stop;
use super::terraform::Terraform;

/// The image of the web server on an emulated AWS, which has no public parameters.
const EMULATED_AMI: &str = "ami-0c55b159cbfafe1f0";
/// User Guide of Amazon EC2, "Reference the latest AMIs using Systems Manager public parameters".
const AMI_PARAMETER: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

/// A plan build takes some three minutes; after so long something hangs.
const BUILD_PATIENCE: Duration = Duration::from_secs(45 * 60);
/// How often a build is started that CodeBuild refuses for now, five seconds apart.
const START_TRIES: u32 = 120;

/// Where the builds get Terraform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// A zip for linux/amd64.
    pub url: String,
    /// Its SHA-256.
    pub sha256: String,
}

/// What the Terraform of the install says about itself.
#[derive(Clone, Debug, Default, Deserialize)]
struct Network {
    vpc_id: String,
    subnet_id: String,
}

/// Makes things, and tells each step.
pub struct Maker<'a> {
    /// How AWS is reached.
    pub access: &'a Access,
    /// Who makes them.
    pub identity: &'a Identity,
    /// Where it is noted.
    pub record: &'a Record,
    /// The id of the run.
    pub run: &'a str,
    /// Whether to stop.
    pub stop: &'a Stop,
    /// Is told each step.
    pub say: &'a (dyn Fn(&str) + Sync),
}

impl Maker<'_> {
    /// The trail with its bucket. It records management events of this region, global services included.
    pub async fn trail(&self) -> Result<()> {
        (self.say)("making a trail: EventBridge gets calls only where a trail records them");
        let (site, bucket) = (&self.identity.site, self.identity.site.trail_bucket());
        self.bucket(&bucket).await?;
        let policy = trail_policy(site).to_string();
        self.aws(&["s3api", "put-bucket-policy", "--bucket", &bucket, "--policy", &policy]).await?;
        let tag = format!("Key={TAG},Value={}", self.run);
        let name = Site::trail();
        let create = ["cloudtrail", "create-trail", "--name", &name, "--s3-bucket-name", &bucket, "--tags-list", &tag];
        self.aws(&create).await?;
        if self.access.endpoint().is_some() {
            // The emulated AWS takes a trail's tags at its creation, and has forgotten them.
            let tags = ["cloudtrail", "add-tags", "--resource-id", &site.trail_arn(), "--tags-list", &tag];
            self.aws(&tags).await?;
        }
        self.aws(&["cloudtrail", "start-logging", "--name", &name]).await
    }

    /// The bucket of the source, with this machine's own Terraform in it if none is given.
    pub async fn source(&self, given: Option<Download>, program: Option<&Path>) -> Result<Download> {
        (self.say)("making the bucket of the source");
        let bucket = self.identity.site.source_bucket();
        self.bucket(&bucket).await?;
        let versioned = ["s3api", "put-bucket-versioning", "--bucket", &bucket, "--versioning-configuration"];
        self.aws(&[&versioned[..], &["Status=Enabled"]].concat()).await?;
        match (given, program) {
            (Some(download), _) => Ok(download),
            (None, Some(program)) => self.upload_terraform(&bucket, program).await,
            (None, None) => bail!("there is no Terraform for the builds"),
        }
    }

    /// The install.
    pub async fn install(&self, download: &Download) -> Result<(Outputs, Value)> {
        (self.say)("applying the AWS side of the install: queue, rules, projects, roles, bucket, topic (2 min)");
        let root = self.record.install();
        let site = &self.identity.site;
        let variables = json!({
            "name": PREFIX,
            "run": self.run,
            "region": site.region,
            "source_bucket": site.source_bucket(),
            "terraform_download": {"url": download.url, "sha256": download.sha256},
            "caller_arn": self.identity.arn,
            "trail_names": [Site::trail()],
        });
        fs::write(root.join("acceptance.auto.tfvars.json"), variables.to_string())?;
        self.terraform(&root, &["init", "-input=false"]).await?;
        self.terraform(&root, &["apply", "-input=false", "-auto-approve", "-parallelism=20"]).await?;
        let outputs: Value = serde_json::from_str(&self.terraform(&root, &["output", "-json"]).await?)?;
        let reforge = serde_json::from_value(outputs["reforge"]["value"].clone()).context("the install's outputs")?;
        Ok((reforge, outputs["network"]["value"].clone()))
    }

    /// Writes down what the workspaces' Terraform needs to know, and publishes it: before anything is applied from it, since
    /// what Terraform makes beside it is no part of the source.
    pub async fn publish(&self, network: &Value) -> Result<()> {
        (self.say)("publishing the Terraform that the projects build from");
        let network: Network = serde_json::from_value(network.clone()).context("the install's network")?;
        let image = self.image().await?;
        for workspace in WORKSPACES {
            let mut variables = json!({"name": PREFIX, "run": self.run, "region": self.identity.site.region});
            if workspace == "ec2" {
                variables["ami"] = json!(image);
                variables["vpc_id"] = json!(network.vpc_id);
                variables["subnet_id"] = json!(network.subnet_id);
                variables["emulated"] = json!(self.access.endpoint().is_some());
            }
            fs::write(self.record.workspace(workspace).join("acceptance.auto.tfvars.json"), variables.to_string())?;
        }
        let zip = self.record.folder().join(SOURCE_KEY);
        // The install's state and variables are nobody's business but the caller's.
        let (from, to) = (self.record.terraform(), zip.clone());
        let scratch = tempfile::tempdir()?;
        let staged = scratch.path().to_owned();
        tokio::task::spawn_blocking(move || {
            sandbox::copy_terraform(&from, &staged)?;
            fs::remove_dir_all(staged.join("environments/acceptance/install"))?;
            sandbox::zip_folder(&staged, &to)
        })
        .await??;
        self.put(&self.identity.site.source_bucket(), SOURCE_KEY, &zip).await
    }

    /// Applies the workspaces, as their owner does the first time.
    pub async fn workspaces(&self, outputs: &Outputs) -> Result<()> {
        (self.say)("applying the five workspaces, as their owner would (2 min)");
        for workspace in WORKSPACES {
            let root = self.record.workspace(workspace);
            let prebuild = root.join("reforge-prebuild.sh");
            if prebuild.exists() {
                let what = format!("the prebuild script of {workspace}");
                programs::run(&what, programs::plain("bash").arg(&prebuild)).await?;
            }
            self.terraform_here().init_workspace(workspace, &outputs.artifact_bucket).await?;
            self.terraform(&root, &["apply", "-input=false", "-auto-approve"]).await?;
        }
        Ok(())
    }

    /// One plan build for each workspace, all at once: so inventories are published.
    pub async fn inventories(&self) -> Result<()> {
        (self.say)("publishing the first inventories: one plan build for each workspace (3 min)");
        let mut running = Vec::new();
        for workspace in WORKSPACES {
            let [project, _] = Site::projects(workspace);
            let id = self.started(&project).await?;
            running.push(id);
        }
        let start = Instant::now();
        while !running.is_empty() {
            ensure!(start.elapsed() < BUILD_PATIENCE, "the plan builds {} do not end", running.join(", "));
            self.stop.pause(Duration::from_secs(1)).await?;
            let ids: Vec<&str> = running.iter().map(String::as_str).collect();
            let builds = self.access.json(&[&["codebuild", "batch-get-builds", "--ids"][..], &ids].concat()).await?;
            for build in builds["builds"].as_array().into_iter().flatten() {
                match build["buildStatus"].as_str() {
                    Some("IN_PROGRESS") => {}
                    Some("SUCCEEDED") => running.retain(|id| build["id"] != json!(id)),
                    _ => bail!("a plan build failed:\n{}", self.why(build).await),
                }
            }
        }
        Ok(())
    }

    /// A role that was made just now may not be assumable for some seconds, and a young account may have a quota of few
    /// builds: CodeBuild then refuses the build.
    async fn started(&self, project: &str) -> Result<String> {
        let mut tries = 0;
        loop {
            let build = ["codebuild", "start-build", "--project-name", project, "--query", "build.id"];
            match self.access.json(&build).await {
                Ok(id) => return id.as_str().map(ToOwned::to_owned).context("a build has an id"),
                Err(error) if tries < START_TRIES && is_for_now(&error.to_string()) => {
                    tries += 1;
                    self.stop.pause(Duration::from_secs(5)).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The phases that failed, and the end of the build's log.
    async fn why(&self, build: &Value) -> String {
        let contexts: Vec<String> = build["phases"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|phase| phase["phaseStatus"].as_str().is_some_and(|status| status != "SUCCEEDED"))
            .map(|phase| format!("{}: {}", phase["phaseType"], phase["contexts"]))
            .collect();
        let (group, stream) = (build["logs"]["groupName"].as_str(), build["logs"]["streamName"].as_str());
        let log = match (group, stream) {
            (Some(group), Some(stream)) => {
                let of = ["logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream];
                let last =
                    self.access.json(&[&of[..], &["--limit", "60", "--query", "events[].message"]].concat()).await;
                last.map(|lines| strings(&lines).concat()).unwrap_or_default()
            }
            _ => format!("its log: {}", build["logs"]["deepLink"]),
        };
        format!("{}\n{}\n{log}", build["id"], contexts.join("\n"))
    }

    async fn image(&self) -> Result<String> {
        if self.access.endpoint().is_some() {
            (self.say)("skipped: asking for the newest Amazon Linux; the emulated AWS has no public parameters");
            return Ok(EMULATED_AMI.to_owned());
        }
        let get = ["ssm", "get-parameter", "--name", AMI_PARAMETER, "--query", "Parameter.Value"];
        self.access.json(&get).await?.as_str().map(ToOwned::to_owned).context("the newest Amazon Linux")
    }

    async fn upload_terraform(&self, bucket: &str, program: &Path) -> Result<Download> {
        (self.say)("uploading this machine's Terraform for the builds");
        let zip = self.record.folder().join(TERRAFORM_KEY);
        programs::run("zip", programs::plain("zip").args(["-q", "-1", "-j"]).arg(&zip).arg(program)).await?;
        let file = zip.clone();
        let sha256 =
            tokio::task::spawn_blocking(move || fs::read(file).map(|bytes| hex::encode(Sha256::digest(bytes))));
        self.put(bucket, TERRAFORM_KEY, &zip).await?;
        fs::remove_file(&zip)?;
        let object = format!("s3://{bucket}/{TERRAFORM_KEY}");
        // What is presigned ends with the session that signed it, whatever it says of itself.
        let seconds = self.access.lasts().presigned(Timestamp::now()).as_secs().to_string();
        let url = self.access.aws(&["s3", "presign", &object, "--expires-in", &seconds]).await?;
        let download = Download { url: url.trim().to_owned(), sha256: sha256.await?? };
        self.try_download(&download).await?;
        Ok(download)
    }

    /// As a build will.
    async fn try_download(&self, download: &Download) -> Result<()> {
        if self.access.endpoint().is_some() {
            (self.say)(
                "skipped: downloading it by its address as a build will; the emulated AWS knows the secret of no key",
            );
            return Ok(());
        }
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("terraform.zip");
        let mut curl = programs::plain("curl");
        curl.args(["-fsSL", "--retry", "5", "-o"]).arg(&file).arg(&download.url);
        programs::run("downloading the uploaded Terraform as a build will", &mut curl).await?;
        let file = tokio::task::spawn_blocking(move || fs::read(file)).await??;
        ensure!(
            hex::encode(Sha256::digest(file)) == download.sha256,
            "the uploaded Terraform is not what was uploaded"
        );
        Ok(())
    }

    /// Made with its tag: there is no moment in which it has the name and is nobody's.
    async fn bucket(&self, name: &str) -> Result<()> {
        let region = &self.identity.site.region;
        let mut configuration = json!({"Tags": [{"Key": TAG, "Value": self.run}]});
        // API reference, CreateBucket: us-east-1 is where no constraint is given. There it says of a bucket that you have
        // already that it was made, which must not become the run's.
        if region == "us-east-1" {
            let query = format!("Buckets[?Name=='{name}'].Name");
            let there = self.access.json(&["s3api", "list-buckets", "--query", &query]).await?;
            ensure!(strings(&there).is_empty(), "the bucket {name} is there by now, and is not this run's");
        } else {
            configuration["LocationConstraint"] = json!(region);
        }
        let configuration = configuration.to_string();
        let create = ["s3api", "create-bucket", "--bucket", name, "--create-bucket-configuration", &configuration];
        self.aws(&create).await
    }

    async fn put(&self, bucket: &str, key: &str, file: &Path) -> Result<()> {
        let body = file.display().to_string();
        let owner = self.identity.site.account.as_str();
        let to = ["--bucket", bucket, "--expected-bucket-owner", owner, "--key", key, "--body", &body];
        self.aws(&[&["s3api", "put-object"][..], &to].concat()).await
    }

    async fn aws(&self, args: &[&str]) -> Result<()> {
        ensure!(!self.stop.is_told(), "told to stop");
        self.access.aws(args).await.map(drop)
    }

    async fn terraform(&self, root: &Path, args: &[&str]) -> Result<String> {
        self.terraform_here().run(root, args).await
    }

    fn terraform_here(&self) -> Terraform<'_> {
        Terraform { access: self.access, record: self.record, stop: self.stop }
    }
}

/// Whether a build may be started a little later.
fn is_for_now(error: &str) -> bool {
    error.contains("not authorized to perform: sts:AssumeRole") || error.contains("AccountLimitExceeded")
}

/// CloudTrail User Guide, "Amazon S3 bucket policy for CloudTrail": the ACL is read, and objects are written below the
/// account's own prefix, for this trail only.
fn trail_policy(site: &Site) -> Value {
    let bucket = format!("arn:{}:s3:::{}", site.partition, site.trail_bucket());
    let principal = json!({"Service": "cloudtrail.amazonaws.com"});
    let arn = site.trail_arn();
    json!({"Version": "2012-10-17", "Statement": [
        {
            "Sid": "Look", "Effect": "Allow", "Principal": principal, "Action": "s3:GetBucketAcl", "Resource": bucket,
            "Condition": {"StringEquals": {"aws:SourceArn": arn}},
        },
        {
            "Sid": "Write", "Effect": "Allow", "Principal": principal, "Action": "s3:PutObject",
            "Resource": format!("{bucket}/AWSLogs/{}/*", site.account),
            "Condition": {"StringEquals": {"aws:SourceArn": arn, "s3:x-amz-acl": "bucket-owner-full-control"}},
        },
    ]})
}
