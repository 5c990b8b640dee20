//! What must hold before a run makes anything. All that does not is named at once.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::access::Access;
use super::found;
use super::identity::Identity;
use super::names::{PREFIX, Site, TAG};
use super::{cost, programs};

/// Who runs this, as AWS says.
pub async fn identity(access: &Access) -> Result<Identity> {
    let caller = access.json(&["sts", "get-caller-identity"]).await.context("asking AWS who you are")?;
    let aliases = access.json(&["iam", "list-account-aliases", "--query", "AccountAliases[0]"]).await;
    let alias = aliases.unwrap_or_default().as_str().unwrap_or("no alias").to_owned();
    Identity::of(&caller, access.region(), alias).context("AWS's answer to who you are")
}

/// Why Terraform cannot come to the builds: they run on linux/amd64, and get this machine's own.
pub async fn terraform() -> Result<PathBuf, String> {
    let output = programs::plain("terraform").args(["version", "-json"]).output().await;
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

/// What is there of our names or of any run, as refusals.
pub async fn names(access: &Arc<Access>) -> Result<Vec<String>> {
    let survey = found::survey(access, None).await?;
    let unknown = survey.unknown.iter().map(|arn| format!("{arn} has the tag of a run"));
    Ok(survey.there.iter().map(|found| format!("{found}, is there already")).chain(unknown).collect())
}

/// Fails with all that was refused.
pub fn refuse(refusals: &[String], site: &Site, teardown: &str) -> Result<()> {
    if refusals.is_empty() {
        return Ok(());
    }
    bail!(
        "not in {} {}:\n  {}\nwhat is left of another run goes with: {teardown}",
        site.account,
        site.region,
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
    use super::refuse;
    use crate::aws::names::Site;

    #[test]
    fn all_refusals_are_named_at_once_with_what_to_do() {
        let site =
            Site { account: "111122223333".to_owned(), region: "eu-west-1".to_owned(), partition: "aws".to_owned() };
        let refusals = ["Bucket a is there already".to_owned(), "Role b is there already".to_owned()];
        let error = refuse(&refusals, &site, "the teardown").expect_err("refused").to_string();
        assert!(refusals.iter().all(|r| error.contains(r)) && error.contains("the teardown"), "{error}");
        assert!(refuse(&[], &site, "").is_ok());
    }
}
