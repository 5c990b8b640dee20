//! The operator's settings: one YAML file, which the chart renders. Unknown fields are refused, so that a misspelt one
//! is noticed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reforge_api::{Time, duration_millis};
use reforge_core::catalog::Entry;
use reforge_core::intake::plumbing::{self, Part, Plumbing};
use reforge_core::policy::approval::Identity;
use reforge_core::policy::grants::{Grant, Grants};
use serde::Deserialize;
use thiserror::Error;

use reforge_aws::accounts::Account;
use reforge_aws::classifier::ClassifierSettings;

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("reading the settings {}: {source}; give the file with --settings", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file says something else than settings.
    #[error("the settings {} are not well-formed: {detail}; docs/settings.md lists them", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

/// All that the operator is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The queue with the events.
    pub queue_url: String,
    /// Where unreadable messages go.
    pub dead_letter_queue_url: String,
    /// The bucket that builds publish to.
    pub artifact_bucket: String,
    /// The region of the operator's own AWS resources.
    pub region: String,
    /// The topic for policies that name none.
    #[serde(default)]
    pub topic_arn: Option<String>,
    /// Who judges.
    #[serde(default)]
    pub classifier: ClassifierSettings,
    /// Which namespaces may recover what. Without any, no policy counts.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// The ARNs of the roles that the builds run under: how their own calls are known.
    #[serde(default)]
    pub recovery_roles: Vec<String>,
    /// Which AWS identities Kubernetes users have: so that nobody approves the undoing of what they did themselves.
    #[serde(default)]
    pub identities: Vec<Identity>,
    /// The specs of the admission policies that check who decides, by name: what the chart renders. A decision counts only
    /// while the apiserver has them so.
    #[serde(default)]
    pub admission: BTreeMap<String, serde_json::Value>,
    /// Entries of the catalogue beside the built-in ones, or in their place.
    #[serde(default)]
    pub catalog: Vec<Entry>,
    /// The patterns of the install's EventBridge rules, as the Terraform module was given them: policies whose events none
    /// of them sends say so. Without any, nothing is said.
    #[serde(default)]
    pub event_patterns: Vec<String>,
    /// Other accounts that the operator works in, and how it comes there.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// What Reforge itself stands on: a change to it is told, and never put back. The Terraform module's output `plumbing`.
    #[serde(default)]
    pub plumbing: Vec<Part>,
    /// The projects' fingerprints, by name: a build of a project that has another one is not started. The Terraform module's
    /// output `project_fingerprints`.
    #[serde(default)]
    pub projects: BTreeMap<String, String>,
    /// Where canaries are written to; without it, none are.
    #[serde(default)]
    pub canary: Option<CanarySettings>,
    /// When CloudTrail is looked through for events that the queue never brought; without it, never.
    #[serde(default)]
    pub sweep: Option<SweepSettings>,
    /// How long what has ended is kept.
    #[serde(default)]
    pub retention: RetentionSettings,
    /// What messages call this cluster.
    #[serde(default)]
    pub cluster_name: Option<String>,
}

/// Where canaries are written to, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanarySettings {
    /// The SSM parameter: the Terraform module's output `canary_parameter`.
    pub parameter: String,
    /// How often.
    #[serde(default = "daily")]
    pub every: String,
    /// How long one may take to come back.
    #[serde(default = "half_an_hour")]
    pub patience: String,
}

fn daily() -> String {
    "24h".to_owned()
}

fn half_an_hour() -> String {
    "30m".to_owned()
}

/// When CloudTrail is looked through, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SweepSettings {
    /// How often.
    pub every: String,
    /// How old an event is before it is missed: the queue has so long to bring it.
    pub lag: String,
}

impl Default for SweepSettings {
    fn default() -> Self {
        Self { every: "15m".to_owned(), lag: "20m".to_owned() }
    }
}

/// How long what has ended is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetentionSettings {
    /// From its end.
    pub ended: String,
    /// The same of canaries, alerts, and what Terraform does not own.
    pub noise: String,
    /// For how long the queue and its dead-letter queue together may bring an event again.
    pub queues: String,
}

impl RetentionSettings {
    /// How long an Incident is kept that is of use, in milliseconds, as far as the settings say.
    pub fn longest(&self) -> i64 {
        let millis = |text: &str| duration_millis(text).unwrap_or(i64::MAX);
        millis(&self.ended).max(millis(&self.queues))
    }
}

impl Default for RetentionSettings {
    fn default() -> Self {
        // SQS keeps messages for 14 days at most (SQS Developer Guide, "Amazon SQS message quotas").
        Self { ended: "720h".to_owned(), noise: "24h".to_owned(), queues: "672h".to_owned() }
    }
}

impl Settings {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SettingsError::File { path: path.to_owned(), source })?;
        let form = |detail: String| SettingsError::Form { path: path.to_owned(), detail };
        let settings = Self::parse(&text).map_err(|e| form(e.to_string()))?;
        settings.sound().map_or(Ok(settings), |wrong| Err(form(wrong)))
    }

    /// What is wrong beyond the form.
    fn sound(&self) -> Option<String> {
        let canary = self.canary.iter().flat_map(|c| [("canary.every", &c.every), ("canary.patience", &c.patience)]);
        let sweep = self.sweep.iter().flat_map(|s| [("sweep.every", &s.every), ("sweep.lag", &s.lag)]);
        let kept = &self.retention;
        let kept =
            [("retention.ended", &kept.ended), ("retention.noise", &kept.noise), ("retention.queues", &kept.queues)];
        for (field, text) in canary.chain(sweep).chain(kept) {
            if duration_millis(text).is_none_or(|millis| millis == 0) {
                return Some(format!("{field} is {text:?}; it is a whole number and a unit: 30s, 15m or 24h"));
            }
        }
        if let Some(canary) = self.canary.as_ref().filter(|c| duration_millis(&c.every) <= duration_millis(&c.patience))
        {
            let (every, patience) = (&canary.every, &canary.patience);
            return Some(format!("canary.every is {every}, and must be longer than canary.patience of {patience}"));
        }
        let is_account = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
        let odd = self.accounts.iter().find(|a| !is_account(&a.id) || a.external_id.len() < 16);
        if let Some(account) = odd {
            return Some(format!(
                "accounts: {:?} has twelve digits, and its externalId 16 characters at least",
                account.id
            ));
        }
        plumbing::account_of(&self.queue_url)
            .is_none()
            .then(|| format!("queueUrl is {:?}, which does not say the operator's own account", self.queue_url))
    }

    /// The operator's own account with its install; its role and external id mean nothing.
    pub fn home(&self) -> Account {
        Account {
            id: plumbing::account_of(&self.queue_url).unwrap_or_default().to_owned(),
            role_arn: String::new(),
            external_id: String::new(),
            region: self.region.clone(),
            artifact_bucket: self.artifact_bucket.clone(),
            projects: self.projects.clone(),
        }
    }

    /// What Reforge itself stands on, for an operator in this namespace that first started then.
    pub fn plumbing(&self, namespace: &str, since: Time) -> Plumbing {
        Plumbing {
            namespace: namespace.to_owned(),
            account: self.home().id,
            region: self.region.clone(),
            parts: self.plumbing.clone(),
            canary: self.canary.as_ref().map(|c| c.parameter.clone()),
            since,
        }
    }

    /// Reads YAML.
    pub fn parse(text: &str) -> Result<Self, serde_yaml::Error> {
        serde_yaml::from_str(text)
    }

    /// The grants.
    pub fn grants(&self) -> Grants {
        Grants(self.grants.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    const SMALL: &str =
        "queueUrl: q\ndeadLetterQueueUrl: d\nartifactBucket: b\nregion: eu-west-1\nclassifier: {mode: Bedrock}\n";

    #[test]
    fn what_is_not_said_has_its_default() {
        let settings = Settings::parse(SMALL).unwrap();
        assert_eq!(settings.classifier.model_id, "amazon.nova-lite-v1:0");
        assert!(settings.grants.is_empty());
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let error = Settings::parse(&format!("{SMALL}topicArm: x\n")).unwrap_err();
        assert!(error.to_string().contains("topicArm"), "{error}");
    }
}
