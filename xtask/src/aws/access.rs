//! How AWS is reached: the AWS CLI and Terraform as the caller, the operator under its role.
//!
//! By a configuration file of their own, and with what the caller's profile gave when the run began: nothing that happens
//! to the profile, or to the machine's environment, changes who calls while a run is under way. And yet whoever calls is
//! asked for again before each call that is not known to read only: a run removes nothing from an account but its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, bail};
use sandbox::{Caller, parts};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::calls::reads;
use super::config::{self, OPERATOR};
use super::identity::{Identity, is_there};
use super::names::Site;
use super::session::{Lasts, Session};
use super::{environment, programs};

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
    session: Mutex<Session>,
    /// Where the run is; nothing is changed before this is known.
    site: OnceLock<Site>,
    aws: PathBuf,
    terraform_config: PathBuf,
    folder: TempDir,
}

impl Access {
    /// Signs in. The parts must be there already.
    pub async fn open(credentials: Credentials, region: &str) -> Result<Self> {
        let session = sign_in(&credentials).await?;
        let folder = tempfile::Builder::new().prefix("reforge-acceptance-").tempdir()?;
        let access = Self {
            credentials,
            region: region.to_owned(),
            session: Mutex::new(session),
            site: OnceLock::new(),
            aws: parts::aws_cli()?.join("aws"),
            terraform_config: parts::terraform_config()?,
            folder,
        };
        fs::write(access.print_session(), config::PRINT_SESSION)?;
        fs::set_permissions(access.print_session(), Permissions::from_mode(0o700))?;
        fs::write(access.none(), "")?;
        fs::write(access.config(), access.caller())?;
        Ok(access)
    }

    /// Signs in once more: a teardown must get through, and a profile may give a session that lasts longer by now. That it
    /// is one of the same account is asked before the first call that changes anything, as ever.
    pub async fn sign_in_again(&self) -> Result<()> {
        let session = sign_in(&self.credentials).await?;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
        Ok(())
    }

    /// Until when the session is good.
    pub fn lasts(&self) -> Lasts {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).lasts()
    }

    /// Says where the run is; once. From then on things can be changed, there and nowhere else.
    pub fn bind(&self, site: &Site) -> Result<()> {
        let bound = self.site.get_or_init(|| site.clone());
        Ok(is_there(bound, site, &self.teardown())?)
    }

    /// Where the run is.
    pub fn site(&self) -> Result<&Site> {
        self.site.get().context("nothing is looked for or changed before it is known whose account this is")
    }

    /// Lets the operator become its role.
    pub fn allow_operator(&self, role_arn: &str) -> Result<()> {
        fs::write(self.config(), self.caller() + &config::operator(&self.region, role_arn))?;
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

    /// How what is left is torn down.
    pub fn teardown(&self) -> String {
        let of = match &self.credentials {
            Credentials::Profile(name) => format!("--profile {name}"),
            Credentials::Emulated(url) => format!("--endpoint {url} --yes"),
        };
        format!("cargo xtask aws {of} --region {} --teardown", self.region)
    }

    /// What the operator needs in its environment.
    pub fn operator_environment(&self) -> Vec<(String, String)> {
        let mut environment = self.environment();
        environment.push(("AWS_PROFILE".to_owned(), OPERATOR.to_owned()));
        environment
    }

    /// Runs the AWS CLI as the caller, and gives back what it printed. If it may change anything, the caller must be of the
    /// run's account still.
    pub async fn aws(&self, args: &[&str]) -> Result<String> {
        if !reads(args) {
            let call = args.iter().take(2).copied().collect::<Vec<_>>().join(" ");
            self.is_still_there(&format!("aws {call}")).await?;
        }
        self.aws_as("default", args).await
    }

    /// Asks AWS who calls, and that it is the run's account: before anything is made or removed.
    pub async fn is_still_there(&self, before: &str) -> Result<()> {
        let site = self.site()?;
        let again = self.teardown();
        let ask = || format!("asking AWS who you are, before {before}; sign in again, and then: {again}");
        // Not by `aws`, which may ask this.
        let said = self.aws_as("default", &["sts", "get-caller-identity"]).await.with_context(ask)?;
        let caller = serde_json::from_str(&said).with_context(ask)?;
        let now = Identity::of(&caller, &self.region, String::new()).with_context(ask)?;
        is_there(site, &now.site, &again).with_context(|| format!("before {before}"))
    }

    /// Asks AWS under the operator's role who calls: whether it can be become.
    pub async fn operator_is_known(&self) -> Result<()> {
        self.aws_as(OPERATOR, &["sts", "get-caller-identity"]).await.map(drop)
    }

    async fn aws_as(&self, profile: &str, args: &[&str]) -> Result<String> {
        let mut command = self.command(&self.aws);
        // Version 1 of the CLI has a legacy host for SQS that goes before AWS_ENDPOINT_URL.
        if let Some(url) = self.endpoint() {
            command.args(["--endpoint-url", url]);
        }
        command.args(["--profile", profile, "--output", "json"]).args(args).kill_on_drop(true);
        let output = command.output().await.context("starting the AWS CLI")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("aws {}: {}", args.iter().take(2).copied().collect::<Vec<_>>().join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same as [`Access::aws`], as JSON; nothing printed is null.
    pub async fn json(&self, args: &[&str]) -> Result<Value> {
        let text = self.aws(args).await?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("what aws {} printed", args.join(" ")))
    }

    /// A tool of AWS or Terraform, in the environment of this access.
    pub fn command(&self, program: &Path) -> Command {
        programs::command(program, self.environment())
    }

    fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        let files = [text(&self.config()), text(&self.none()), text(&self.terraform_config)];
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).text().to_owned();
        config::variables(files.each_ref().map(String::as_str), &self.region, &session, self.endpoint())
    }

    fn caller(&self) -> String {
        config::caller(&self.region, &self.print_session().display().to_string(), self.endpoint().is_some())
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    fn none(&self) -> PathBuf {
        self.folder.path().join("none")
    }

    fn print_session(&self) -> PathBuf {
        self.folder.path().join("session")
    }
}

/// An emulated AWS has keys that mean nothing elsewhere. A profile's are had as the caller's own shell would, by the
/// caller's own AWS CLI, which knows every way to sign in; version 1 has no command for it.
async fn sign_in(credentials: &Credentials) -> Result<Session> {
    let profile = match credentials {
        Credentials::Emulated(_) => {
            let key = Caller::Terraform.access_key();
            let keys = serde_json::json!({"Version": 1, "AccessKeyId": key, "SecretAccessKey": "sandbox"});
            return Session::parse(&keys.to_string());
        }
        Credentials::Profile(name) => name,
    };
    let mut command = programs::command("aws", environment::of_profiles());
    command.args(["configure", "export-credentials", "--profile", profile, "--format", "process"]);
    let needed = "the AWS CLI, version 2, must be on the PATH: it has `aws configure export-credentials`";
    let output = command.output().await.context(needed)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Invalid choice") || said.contains("invalid choice") {
        bail!("{needed}, and the one that is there has not");
    }
    if !output.status.success() {
        bail!("signing in under the profile {profile}: {}", said.trim());
    }
    Session::parse(&String::from_utf8_lossy(&output.stdout)).with_context(|| format!("the session of {profile}"))
}
