//! S3: bucket, key and sub-resource say the operation. Calls on objects are data events, which trails leave out by default.

use super::{Found, percent_decode, xml};
use crate::edge::http::Request;
use serde_json::{Map, Value, json};

/// Sub-resources of a bucket by the middle of their event names: `PutBucket..`, `DeleteBucket..`, `GetBucket..`.
const SUB_RESOURCES: [(&str, &str); 15] = [
    ("policy", "Policy"),
    ("versioning", "Versioning"),
    ("encryption", "Encryption"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("acl", "Acl"),
    ("logging", "Logging"),
    ("replication", "Replication"),
    ("lifecycle", "Lifecycle"),
    ("tagging", "Tagging"),
    ("cors", "Cors"),
    ("website", "Website"),
    ("notification", "Notification"),
    ("ownershipControls", "OwnershipControls"),
    ("requestPayment", "RequestPayment"),
    ("object-lock", "ObjectLockConfiguration"),
];

/// What an S3 request does, and the bucket that it does it to.
pub fn find(request: &Request) -> Option<Found> {
    if let Some(rest) = request.path().strip_prefix("/v20180820/") {
        return control(request, rest);
    }
    let (bucket, key) = bucket_and_key(request);
    let query: Vec<String> = request.query_pairs().into_iter().map(|(name, _)| name).collect();
    let has = |name: &str| query.iter().any(|q| q == name);
    let method = request.method.as_str();
    if bucket.is_empty() {
        return Some(Found::new("ListBuckets", Value::Null));
    }
    if !key.is_empty() {
        return Some(Found::data(object_operation(request, &has), json!({"bucketName": bucket, "key": key})));
    }
    if method == "POST" && has("delete") {
        return Some(Found::data("DeleteObjects", json!({"bucketName": bucket})));
    }
    let sub = SUB_RESOURCES.iter().find(|(name, _)| has(name));
    let event = match (method, sub) {
        ("PUT", Some((_, name))) => format!("PutBucket{name}"),
        ("DELETE", Some((_, name))) => format!("DeleteBucket{name}"),
        ("GET", Some((_, name))) => format!("GetBucket{name}"),
        ("PUT", None) if query.iter().all(|q| q == "x-id") => "CreateBucket".to_owned(),
        ("DELETE", None) if query.iter().all(|q| q == "x-id") => "DeleteBucket".to_owned(),
        ("HEAD", _) => "HeadBucket".to_owned(),
        ("GET", None) if has("list-type") => "ListObjectsV2".to_owned(),
        ("GET", None) => "ListObjects".to_owned(),
        _ => return None,
    };
    Some(Found::new(&event, parameters(request, &bucket, sub.map(|(name, _)| *name))))
}

/// The bucket, from a virtual host (`bucket.localhost`, `bucket.s3.region...`) or the path, and the key.
pub fn bucket_and_key(request: &Request) -> (String, String) {
    let host = request.header("host").split(':').next().unwrap_or("");
    let path = request.path().trim_start_matches('/');
    let virtual_bucket = host.strip_suffix(".localhost").or_else(|| host.split_once(".s3").map(|(bucket, _)| bucket));
    if let Some(bucket) = virtual_bucket.filter(|b| *b != "s3" && !b.starts_with("s3.")) {
        return (bucket.to_owned(), percent_decode(path));
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (percent_decode(bucket), percent_decode(key))
}

fn parameters(request: &Request, bucket: &str, sub: Option<&str>) -> Value {
    let mut parameters = Map::new();
    parameters.insert("bucketName".to_owned(), json!(bucket));
    parameters.insert("Host".to_owned(), json!(request.header("host")));
    if let Some(sub) = sub {
        parameters.insert(sub.to_owned(), json!(""));
    }
    if sub == Some("policy") {
        if request.json().is_object() {
            parameters.insert("bucketPolicy".to_owned(), request.json());
        }
    } else if let Some((name, value)) = xml::parse(&String::from_utf8_lossy(&request.body)) {
        parameters.insert(name, value);
    }
    Value::Object(parameters)
}

fn object_operation(request: &Request, has: &impl Fn(&str) -> bool) -> &'static str {
    match request.method.as_str() {
        "HEAD" => "HeadObject",
        "GET" if has("tagging") => "GetObjectTagging",
        "GET" => "GetObject",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "DELETE" if has("tagging") => "DeleteObjectTagging",
        "DELETE" => "DeleteObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" => "CompleteMultipartUpload",
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" if has("tagging") => "PutObjectTagging",
        "PUT" if request.headers.contains_key("x-amz-copy-source") => "CopyObject",
        _ => "PutObject",
    }
}

/// S3 Control: tags of a bucket by its ARN, and the account's own public access block.
fn control(request: &Request, rest: &str) -> Option<Found> {
    let (kind, resource) = rest.split_once('/').unwrap_or((rest, ""));
    let event = match (request.method.as_str(), kind) {
        ("GET", "tags") => "ListTagsForResource",
        ("POST" | "PUT", "tags") => "TagResource",
        ("DELETE", "tags") => "UntagResource",
        ("GET", "configuration") => "GetAccountPublicAccessBlock",
        ("PUT", "configuration") => "PutAccountPublicAccessBlock",
        ("DELETE", "configuration") => "DeleteAccountPublicAccessBlock",
        _ => return None,
    };
    Some(Found::new(event, json!({"resourceArn": percent_decode(resource)})))
}
