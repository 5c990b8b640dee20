//! What must hold before a run makes anything. All that does not is named at once.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::access::Access;
use super::cost;
use super::found;
use super::names::{PREFIX, Site, TAG};

/// Who runs this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Where.
    pub site: Site,
    /// The caller's ARN.
    pub arn: String,
    /// The account's alias, if it has one and the caller may know it.
    pub alias: String,
}

impl Identity {
    /// Asks AWS.
    pub async fn ask(access: &Access) -> Result<Self> {
        let caller = access.json(&["sts", "get-caller-identity"]).await.context("asking AWS who you are")?;
        let aliases = access.json(&["iam", "list-account-aliases", "--query", "AccountAliases[0]"]).await;
        let alias = aliases.unwrap_or_default().as_str().unwrap_or("no alias").to_owned();
        Self::of(&caller, access.region(), alias).context("AWS's answer to who you are")
    }

    fn of(caller: &Value, region: &str, alias: String) -> Option<Self> {
        let arn = caller["Arn"].as_str()?.to_owned();
        let account = caller["Account"].as_str()?.to_owned();
        let partition = arn.split(':').nth(1)?.to_owned();
        Some(Self { site: Site { account, region: region.to_owned(), partition }, arn, alias })
    }

    /// Why this caller cannot do it.
    pub fn refusal(&self) -> Option<String> {
        let resource = self.arn.splitn(6, ':').nth(5).unwrap_or_default();
        match resource.split('/').next() {
            Some("user" | "assumed-role") => None,
            Some("root") => Some(format!("you are {}: the root user cannot become the operator's role", self.arn)),
            _ => Some(format!("you are {}: a user or a session of a role is needed", self.arn)),
        }
    }
}

/// Why Terraform cannot come to the builds: they run on linux/amd64, and get this machine's own.
pub fn terraform() -> Result<PathBuf, String> {
    let output = Command::new("terraform").args(["version", "-json"]).stdin(Stdio::null()).output();
    let version: Value = output.ok().and_then(|o| serde_json::from_slice(&o.stdout).ok()).unwrap_or_default();
    let instead = "give --terraform-url and --terraform-sha256 of a zip for linux/amd64";
    if version["platform"] != "linux_amd64" {
        return Err(format!(
            "Terraform here is for {}, and the builds need linux_amd64: {instead}",
            version["platform"]
        ));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path).map(|folder| folder.join("terraform")).find(|file| file.is_file());
    let program = program.ok_or_else(|| format!("terraform is not on the PATH: {instead}"))?;
    let is_elf = std::fs::read(&program).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"));
    if is_elf {
        Ok(program)
    } else {
        Err(format!("{} is a script and not Terraform itself: {instead}", program.display()))
    }
}

/// What is there of our names, as refusals.
pub async fn names(access: &Arc<Access>) -> Result<Vec<String>> {
    let found = found::by_name(access).await?;
    Ok(found.iter().map(|thing| format!("{thing} is there already")).collect())
}

/// Fails with all that was refused.
pub fn refuse(refusals: &[String], identity: &Identity) -> Result<()> {
    if refusals.is_empty() {
        return Ok(());
    }
    bail!(
        "not in {} {}:\n  {}\nwhat is left of another run goes with: cargo xtask aws --profile P --region R --teardown",
        identity.site.account,
        identity.site.region,
        refusals.join("\n  ")
    )
}

/// What will be made and what it costs.
pub fn plan(identity: &Identity, run: &str) -> String {
    let Site { account, region, .. } = &identity.site;
    format!(
        "The acceptance run {run} will make in account {account} ({}), region {region}, as {}:\n\
         \x20 - a trail of management events with its bucket, and a bucket with the Terraform of this repository\n\
         \x20 - Reforge's AWS side: queues, rules, a topic, ten CodeBuild projects with their roles, the operator's role,\n\
         \x20   a bucket, a KMS key, a parameter, a log group\n\
         \x20 - an instance (t3.nano) in a VPC of its own, a function with its role, a table, a bucket, a parameter\n\
         then break these five, one by one and all at once, let the operator on this machine put them back, and remove all\n\
         of it. All names begin with {PREFIX}, all that can be is tagged {TAG}={run}.\n\
         It costs {}.\n\
         What stays: the KMS key until its deletion is due, and DynamoDB's own backup of each deleted table for 35 days;\n\
         neither costs anything.",
        identity.alias,
        identity.arn,
        cost::told()
    )
}

/// Has the account's id typed.
pub fn ask(account: &str, what: &str) -> Result<()> {
    print!("\n{what} Type the account's id to go on: ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim() != account {
        bail!("that is not {account}; nothing was done");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Identity, refuse};
    use serde_json::json;

    fn identity(arn: &str) -> Identity {
        let caller = json!({"Arn": arn, "Account": "111122223333"});
        Identity::of(&caller, "eu-west-1", "shop".to_owned()).expect("an identity")
    }

    #[test]
    fn users_and_sessions_may_and_the_root_user_may_not() {
        assert_eq!(identity("arn:aws:iam::111122223333:user/ann").refusal(), None);
        assert_eq!(identity("arn:aws:sts::111122223333:assumed-role/admin/ann").refusal(), None);
        assert!(identity("arn:aws:iam::111122223333:root").refusal().is_some());
        assert!(identity("arn:aws:sts::111122223333:federated-user/ann").refusal().is_some());
    }

    #[test]
    fn the_partition_is_that_of_the_caller() {
        assert_eq!(identity("arn:aws-us-gov:iam::111122223333:user/ann").site.partition, "aws-us-gov");
    }

    #[test]
    fn all_refusals_are_named_at_once() {
        let refusals = ["Bucket a is there already".to_owned(), "Role b is there already".to_owned()];
        let error =
            refuse(&refusals, &identity("arn:aws:iam::111122223333:user/ann")).expect_err("refused").to_string();
        assert!(refusals.iter().all(|r| error.contains(r)), "{error}");
    }
}
