//! Grants: which accounts, regions and projects the policies of a namespace may name. They come from the operator's
//! settings only.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::glob::matches_glob;

/// What the policies of one namespace may name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// The namespace.
    pub namespace: String,
    /// Account ids.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
    /// Globs of CodeBuild project names.
    pub projects: Vec<String>,
    /// Every account, region and project. Never read from settings: a backtest without any grants what policies name.
    #[serde(skip)]
    everything: bool,
}

/// Every grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(pub Vec<Grant>);

impl Grants {
    /// Whether any namespace was granted this account and region.
    pub fn knows(&self, account: &str, region: &str) -> bool {
        self.0.iter().any(|g| g.has(account, region))
    }

    /// Whether this namespace was.
    pub fn allows(&self, namespace: &str, account: &str, region: &str) -> bool {
        self.of(namespace).any(|g| g.has(account, region))
    }

    /// Whether this namespace was granted the project.
    pub fn allows_project(&self, namespace: &str, project: &str) -> bool {
        self.of(namespace).any(|g| g.has_project(project))
    }

    /// Every account and region that was granted, each pair once.
    pub fn scopes(&self) -> BTreeSet<(String, String)> {
        let pairs = |g: &Grant| -> Vec<(String, String)> {
            g.accounts.iter().flat_map(|a| g.regions.iter().map(move |r| (a.clone(), r.clone()))).collect()
        };
        self.0.iter().flat_map(pairs).collect()
    }

    /// The grants of one namespace.
    pub fn of(&self, namespace: &str) -> impl Iterator<Item = &Grant> {
        self.0.iter().filter(move |g| g.namespace == namespace)
    }
}

impl Grant {
    /// What one namespace may name.
    pub fn new(namespace: String, accounts: Vec<String>, regions: Vec<String>, projects: Vec<String>) -> Self {
        Self { namespace, accounts, regions, projects, everything: false }
    }

    /// Everything, for a namespace in a backtest.
    pub fn everything(namespace: String) -> Self {
        Self { everything: true, ..Self::new(namespace, Vec::new(), Vec::new(), Vec::new()) }
    }

    /// Whether the account is in it.
    pub fn has_account(&self, account: &str) -> bool {
        self.everything || self.accounts.iter().any(|a| a == account)
    }

    /// Whether the region is in it.
    pub fn has_region(&self, region: &str) -> bool {
        self.everything || self.regions.iter().any(|r| r == region)
    }

    fn has_project(&self, project: &str) -> bool {
        self.everything || self.projects.iter().any(|glob| matches_glob(glob, project))
    }

    fn has(&self, account: &str, region: &str) -> bool {
        self.has_account(account) && self.has_region(region)
    }
}
