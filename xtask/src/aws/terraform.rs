//! Terraform as the caller: each run of it noted, so that one that outlives a killed run is known; and what it may destroy.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::access::Access;
use super::owner::not_of;
use super::programs;
use super::record::Record;
use super::stop::Stop;
use super::underway;

const PLAN: &str = "teardown.tfplan";

/// Terraform in the folders of a record.
pub struct Terraform<'a> {
    /// How AWS is reached.
    pub access: &'a Access,
    /// Where its folders are.
    pub record: &'a Record,
    /// Whether to stop.
    pub stop: &'a Stop,
}

impl Terraform<'_> {
    /// Runs it in a folder and gives back what it printed. Told to stop, it gets one interrupt and ends at its next safe
    /// point, its state written. The caller must be of the run's account still.
    pub async fn run(&self, root: &Path, args: &[&str]) -> Result<String> {
        ensure!(!self.stop.is_told(), "told to stop");
        self.access.is_still_there(&format!("terraform {}", args[0])).await?;
        let mut command = self.access.command(Path::new("sh"));
        command.args(["-c", underway::NOTED]).arg(self.record.underway()).arg("terraform").args(args);
        command.arg("-no-color").current_dir(root).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(url) = self.access.endpoint() {
            // S3 Control puts the account before the host; only the edge knows that host.
            command.env("HTTP_PROXY", url);
        }
        let child = command.spawn().context("starting terraform")?;
        let id = child.id().unwrap_or_default().to_string();
        let output = child.wait_with_output();
        tokio::pin!(output);
        let output = tokio::select! {
            output = &mut output => output?,
            () = self.stop.told() => {
                // It may have ended this moment; then there is nobody to interrupt.
                let _ = programs::plain("kill").args(["-INT", &id]).stderr(Stdio::null()).status().await;
                output.await?
            }
        };
        self.record.nothing_underway()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let said = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
            let lines: Vec<&str> = said.trim_end().lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            bail!("terraform {} in {}: {}\n{end}", args[0], root.display(), output.status);
        }
        Ok(text)
    }

    /// Prepares a workspace's folder for its state in the bucket.
    pub async fn init_workspace(&self, workspace: &str, bucket: &str) -> Result<()> {
        let bucket = format!("-backend-config=bucket={bucket}");
        let key = format!("-backend-config=key=state/{workspace}/terraform.tfstate");
        let region = format!("-backend-config=region={}", self.access.region());
        let mut init =
            vec!["init", "-input=false", "-reconfigure", "-backend-config=use_lockfile=true", &bucket, &key, &region];
        if self.access.endpoint().is_some() {
            init.extend([
                "-backend-config=use_path_style=true",
                "-backend-config=skip_credentials_validation=true",
                "-backend-config=skip_metadata_api_check=true",
                "-backend-config=skip_region_validation=true",
            ]);
        }
        self.run(&self.record.workspace(workspace), &init).await.map(drop)
    }

    /// Destroys what a state has, if all of it carries the run's tag: Terraform goes by names, and what has one of them by
    /// now may be another's. The plan is made with what AWS says at this moment, and what is carried out is that plan.
    pub async fn destroy(&self, root: &Path, run: &str, lock: &str) -> Result<()> {
        let out = format!("-out={PLAN}");
        self.run(root, &["plan", "-destroy", "-input=false", lock, "-parallelism=20", &out]).await?;
        let plan: Value = serde_json::from_str(&self.run(root, &["show", "-json", PLAN]).await?)?;
        let anothers = not_of(&plan, run);
        ensure!(anothers.is_empty(), "Error: without the run's tag there are {}", anothers.join(", "));
        self.run(root, &["apply", "-input=false", lock, "-parallelism=20", PLAN]).await.map(drop)
    }
}
