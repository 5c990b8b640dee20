//! The catalogue: which API calls of AWS matter, what they do to which type of resource, and where its id stands.
//!
//! One YAML file per service beside this module; ids are found by JMESPath over the record, so that a new event needs
//! no code. What the paths were taken from is in `docs/catalogue.md`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jmespath::Expression;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::api::Change;

const BUILT_IN: [&str; 7] = [
    include_str!("catalog/dynamodb.yaml"),
    include_str!("catalog/ec2.yaml"),
    include_str!("catalog/eks.yaml"),
    include_str!("catalog/lambda.yaml"),
    include_str!("catalog/rds.yaml"),
    include_str!("catalog/s3.yaml"),
    include_str!("catalog/ssm.yaml"),
];

/// One type of resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// The name that policies and Incidents use, e.g. dynamodb.
    pub r#type: String,
    /// The CloudFormation name.
    pub cloud_formation_type: String,
    /// The Terraform types that are the resource itself.
    pub terraform_types: Vec<String>,
    /// The Terraform types that hang on the resource, and belong to it.
    pub attachments: Vec<String>,
    /// The inventory's attributes that name the resource.
    pub identity: Vec<String>,
    /// How the ARN follows from the id.
    pub arn: String,
    /// Whether it holds data that Terraform does not bring back.
    pub stateful: bool,
    /// How the id is brought into its one form.
    pub normalise: Normalise,
    /// What a valid id looks like: a regular expression.
    pub id_pattern: String,
    /// The events.
    pub events: Vec<EventRule>,
}

/// How an id is brought into its one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Normalise {
    /// An ARN's part after the last slash; else as it is.
    AfterSlash,
    /// An ARN's part after the last colon; else as it is.
    AfterColons,
    /// A Lambda function's name from a name, a partial or a whole ARN, with or without a qualifier.
    FunctionName,
    /// An SSM parameter's name from a name or an ARN; a name with a path keeps its leading slash.
    Parameter,
}

/// One event of a type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRule {
    /// CloudTrail's eventSource.
    pub source: String,
    /// CloudTrail's eventName, without an API version.
    pub name: String,
    /// What the call does.
    pub change: Change,
    /// JMESPath over the record: a text or a list of texts.
    pub ids: String,
    /// Whether responders make this call to contain an attack.
    #[serde(default)]
    pub containment: bool,
    /// What undoes the call where applying the Terraform does not.
    #[serde(default)]
    pub undo: Option<Undo>,
}

/// A call that undoes another one, made by the apply build. The list is fixed here and in the build's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Undo {
    /// Starts a stopped instance.
    StartInstances,
    /// Takes a secret out of its recovery window.
    RestoreSecret,
    /// Takes a key out of its waiting period, and enables it.
    CancelKeyDeletion,
}

impl Entry {
    /// Whether a call is one that responders make to contain an attack.
    pub fn is_containment(&self, event: &str) -> bool {
        self.events.iter().any(|e| e.name == event && e.containment)
    }

    /// What undoes a call where applying the Terraform does not.
    pub fn undo_of(&self, event: &str) -> Option<Undo> {
        self.events.iter().find(|e| e.name == event)?.undo
    }
}

/// Why a catalogue cannot be used.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// Not YAML of the right form.
    #[error("the catalogue is not well-formed: {0}")]
    Form(#[from] serde_yaml::Error),
    /// A path or a pattern does not compile.
    #[error("{entry}: {what} does not compile: {detail}")]
    Compile {
        /// The type.
        entry: String,
        /// The path or pattern.
        what: String,
        /// Why not.
        detail: String,
    },
    /// Two entries for one event, or two types of one name.
    #[error("{0} stands twice in the catalogue")]
    Twice(String),
}

#[derive(Debug)]
struct Compiled {
    entry: usize,
    rule: EventRule,
    ids: Expression<'static>,
}

/// A catalogue, compiled.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
    patterns: Vec<Regex>,
    events: BTreeMap<(String, String), Compiled>,
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| match Catalog::parse(&BUILT_IN) {
    Ok(catalog) => catalog,
    // A test reads the same files: a build in which this happens has not passed it.
    Err(error) => panic!("the built-in catalogue: {error}"),
});

/// An event that the catalogue knows, with the ids that it is about.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The type.
    pub entry: &'a Entry,
    /// What the call does.
    pub change: Change,
    /// The ids, normalised, each once, in the order of the record.
    pub ids: Vec<String>,
    /// Ids that are not of the form that the type has.
    pub invalid: Vec<String>,
}

impl Catalog {
    /// The catalogue that is built in.
    pub fn builtin() -> &'static Self {
        &CATALOG
    }

    /// Reads a catalogue from YAML documents.
    pub fn parse(documents: &[&str]) -> Result<Self, CatalogError> {
        let mut catalog = Self { entries: Vec::new(), patterns: Vec::new(), events: BTreeMap::new() };
        for document in documents {
            for entry in serde_yaml::from_str::<Vec<Entry>>(document)? {
                catalog.add(entry)?;
            }
        }
        Ok(catalog)
    }

    fn add(&mut self, entry: Entry) -> Result<(), CatalogError> {
        let compile = |what: &str, detail: String| CatalogError::Compile {
            entry: entry.r#type.clone(),
            what: what.to_owned(),
            detail,
        };
        if self.entry(&entry.r#type).is_some() {
            return Err(CatalogError::Twice(entry.r#type));
        }
        let pattern = Regex::new(&entry.id_pattern).map_err(|e| compile(&entry.id_pattern, e.to_string()))?;
        for rule in &entry.events {
            let ids = jmespath::compile(&rule.ids).map_err(|e| compile(&rule.ids, e.to_string()))?;
            let key = (rule.source.clone(), rule.name.clone());
            let compiled = Compiled { entry: self.entries.len(), rule: rule.clone(), ids };
            if self.events.insert(key, compiled).is_some() {
                return Err(CatalogError::Twice(format!("{} {}", rule.source, rule.name)));
            }
        }
        self.patterns.push(pattern);
        self.entries.push(entry);
        Ok(())
    }

    /// Every type.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The type of this name.
    pub fn entry(&self, r#type: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.r#type == r#type)
    }

    /// Whether the catalogue has the event; `name` without an API version.
    pub fn knows(&self, source: &str, name: &str) -> bool {
        self.events.contains_key(&(source.to_owned(), name.to_owned()))
    }

    /// What an event is about; None when the catalogue does not have it. `record` is CloudTrail's record.
    pub fn find(&self, source: &str, name: &str, record: &Value) -> Option<Found<'_>> {
        let compiled = self.events.get(&(source.to_owned(), name.to_owned()))?;
        let entry = &self.entries[compiled.entry];
        let mut found = Found { entry, change: compiled.rule.change, ids: Vec::new(), invalid: Vec::new() };
        for id in texts(&compiled.ids, record) {
            let id = entry.normalised(&id);
            let valid = self.patterns[compiled.entry].is_match(&id);
            let list = if valid { &mut found.ids } else { &mut found.invalid };
            if !list.contains(&id) {
                list.push(id);
            }
        }
        Some(found)
    }
}

impl Entry {
    /// The one form of an id that may come as a name or an ARN.
    pub fn normalised(&self, id: &str) -> String {
        let is_arn = id.starts_with("arn:");
        let after = |separator: char| id.rsplit(separator).next().unwrap_or(id).to_owned();
        match self.normalise {
            Normalise::AfterSlash if is_arn => after('/'),
            Normalise::AfterColons if is_arn => after(':'),
            Normalise::AfterSlash | Normalise::AfterColons => id.to_owned(),
            Normalise::FunctionName => function_name(id),
            Normalise::Parameter => parameter(id),
        }
    }

    /// The ARN of the resource with this id.
    pub fn arn_of(&self, region: &str, account: &str, id: &str) -> String {
        let partition = match region {
            r if r.starts_with("cn-") => "aws-cn",
            r if r.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        self.arn
            .replace("{partition}", partition)
            .replace("{region}", region)
            .replace("{account}", account)
            .replace("{id}", id.trim_start_matches('/'))
    }
}

/// `name`, `name:qualifier`, `account:function:name`, or an ARN with or without a qualifier.
fn function_name(id: &str) -> String {
    let rest = id.split_once(":function:").map_or(id, |(_, rest)| rest);
    let rest = rest.strip_prefix("function:").unwrap_or(rest);
    rest.split(':').next().unwrap_or(rest).to_owned()
}

fn parameter(id: &str) -> String {
    match id.split_once(":parameter/") {
        Some((_, name)) if name.contains('/') => format!("/{name}"),
        Some((_, name)) => name.to_owned(),
        None => id.to_owned(),
    }
}

fn texts(path: &Expression<'_>, record: &Value) -> Vec<String> {
    let Ok(found) = path.search(record) else { return Vec::new() };
    if let Some(text) = found.as_string() {
        return vec![text.clone()];
    }
    let items = found.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_string().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_is_sound() {
        let catalog = Catalog::parse(&BUILT_IN).unwrap();
        assert_eq!(catalog.entries().len(), 7);
        assert_eq!(catalog.events.len(), 11);
    }

    #[test]
    fn one_event_stands_once() {
        let twice = [BUILT_IN[0].to_owned(), BUILT_IN[0].replace("- type: dynamodb", "- type: other")];
        let error = Catalog::parse(&[&twice[0], &twice[1]]).unwrap_err();
        assert!(matches!(error, CatalogError::Twice(what) if what.contains("DeleteTable")));
    }

    #[test]
    fn an_arn_as_function_name_is_the_same_function() {
        let lambda = Catalog::builtin().entry("lambda").unwrap();
        for form in ["f", "f:live", "123456789012:function:f", "arn:aws:lambda:eu-west-1:123456789012:function:f:7"] {
            assert_eq!(lambda.normalised(form), "f", "{form}");
        }
    }

    #[test]
    fn a_parameter_arn_is_the_same_parameter() {
        let ssm = Catalog::builtin().entry("ssm").unwrap();
        assert_eq!(ssm.normalised("arn:aws:ssm:eu-west-1:123456789012:parameter/a/b"), "/a/b");
        assert_eq!(ssm.normalised("plain"), "plain");
        assert_eq!(ssm.arn_of("cn-north-1", "1", "/a/b"), "arn:aws-cn:ssm:cn-north-1:1:parameter/a/b");
    }
}
