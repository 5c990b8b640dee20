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

#[cfg(test)]
mod tests {
    use super::{Grant, Grants};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn grants() -> Grants {
        let grant = |namespace: &str, accounts: &[&str], regions: &[&str], projects: &[&str]| {
            Grant::new(namespace.to_owned(), words(accounts), words(regions), words(projects))
        };
        Grants(vec![
            grant("shop", &["1", "2"], &["eu", "us"], &["shop-*"]),
            grant("shop", &["3"], &["ap"], &[]),
            grant("bank", &["4"], &["eu"], &["bank-apply"]),
        ])
    }

    #[test]
    fn a_namespace_has_what_one_of_its_own_grants_gives_it() {
        for (namespace, account, region, allowed) in [
            ("shop", "1", "eu", true),
            ("shop", "2", "us", true),
            ("shop", "3", "ap", true),
            ("shop", "3", "eu", false),
            ("shop", "1", "ap", false),
            ("shop", "4", "eu", false),
            ("bank", "4", "eu", true),
            ("elsewhere", "1", "eu", false),
        ] {
            assert_eq!(grants().allows(namespace, account, region), allowed, "{namespace} {account} {region}");
        }
        for (namespace, project, allowed) in
            [("shop", "shop-plan", true), ("shop", "bank-apply", false), ("bank", "bank-apply", true)]
        {
            assert_eq!(grants().allows_project(namespace, project), allowed, "{namespace} {project}");
        }
    }

    #[test]
    fn an_account_and_a_region_are_known_where_they_were_granted_together() {
        assert!(grants().knows("1", "eu") && grants().knows("4", "eu"));
        assert!(!grants().knows("4", "us") && !grants().knows("5", "eu"));
        let scopes: Vec<String> = grants().scopes().into_iter().map(|(a, r)| format!("{a} {r}")).collect();
        assert_eq!(scopes, ["1 eu", "1 us", "2 eu", "2 us", "3 ap", "4 eu"]);
    }

    #[test]
    fn in_a_backtest_a_namespace_has_everything_and_no_other_has() {
        let grants = Grants(vec![Grant::everything("shop".to_owned())]);
        assert!(grants.allows("shop", "1", "eu") && grants.allows_project("shop", "any"));
        assert!(!grants.allows("bank", "1", "eu") && !grants.allows_project("bank", "any"));
    }
}
