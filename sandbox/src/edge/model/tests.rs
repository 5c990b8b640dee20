//! Requests as they come over the wire, decoded and judged by small models and by the real ones.

use super::answer;
use super::decode::{self, Body, Parts};
use super::pattern::Patterns;
use super::route::{self, Asked};
use super::service::Service;
use super::store::Store;
use super::validate::violations;
use hyper::HeaderMap;
use serde_json::{Value, json};

/// The APIs that the sandbox's programs call, by the names that they are signed for.
const USED: [(&str, &str); 20] = [
    ("bedrock", "bedrock-runtime"),
    ("cloudcontrolapi", "cloudcontrol"),
    ("cloudtrail", "cloudtrail"),
    ("codebuild", "codebuild"),
    ("dynamodb", "dynamodb"),
    ("ec2", "ec2"),
    ("eks", "eks"),
    ("events", "events"),
    ("iam", "iam"),
    ("kms", "kms"),
    ("lambda", "lambda"),
    ("logs", "logs"),
    ("rds", "rds"),
    ("s3", "s3"),
    ("s3", "s3control"),
    ("secretsmanager", "secretsmanager"),
    ("sns", "sns"),
    ("sqs", "sqs"),
    ("ssm", "ssm"),
    ("sts", "sts"),
];

fn service(protocol: &str, shapes: &Value) -> Service {
    let model = json!({
        "metadata": {"apiVersion": "2026-01-01", "protocol": protocol, "endpointPrefix": "shop"},
        "operations": {}, "shapes": shapes,
    });
    serde_json::from_value(model).unwrap()
}

fn real(signed_as: &str, api: &str) -> std::sync::Arc<Service> {
    let store = Store::open(&crate::parts::api_models().unwrap()).unwrap();
    store.services(signed_as).into_iter().find(|s| s.name == api).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn query(service: &Service, form: &[(&str, &str)]) -> Value {
    let decoded = decode::query(service, "Input", &pairs(form));
    assert_eq!(decoded.unreadable, None);
    assert_eq!(decoded.unknown, Vec::<String>::new());
    decoded.input
}

fn lists_and_maps() -> Value {
    json!({
        "Input": {"type": "structure", "members": {
            "Names": {"shape": "Names"}, "Tags": {"shape": "Tags"}, "Bare": {"shape": "Bare"},
            "Attributes": {"shape": "Map"}, "Count": {"shape": "Integer"}, "Force": {"shape": "Boolean"},
        }},
        "Names": {"type": "list", "member": {"shape": "String"}},
        "Tags": {"type": "list", "member": {"shape": "Tag", "locationName": "Tag"}},
        "Bare": {"type": "list", "flattened": true, "member": {"shape": "String", "locationName": "One"}},
        "Tag": {"type": "structure", "members": {"Key": {"shape": "String"}, "Value": {"shape": "String"}}},
        "Map": {"type": "map", "key": {"shape": "String", "locationName": "Name"}, "value": {"shape": "String"}},
        "String": {"type": "string"}, "Integer": {"type": "integer"}, "Boolean": {"type": "boolean"},
    })
}

#[test]
fn lists_and_maps_of_the_query_protocol_are_told_by_their_names() {
    let form = [
        ("Action", "Do"),
        ("Version", "2026-01-01"),
        ("Names.member.2", "b"),
        ("Names.member.1", "a"),
        ("Tags.Tag.1.Key", "k"),
        ("Tags.Tag.1.Value", "v"),
        ("One.1", "x"),
        ("Attributes.entry.1.Name", "n"),
        ("Attributes.entry.1.value", "w"),
        ("Count", "7"),
        ("Force", "true"),
    ];
    let expected = json!({
        "Names": ["a", "b"], "Tags": [{"Key": "k", "Value": "v"}], "Bare": ["x"], "Attributes": {"n": "w"},
        "Count": 7, "Force": true,
    });
    assert_eq!(query(&service("query", &lists_and_maps()), &form), expected);
}

#[test]
fn a_form_that_says_no_number_is_not_read() {
    let decoded = decode::query(&service("query", &lists_and_maps()), "Input", &pairs(&[("Count", "many")]));
    assert_eq!(decoded.unreadable.unwrap().member, "Count");
}

#[test]
fn names_of_ec2_begin_with_a_capital_and_its_lists_are_bare() {
    let shapes = json!({
        "Input": {"type": "structure", "members": {
            "InstanceIds": {"shape": "Ids", "locationName": "InstanceId"},
            "DryRun": {"shape": "Boolean", "locationName": "dryRun"},
            "Ipv6": {"shape": "String", "locationName": "ipv6", "queryName": "IPv6"},
        }},
        "Ids": {"type": "list", "member": {"shape": "String", "locationName": "item"}},
        "String": {"type": "string"}, "Boolean": {"type": "boolean"},
    });
    let form = [("InstanceId.1", "i-1"), ("DryRun", "false"), ("IPv6", "::1")];
    let expected = json!({"InstanceIds": ["i-1"], "DryRun": false, "Ipv6": "::1"});
    assert_eq!(query(&service("ec2", &shapes), &form), expected);
}

#[test]
fn json_is_read_by_its_types_and_unknown_members_are_noted() {
    let service = service("json", &lists_and_maps());
    let decoded = decode::json(&service, "Input", br#"{"Names": ["a"], "Count": null, "Nmaes": [], "Tags": []}"#);
    assert_eq!(decoded.input, json!({"Names": ["a"], "Tags": []}));
    assert_eq!(decoded.unknown, ["Nmaes"]);
    let wrong = decode::json(&service, "Input", br#"{"Names": [7]}"#).unreadable.unwrap();
    assert_eq!(wrong.why, "NUMBER_VALUE can not be converted to String");
    assert!(decode::json(&service, "Input", b"{").unreadable.is_some());
}

#[test]
fn a_rest_request_is_read_from_path_query_headers_and_body() {
    let shapes = json!({
        "Input": {"type": "structure", "payload": "Configuration", "members": {
            "Bucket": {"shape": "String", "location": "uri", "locationName": "Bucket"},
            "Keys": {"shape": "Strings", "location": "querystring", "locationName": "key"},
            "Size": {"shape": "Long", "location": "header", "locationName": "x-amz-size"},
            "Metadata": {"shape": "Map", "location": "headers", "locationName": "x-amz-meta-"},
            "Configuration": {"shape": "Configuration", "locationName": "Configuration"},
        }},
        "Configuration": {"type": "structure", "members": {
            "Rules": {"shape": "Rules", "locationName": "Rule"}, "Grants": {"shape": "Grants"},
        }},
        "Rules": {"type": "list", "flattened": true, "member": {"shape": "String"}},
        "Grants": {"type": "list", "member": {"shape": "Grantee", "locationName": "Grant"}},
        "Grantee": {"type": "structure", "members": {
            "Type": {"shape": "String", "locationName": "xsi:type", "xmlAttribute": true}, "ID": {"shape": "String"},
        }},
        "Strings": {"type": "list", "member": {"shape": "String"}},
        "Map": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "String"}},
        "String": {"type": "string"}, "Long": {"type": "long"},
    });
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-size", "12".parse().unwrap());
    headers.insert("x-amz-meta-owner", "shop".parse().unwrap());
    let body = br#"<?xml version="1.0"?><Configuration xmlns="urn:x"><Rule>a &amp; b</Rule><Rule>c</Rule><Grants><Grant xsi:type="Group"><ID>1</ID></Grant></Grants></Configuration>"#;
    let (labels, asked) = (pairs(&[("Bucket", "logs")]), pairs(&[("key", "1"), ("key", "2")]));
    let parts = Parts { labels: &labels, query: &asked, headers: &headers, body, written: Body::Xml };
    let decoded = decode::rest(&service("rest-xml", &shapes), "Input", &parts);
    assert_eq!(decoded.unreadable, None);
    let expected = json!({
        "Bucket": "logs", "Keys": ["1", "2"], "Size": 12, "Metadata": {"owner": "shop"},
        "Configuration": {"Rules": ["a & b", "c"], "Grants": [{"Type": "Group", "ID": "1"}]},
    });
    assert_eq!(decoded.input, expected);
    let other = Parts { body: b"<Other/>", ..parts };
    assert!(decode::rest(&service("rest-xml", &shapes), "Input", &other).unreadable.is_some());
}

#[test]
fn a_place_of_s3_is_the_operation_that_fits_best() {
    let s3 = real("s3", "s3");
    let operation = |method: &str, path: &str, query: &[(&str, &str)], header: &str| {
        let query = pairs(query);
        let has_header = |name: &str| name == header;
        let asked = Asked { method, path, query: &query, has_header: &has_header };
        route::find(&s3, &asked).map(|found| found.operation)
    };
    let is = |name: &str| Some(name.to_owned());
    assert_eq!(operation("PUT", "/b", &[], ""), is("CreateBucket"));
    assert_eq!(operation("PUT", "/b/", &[("lifecycle", "")], ""), is("PutBucketLifecycleConfiguration"));
    assert_eq!(operation("PUT", "/b/k/l", &[], ""), is("PutObject"));
    assert_eq!(operation("PUT", "/b/k", &[], "x-amz-copy-source"), is("CopyObject"));
    assert_eq!(operation("PUT", "/b/k", &[("partNumber", "1"), ("uploadId", "u")], ""), is("UploadPart"));
    assert_eq!(operation("GET", "/b", &[("list-type", "2"), ("prefix", "")], ""), is("ListObjectsV2"));
    assert_eq!(operation("GET", "/b/k", &[("x-id", "GetObject")], ""), is("GetObject"));
    assert_eq!(operation("GET", "/b/k", &[("uploadId", "u")], ""), is("ListParts"));
    assert_eq!(operation("GET", "/", &[], ""), is("ListBuckets"));
    assert_eq!(operation("PATCH", "/b", &[], ""), None);
}

#[test]
fn a_union_has_one_member_and_a_blob_the_length_of_its_bytes() {
    let shapes = json!({
        "Input": {"type": "structure", "members": {"Choice": {"shape": "Choice"}, "Data": {"shape": "Data"}}},
        "Choice": {"type": "structure", "union": true, "members": {"A": {"shape": "S"}, "B": {"shape": "S"}}},
        "Data": {"type": "blob", "max": 3}, "S": {"type": "string", "min": 1},
    });
    let service = service("json", &shapes);
    let count = |input: Value| violations(&service, &Patterns::default(), "Input", &input).len();
    assert_eq!(count(json!({"Choice": {"A": "a"}, "Data": "YWJj"})), 0);
    assert_eq!(count(json!({"Choice": {"A": "a", "B": "b"}})), 1);
    assert_eq!(count(json!({"Choice": {}})), 1);
    assert_eq!(count(json!({"Data": "YWJjZA=="})), 1);
    assert_eq!(count(json!({"Choice": {"A": ""}})), 1);
}

#[test]
fn an_answer_loses_what_the_model_does_not_have_and_keeps_what_is_misshapen() {
    let shapes = json!({
        "Output": {"type": "structure", "members": {
            "Tables": {"shape": "Tables"}, "At": {"shape": "Time"}, "Tags": {"shape": "Tags"},
        }},
        "Tables": {"type": "list", "member": {"shape": "Table"}},
        "Table": {"type": "structure", "members": {"Name": {"shape": "S"}, "Size": {"shape": "Long"}}},
        "Tags": {"type": "map", "key": {"shape": "S"}, "value": {"shape": "S"}},
        "S": {"type": "string"}, "Long": {"type": "long"}, "Time": {"type": "timestamp"},
    });
    let service = service("json", &shapes);
    let mut body = json!({
        "Tables": [{"Name": "a", "Size": 1, "Shoe": 2}, {"Name": null, "Size": "2"}], "At": "2026-01-01", "Tags": {"any": "v"},
        "Extra": {},
    });
    let found = answer::shape(&service, service.shape("Output").unwrap(), &mut body);
    assert_eq!(found.removed, [".Extra", ".Tables.Shoe"]);
    assert_eq!(found.misshapen, [".At is no Timestamp", ".Tables.Size is no Long"]);
    let kept = json!({"Tables": [{"Name": "a", "Size": 1}, {"Name": null, "Size": "2"}], "At": "2026-01-01", "Tags": {"any": "v"}});
    assert_eq!(body, kept);
}

#[test]
fn every_service_of_the_sandbox_has_a_model_of_the_newest_version() {
    for (signed_as, api) in USED {
        assert!(!real(signed_as, api).operations.is_empty(), "{api}");
    }
    assert_eq!(real("lambda", "lambda").metadata.api_version, "2015-03-31");
    assert_eq!(real("s3", "s3control").metadata.api_version, "2018-08-20");
    assert_eq!(real("bedrock", "bedrock-runtime").metadata.api_version, "2023-09-30");
}

/// Of all that the services of the sandbox forbid by pattern, this is what passes unchecked: what looks around, and two whose
/// only content is a length.
#[test]
fn the_patterns_that_are_not_checked_are_these() {
    let patterns = Patterns::default();
    let (mut all, mut looking_around, mut others) = (0, 0, Vec::new());
    for service in USED.map(|(signed_as, api)| real(signed_as, api)) {
        for (name, shape) in &service.shapes {
            let Some(pattern) = &shape.pattern else { continue };
            all += 1;
            match patterns.matches(pattern, "") {
                Some(_) => {}
                None if ["(?!", "(?=", "(?<"].iter().any(|around| pattern.contains(around)) => looking_around += 1,
                None => others.push(format!("{}/{name}", service.name)),
            }
        }
    }
    others.sort();
    assert_eq!(others, ["ssm/InstancePropertyFilterValue", "ssm/InstancePropertyStringFilterKey"]);
    assert_eq!((looking_around, all), (23, 536));
}
