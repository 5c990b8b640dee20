//! What the tests of intake are about: a record in the shape of CloudTrail's, and a policy that takes it.

use serde_json::{Value, json};

/// The account of the records.
pub const ACCOUNT: &str = "111122223333";
/// The role that recovery builds run under.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/aiops-shop-recovery";
/// A build of ours.
pub const BUILD: &str = "0d2e1c3b-1111-4222-8333-444455556666";

/// An EventBridge envelope around a record, in the shape of CloudTrail's.
pub fn envelope(source: &str, name: &str, parameters: &Value) -> Value {
    json!({
        "version": "0", "id": "9d2e1f00-0000-4000-8000-000000000000", "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.x", "account": ACCOUNT, "time": "2026-01-02T03:04:05Z", "region": "eu-west-1", "resources": [],
        "detail": {
            "eventVersion": "1.10",
            "userIdentity": {
                "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/mallory",
                "accountId": ACCOUNT, "userName": "mallory",
            },
            "eventTime": "2026-01-02T03:04:05Z", "eventSource": source, "eventName": name, "awsRegion": "eu-west-1",
            "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.0", "requestParameters": parameters,
            "responseElements": null, "requestID": "r-1", "eventID": "5f8a1b2c-0000-4000-8000-00000000e001",
            "readOnly": false, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
        },
    })
}

/// A policy for every type, in the account and region of the records.
pub fn policy(namespace: &str) -> Value {
    json!({
        "apiVersion": "reforge.dev/v1alpha1",
        "kind": "RecoveryPolicy",
        "metadata": {"name": "all", "namespace": namespace},
        "spec": {
            "mode": "Enforce",
            "match": {"resourceTypes": ["ec2", "lambda", "dynamodb", "s3", "ssm", "rds", "eks"]},
            "recovery": {"workspaces": [{"name": "shop", "project": "aiops-shop-recovery", "planProject": "aiops-shop-plan"}]},
            "approval": {"mode": "Never"},
        },
    })
}
