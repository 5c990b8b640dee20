//! CloudTrail's `LookupEvents`: what was recorded in the caller's account and region, newest first.
//!
//! Given a request and the records, it answers a page of them; beyond two requests a second it throttles. Records can be looked up when
//! [`Faults::set_lookup_delay`] is over, which in AWS is minutes, and name no resources.

use super::call::Call;
use super::faults::Faults;
use super::http::{Reply, Request};
use super::upstream::Scope;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// API reference, LookupEvents: "The rate of lookup requests is limited to two per second, per account, per Region."
pub const PER_SECOND: u32 = 2;
/// API reference, LookupEvents: the default and the most of `MaxResults`.
pub const PAGE: usize = 50;

/// The rate at which each account looks up in each region.
#[derive(Debug)]
pub struct Lookups {
    faults: Faults,
    buckets: Mutex<HashMap<Scope, Bucket>>,
}

impl Lookups {
    /// Nobody has looked up anything yet.
    pub fn new(faults: Faults) -> Self {
        Self { faults, buckets: Mutex::default() }
    }

    /// The answer to a call; `records` are all, oldest first.
    pub fn answer(&self, call: &Call, request: &Request, records: &VecDeque<Value>) -> Reply {
        let scope = call.credential.scope();
        if !self.admits(&scope) {
            self.faults.count_throttled_lookup();
            return Reply::json_error(400, "ThrottlingException", "Rate exceeded");
        }
        let until = newest(request.at, self.faults.lookup_delay());
        match Question::of(&request.json()).and_then(|question| question.page(&scope, until, records)) {
            Ok(page) => Reply::json(&page),
            Err((code, message)) => Reply::json_error(400, code, message),
        }
    }

    fn admits(&self, scope: &Scope) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.entry(scope.clone()).or_insert_with(|| Bucket::full(now)).take(now)
    }
}

/// A token bucket of [`PER_SECOND`] tokens.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { tokens: f64::from(PER_SECOND), at: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.at).as_secs_f64() * f64::from(PER_SECOND);
        self.tokens = (self.tokens + gained).min(f64::from(PER_SECOND));
        self.at = now;
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

/// An error's code and message.
type Refusal = (&'static str, &'static str);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Input {
    lookup_attributes: Vec<Attribute>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_key: String,
    attribute_value: String,
}

/// A request that makes sense.
#[derive(Debug)]
struct Question {
    attribute: Option<Attribute>,
    start: f64,
    end: f64,
    page: usize,
    /// `eventID` of the last event of the page before.
    after: Option<String>,
    /// The same for all pages of one question.
    digest: String,
}

impl Question {
    fn of(input: &Value) -> Result<Self, Refusal> {
        let digest = digest(input);
        let Ok(mut input) = serde_json::from_value::<Input>(input.clone()) else {
            return Err(("SerializationException", "The request can't be read."));
        };
        if input.lookup_attributes.len() > 1 {
            return Err(("InvalidLookupAttributesException", "Only one lookup attribute can be given."));
        }
        let attribute = input.lookup_attributes.pop();
        if attribute.as_ref().is_some_and(|a| value_of(&a.attribute_key, &Value::Null).is_none()) {
            return Err(("InvalidLookupAttributesException", "The sandbox does not look up by this attribute."));
        }
        let (start, end) = (input.start_time.unwrap_or(0.0), input.end_time.unwrap_or(f64::INFINITY));
        if start > end {
            return Err(("InvalidTimeRangeException", "The start time is after the end time."));
        }
        let page = input.max_results.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&page) {
            return Err(("InvalidMaxResultsException", "MaxResults must be between 1 and 50."));
        }
        let after = match input.next_token {
            None => None,
            Some(token) => match token.split_once('.') {
                Some((after, asked)) if asked == digest => Some(after.to_owned()),
                _ => return Err(("InvalidNextTokenException", "The token is of another request.")),
            },
        };
        Ok(Self { attribute, start, end, page, after, digest })
    }

    fn page(&self, scope: &Scope, until: Timestamp, records: &VecDeque<Value>) -> Result<Value, Refusal> {
        let known = records.iter().rev().filter(|record| event_time(record) <= until);
        let mut found = known.filter(|record| self.wants(scope, record));
        if let Some(after) = &self.after
            && !found.by_ref().any(|record| record["eventID"] == *after)
        {
            return Err(("InvalidNextTokenException", "The token's page is no longer known."));
        }
        let page: Vec<&Value> = found.by_ref().take(self.page).collect();
        let mut answer = json!({"Events": page.iter().map(|record| shown(record)).collect::<Vec<_>>()});
        if let (Some(last), true) = (page.last(), found.next().is_some()) {
            answer["NextToken"] = json!(format!("{}.{}", text(&last["eventID"]), self.digest));
        }
        Ok(answer)
    }

    fn wants(&self, scope: &Scope, record: &Value) -> bool {
        let time = event_time(record).as_duration().as_secs_f64();
        record["recipientAccountId"] == scope.account
            && record["awsRegion"] == scope.region
            && (self.start..=self.end).contains(&time)
            && self
                .attribute
                .as_ref()
                .is_none_or(|a| value_of(&a.attribute_key, record).as_ref() == Some(&a.attribute_value))
    }
}

/// The time of the newest record that is known already. Records have whole seconds, the time now has not: without a delay
/// every one of them is known.
fn newest(now: Timestamp, delay: Duration) -> Timestamp {
    if delay.is_zero() { Timestamp::MAX } else { now.checked_sub(delay).unwrap_or(Timestamp::MIN) }
}

/// What the token binds: API reference, LookupEvents: "The token must be passed in with the same parameters that were specified in the original call."
fn digest(input: &Value) -> String {
    let mut asked = input.clone();
    if let Some(members) = asked.as_object_mut() {
        members.remove("NextToken");
    }
    hex::encode(&Sha256::digest(asked.to_string().as_bytes())[..8])
}

/// The value of a lookup attribute, empty when the record has none; nothing for an attribute that is not known.
fn value_of(attribute: &str, record: &Value) -> Option<String> {
    Some(match attribute {
        "AccessKeyId" => text(&record["userIdentity"]["accessKeyId"]),
        "EventId" => text(&record["eventID"]),
        "EventName" => text(&record["eventName"]),
        "EventSource" => text(&record["eventSource"]),
        "ReadOnly" => record["readOnly"].to_string(),
        "Username" => user_name(&record["userIdentity"]),
        _ => return None,
    })
}

/// A role's session goes by the session's name.
fn user_name(identity: &Value) -> String {
    let name = text(&identity["userName"]);
    if !name.is_empty() {
        return name;
    }
    text(&identity["principalId"]).split_once(':').map_or_else(String::new, |(_, session)| session.to_owned())
}

fn shown(record: &Value) -> Value {
    let mut event = json!({
        "EventTime": event_time(record).as_second(),
        "Resources": [],
        "CloudTrailEvent": record.to_string(),
    });
    for attribute in ["EventId", "EventName", "EventSource", "ReadOnly", "AccessKeyId", "Username"] {
        if let Some(value) = value_of(attribute, record).filter(|value| !value.is_empty()) {
            event[attribute] = json!(value);
        }
    }
    event
}

fn event_time(record: &Value) -> Timestamp {
    text(&record["eventTime"]).parse().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lookups_a_second_are_admitted() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let admitted = |bucket: &mut Bucket, millis| bucket.take(start + Duration::from_millis(millis));
        let at = [0, 0, 100, 600, 700, 5000, 5000, 5000].map(|millis| admitted(&mut bucket, millis));
        assert_eq!(at, [true, true, false, true, false, true, true, false]);
    }
}
