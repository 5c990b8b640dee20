//! What the lifecycle talks to in an account: its builds, what they publish, and AWS's word on its resources. Made once for
//! each account and region.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::accounts::{Accounts, UnknownAccount, s3_client};
use crate::artifacts::Artifacts;
use crate::builds::Builds;
use crate::inventories::Inventories;
use crate::verify::Verifier;

/// What inventories that were read may take in memory, in bytes: a quarter of what the chart gives the operator.
const INVENTORIES: usize = 64 * 1024 * 1024;

/// An account's install.
#[derive(Clone, Debug)]
pub struct Install {
    /// CodeBuild.
    pub builds: Builds,
    /// What builds publish.
    pub artifacts: Artifacts,
}

/// Every account.
pub struct Clients {
    accounts: Arc<Accounts>,
    inventories: Arc<Inventories>,
    installs: Mutex<HashMap<String, Install>>,
    verifiers: Mutex<HashMap<(String, String), Arc<Verifier>>>,
}

impl Clients {
    /// Nothing is made before it is asked for.
    pub fn new(accounts: Arc<Accounts>) -> Self {
        let inventories = Arc::new(Inventories::new(INVENTORIES));
        Self { accounts, inventories, installs: Mutex::default(), verifiers: Mutex::default() }
    }

    /// The operator's own account.
    pub fn home(&self) -> &str {
        self.accounts.home()
    }

    /// The install of an account, in the install's region.
    pub async fn install(&self, account: &str) -> Result<Install, UnknownAccount> {
        let mut installs = self.installs.lock().await;
        if let Some(install) = installs.get(account) {
            return Ok(install.clone());
        }
        let known = self.accounts.account(account)?;
        let config = self.accounts.config(account, &known.region).await?;
        let install = Install {
            builds: Builds::new(aws_sdk_codebuild::Client::new(&config), Arc::new(known.projects.clone())),
            artifacts: Artifacts::new(s3_client(&config), &known.artifact_bucket, self.inventories.clone()),
        };
        installs.insert(account.to_owned(), install.clone());
        Ok(install)
    }

    /// Who asks AWS about resources in an account and region.
    pub async fn verifier(&self, account: &str, region: &str) -> Result<Arc<Verifier>, UnknownAccount> {
        let mut verifiers = self.verifiers.lock().await;
        let key = (account.to_owned(), region.to_owned());
        if let Some(verifier) = verifiers.get(&key) {
            return Ok(verifier.clone());
        }
        let config = self.accounts.config(account, region).await?;
        let verifier = Arc::new(Verifier::new(&config, s3_client(&config)));
        verifiers.insert(key, verifier.clone());
        Ok(verifier)
    }
}
