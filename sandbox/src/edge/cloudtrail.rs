//! CloudTrail: one record per call that changes something, failed calls included, in the shape of real records (CloudTrail User Guide, "CloudTrail record contents").

use super::call::Call;
use super::eventbridge::{Bus, Event};
use super::faults::Faults;
use super::http::{Reply, Request};
use super::upstream::Scope;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many records are kept to be looked at.
const KEPT: usize = 20_000;

/// The trail of one edge.
#[derive(Debug)]
pub struct Trail {
    bus: Arc<Bus>,
    faults: Faults,
    records: Mutex<VecDeque<Value>>,
}

impl Trail {
    /// A trail whose events go to this bus.
    pub fn new(bus: Arc<Bus>, faults: Faults) -> Self {
        Self { bus, faults, records: Mutex::new(VecDeque::new()) }
    }

    /// Writes the record of a call and hands its event over for delivery, unless events get lost.
    pub fn write(&self, request: &Request, call: &Call, identity: Value, reply: &Reply) {
        let record = record(request, call, identity, reply);
        if !self.faults.delivery_lost() {
            let scope = Scope { account: call.credential.account.clone(), region: call.region().to_owned() };
            let event = Event {
                detail_type: "AWS API Call via CloudTrail",
                source: &format!("aws.{}", call.service),
                time: record["eventTime"].as_str().unwrap_or_default(),
                resources: &[],
                detail: &record,
            };
            self.bus.send(&scope, &event);
        }
        let mut records = self.records();
        if records.len() == KEPT {
            records.pop_front();
        }
        records.push_back(record);
    }

    /// The records so far, oldest first, 20,000 at most. Nothing is recorded while they are held.
    pub fn records(&self) -> MutexGuard<'_, VecDeque<Value>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record(request: &Request, call: &Call, identity: Value, reply: &Reply) -> Value {
    let error = call.error(reply);
    let mut parameters = call.parameters.clone();
    if call.service == "ssm" && error.as_ref().is_some_and(|(code, _)| code.starts_with("Throttling")) {
        parameters = Value::Null;
    }
    let mut record = Map::new();
    let mut set = |name: &str, value: Value| {
        record.insert(name.to_owned(), value);
    };
    set("eventVersion", json!("1.10"));
    set("userIdentity", identity);
    set("eventTime", json!(format!("{:.0}", request.at)));
    set("eventSource", json!(call.event_source()));
    set("eventName", json!(call.event_name));
    set("awsRegion", json!(call.region()));
    set("sourceIPAddress", json!(request.peer));
    set("userAgent", json!(request.header("user-agent")));
    if let Some((code, message)) = error {
        set("errorCode", json!(code));
        if !message.is_empty() {
            set("errorMessage", json!(message));
        }
    }
    set("requestParameters", parameters);
    set("responseElements", call.response_elements(reply));
    set("requestID", json!(reply.request_id()));
    set("eventID", json!(uuid::Uuid::new_v4().to_string()));
    set("readOnly", json!(false));
    set("eventType", json!("AwsApiCall"));
    set("managementEvent", json!(true));
    set("recipientAccountId", json!(call.credential.account));
    set("eventCategory", json!("Management"));
    set(
        "tlsDetails",
        json!({
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": request.header("host"),
        }),
    );
    Value::Object(record)
}
