//! The AWS accounts that the operator works in: its own with its own credentials, others by the roles in its settings. Which
//! account and region are meant is an event's envelope's to say; which role that is, only the settings'.

use std::collections::{BTreeMap, HashMap};

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::SharedCredentialsProvider;
use reforge_core::words::fault::Fault;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;

/// How the sessions in other accounts are named; CloudTrail shows it.
const SESSION: &str = "reforge";

/// Another account with an install of its own: projects and a bucket, and no queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// The role there that the operator becomes.
    pub role_arn: String,
    /// What that role's trust asks for beside the operator's own role.
    pub external_id: String,
    /// The region of the install there.
    pub region: String,
    /// The bucket that the builds there publish to.
    pub artifact_bucket: String,
    /// The fingerprints of the projects there, by name.
    #[serde(default)]
    pub projects: BTreeMap<String, String>,
}

/// An account that the settings do not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("settings.accounts has no account {0}, and it is not the operator's own")]
pub struct UnknownAccount(pub String);

impl UnknownAccount {
    /// The fault that it is.
    pub fn fault(self) -> Fault {
        Fault::ours(format!("looking for account {}", self.0), &self.to_string())
    }
}

/// Configurations of clients, each made once.
#[derive(Debug)]
pub struct Accounts {
    home: Account,
    base: SdkConfig,
    others: Vec<Account>,
    known: Mutex<HashMap<(String, String), SdkConfig>>,
}

impl Accounts {
    /// `base` has the operator's own credentials, and `home` is where they are good; its role and external id mean nothing.
    pub fn new(base: SdkConfig, home: Account, others: Vec<Account>) -> Self {
        Self { home, base, others, known: Mutex::default() }
    }

    /// The operator's own account.
    pub fn home(&self) -> &str {
        &self.home.id
    }

    /// An account's install.
    pub fn account(&self, id: &str) -> Result<&Account, UnknownAccount> {
        if id == self.home.id {
            return Ok(&self.home);
        }
        self.others.iter().find(|a| a.id == id).ok_or_else(|| UnknownAccount(id.to_owned()))
    }

    /// What clients in an account and region are made from.
    pub async fn config(&self, account: &str, region: &str) -> Result<SdkConfig, UnknownAccount> {
        let account = self.account(account)?;
        let mut known = self.known.lock().await;
        let key = (account.id.clone(), region.to_owned());
        if let Some(config) = known.get(&key) {
            return Ok(config.clone());
        }
        let region = Region::new(region.to_owned());
        let mut config = self.base.to_builder().region(region.clone());
        if account.id != self.home.id {
            let role = AssumeRoleProvider::builder(&account.role_arn)
                .external_id(&account.external_id)
                .session_name(SESSION)
                .region(region)
                .configure(&self.base);
            config = config.credentials_provider(SharedCredentialsProvider::new(role.build().await));
        }
        let config = config.build();
        known.insert(key, config.clone());
        Ok(config)
    }
}

/// The configuration that AWS's own tools would find: the environment, the shared files, the pod's identity.
pub async fn own(region: Option<String>) -> SdkConfig {
    // One more try at once, for what passes in a moment. Longer pauses are the Incident's, and stand in its status.
    let tries = RetryConfig::standard().with_max_attempts(2);
    let found = aws_config::defaults(BehaviorVersion::latest()).retry_config(tries);
    match region {
        Some(region) => found.region(Region::new(region)).load().await,
        None => found.load().await,
    }
}

/// An endpoint of one's own (AWS_ENDPOINT_URL) rarely has a host name for each bucket.
pub fn s3_client(aws: &SdkConfig) -> aws_sdk_s3::Client {
    let own_endpoint = aws.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(aws).force_path_style(own_endpoint).build();
    aws_sdk_s3::Client::from_conf(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::config::ProvideCredentials;

    fn account(id: &str) -> Account {
        Account {
            id: id.into(),
            role_arn: format!("arn:aws:iam::{id}:role/reforge-operator"),
            external_id: "0123456789abcdef".into(),
            region: "eu-west-1".into(),
            artifact_bucket: format!("reforge-{id}"),
            projects: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn only_accounts_of_the_settings_are_reached_and_only_the_own_with_the_own_credentials() {
        // Nobody listens there: no role is given.
        let base = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(aws_sdk_s3::config::Credentials::for_tests())
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .endpoint_url("http://127.0.0.1:1")
            .load()
            .await;
        let accounts = Accounts::new(base, account("111122223333"), vec![account("444455556666")]);
        let key = async |id: &str| {
            let config = accounts.config(id, "eu-central-1").await.expect("known");
            assert_eq!(config.region().map(ToString::to_string).as_deref(), Some("eu-central-1"));
            let provider = config.credentials_provider().expect("credentials");
            provider.provide_credentials().await.ok().map(|c| c.access_key_id().to_owned())
        };
        assert_eq!(key("111122223333").await.as_deref(), Some("ANOTREAL"));
        assert_eq!(key("444455556666").await, None, "a role that no STS gives");
        assert_eq!(
            accounts.config("999999999999", "eu-west-1").await.err(),
            Some(UnknownAccount("999999999999".into()))
        );
    }
}
