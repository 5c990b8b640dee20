//! What a topic sends on to queues: the emulator delivers whatever a queue's policy says, AWS does not.
//!
//! Given a publishing, it lets it happen with a filter that no message passes on each subscription whose queue does not let
//! the topic in, and takes the filter away again (Amazon SNS Developer Guide, "Subscribing an Amazon SQS queue to an Amazon SNS topic").

use super::call::parse_xml;
use super::iam::{Access, Iam, Source};
use super::upstream::{Scope, Upstream};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::Mutex;

/// No message has such an attribute.
const NOTHING: &str = r#"{"sandbox-nothing-passes": ["here"]}"#;

/// The topics of one edge.
#[derive(Debug)]
pub struct FanOut {
    upstream: Upstream,
    iam: Arc<Iam>,
    /// One publishing with such a filter at a time: the next must not take it for the subscription's own.
    turn: Mutex<()>,
}

/// A subscription whose queue does not let its topic in, and its own filter.
#[derive(Debug)]
struct Shut {
    subscription: String,
    filter: String,
}

impl FanOut {
    /// Of the emulator's topics.
    pub fn new(upstream: Upstream, iam: Arc<Iam>) -> Self {
        Self { upstream, iam, turn: Mutex::default() }
    }

    /// Publishes to a topic, and to no queue that does not let it in.
    pub async fn publishing<T>(&self, topic: &str, publish: impl Future<Output = T>) -> T {
        let refused = self.refused(topic).await;
        if refused.is_empty() {
            return publish.await;
        }
        let _turn = self.turn.lock().await;
        let scope = scope(topic);
        let mut shut = Vec::new();
        for subscription in refused {
            let filter = self.filter(&scope, &subscription).await;
            self.set_filter(&scope, &subscription, NOTHING).await;
            shut.push(Shut { subscription, filter });
        }
        let published = publish.await;
        for Shut { subscription, filter } in shut {
            self.set_filter(&scope, &subscription, &filter).await;
        }
        published
    }

    /// The subscriptions of a topic whose queues do not let it in.
    async fn refused(&self, topic: &str) -> Vec<String> {
        let pairs = [("Action", "ListSubscriptionsByTopic"), ("TopicArn", topic)];
        let answer = self.sns(&scope(topic), &pairs).await;
        let listed = &answer["ListSubscriptionsByTopicResult"]["Subscriptions"]["member"];
        let listed = listed.as_array().map_or(std::slice::from_ref(listed), Vec::as_slice);
        let mut refused = Vec::new();
        for subscription in listed.iter().filter(|s| s["Protocol"] == "sqs") {
            let (arn, queue) =
                (&subscription["SubscriptionArn"], subscription["Endpoint"].as_str().unwrap_or_default());
            let source = Source { service: "sns.amazonaws.com", arn: topic };
            if let Err(refusal) = self.iam.service_may(source, &Access::new("sqs:SendMessage", queue)).await {
                tracing::warn!(topic, queue, error = format!("{refusal:#}"), "a queue does not let a topic in");
                refused.push(arn.as_str().unwrap_or_default().to_owned());
            }
        }
        refused
    }

    async fn filter(&self, scope: &Scope, subscription: &str) -> String {
        let pairs = [("Action", "GetSubscriptionAttributes"), ("SubscriptionArn", subscription)];
        let answer = self.sns(scope, &pairs).await;
        let entries = answer["GetSubscriptionAttributesResult"]["Attributes"]["entry"].as_array().cloned();
        let filter = entries.into_iter().flatten().find(|e| e["key"] == "FilterPolicy");
        filter.and_then(|e| e["value"].as_str().map(str::to_owned)).unwrap_or_default()
    }

    async fn set_filter(&self, scope: &Scope, subscription: &str, filter: &str) {
        let pairs = [
            ("Action", "SetSubscriptionAttributes"),
            ("SubscriptionArn", subscription),
            ("AttributeName", "FilterPolicy"),
            ("AttributeValue", filter),
        ];
        self.sns(scope, &pairs).await;
    }

    async fn sns(&self, scope: &Scope, pairs: &[(&str, &str)]) -> Value {
        let pairs = [&[("Version", "2010-03-31")], pairs].concat();
        match self.upstream.query("sns", scope, &pairs).await {
            Ok(reply) => parse_xml(&reply.text()).map(|(_, answer)| answer).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "the emulated SNS did not answer");
                Value::Null
            }
        }
    }
}

/// Where a topic is.
fn scope(topic: &str) -> Scope {
    let mut parts = topic.split(':').skip(3).map(str::to_owned);
    Scope { region: parts.next().unwrap_or_default(), account: parts.next().unwrap_or_default() }
}
