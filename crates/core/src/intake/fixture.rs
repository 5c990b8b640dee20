//! Records for tests, as EventBridge brings them.

use serde_json::{Value, json};

use super::event::{Message, Record, parse};

/// The account of the records.
pub const ACCOUNT: &str = "111122223333";

/// An envelope around a record of this call.
pub fn envelope(source: &str, name: &str, parameters: &Value) -> Value {
    json!({
        "id": "e", "time": "2026-01-02T03:04:05Z", "detail-type": "AWS API Call via CloudTrail", "source": "aws.x",
        "account": ACCOUNT, "region": "eu-west-1",
        "detail": {
            "eventID": "e", "eventTime": "2026-01-02T03:04:05Z", "eventSource": source, "eventName": name,
            "awsRegion": "eu-west-1", "recipientAccountId": ACCOUNT, "readOnly": false, "requestParameters": parameters,
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory"},
        },
    })
}

/// What is read of it.
pub fn read(envelope: &Value) -> Record {
    let Ok(Message::ApiCall(record)) = parse(&envelope.to_string()) else { panic!("a record: {envelope}") };
    *record
}
