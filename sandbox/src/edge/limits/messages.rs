//! Limits of SNS and EventBridge.

use super::asked::{Asked, bytes, characters};
use super::limit::{Answer, Bound, Kept, Limit, Measure, Sure};
use serde_json::Value;

const PUBLISH: &[(&str, &[&str])] = &[("sns", &["Publish"])];
const EVENTS: &str = "EventBridge User Guide, \"Amazon EventBridge quotas\"";

/// The limits.
pub const LIMITS: &[Limit] = &[
    Limit {
        name: "SNS: subject",
        bound: Bound::Most(100, "characters"),
        source: "API reference, Publish: \"less than 100 characters long\"; 100 are taken",
        sure: Sure::Reported,
        calls: PUBLISH,
        measure: Measure::Asked(|asked| asked.text("Subject").map(characters).into_iter().collect()),
        also: "operator, `tell/message.rs`",
        answer: Answer::seen("InvalidParameter", "Invalid parameter: Subject"),
        near: "`tell/message.rs` cuts it at 99, so that either reading holds",
    },
    Limit {
        name: "SNS: form of a subject",
        bound: Bound::Form(
            "ASCII without line breaks and control characters, beginning with a letter, a digit or a punctuation mark",
        ),
        source: "API reference, Publish",
        sure: Sure::Documented,
        calls: PUBLISH,
        measure: Measure::Breaks(odd_subject),
        also: "operator, `tell/message.rs`",
        answer: Answer::seen("InvalidParameter", "Invalid parameter: Subject"),
        near: "`tell/message.rs` puts `?` for everything else; it begins with `[`",
    },
    Limit {
        name: "SNS: message with its attributes",
        bound: Bound::Most(262_144, "bytes"),
        source: "SNS Developer Guide, \"Publishing large messages with Amazon SNS\": unless the topic's `MaximumMessageSize` says more",
        sure: Sure::Documented,
        calls: PUBLISH,
        measure: Measure::Asked(published),
        also: "operator, `tell/message.rs`",
        answer: Answer::seen("InvalidParameter", "Invalid parameter: Message too long"),
        near: "`tell/message.rs` cuts the text at 256,000 bytes and says so",
    },
    Limit {
        name: "SNS: topic name",
        bound: Bound::Form("1 to 256 letters, digits, hyphens and underscores; `.fifo` at the end of a FIFO topic's"),
        source: "API reference, CreateTopic",
        sure: Sure::Documented,
        calls: &[("sns", &["CreateTopic"])],
        measure: Measure::Breaks(topic_name),
        also: "",
        answer: Answer::seen("InvalidParameter", "Invalid parameter: Topic Name"),
        near: "`<name>-messages`",
    },
    Limit {
        name: "SNS: policy of a topic",
        bound: Bound::Most(30_720, "bytes"),
        source: "SNS Developer Guide, \"Amazon SNS API permissions: Actions and resources reference\": 30 kb",
        sure: Sure::Documented,
        calls: &[("sns", &["CreateTopic", "SetTopicAttributes"])],
        measure: Measure::Asked(|asked| asked.attribute("Policy").map(bytes).into_iter().collect()),
        also: "",
        answer: Answer::assumed("InvalidParameter", "Invalid parameter: Policy too long"),
        near: "the module sets none",
    },
    Limit {
        name: "EventBridge: event pattern",
        bound: Bound::Most(2_048, "characters"),
        source: "EventBridge User Guide, \"Amazon EventBridge quotas\": 2,048, adjustable; the API takes 4,096",
        sure: Sure::Documented,
        calls: &[("events", &["PutRule"])],
        measure: Measure::Asked(|asked| asked.text("EventPattern").map(characters).into_iter().collect()),
        also: "operator, `intake/pattern.rs`; module, validation of `event_patterns`",
        answer: Answer::assumed(
            "LimitExceededException",
            "The requested event pattern exceeds the maximum size allowed.",
        ),
        near: "`intake/pattern.rs` makes as many patterns as it takes. The module has a rule for each 12 projects whose builds it tells of",
    },
    Limit {
        name: "EventBridge: rules of a bus",
        bound: Bound::Most(300, "rules"),
        source: "EventBridge User Guide, \"Amazon EventBridge quotas\": 100 in af-south-1 and eu-south-1",
        sure: Sure::Documented,
        calls: &[("events", &["PutRule"])],
        measure: Measure::Kept(Kept::Rules),
        also: "",
        answer: Answer::seen("LimitExceededException", "The requested resource exceeds the maximum number allowed."),
        near: "at most six and one for each of the owner's patterns, on a bus that is shared with all else in the account",
    },
    Limit {
        name: "EventBridge: targets of a rule",
        bound: Bound::Most(5, "targets"),
        source: EVENTS,
        sure: Sure::Documented,
        calls: &[("events", &["PutTargets"])],
        measure: Measure::Kept(Kept::Targets),
        also: "",
        answer: Answer::seen("LimitExceededException", "The requested resource exceeds the maximum number allowed."),
        near: "one",
    },
    Limit {
        name: "EventBridge: policy of a bus",
        bound: Bound::Most(10_240, "characters"),
        source: EVENTS,
        sure: Sure::Documented,
        calls: &[("events", &["PutPermission"])],
        measure: Measure::Asked(|asked| asked.text("Policy").map(characters).into_iter().collect()),
        also: "",
        answer: Answer::assumed("PolicyLengthExceededException", "Maximum policy size of {most} bytes exceeded"),
        near: "the hub's has one statement with 33 characters for each account that forwards: about 290 accounts",
    },
    Limit {
        name: "EventBridge: events of a PutEvents, together",
        bound: Bound::Most(1_048_576, "bytes"),
        source: "EventBridge User Guide, \"Calculating PutEvents event entry size\": 1 MB since January 2026, 256 KB before",
        sure: Sure::Reported,
        calls: &[("events", &["PutEvents"])],
        measure: Measure::Asked(events_size),
        also: "",
        answer: Answer::seen("ValidationException", "Total size of the entries in the request is over the limit."),
        near: "it puts none: events come from AWS",
    },
    Limit {
        name: "EventBridge: rule name",
        bound: Bound::Between(1, 64, "characters of A-Z, a-z, 0-9, ., - and _"),
        source: "API reference, PutRule",
        sure: Sure::Documented,
        calls: &[("events", &["PutRule"])],
        measure: Measure::Model,
        also: "",
        answer: Answer::assumed("ValidationException", ""),
        near: "an install's name, a hyphen and `config-compliance` or less: 49 at most",
    },
];

fn odd_subject(asked: &Asked<'_>) -> bool {
    asked.text("Subject").is_some_and(|subject| {
        let plain = subject.bytes().all(|b| (b' '..=b'~').contains(&b));
        !plain || !subject.starts_with(|c: char| c.is_ascii_graphic())
    })
}

fn published(asked: &Asked<'_>) -> Vec<u64> {
    let attributes = asked.members().filter(|(name, _)| name.starts_with("MessageAttributes."));
    vec![asked.text("Message").map_or(0, bytes) + attributes.map(|(_, value)| bytes(value)).sum::<u64>()]
}

fn topic_name(asked: &Asked<'_>) -> bool {
    let name = asked.text("Name").unwrap_or_default();
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let allowed = plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    !(allowed && !plain.is_empty() && name.len() <= 256)
}

/// EventBridge User Guide, "Calculating PutEvents event entry size": 14 bytes for a time, and the UTF-8 of the texts.
fn events_size(asked: &Asked<'_>) -> Vec<u64> {
    let entries = asked.list("Entries").iter().map(|entry| {
        let texts = ["Source", "DetailType", "Detail"].iter().filter_map(|name| entry[name].as_str());
        let resources = entry["Resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let time = if entry["Time"].is_null() { 0 } else { 14 };
        time + texts.chain(resources).map(bytes).sum::<u64>()
    });
    vec![entries.sum()]
}
