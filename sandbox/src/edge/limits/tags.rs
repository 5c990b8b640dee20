//! Tags: how many, how long, and whose. Read wherever a request has them: lists of objects, maps, dotted names, XML.

use super::asked::{Asked, characters};
use super::limit::{Answer, Bound, Code, Limit, Measure, Sure};
use crate::edge::call::parse_xml;
use serde_json::Value;
use std::collections::HashMap;

const SOURCE: &str = "Tagging AWS Resources User Guide, \"Tag naming limits and requirements\"";
/// What takes tags: of the services of the install and of the catalogue.
const CALLS: &[(&str, &[&str])] = &[
    ("codebuild", &["CreateProject", "UpdateProject"]),
    ("dynamodb", &["CreateTable", "TagResource"]),
    ("ec2", &["CreateTags", "RunInstances"]),
    ("events", &["CreateEventBus", "PutRule", "TagResource"]),
    ("iam", &["CreateInstanceProfile", "CreatePolicy", "CreateRole", "TagInstanceProfile", "TagPolicy", "TagRole"]),
    ("kms", &["CreateKey", "TagResource"]),
    ("lambda", &["CreateFunction", "TagResource"]),
    ("logs", &["CreateLogGroup", "TagResource"]),
    ("s3", &["PutBucketTagging", "TagResource"]),
    ("secretsmanager", &["CreateSecret", "TagResource"]),
    ("sns", &["CreateTopic", "TagResource"]),
    ("sqs", &["CreateQueue", "TagQueue"]),
    ("ssm", &["AddTagsToResource", "PutParameter"]),
];
const CODES: Code = Code::ByService(&[
    ("codebuild", "InvalidInputException"),
    ("ec2", "InvalidParameterValue"),
    ("iam", "InvalidInput"),
    ("kms", "TagException"),
    ("lambda", "InvalidParameterValueException"),
    ("logs", "InvalidParameterException"),
    ("s3", "InvalidTag"),
    ("secretsmanager", "InvalidParameterException"),
    ("sns", "InvalidParameter"),
    ("sqs", "InvalidParameterValue"),
    ("others", "ValidationException"),
]);

/// The limits.
pub const LIMITS: &[Limit] = &[
    Limit {
        name: "Tags: of a resource, in one request",
        bound: Bound::Most(50, "tags"),
        source: SOURCE,
        sure: Sure::Documented,
        calls: CALLS,
        measure: Measure::Asked(|asked| vec![tags(asked).most_of_one]),
        also: "",
        answer: answer("A resource can have at most {most} tags."),
        near: "the owner's `tags` and one of the module's own",
    },
    Limit {
        name: "Tags: key",
        bound: Bound::Between(1, 128, "characters"),
        source: SOURCE,
        sure: Sure::Documented,
        calls: CALLS,
        measure: Measure::Asked(|asked| tags(asked).all.iter().map(|(key, _)| characters(key)).collect()),
        also: "",
        answer: answer("A tag's key must have 1 to {most} characters."),
        near: "the owner's `tags`",
    },
    Limit {
        name: "Tags: value",
        bound: Bound::Most(256, "characters"),
        source: SOURCE,
        sure: Sure::Documented,
        calls: CALLS,
        measure: Measure::Asked(|asked| tags(asked).all.iter().map(|(_, value)| characters(value)).collect()),
        also: "",
        answer: answer("A tag's value can have at most {most} characters."),
        near: "the owner's `tags`",
    },
    Limit {
        name: "Tags: whose",
        bound: Bound::Form("no key begins with `aws:`"),
        source: SOURCE,
        sure: Sure::Documented,
        calls: CALLS,
        measure: Measure::Breaks(|asked| tags(asked).all.iter().any(|(key, _)| is_system(key))),
        also: "",
        answer: answer("Tag keys starting with 'aws:' are reserved for internal use"),
        near: "the owner's `tags`",
    },
];

const fn answer(message: &'static str) -> Answer {
    Answer { code: CODES, message, seen: false }
}

fn is_system(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// The tags in a request.
#[derive(Debug, Default)]
struct Tags {
    all: Vec<(String, String)>,
    /// A request may tag several resources.
    most_of_one: u64,
}

fn tags(asked: &Asked<'_>) -> Tags {
    let mut tags = Tags::default();
    for name in ["Tags", "tags"] {
        tags.read(&asked.input[name]);
    }
    tags.read_dotted(asked);
    if let Some((_, root)) =
        parse_xml(&String::from_utf8_lossy(&asked.request.body)).filter(|_| asked.call.service == "s3")
    {
        tags.read_xml(&root);
    }
    tags
}

impl Tags {
    fn add(&mut self, of_one: impl IntoIterator<Item = (String, String)>) {
        let before = self.all.len();
        self.all.extend(of_one);
        self.most_of_one = self.most_of_one.max((self.all.len() - before) as u64);
    }

    /// A map, or a list of objects whose members are spelled by the service.
    fn read(&mut self, value: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match value {
            Value::Object(map) => self.add(map.iter().map(|(key, value)| (key.clone(), text(value)))),
            Value::Array(list) => self.add(list.iter().filter_map(|tag| {
                let of = |names: [&str; 3]| names.iter().find_map(|name| tag.get(*name)).map(text);
                Some((of(["Key", "key", "TagKey"])?, of(["Value", "value", "TagValue"]).unwrap_or_default()))
            })),
            _ => {}
        }
    }

    /// `Tags.member.N.Key`, `Tag.N.Key`, `TagSpecification.M.Tag.N.Key`.
    fn read_dotted(&mut self, asked: &Asked<'_>) {
        let mut by_resource: HashMap<&str, Vec<(String, String)>> = HashMap::new();
        for (name, key) in asked.members() {
            let Some(tag) = name.strip_suffix(".Key").filter(|tag| tag.contains("Tag")) else { continue };
            let resource = tag.rsplit_once('.').map_or(tag, |(list, _)| list);
            let value = asked.text(&format!("{tag}.Value")).unwrap_or_default().to_owned();
            by_resource.entry(resource).or_default().push((key.to_owned(), value));
        }
        for of_one in by_resource.into_values() {
            self.add(of_one);
        }
    }

    /// Elements `Tag`, however deep.
    fn read_xml(&mut self, value: &Value) {
        let Value::Object(members) = value else { return };
        for (name, member) in members {
            match member {
                tag @ Value::Object(_) if name == "Tag" => self.read(&Value::Array(vec![tag.clone()])),
                list if name == "Tag" => self.read(list),
                inner => self.read_xml(inner),
            }
        }
    }
}
