//! `reforge event-pattern`: what the EventBridge rules of an install must let through.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use reforge_api::{Match, RecoveryPolicy};
use reforge_core::intake::pattern;
use serde::Deserialize as _;

use super::catalog::catalog_of;
use super::output;

/// Print the EventBridge patterns that the policies need, as a JSON list for the Terraform module's `event_patterns`;
/// without policies, those of the whole catalogue.
#[derive(Debug, Args)]
pub struct EventPattern {
    /// A folder, or a file, with RecoveryPolicy manifests.
    #[arg(long)]
    policies: Option<PathBuf>,
    /// The operator's settings, for the entries in settings.catalog.
    #[arg(long)]
    settings: Option<PathBuf>,
}

impl EventPattern {
    /// Carries the command out.
    pub fn run(self) -> Result<()> {
        let catalog = catalog_of(self.settings.as_deref())?;
        let policies = self.policies.as_deref().map(policies_in).transpose()?.unwrap_or_default();
        let matches: Vec<&Match> = policies.iter().map(|p| &p.spec.r#match).collect();
        let wanted = pattern::wanted(&catalog, &matches);
        let patterns = serde_json::to_string_pretty(&pattern::patterns(&wanted))?;
        Ok(output::print(&(patterns + "\n"))?)
    }
}

/// The policies in a file, or in the YAML files of a folder and of those below it. Documents of other kinds are passed over.
pub fn policies_in(path: &Path) -> Result<Vec<RecoveryPolicy>> {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(path)?.map(|e| Ok(e?.path())).collect::<std::io::Result<_>>()?;
        entries.sort();
        let is_yaml =
            |p: &PathBuf| p.is_dir() || p.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        let lists: Vec<Vec<RecoveryPolicy>> =
            entries.iter().filter(|p| is_yaml(p)).map(|p| policies_in(p)).collect::<Result<_>>()?;
        return Ok(lists.concat());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut policies = Vec::new();
    for (number, document) in serde_yaml::Deserializer::from_str(&text).enumerate() {
        let at = || format!("{}, document {}", path.display(), number + 1);
        let value = serde_yaml::Value::deserialize(document).with_context(at)?;
        if value.get("kind").and_then(serde_yaml::Value::as_str) == Some("RecoveryPolicy") {
            policies.push(serde_yaml::from_value(value).with_context(at)?);
        }
    }
    Ok(policies)
}
