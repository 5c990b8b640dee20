//! The catalogue: which API calls of AWS matter, what they do to which type of resource, and where its id stands.
//!
//! One YAML file per service beside this module; ids are found by JMESPath over the record, so that a new event needs
//! no code. What the paths were taken from is in `docs/catalogue.md`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jmespath::Expression;
use reforge_api::Change;
use regex::Regex;
use serde_json::Value;
use thiserror::Error;

mod entry;

pub use entry::{Entry, EventRule, Normalise, TakenFrom, Undo, Verify};

const BUILT_IN: [&str; 72] = [
    include_str!("accessanalyzer.yaml"),
    include_str!("acm.yaml"),
    include_str!("amplify.yaml"),
    include_str!("apigateway.yaml"),
    include_str!("apprunner.yaml"),
    include_str!("appsync.yaml"),
    include_str!("athena.yaml"),
    include_str!("autoscaling.yaml"),
    include_str!("backup.yaml"),
    include_str!("batch.yaml"),
    include_str!("cloudfront.yaml"),
    include_str!("cloudtrail.yaml"),
    include_str!("cloudwatch.yaml"),
    include_str!("codeartifact.yaml"),
    include_str!("codebuild.yaml"),
    include_str!("codecommit.yaml"),
    include_str!("codedeploy.yaml"),
    include_str!("codepipeline.yaml"),
    include_str!("cognito.yaml"),
    include_str!("config.yaml"),
    include_str!("directory-service.yaml"),
    include_str!("dms.yaml"),
    include_str!("dynamodb.yaml"),
    include_str!("ec2.yaml"),
    include_str!("ecr.yaml"),
    include_str!("ecs.yaml"),
    include_str!("efs.yaml"),
    include_str!("eks.yaml"),
    include_str!("elasticache.yaml"),
    include_str!("elasticbeanstalk.yaml"),
    include_str!("elb.yaml"),
    include_str!("emr.yaml"),
    include_str!("events.yaml"),
    include_str!("firehose.yaml"),
    include_str!("fsx.yaml"),
    include_str!("globalaccelerator.yaml"),
    include_str!("glue.yaml"),
    include_str!("grafana.yaml"),
    include_str!("guardduty.yaml"),
    include_str!("iam.yaml"),
    include_str!("iot.yaml"),
    include_str!("kafka.yaml"),
    include_str!("kinesis.yaml"),
    include_str!("kinesisanalytics.yaml"),
    include_str!("kms.yaml"),
    include_str!("lambda.yaml"),
    include_str!("logs.yaml"),
    include_str!("mq.yaml"),
    include_str!("mwaa.yaml"),
    include_str!("network-firewall.yaml"),
    include_str!("opensearch.yaml"),
    include_str!("organizations.yaml"),
    include_str!("rbin.yaml"),
    include_str!("rds.yaml"),
    include_str!("redshift.yaml"),
    include_str!("rolesanywhere.yaml"),
    include_str!("route53.yaml"),
    include_str!("route53resolver.yaml"),
    include_str!("s3.yaml"),
    include_str!("sagemaker.yaml"),
    include_str!("scheduler.yaml"),
    include_str!("secretsmanager.yaml"),
    include_str!("shield.yaml"),
    include_str!("sns.yaml"),
    include_str!("sqs.yaml"),
    include_str!("ssm.yaml"),
    include_str!("states.yaml"),
    include_str!("synthetics.yaml"),
    include_str!("timestream.yaml"),
    include_str!("transfer.yaml"),
    include_str!("vpc.yaml"),
    include_str!("wafv2.yaml"),
];

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
    /// A name that cannot be one.
    #[error("{0:?} is no name of a type: lower-case letters, digits and dashes, 40 at most")]
    Name(String),
}

#[derive(Debug)]
struct Compiled {
    entry: usize,
    rule: EventRule,
    ids: Ids,
}

/// Where the ids stand in a record.
#[derive(Debug)]
enum Ids {
    /// Members, one in the other: what most paths are. The library would copy the whole record first.
    Members(Vec<String>),
    /// Anything else.
    Expression(Expression<'static>),
}

impl Ids {
    fn compile(path: &str) -> Result<Self, jmespath::JmespathError> {
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
                && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if path.split('.').all(is_name) {
            return Ok(Self::Members(path.split('.').map(str::to_owned).collect()));
        }
        jmespath::compile(path).map(Self::Expression)
    }

    /// The ids: a text, or the texts of a list.
    fn of(&self, record: &Value) -> Vec<String> {
        match self {
            Self::Members(names) => match names.iter().try_fold(record, |value, name| value.get(name)) {
                Some(Value::String(text)) => vec![text.clone()],
                Some(Value::Array(items)) => items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect(),
                _ => Vec::new(),
            },
            Self::Expression(path) => texts(path, record),
        }
    }
}

/// A catalogue, compiled.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
    patterns: Vec<Regex>,
    /// By source, then by name.
    events: BTreeMap<String, BTreeMap<String, Compiled>>,
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
        let mut entries = Vec::new();
        for document in documents {
            entries.extend(serde_yaml::from_str::<Vec<Entry>>(document)?);
        }
        Self::of(entries)
    }

    /// The built-in catalogue with entries of one's own: an entry takes the place of a built-in one of its type, and its
    /// events are its own whatever built-in entry had them.
    pub fn with(own: &[Entry]) -> Result<Self, CatalogError> {
        let is_taken = |rule: &EventRule| {
            own.iter().any(|e| e.events.iter().any(|r| (&r.source, &r.name) == (&rule.source, &rule.name)))
        };
        let rest = Self::builtin().entries.iter().filter(|b| !own.iter().any(|o| o.r#type == b.r#type)).cloned();
        let rest = rest.map(|mut entry| {
            entry.events.retain(|rule| !is_taken(rule));
            entry
        });
        Self::of(rest.chain(own.iter().cloned()).collect())
    }

    fn of(entries: Vec<Entry>) -> Result<Self, CatalogError> {
        let mut catalog = Self { entries: Vec::new(), patterns: Vec::new(), events: BTreeMap::new() };
        for entry in entries {
            catalog.add(entry)?;
        }
        Ok(catalog)
    }

    fn add(&mut self, entry: Entry) -> Result<(), CatalogError> {
        let compile = |what: &str, detail: String| CatalogError::Compile {
            entry: entry.r#type.clone(),
            what: what.to_owned(),
            detail,
        };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        // A part of the Incident's name, which Kubernetes bounds.
        if entry.r#type.is_empty() || entry.r#type.len() > 40 || !entry.r#type.chars().all(is_name) {
            return Err(CatalogError::Name(entry.r#type));
        }
        if self.entry(&entry.r#type).is_some() {
            return Err(CatalogError::Twice(entry.r#type));
        }
        let pattern = Regex::new(&entry.id_pattern).map_err(|e| compile(&entry.id_pattern, e.to_string()))?;
        for rule in &entry.events {
            let ids = Ids::compile(&rule.ids).map_err(|e| compile(&rule.ids, e.to_string()))?;
            let compiled = Compiled { entry: self.entries.len(), rule: rule.clone(), ids };
            let of_source = self.events.entry(rule.source.clone()).or_default();
            if of_source.insert(rule.name.clone(), compiled).is_some() {
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

    /// The type of this CloudFormation name: the first, where several have it.
    pub fn entry_of(&self, cloud_formation_type: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.cloud_formation_type == cloud_formation_type)
    }

    /// The one form of an id, if it is of the form that the type has.
    pub fn valid_id(&self, entry: &Entry, id: &str) -> Option<String> {
        let at = self.entries.iter().position(|e| e.r#type == entry.r#type)?;
        let id = entry.normalised(id);
        self.patterns[at].is_match(&id).then_some(id)
    }

    /// Every event, as source and name.
    pub fn events(&self) -> impl Iterator<Item = (&str, &str)> {
        self.events.iter().flat_map(|(source, names)| names.keys().map(move |name| (source.as_str(), name.as_str())))
    }

    /// What an event is about; None when the catalogue does not have it. `record` is CloudTrail's record.
    pub fn find(&self, source: &str, name: &str, record: &Value) -> Option<Found<'_>> {
        let compiled = self.events.get(source)?.get(name)?;
        let entry = &self.entries[compiled.entry];
        let mut found = Found { entry, change: compiled.rule.change, ids: Vec::new(), invalid: Vec::new() };
        for id in compiled.ids.of(record) {
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
        assert!(catalog.entries().len() >= 60 && catalog.events().count() >= 200);
    }

    #[test]
    fn a_path_of_members_finds_what_the_library_finds() {
        let record = serde_json::json!({"requestParameters": {"a": "x", "b": ["y", 1, "z"], "c": {"d": null}, "n": 5}});
        for path in
            ["requestParameters.a", "requestParameters.b", "requestParameters.c.d", "requestParameters.n", "x.y"]
        {
            let ids = Ids::compile(path).unwrap();
            assert!(matches!(ids, Ids::Members(_)), "{path}");
            assert_eq!(ids.of(&record), texts(&jmespath::compile(path).unwrap(), &record), "{path}");
        }
        assert!(matches!(Ids::compile("requestParameters.items[].id").unwrap(), Ids::Expression(_)));
    }

    #[test]
    fn one_event_stands_once() {
        let dynamodb = BUILT_IN.iter().find(|text| text.contains("- type: dynamodb\n")).unwrap();
        let twice = [(*dynamodb).to_owned(), dynamodb.replace("- type: dynamodb\n", "- type: other\n")];
        let error = Catalog::parse(&[&twice[0], &twice[1]]).unwrap_err();
        assert!(matches!(error, CatalogError::Twice(what) if what.contains("dynamodb.amazonaws.com")));
    }

    #[test]
    fn an_arn_as_function_name_is_the_same_function() {
        let lambda = Catalog::builtin().entry("lambda").unwrap();
        for form in ["f", "f:live", "123456789012:function:f", "arn:aws:lambda:eu-west-1:123456789012:function:f:7"] {
            assert_eq!(lambda.normalised(form), "f", "{form}");
        }
    }

    #[test]
    fn a_rule_is_the_same_by_its_buss_name_and_its_arn() {
        let rule = Catalog::builtin().entry("event-rule").unwrap();
        let arn = "arn:aws:events:eu-west-1:123456789012:event-bus";
        for (form, id) in [("r", "r"), ("default/r", "r"), ("hub/r", "hub/r")] {
            assert_eq!(rule.normalised(form), id);
        }
        assert_eq!(rule.normalised(&format!("{arn}/default/r")), "r");
        assert_eq!(rule.normalised(&format!("{arn}/hub/r")), "hub/r");
    }

    #[test]
    fn every_partition_has_its_arns() {
        let table = Catalog::builtin().entry("dynamodb").unwrap();
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            let arn = table.arn_of(region, "111122223333", "t").unwrap();
            assert_eq!(arn, format!("arn:{partition}:dynamodb:{region}:111122223333:table/t"));
        }
    }

    #[test]
    fn a_parameter_arn_is_the_same_parameter() {
        let ssm = Catalog::builtin().entry("ssm").unwrap();
        assert_eq!(ssm.normalised("arn:aws:ssm:eu-west-1:123456789012:parameter/a/b"), "/a/b");
        assert_eq!(ssm.normalised("plain"), "plain");
        let arn = ssm.arn_of("cn-north-1", "1", "/a/b");
        assert_eq!(arn.as_deref(), Some("arn:aws-cn:ssm:cn-north-1:1:parameter/a/b"));
    }
}
