//! Grants: which accounts, regions and projects the policies of a namespace may name. They come from the operator's
//! settings only. Pure.

use serde::Deserialize;

use super::select::matches_glob;

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
        self.of(namespace).any(|g| g.projects.iter().any(|glob| matches_glob(glob, project)))
    }

    /// The grants of one namespace.
    pub fn of(&self, namespace: &str) -> impl Iterator<Item = &Grant> {
        self.0.iter().filter(move |g| g.namespace == namespace)
    }
}

impl Grant {
    fn has(&self, account: &str, region: &str) -> bool {
        self.accounts.iter().any(|a| a == account) && self.regions.iter().any(|r| r == region)
    }
}
