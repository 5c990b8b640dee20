//! Limits of S3, SSM, KMS, Lambda, DynamoDB, Secrets Manager, EC2, CloudTrail and CloudWatch Logs.

use super::asked::{Asked, bytes, characters};
use super::limit::{Answer, Bound, Limit, Measure, Sure};
use crate::edge::lookup;
use serde_json::Value;

/// The limits.
pub const LIMITS: &[Limit] = &[
    Limit {
        name: "S3: bucket policy",
        bound: Bound::Most(20_480, "bytes"),
        source: "S3 User Guide, \"Bucket policies for Amazon S3\"",
        sure: Sure::Documented,
        calls: &[("s3", &["PutBucketPolicy"])],
        measure: Measure::Asked(|asked| vec![asked.request.body.len() as u64]),
        also: "",
        answer: Answer::assumed("PolicyTooLarge", "Policy exceeds the maximum allowed document size."),
        near: "one statement",
    },
    Limit {
        name: "S3: bucket name",
        bound: Bound::Form(
            "3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends and no two dots together",
        ),
        source: "S3 User Guide, \"General purpose bucket naming rules\"",
        sure: Sure::Documented,
        calls: &[("s3", &["CreateBucket"])],
        measure: Measure::Breaks(bucket_name),
        also: "",
        answer: Answer::seen("InvalidBucketName", "The specified bucket is not valid."),
        near: "`<name>-<account>-<region>`: at most 59 characters in the longest region's name, ap-northeast-1",
    },
    Limit {
        name: "S3: object key",
        bound: Bound::Most(1_024, "bytes"),
        source: "S3 User Guide, \"Naming Amazon S3 objects\"",
        sure: Sure::Documented,
        calls: &[("s3", &["PutObject", "CopyObject", "CreateMultipartUpload"])],
        measure: Measure::Asked(|asked| asked.call.parameters["key"].as_str().map(bytes).into_iter().collect()),
        also: "",
        answer: Answer::seen("KeyTooLongError", "Your key is too long"),
        near: "at most 140: a folder, a workspace, a build's UUID or a digest, a file",
    },
    Limit {
        name: "SSM: value of a standard parameter",
        bound: Bound::Most(4_096, "characters"),
        source: "Systems Manager User Guide, \"Managing parameter tiers\"",
        sure: Sure::Documented,
        calls: &[("ssm", &["PutParameter"])],
        measure: Measure::Asked(|asked| parameter_value(asked, false)),
        also: "",
        answer: Answer::seen(
            "ValidationException",
            "Standard tier parameters support a maximum parameter value of {most} characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.",
        ),
        near: "the canary's value is a time",
    },
    Limit {
        name: "SSM: value of an advanced parameter",
        bound: Bound::Most(8_192, "characters"),
        source: "Systems Manager User Guide, \"Managing parameter tiers\"",
        sure: Sure::Documented,
        calls: &[("ssm", &["PutParameter"])],
        measure: Measure::Asked(|asked| parameter_value(asked, true)),
        also: "",
        answer: Answer::assumed("ValidationException", "Parameter value exceeds the maximum of {most} characters."),
        near: "none is made",
    },
    Limit {
        name: "SSM: parameter name, with the rest of its ARN",
        bound: Bound::Most(1_011, "characters"),
        source: "API reference, PutParameter",
        sure: Sure::Documented,
        calls: &[("ssm", &["PutParameter"])],
        measure: Measure::Asked(parameter_arn),
        also: "",
        answer: Answer::assumed(
            "ValidationException",
            "Parameter name and ARN must be at most {most} characters long.",
        ),
        near: "`/<name>/canary`",
    },
    Limit {
        name: "SSM: form of a parameter name",
        bound: Bound::Form("letters, digits, `.`, `-`, `_` and `/`, and not beginning with aws or ssm"),
        source: "API reference, PutParameter",
        sure: Sure::Documented,
        calls: &[("ssm", &["PutParameter"])],
        measure: Measure::Breaks(odd_parameter),
        also: "",
        answer: Answer::seen(
            "ValidationException",
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It can only contain a mix of letters, numbers and the following symbols: . - _ /",
        ),
        near: "`/<name>/canary`: a name that begins with aws or ssm is refused by AWS, and not by the module",
    },
    Limit {
        name: "SSM: levels of a parameter name",
        bound: Bound::Most(15, "levels"),
        source: "API reference, PutParameter",
        sure: Sure::Documented,
        calls: &[("ssm", &["PutParameter"])],
        measure: Measure::Asked(levels),
        also: "",
        answer: Answer::assumed(
            "HierarchyLevelLimitExceededException",
            "A hierarchy can have a maximum of {most} levels.",
        ),
        near: "two",
    },
    Limit {
        name: "KMS: key policy",
        bound: Bound::Most(32_768, "bytes"),
        source: "KMS Developer Guide, \"Resource quotas\"",
        sure: Sure::Documented,
        calls: &[("kms", &["CreateKey", "PutKeyPolicy"])],
        measure: Measure::Asked(|asked| asked.text("Policy").map(bytes).into_iter().collect()),
        also: "",
        answer: Answer::assumed("LimitExceededException", "The key policy exceeds {most} bytes."),
        near: "the module sets none: AWS's default",
    },
    Limit {
        name: "KMS: alias",
        bound: Bound::Form("`alias/` and up to 250 more of A-Z, a-z, 0-9, `/`, `_` and `-`, not beginning with aws/"),
        source: "API reference, CreateAlias",
        sure: Sure::Documented,
        calls: &[("kms", &["CreateAlias"])],
        measure: Measure::Breaks(odd_alias),
        also: "",
        answer: Answer::assumed(
            "ValidationException",
            "Alias must start with the prefix \"alias/\" and must not begin with \"alias/aws/\".",
        ),
        near: "`alias/<name>`",
    },
    Limit {
        name: "Lambda: environment variables, together",
        bound: Bound::Most(4_096, "bytes"),
        source: "Lambda Developer Guide, \"Lambda quotas\"",
        sure: Sure::Documented,
        calls: &[("lambda", &["CreateFunction", "UpdateFunctionConfiguration"])],
        measure: Measure::Asked(lambda_environment),
        also: "",
        answer: Answer::seen(
            "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. Measured size: {measured} bytes",
        ),
        near: "the module has no function; recoveries put back what their owner's Terraform says",
    },
    Limit {
        name: "Lambda: function name",
        bound: Bound::Most(64, "characters, without the rest of an ARN"),
        source: "API reference, CreateFunction",
        sure: Sure::Documented,
        calls: &[("lambda", &["CreateFunction"])],
        measure: Measure::Asked(function_name),
        also: "",
        answer: Answer::seen(
            "ValidationException",
            "1 validation error detected: Value '{FunctionName}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to {most}",
        ),
        near: "the module has no function",
    },
    Limit {
        name: "DynamoDB: table name",
        bound: Bound::Between(3, 255, "characters of A-Z, a-z, 0-9, _, - and ."),
        source: "API reference, CreateTable",
        sure: Sure::Documented,
        calls: &[("dynamodb", &["CreateTable"])],
        measure: Measure::Model,
        also: "",
        answer: Answer::assumed("ValidationException", ""),
        near: "`<name>-lock`, where a lock table is asked for",
    },
    Limit {
        name: "Secrets Manager: value of a secret",
        bound: Bound::Most(65_536, "bytes"),
        source: "API reference, CreateSecret",
        sure: Sure::Documented,
        calls: &[("secretsmanager", &["CreateSecret", "PutSecretValue"])],
        measure: Measure::Model,
        also: "",
        answer: Answer::assumed("ValidationException", ""),
        near: "no secret is read or written",
    },
    Limit {
        name: "EC2: user data",
        bound: Bound::Most(16_384, "bytes before base64"),
        source: "EC2 User Guide, \"Run commands when you launch an EC2 instance with user data input\"",
        sure: Sure::Documented,
        calls: &[("ec2", &["RunInstances"])],
        measure: Measure::Asked(user_data),
        also: "",
        answer: Answer::seen("InvalidParameterValue", "User data is limited to {most} bytes"),
        near: "the owner's Terraform",
    },
    Limit {
        name: "CloudTrail: LookupEvents, by account and region",
        bound: Bound::Most(lookup::PER_SECOND as u64, "requests a second"),
        source: "API reference, LookupEvents",
        sure: Sure::Documented,
        calls: &[("cloudtrail", &["LookupEvents"])],
        measure: Measure::At("lookup.rs"),
        also: "operator, `watch/sweep.rs`",
        answer: Answer::seen("ThrottlingException", "Rate exceeded"),
        near: "`watch/sweep.rs` asks once in 650 ms, one account and region after the other, and goes on after 5 s when throttled",
    },
    Limit {
        name: "CloudTrail: a page of LookupEvents",
        bound: Bound::Between(1, lookup::PAGE as u64, "events"),
        source: "API reference, LookupEvents",
        sure: Sure::Documented,
        calls: &[("cloudtrail", &["LookupEvents"])],
        measure: Measure::At("lookup.rs"),
        also: "",
        answer: Answer::seen("InvalidMaxResultsException", ""),
        near: "50 a page, and the token is followed",
    },
    Limit {
        name: "CloudWatch Logs: log group name",
        bound: Bound::Between(1, 512, "characters of A-Z, a-z, 0-9, _, -, /, . and #"),
        source: "API reference, CreateLogGroup",
        sure: Sure::Documented,
        calls: &[("logs", &["CreateLogGroup"])],
        measure: Measure::Model,
        also: "",
        answer: Answer::assumed("InvalidParameterException", ""),
        near: "`/reforge/<name>/builds`",
    },
];

fn bucket_name(asked: &Asked<'_>) -> bool {
    let name = asked.call.parameters["bucketName"].as_str().unwrap_or_default();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let allowed = name.bytes().all(|b| alphanumeric(&b) || b == b'-' || b == b'.');
    let ends = name.as_bytes().first().is_some_and(alphanumeric) && name.as_bytes().last().is_some_and(alphanumeric);
    let address = name.parse::<std::net::Ipv4Addr>().is_ok();
    !(allowed && ends && (3..=63).contains(&name.len()) && !name.contains("..") && !address)
}

/// The value, when the parameter is of that tier; the default is Standard.
fn parameter_value(asked: &Asked<'_>, advanced: bool) -> Vec<u64> {
    let tier = asked.text("Tier").unwrap_or("Standard");
    // Intelligent-Tiering makes an advanced one of what does not fit.
    let of_tier = (tier != "Standard") == advanced;
    asked.text("Value").filter(|_| of_tier).map(characters).into_iter().collect()
}

fn parameter_arn(asked: &Asked<'_>) -> Vec<u64> {
    let Some(name) = asked.text("Name") else { return Vec::new() };
    let credential = &asked.call.credential;
    let arn =
        format!("arn:aws:ssm:{}:{}:parameter/{}", credential.region, credential.account, name.trim_start_matches('/'));
    vec![characters(&arn)]
}

fn odd_parameter(asked: &Asked<'_>) -> bool {
    let name = asked.text("Name").unwrap_or_default();
    let allowed = name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/".contains(&b));
    let start = name.trim_start_matches('/').to_ascii_lowercase();
    !allowed || start.starts_with("aws") || start.starts_with("ssm")
}

fn levels(asked: &Asked<'_>) -> Vec<u64> {
    let name = asked.text("Name").unwrap_or_default();
    vec![name.split('/').filter(|level| !level.is_empty()).count() as u64]
}

fn odd_alias(asked: &Asked<'_>) -> bool {
    asked.text("AliasName").is_some_and(|alias| {
        let name = alias.strip_prefix("alias/").unwrap_or_default();
        let allowed = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b));
        name.is_empty() || name.len() > 250 || !allowed || name.starts_with("aws/")
    })
}

/// The variables as JSON, as AWS measures them.
fn lambda_environment(asked: &Asked<'_>) -> Vec<u64> {
    match &asked.input["Environment"]["Variables"] {
        Value::Object(variables) => vec![bytes(&Value::Object(variables.clone()).to_string())],
        _ => Vec::new(),
    }
}

fn function_name(asked: &Asked<'_>) -> Vec<u64> {
    asked.text("FunctionName").and_then(|name| name.rsplit(':').next()).map(characters).into_iter().collect()
}

fn user_data(asked: &Asked<'_>) -> Vec<u64> {
    let Some(data) = asked.text("UserData") else { return Vec::new() };
    let padding = data.bytes().rev().take_while(|b| *b == b'=').count() as u64;
    vec![(bytes(data) / 4 * 3).saturating_sub(padding)]
}
