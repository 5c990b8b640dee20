//! Events of parameters, as CloudTrail sends them, and the Incidents that they open.

use sandbox::{ACCOUNT, NAMESPACE, REGION};
use serde_json::{Value, json};

/// The event of a parameter's deletion.
pub fn deleted(id: &str, parameter: &str) -> String {
    event(id, "DeleteParameter", parameter)
}

/// The event of a parameter's change.
pub fn changed(id: &str, parameter: &str) -> String {
    event(id, "PutParameter", parameter)
}

fn event(id: &str, name: &str, parameter: &str) -> String {
    // What happened before its policy was created would be none of it.
    let time = format!("{:.0}", jiff::Timestamp::now());
    let event = json!({
        "version": "0", "id": id, "detail-type": "AWS API Call via CloudTrail", "source": "aws.ssm", "account": ACCOUNT,
        "time": time, "region": REGION, "resources": [],
        "detail": {
            "eventVersion": "1.11", "eventID": id, "eventTime": time, "eventSource": "ssm.amazonaws.com",
            "eventName": name, "awsRegion": REGION, "recipientAccountId": ACCOUNT, "readOnly": false,
            "eventType": "AwsApiCall", "managementEvent": true,
            "userIdentity": {"type": "IAMUser", "arn": format!("arn:aws:iam::{ACCOUNT}:user/{id}")},
            "requestParameters": {"name": parameter}, "responseElements": null,
        },
    });
    event.to_string()
}

/// The Incident of a parameter's change, by its own number, under the policy of a number.
pub fn incident(name: &str, id: &str, policy: usize, parameter: &str) -> Value {
    json!({
        "apiVersion": "reforge.dev/v1alpha1", "kind": "Incident",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "event": {
                "origin": "CloudTrail", "id": id, "time": format!("{:.3}", jiff::Timestamp::now()), "name": "PutParameter",
                "source": "ssm.amazonaws.com", "accountId": ACCOUNT, "region": REGION,
                "actor": {"type": "IAMUser", "arn": format!("arn:aws:iam::{ACCOUNT}:user/mallory")},
                "requestParameters": json!({"name": parameter}).to_string(),
            },
            "resource": {"type": "ssm", "cloudFormationType": "AWS::SSM::Parameter", "id": parameter},
            "change": "Modified", "policyRef": {"name": format!("policy-{policy}")},
        },
    })
}
