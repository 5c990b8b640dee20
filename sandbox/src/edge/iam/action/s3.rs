//! S3: its actions are named otherwise than its operations ("Actions, resources, and condition keys for Amazon S3").

use super::{Access, Ask};
use crate::edge::call::{bucket_and_key, parse_xml, percent_decode};
use crate::edge::http::Request;

/// Sub-resources of a bucket with the action to read and the one to write; deleting is writing but for policy and website.
const SUB_RESOURCES: [(&str, &str, &str); 23] = [
    ("policy", "GetBucketPolicy", "PutBucketPolicy"),
    ("policyStatus", "GetBucketPolicyStatus", ""),
    ("versioning", "GetBucketVersioning", "PutBucketVersioning"),
    ("encryption", "GetEncryptionConfiguration", "PutEncryptionConfiguration"),
    ("publicAccessBlock", "GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("acl", "GetBucketAcl", "PutBucketAcl"),
    ("logging", "GetBucketLogging", "PutBucketLogging"),
    ("replication", "GetReplicationConfiguration", "PutReplicationConfiguration"),
    ("lifecycle", "GetLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("tagging", "GetBucketTagging", "PutBucketTagging"),
    ("cors", "GetBucketCORS", "PutBucketCORS"),
    ("website", "GetBucketWebsite", "PutBucketWebsite"),
    ("notification", "GetBucketNotification", "PutBucketNotification"),
    ("ownershipControls", "GetBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("requestPayment", "GetBucketRequestPayment", "PutBucketRequestPayment"),
    ("object-lock", "GetBucketObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
    ("accelerate", "GetAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("location", "GetBucketLocation", ""),
    ("analytics", "GetAnalyticsConfiguration", "PutAnalyticsConfiguration"),
    ("inventory", "GetInventoryConfiguration", "PutInventoryConfiguration"),
    ("metrics", "GetMetricsConfiguration", "PutMetricsConfiguration"),
    ("intelligent-tiering", "GetIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
    ("abac", "GetBucketAbac", "PutBucketAbac"),
];

/// The questions of a call.
pub fn accesses(ask: &Ask<'_>) -> Option<Vec<Access>> {
    if let Some(rest) = ask.request.path().strip_prefix("/v20180820/") {
        return control(ask, rest);
    }
    let (bucket, key) = bucket_and_key(ask.request);
    if bucket.is_empty() {
        return Some(vec![Access::new("s3:ListAllMyBuckets", "*")]);
    }
    let arn = format!("arn:aws:s3:::{bucket}");
    if key.is_empty() { bucket_calls(ask, &arn) } else { object_calls(ask, &format!("{arn}/{key}")) }
}

/// The bucket of a call on one or on its objects.
pub fn bucket_of(request: &Request) -> Option<String> {
    let (bucket, _) = bucket_and_key(request);
    (!bucket.is_empty() && !request.path().starts_with("/v20180820/")).then_some(bucket)
}

/// Whether the request reads an object itself, which S3 must not say of that is not there to whoever may not list.
pub fn is_object_read(request: &Request) -> bool {
    let (bucket, key) = bucket_and_key(request);
    !bucket.is_empty() && !key.is_empty() && matches!(request.method.as_str(), "GET" | "HEAD")
}

fn bucket_calls(ask: &Ask<'_>, arn: &str) -> Option<Vec<Access>> {
    let query = ask.request.query_pairs();
    let has = |name: &str| query.iter().any(|(n, _)| n == name);
    let one = |action: &str| Some(vec![Access::new(format!("s3:{action}"), arn)]);
    let method = ask.request.method.as_str();
    if let Some((sub, read, write)) = SUB_RESOURCES.iter().find(|(name, ..)| has(name)) {
        return match (method, *sub) {
            ("GET", _) => one(read),
            ("DELETE", "policy") => one("DeleteBucketPolicy"),
            ("DELETE", "website") => one("DeleteBucketWebsite"),
            ("PUT" | "DELETE", _) if !write.is_empty() => one(write),
            _ => None,
        };
    }
    match method {
        "GET" if has("versions") => Some(listing(ask, "s3:ListBucketVersions", arn)),
        "GET" if has("uploads") => one("ListBucketMultipartUploads"),
        "GET" | "HEAD" => Some(listing(ask, "s3:ListBucket", arn)),
        "PUT" => {
            let tags = String::from_utf8_lossy(&ask.request.body).contains("<Tag>");
            let tagging = tags.then(|| Access::new("s3:TagResource", arn));
            Some([Some(Access::new("s3:CreateBucket", arn)), tagging].into_iter().flatten().collect())
        }
        "DELETE" => one("DeleteBucket"),
        "POST" if has("delete") => deletions(ask, arn),
        _ => None,
    }
}

fn listing(ask: &Ask<'_>, action: &str, arn: &str) -> Vec<Access> {
    let mut access = Access::new(action, arn);
    for (name, value) in ask.request.query_pairs() {
        if matches!(name.as_str(), "prefix" | "delimiter" | "max-keys") {
            access.context.set(&format!("s3:{name}"), value);
        }
    }
    vec![access]
}

/// One question for each key of a `DeleteObjects`.
fn deletions(ask: &Ask<'_>, arn: &str) -> Option<Vec<Access>> {
    let (_, body) = parse_xml(&String::from_utf8_lossy(&ask.request.body))?;
    let objects = body.get("Object")?;
    let objects = objects.as_array().map_or(std::slice::from_ref(objects), Vec::as_slice);
    let delete = |object: &serde_json::Value| {
        let action = if object.get("VersionId").is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        Some(Access::new(action, format!("{arn}/{}", object["Key"].as_str()?)))
    };
    objects.iter().map(delete).collect()
}

fn object_calls(ask: &Ask<'_>, arn: &str) -> Option<Vec<Access>> {
    let query = ask.request.query_pairs();
    let value = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let has = |name: &str| value(name).is_some();
    let version = value("versionId");
    let versioned = |action: &str, of_version: &str| match version {
        Some(version) => vec![Access::new(format!("s3:{of_version}"), arn).with("s3:VersionId", version)],
        None => vec![Access::new(format!("s3:{action}"), arn)],
    };
    Some(match ask.request.method.as_str() {
        "GET" if has("tagging") => versioned("GetObjectTagging", "GetObjectVersionTagging"),
        "GET" if has("acl") => versioned("GetObjectAcl", "GetObjectVersionAcl"),
        "GET" if has("retention") => versioned("GetObjectRetention", "GetObjectRetention"),
        "GET" if has("legal-hold") => versioned("GetObjectLegalHold", "GetObjectLegalHold"),
        "GET" if has("uploadId") => vec![Access::new("s3:ListMultipartUploadParts", arn)],
        "GET" | "HEAD" => versioned("GetObject", "GetObjectVersion"),
        "PUT" if has("tagging") => versioned("PutObjectTagging", "PutObjectVersionTagging"),
        "PUT" if has("acl") => versioned("PutObjectAcl", "PutObjectVersionAcl"),
        "DELETE" if has("uploadId") => vec![Access::new("s3:AbortMultipartUpload", arn)],
        "DELETE" if has("tagging") => versioned("DeleteObjectTagging", "DeleteObjectVersionTagging"),
        "DELETE" => versioned("DeleteObject", "DeleteObjectVersion"),
        "PUT" | "POST" => writing(ask, arn),
        _ => return None,
    })
}

fn writing(ask: &Ask<'_>, arn: &str) -> Vec<Access> {
    let mut put = Access::new("s3:PutObject", arn);
    for key in ["x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-acl"] {
        let value = ask.request.header(key);
        if !value.is_empty() {
            put.context.set(&format!("s3:{key}"), value);
        }
    }
    let mut accesses = vec![put];
    if !ask.request.header("x-amz-tagging").is_empty() {
        accesses.push(Access::new("s3:PutObjectTagging", arn));
    }
    let source = percent_decode(ask.request.header("x-amz-copy-source").trim_start_matches('/'));
    if !source.is_empty() {
        let (object, action) = match source.split_once("?versionId=") {
            Some((object, _)) => (object, "s3:GetObjectVersion"),
            None => (source.as_str(), "s3:GetObject"),
        };
        accesses.push(Access::new(action, format!("arn:aws:s3:::{object}")));
    }
    accesses
}

/// S3 Control: tags by ARN, and the account's own public access block.
fn control(ask: &Ask<'_>, rest: &str) -> Option<Vec<Access>> {
    let (kind, resource) = rest.split_once('/').unwrap_or((rest, ""));
    let action = match (ask.request.method.as_str(), kind) {
        ("GET", "tags") => "s3:ListTagsForResource",
        ("POST" | "PUT", "tags") => "s3:TagResource",
        ("DELETE", "tags") => "s3:UntagResource",
        ("GET", "configuration") => return Some(vec![Access::new("s3:GetAccountPublicAccessBlock", "*")]),
        ("PUT" | "DELETE", "configuration") => return Some(vec![Access::new("s3:PutAccountPublicAccessBlock", "*")]),
        _ => return None,
    };
    Some(vec![Access::new(action, percent_decode(resource))])
}
