//! Reads a queue message: an EventBridge envelope around a CloudTrail record or a build's state change. Gives typed
//! values back or says why it cannot; asks nobody, and trusts no field further than its form.

use reforge_api::{Actor, Event, Origin, Time};
use serde::Deserialize;
use serde_json::Value;

use crate::intake::notice::{self, CONFIG_ITEM, CONFIG_RULE, INSTANCE_STATE, Notice};
use crate::intake::redact;
use crate::intake::unreadable::Unreadable;
use crate::words::text::{shorten, without_version};

/// What a message carries.
#[derive(Clone, Debug)]
pub enum Message {
    /// An API call, as CloudTrail recorded it.
    ApiCall(Box<Record>),
    /// What another source tells of a resource.
    Notice(Box<Notice>),
    /// What another source tells that is no loss: an instance that starts, a rule that is kept again, a build that begins.
    Harmless,
    /// A CodeBuild build is over; a hint to look.
    BuildOver {
        /// `<project>:<uuid>`.
        build_id: String,
    },
}

/// An API call.
#[derive(Clone, Debug)]
pub struct Record {
    /// What an Incident keeps of it, but for the call's parameters: those are [`Record::parameters`].
    pub event: Event,
    /// Whether the call only reads.
    pub read_only: bool,
    /// The error, if the call failed: then nothing happened.
    pub error_code: Option<String>,
    /// CloudTrail's record as it came.
    pub detail: Value,
}

impl Record {
    /// The call's parameters, without secrets. Most records open no Incident and need none.
    pub fn parameters(&self) -> Option<String> {
        redact::parameters(&self.detail["requestParameters"])
    }
}

const API_CALL: &str = "AWS API Call via CloudTrail";

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    source: String,
    account: String,
    region: String,
    detail: Value,
}

/// Reads the body of a message.
pub fn parse(body: &str) -> Result<Message, Unreadable> {
    let envelope: Envelope = serde_json::from_str(body).map_err(|e| Unreadable::NotAnEvent(e.to_string()))?;
    // Anyone with events:PutEvents can put an event on a bus, and call it what they like, but not give it such a source
    // (Amazon EventBridge API Reference, "PutEvents").
    if !envelope.source.starts_with("aws.") {
        return Err(Unreadable::NotFromAws(shorten(&envelope.source, 64)));
    }
    match envelope.detail_type.as_str() {
        API_CALL => record(envelope).map(|r| Message::ApiCall(Box::new(r))),
        "CodeBuild Build State Change" => {
            let arn = text(&envelope.detail, "build-id").ok_or(Unreadable::Part("build-id"))?;
            let build_id = arn.rsplit('/').next().unwrap_or(&arn).to_owned();
            // That one has begun is known to whoever has started it.
            let runs = text(&envelope.detail, "build-status").is_some_and(|status| status == "IN_PROGRESS");
            Ok(if runs { Message::Harmless } else { Message::BuildOver { build_id } })
        }
        kind @ (INSTANCE_STATE | CONFIG_ITEM | CONFIG_RULE) => {
            account(&envelope.account)?;
            let Envelope { id, time, account, region, detail, .. } = &envelope;
            let notice = notice::read(kind, &notice::Envelope { id, time, account, region, detail })?;
            Ok(notice.map_or(Message::Harmless, |notice| Message::Notice(Box::new(notice))))
        }
        other => Err(Unreadable::Kind(shorten(other, 128))),
    }
}

/// Reads what a log holds: a record as CloudTrail files have it, or an envelope around one.
pub fn of_log(value: Value) -> Result<Record, Unreadable> {
    if value.get("detail-type").is_none() {
        let part = |field: &'static str| text(&value, field).ok_or(Unreadable::Part(field));
        let (account, region) = (part("recipientAccountId")?, part("awsRegion")?);
        let (id, time, source) = (String::new(), String::new(), String::new());
        return record(Envelope { detail_type: API_CALL.to_owned(), id, time, source, account, region, detail: value });
    }
    let envelope: Envelope = serde_json::from_value(value).map_err(|e| Unreadable::NotAnEvent(e.to_string()))?;
    if envelope.detail_type == API_CALL {
        record(envelope)
    } else {
        Err(Unreadable::Kind(shorten(&envelope.detail_type, 128)))
    }
}

fn record(envelope: Envelope) -> Result<Record, Unreadable> {
    let detail = envelope.detail;
    for (field, said) in [("recipientAccountId", &envelope.account), ("awsRegion", &envelope.region)] {
        if let Some(record) = text(&detail, field).filter(|r| r != said) {
            return Err(Unreadable::Disagree { envelope: shorten(said, 64), record: shorten(&record, 64) });
        }
    }
    account(&envelope.account)?;
    let part = |field: &'static str| text(&detail, field).filter(|t| !t.is_empty()).ok_or(Unreadable::Part(field));
    let time = part("eventTime").and_then(|t| Time::parse(&t).ok_or(Unreadable::Part("eventTime")))?;
    let event = Event {
        origin: Origin::CloudTrail,
        id: shorten(&part("eventID")?, 128),
        time,
        name: shorten(without_version(&part("eventName")?), 128),
        source: shorten(&part("eventSource")?, 128),
        account_id: envelope.account,
        region: shorten(&envelope.region, 32),
        actor: actor(&detail),
        request_parameters: None,
    };
    let read_only = match &detail["readOnly"] {
        Value::Bool(yes) => *yes,
        Value::String(word) => word.eq_ignore_ascii_case("true"),
        _ => false,
    };
    Ok(Record { event, read_only, error_code: text(&detail, "errorCode"), detail })
}

fn account(id: &str) -> Result<(), Unreadable> {
    let is_account = id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
    if is_account { Ok(()) } else { Err(Unreadable::Part("account")) }
}

fn actor(detail: &Value) -> Actor {
    let identity = &detail["userIdentity"];
    let session = &identity["sessionContext"];
    let arn = text(identity, "arn");
    // assumed-role/<role>/<session>: the last part is the name that the caller gave the session.
    let session_name = arn
        .as_deref()
        .filter(|a| a.contains(":assumed-role/"))
        .and_then(|a| a.splitn(3, '/').nth(2))
        .map(|name| shorten(name, 256));
    let mfa = match &session["attributes"]["mfaAuthenticated"] {
        Value::Bool(yes) => Some(*yes),
        Value::String(word) => Some(word == "true"),
        _ => None,
    };
    Actor {
        r#type: text(identity, "type").map_or_else(|| "Unknown".to_owned(), |t| shorten(&t, 64)),
        arn: arn.map(|a| shorten(&a, 2048)),
        issuer_arn: text(&session["sessionIssuer"], "arn").map(|a| shorten(&a, 2048)),
        session_name,
        invoked_by: text(identity, "invokedBy").map(|t| shorten(&t, 256)),
        source_ip: text(detail, "sourceIPAddress").map(|t| shorten(&t, 256)),
        user_agent: text(detail, "userAgent").map(|t| shorten(&t, 1024)),
        mfa,
    }
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
