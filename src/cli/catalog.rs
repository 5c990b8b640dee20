//! `reforge catalog`: what Reforge knows of AWS's events, and what it would read from a record.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use reforge_core::catalog::{Catalog, Entry};
use reforge_core::intake::event;
use reforge_core::words::text::shorten;
use serde_json::{Value, json};

use crate::runtime::settings::Settings;

use super::output;

/// List the resource types that Reforge knows, with the API calls that change them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ListCatalog {
    #[command(subcommand)]
    command: Option<Command>,
    /// The operator's settings, for the entries in settings.catalog; without them, the built-in catalogue.
    #[arg(long, global = true)]
    settings: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what Reforge would read from an event: a CloudTrail record, or an EventBridge event around one.
    Check {
        /// A file with the event as JSON; `-` for standard input.
        event: PathBuf,
    },
}

impl ListCatalog {
    /// Carries the command out.
    pub fn run(self) -> Result<()> {
        let catalog = catalog_of(self.settings.as_deref())?;
        match (self.command, self.format) {
            (Some(Command::Check { event }), _) => output::print(&check(&catalog, &read(&event)?)?)?,
            (None, Format::Table) => output::print(&table(&catalog))?,
            (None, Format::Json) => {
                let all: Vec<Value> = catalog.entries().iter().map(listed).collect();
                output::print(&(serde_json::to_string_pretty(&all)? + "\n"))?;
            }
        }
        Ok(())
    }
}

/// The built-in catalogue, with the entries of the settings if there are any.
pub fn catalog_of(settings: Option<&Path>) -> Result<Catalog> {
    let own = settings.map(Settings::load).transpose()?.map(|s| s.catalog).unwrap_or_default();
    Catalog::with(&own).context("the catalogue with settings.catalog")
}

fn listed(entry: &Entry) -> Value {
    let events: Vec<Value> =
        entry.events.iter().map(|e| json!({"source": e.source, "name": e.name, "change": e.change})).collect();
    json!({
        "type": entry.r#type,
        "cloudFormationType": entry.cloud_formation_type,
        "terraformTypes": entry.terraform_types,
        "stateful": entry.stateful,
        "events": events,
    })
}

fn table(catalog: &Catalog) -> String {
    let mut lines =
        vec![format!("{:<34} {:<44} {:<9} {:<13} EVENTS", "TYPE", "CLOUDFORMATION TYPE", "STATEFUL", "VERIFIED BY")];
    for entry in catalog.entries() {
        let names: Vec<&str> = entry.events.iter().map(|e| e.name.as_str()).collect();
        lines.push(format!(
            "{:<34} {:<44} {:<9} {:<13} {}",
            entry.r#type,
            entry.cloud_formation_type,
            if entry.stateful { "yes" } else { "no" },
            format!("{:?}", entry.verify),
            names.join(" ")
        ));
    }
    lines.push(format!("\n{} types, {} events", catalog.entries().len(), catalog.events().count()));
    lines.join("\n") + "\n"
}

fn read(file: &Path) -> Result<Value> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    }
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

fn check(catalog: &Catalog, value: &Value) -> Result<String> {
    let record =
        event::of_log(value.clone()).context("the event cannot be read, and would go to the dead-letter queue")?;
    let event = &record.event;
    let mut lines = vec![
        format!("event      {} ({}) {}", event.name, event.source, event.id),
        format!("where      account {} in {}", event.account_id, event.region),
        format!("who        {}", event.actor.arn.as_deref().unwrap_or(&event.actor.r#type)),
    ];
    if let Some(code) = &record.error_code {
        lines.push(format!("outcome    dropped: the call failed with {}", shorten(code, 128)));
    } else if record.read_only {
        lines.push("outcome    dropped: the call only reads".to_owned());
    } else if let Some(found) = catalog.find(&event.source, &event.name, &record.detail) {
        let entry = found.entry;
        lines.push(format!("type       {} ({})", entry.r#type, entry.cloud_formation_type));
        lines.push(format!("change     {:?}", found.change));
        for id in &found.ids {
            let arn = entry.arn_of(&event.region, &event.account_id, id).map(|a| format!(" ({a})")).unwrap_or_default();
            lines.push(format!("resource   {id}{arn}"));
        }
        for id in &found.invalid {
            lines.push(format!(
                "unreadable {} is no id of this type: it must match {}",
                shorten(id, 256),
                entry.id_pattern
            ));
        }
        lines.push(match (found.ids.is_empty(), found.invalid.is_empty()) {
            (true, true) => "outcome    dropped: the record names no resource".to_owned(),
            (true, false) => "outcome    the message would go to the dead-letter queue".to_owned(),
            (false, _) => "outcome    an Incident for each resource that a policy takes".to_owned(),
        });
    } else {
        lines
            .push("outcome    dropped: the catalogue does not have this event; settings.catalog can add it".to_owned());
    }
    Ok(lines.join("\n") + "\n")
}
