//! SQS's limits, none of which its API model has.

use super::asked::{Asked, bytes, number};
use super::limit::{Answer, Bound, Limit, Measure, Sure};
use serde_json::Value;

const MESSAGES: &str = "SQS Developer Guide, \"Amazon SQS message quotas\"";
const QUEUES: &[(&str, &[&str])] = &[("sqs", &["CreateQueue", "SetQueueAttributes"])];

/// The limits.
pub const LIMITS: &[Limit] = &[
    Limit {
        name: "SQS: queue name",
        bound: Bound::Form("1 to 80 letters, digits, hyphens and underscores; `.fifo` at the end of a FIFO queue's"),
        source: "SQS Developer Guide, \"Amazon SQS standard queue quotas\"",
        sure: Sure::Documented,
        calls: &[("sqs", &["CreateQueue"])],
        measure: Measure::Breaks(queue_name),
        also: "",
        answer: Answer::seen(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ),
        near: "`<name>-events` and `<name>-dead-letters`, a name having at most 31 characters",
    },
    Limit {
        name: "SQS: message with its attributes",
        bound: Bound::Most(1_048_576, "bytes"),
        source: "SQS Developer Guide, \"Amazon SQS message quotas\": 1 MiB since August 2025, 256 KiB before",
        sure: Sure::Documented,
        calls: &[("sqs", &["SendMessage"])],
        measure: Measure::Asked(message),
        also: "",
        answer: Answer::seen(
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes.",
        ),
        near: "an unreadable message goes to the dead-letter queue with its reason as an attribute; where 1 MiB has no room for that, SQS moves it there after 1,000 receives, which the queue's redrive policy says",
    },
    Limit {
        name: "SQS: messages of a batch, together",
        bound: Bound::Most(1_048_576, "bytes"),
        source: MESSAGES,
        sure: Sure::Documented,
        calls: &[("sqs", &["SendMessageBatch"])],
        measure: Measure::Asked(batch_size),
        also: "",
        answer: Answer::seen(
            "AWS.SimpleQueueService.BatchRequestTooLong",
            "Batch requests cannot be longer than {most} bytes. You have sent {measured} bytes.",
        ),
        near: "messages are sent one by one",
    },
    Limit {
        name: "SQS: entries of a batch",
        bound: Bound::Between(1, 10, "entries"),
        source: MESSAGES,
        sure: Sure::Documented,
        calls: &[("sqs", &["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])],
        measure: Measure::Asked(entries),
        also: "operator, `intake/queue.rs`",
        answer: Answer::seen(
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are {most}. You have sent {measured}.",
        ),
        near: "messages are deleted 10 at a time",
    },
    Limit {
        name: "SQS: attributes of a message",
        bound: Bound::Most(10, "attributes"),
        source: MESSAGES,
        sure: Sure::Documented,
        calls: &[("sqs", &["SendMessage", "SendMessageBatch"])],
        measure: Measure::Asked(attributes),
        also: "",
        answer: Answer::seen(
            "InvalidParameterValue",
            "Number of message attributes [{measured}] exceeds the allowed maximum [{most}].",
        ),
        near: "one, the reason of a dead letter",
    },
    Limit {
        name: "SQS: messages of a receive",
        bound: Bound::Between(1, 10, "messages"),
        source: "API reference, ReceiveMessage",
        sure: Sure::Documented,
        calls: &[("sqs", &["ReceiveMessage"])],
        measure: Measure::Asked(|asked| asked.number("MaxNumberOfMessages").into_iter().collect()),
        also: "operator, `intake/queue.rs`",
        answer: Answer::seen(
            "InvalidParameterValue",
            "Value {measured} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
        ),
        near: "10",
    },
    Limit {
        name: "SQS: long poll",
        bound: Bound::Most(20, "seconds"),
        source: "API reference, ReceiveMessage",
        sure: Sure::Documented,
        calls: &[("sqs", &["ReceiveMessage"])],
        measure: Measure::Asked(|asked| asked.number("WaitTimeSeconds").into_iter().collect()),
        also: "operator, `intake/queue.rs`",
        answer: Answer::seen(
            "InvalidParameterValue",
            "Value {measured} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        near: "20",
    },
    Limit {
        name: "SQS: visibility timeout",
        bound: Bound::Most(43_200, "seconds"),
        source: MESSAGES,
        sure: Sure::Documented,
        calls: &[("sqs", &["ReceiveMessage", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"])],
        measure: Measure::Asked(visibility),
        also: "",
        answer: Answer::seen(
            "InvalidParameterValue",
            "Value {measured} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.",
        ),
        near: "30 s, prolonged while the work lasts",
    },
    Limit {
        name: "SQS: delay of a message",
        bound: Bound::Most(900, "seconds"),
        source: MESSAGES,
        sure: Sure::Documented,
        calls: &[("sqs", &["SendMessage", "SendMessageBatch"])],
        measure: Measure::Asked(delay),
        also: "",
        answer: Answer::seen(
            "InvalidParameterValue",
            "Value {measured} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
        ),
        near: "none",
    },
    Limit {
        name: "SQS: policy of a queue",
        bound: Bound::Most(8_192, "bytes"),
        source: "SQS Developer Guide, \"Amazon SQS policy quotas\"",
        sure: Sure::Documented,
        calls: QUEUES,
        measure: Measure::Asked(|asked| asked.attribute("Policy").map(bytes).into_iter().collect()),
        also: "",
        answer: Answer::assumed("InvalidAttributeValue", "Invalid value for the parameter Policy."),
        near: "the ARN of each rule is in it: about 90 characters a rule, some 85 rules",
    },
    Limit {
        name: "SQS: size, retention, delay, wait and visibility of a queue",
        bound: Bound::Form("1,024 to 1,048,576 bytes; 60 to 1,209,600, 0 to 900, 0 to 20 and 0 to 43,200 seconds"),
        source: "API reference, SetQueueAttributes",
        sure: Sure::Documented,
        calls: QUEUES,
        measure: Measure::Breaks(queue_numbers),
        also: "",
        answer: Answer::assumed("InvalidAttributeValue", "Invalid value for a parameter of the queue."),
        near: "1,209,600 s kept, 60 s hidden",
    },
];

const NUMBERS: [(&str, u64, u64); 5] = [
    ("MaximumMessageSize", 1_024, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600),
    ("DelaySeconds", 0, 900),
    ("ReceiveMessageWaitTimeSeconds", 0, 20),
    ("VisibilityTimeout", 0, 43_200),
];

fn queue_name(asked: &Asked<'_>) -> bool {
    let name = asked.text("QueueName").unwrap_or_default();
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let allowed = plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    !(allowed && !plain.is_empty() && name.len() <= 80)
}

fn queue_numbers(asked: &Asked<'_>) -> bool {
    NUMBERS.iter().any(|(name, least, most)| {
        asked.attribute(name).is_some_and(|value| !value.parse().is_ok_and(|n: u64| (*least..=*most).contains(&n)))
    })
}

/// Body and attributes, these with name, type and value.
fn size(message: &Value) -> u64 {
    let attributes = message["MessageAttributes"].as_object().into_iter().flatten();
    let attributes = attributes.map(|(name, attribute)| {
        let texts = ["DataType", "StringValue", "BinaryValue"].iter().filter_map(|member| attribute[member].as_str());
        bytes(name) + texts.map(bytes).sum::<u64>()
    });
    message["MessageBody"].as_str().map_or(0, bytes) + attributes.sum::<u64>()
}

fn message(asked: &Asked<'_>) -> Vec<u64> {
    vec![size(&asked.input)]
}

fn batch_size(asked: &Asked<'_>) -> Vec<u64> {
    vec![asked.list("Entries").iter().map(size).sum()]
}

fn entries(asked: &Asked<'_>) -> Vec<u64> {
    vec![asked.list("Entries").len() as u64]
}

/// The message itself, or each of a batch.
fn messages<'a>(asked: &'a Asked<'_>) -> impl Iterator<Item = &'a Value> {
    std::iter::once(&asked.input).chain(asked.list("Entries"))
}

fn attributes(asked: &Asked<'_>) -> Vec<u64> {
    messages(asked).filter_map(|m| Some(m["MessageAttributes"].as_object()?.len() as u64)).collect()
}

fn visibility(asked: &Asked<'_>) -> Vec<u64> {
    messages(asked).filter_map(|m| number(&m["VisibilityTimeout"])).collect()
}

fn delay(asked: &Asked<'_>) -> Vec<u64> {
    messages(asked).filter_map(|m| number(&m["DelaySeconds"])).collect()
}
