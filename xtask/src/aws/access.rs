//! How AWS is reached: the AWS CLI and Terraform under the caller's profile, the operator under its role.
//!
//! Both by a configuration file of their own, so that nothing of the machine's environment decides who calls. With a
//! profile the credentials come from `aws configure export-credentials`, each time they are needed; none are written down.
//! An emulated AWS has keys that mean nothing elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use sandbox::{Caller, parts};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::stop::Stop;

/// What of the environment would go before the configuration file.
pub const CLEARED: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
const OPERATOR: &str = "operator";

/// Whose credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Those of a profile of the caller's.
    Profile(String),
    /// An emulated AWS at this address.
    Emulated(String),
}

/// A way to one region of AWS.
#[derive(Debug)]
pub struct Access {
    credentials: Credentials,
    region: String,
    aws: PathBuf,
    terraform_config: PathBuf,
    folder: TempDir,
}

impl Access {
    /// The parts must be there already.
    pub fn new(credentials: Credentials, region: &str) -> Result<Self> {
        let access = Self {
            credentials,
            region: region.to_owned(),
            aws: parts::aws_cli()?.join("aws"),
            terraform_config: parts::terraform_config()?,
            folder: tempfile::Builder::new().prefix("reforge-acceptance-").tempdir()?,
        };
        fs::write(access.config(), access.caller()?)?;
        fs::write(access.folder.path().join("none"), "")?;
        Ok(access)
    }

    /// Lets the operator become its role.
    pub fn allow_operator(&self, role_arn: &str) -> Result<()> {
        let region = &self.region;
        let operator = format!(
            "\n[profile {OPERATOR}]\nregion = {region}\nrole_arn = {role_arn}\nrole_session_name = reforge\nsource_profile = default\n"
        );
        fs::write(self.config(), self.caller()? + &operator)?;
        Ok(())
    }

    /// The address of an emulated AWS.
    pub fn endpoint(&self) -> Option<&str> {
        match &self.credentials {
            Credentials::Profile(_) => None,
            Credentials::Emulated(url) => Some(url),
        }
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What the operator needs in its environment.
    pub fn operator_environment(&self) -> Vec<(String, String)> {
        let mut environment = self.environment();
        environment.push(("AWS_PROFILE".to_owned(), OPERATOR.to_owned()));
        environment
    }

    /// Runs the AWS CLI as the caller, and gives back what it printed.
    pub async fn aws(&self, args: &[&str]) -> Result<String> {
        self.aws_as("default", args).await
    }

    /// Runs the AWS CLI under the operator's role.
    pub async fn aws_as_operator(&self, args: &[&str]) -> Result<String> {
        self.aws_as(OPERATOR, args).await
    }

    async fn aws_as(&self, profile: &str, args: &[&str]) -> Result<String> {
        let mut command = self.command(&self.aws);
        // Version 1 of the CLI has a legacy host for SQS that goes before AWS_ENDPOINT_URL.
        if let Some(url) = self.endpoint() {
            command.args(["--endpoint-url", url]);
        }
        command.args(["--profile", profile, "--output", "json"]).args(args).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.context("starting the AWS CLI")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("aws {}: {}", args.iter().take(2).copied().collect::<Vec<_>>().join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same, as JSON; nothing printed is null.
    pub async fn json(&self, args: &[&str]) -> Result<Value> {
        let text = self.aws(args).await?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("what aws {} printed", args.join(" ")))
    }

    /// Runs Terraform as the caller. Told to stop, it gets one interrupt and ends at its next
    /// safe point, its state written.
    pub async fn terraform(&self, root: &Path, args: &[&str], stop: &Stop) -> Result<String> {
        ensure!(!stop.is_told(), "told to stop");
        let mut command = self.command(Path::new("terraform"));
        command.args(args).arg("-no-color").current_dir(root).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(url) = self.endpoint() {
            // S3 Control puts the account before the host; only the edge knows that host.
            command.env("HTTP_PROXY", url);
        }
        let child = command.spawn().context("starting terraform")?;
        let id = child.id().unwrap_or_default().to_string();
        let output = child.wait_with_output();
        tokio::pin!(output);
        let output = tokio::select! {
            output = &mut output => output?,
            () = stop.told() => {
                // It may have ended this moment; then there is nobody to interrupt.
                let _ = Command::new("kill").args(["-INT", &id]).stderr(Stdio::null()).status().await;
                output.await?
            }
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let said = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
            let lines: Vec<&str> = said.trim_end().lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            bail!("terraform {} in {}: {}\n{end}", args[0], root.display(), output.status);
        }
        Ok(text)
    }

    /// In a process group of its own: a terminal's ctrl-c is for the run alone, whose teardown needs these programs.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.process_group(0);
        for name in CLEARED {
            command.env_remove(name);
        }
        command.envs(self.environment());
        command
    }

    fn environment(&self) -> Vec<(String, String)> {
        let pair = |k: &str, v: String| (k.to_owned(), v);
        let mut all = vec![
            pair("AWS_CONFIG_FILE", self.config().display().to_string()),
            pair("AWS_SHARED_CREDENTIALS_FILE", self.folder.path().join("none").display().to_string()),
            pair("AWS_REGION", self.region.clone()),
            pair("AWS_DEFAULT_REGION", self.region.clone()),
            pair("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            pair("AWS_PAGER", String::new()),
            pair("TF_CLI_CONFIG_FILE", self.terraform_config.display().to_string()),
            pair("TF_IN_AUTOMATION", "1".to_owned()),
            pair("CHECKPOINT_DISABLE", "1".to_owned()),
        ];
        if let Some(url) = self.endpoint() {
            all.push(pair("AWS_ENDPOINT_URL", url.to_owned()));
        }
        all
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// The section of the caller. S3 takes no presigned URL of signature version 2 for a new bucket, and none of another
    /// region's host; the CLI's version 1 takes a parameter's value that is an address for what is found there.
    fn caller(&self) -> Result<String> {
        let region = &self.region;
        let head =
            format!("[default]\nregion = {region}\ncli_timestamp_format = iso8601\ncli_follow_urlparam = false\n");
        Ok(match &self.credentials {
            Credentials::Emulated(_) => {
                let key = Caller::Terraform.access_key();
                format!(
                    "{head}aws_access_key_id = {key}\naws_secret_access_key = sandbox\ns3 =\n  signature_version = s3v4\n  addressing_style = path\n"
                )
            }
            Credentials::Profile(name) => {
                let export = self.export(name)?;
                format!(
                    "{head}credential_process = \"{}\"\ns3 =\n  signature_version = s3v4\n  addressing_style = virtual\n",
                    export.display()
                )
            }
        })
    }

    /// A program that prints the credentials of a profile, found as the caller's own shell would.
    fn export(&self, profile: &str) -> Result<PathBuf> {
        let program = self.folder.path().join("credentials");
        let own = |name: &str| {
            let value = std::env::var(name).unwrap_or_default();
            if value.is_empty() { format!("unset {name}\n") } else { format!("export {name}={}\n", quoted(&value)) }
        };
        // The caller's own CLI knows ways to sign in that the sandbox's need not know.
        let text = format!(
            "#!/bin/sh\n{}{}{}unset AWS_ENDPOINT_URL AWS_PROFILE\naws=$(command -v aws || echo {})\nexec \"$aws\" configure export-credentials --profile {} --format process\n",
            own("AWS_CONFIG_FILE"),
            own("AWS_SHARED_CREDENTIALS_FILE"),
            own("AWS_CA_BUNDLE"),
            quoted(&self.aws.display().to_string()),
            quoted(profile)
        );
        fs::write(&program, text)?;
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(program)
    }
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_profile_is_one_word_whatever_is_in_it() {
        assert_eq!(quoted("it's; rm -rf"), r"'it'\''s; rm -rf'");
    }
}
