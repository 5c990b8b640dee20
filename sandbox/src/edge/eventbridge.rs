//! EventBridge for the events that AWS itself sends: matched by the emulator (`TestEventPattern`), delivered here, since its `PutEvents` rightly refuses `aws.*` sources.
//!
//! Events of one edge are delivered in the order in which they were sent, unless [`Faults::set_delivery_reordered`], to the SQS and SNS targets of the default bus's rules. Input transformers are not applied.

use super::faults::Faults;
use super::upstream::{Scope, Upstream};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Rules are read again after this long even if no change to them was seen.
const RULES_LIVE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Rule {
    name: String,
    pattern: String,
    targets: Vec<Target>,
}

#[derive(Debug)]
enum Target {
    Queue { url: String, group: Option<String> },
    Topic(String),
}

#[derive(Debug)]
struct Pending {
    due: Instant,
    scope: Scope,
    envelope: Value,
}

type Rules = HashMap<Scope, (Instant, Arc<Vec<Rule>>)>;

/// The default event bus.
#[derive(Debug)]
pub struct Bus {
    upstream: Upstream,
    faults: Faults,
    rules: Mutex<Rules>,
    queue: mpsc::UnboundedSender<Pending>,
}

impl Bus {
    /// The bus, and the future that delivers until the bus is dropped.
    pub fn new(upstream: Upstream, faults: Faults) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let (queue, pending) = mpsc::unbounded_channel();
        let bus = Arc::new(Self { upstream, faults, rules: Mutex::default(), queue });
        (Arc::clone(&bus), deliver(Arc::downgrade(&bus), pending, bus.faults.clone()))
    }

    /// Puts an event into its envelope and in line for delivery.
    pub fn send(
        &self,
        scope: &Scope,
        detail_type: &str,
        source: &str,
        time: &str,
        resources: &[String],
        detail: &Value,
    ) {
        let envelope = json!({
            "version": "0",
            "id": uuid::Uuid::new_v4().to_string(),
            "detail-type": detail_type,
            "source": source,
            "account": scope.account,
            "time": time,
            "region": scope.region,
            "resources": resources,
            "detail": detail,
        });
        let due = Instant::now() + self.faults.delivery().borrow().delay;
        if self.queue.send(Pending { due, scope: scope.clone(), envelope }).is_err() {
            tracing::warn!("an event was dropped: the edge is shutting down");
        }
    }

    /// Forgets the rules, after a change to them.
    pub fn rules_changed(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn deliver_to_targets(&self, event: &Pending, copies: usize) -> anyhow::Result<()> {
        let body = event.envelope.to_string();
        for rule in self.rules(&event.scope).await?.iter() {
            let question = json!({"Event": body, "EventPattern": rule.pattern});
            let answer = self.upstream.call("events", "AWSEvents.TestEventPattern", &event.scope, &question).await?;
            if answer["Result"] != json!(true) {
                continue;
            }
            for target in rule.targets.iter().flat_map(|t| std::iter::repeat_n(t, copies)) {
                if let Err(error) = self.deliver_to(target, &event.scope, &body).await {
                    tracing::warn!(rule = rule.name, %error, "an event could not be delivered to a target");
                }
            }
        }
        Ok(())
    }

    async fn deliver_to(&self, target: &Target, scope: &Scope, body: &str) -> anyhow::Result<()> {
        match target {
            Target::Topic(arn) => self.upstream.publish(scope, arn, body).await,
            Target::Queue { url, group } => {
                let mut message = json!({"QueueUrl": url, "MessageBody": body});
                if let Some(group) = group {
                    message["MessageGroupId"] = json!(group);
                    message["MessageDeduplicationId"] = json!(uuid::Uuid::new_v4().to_string());
                }
                self.upstream.call("sqs", "AmazonSQS.SendMessage", scope, &message).await.map(|_| ())
            }
        }
    }

    async fn rules(&self, scope: &Scope) -> anyhow::Result<Arc<Vec<Rule>>> {
        let known = self.rules.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned();
        if let Some((at, rules)) = known
            && at.elapsed() < RULES_LIVE
        {
            return Ok(rules);
        }
        let mut rules = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut input = json!({"EventBusName": "default"});
            if token.is_string() {
                input["NextToken"] = token;
            }
            let page = self.upstream.call("events", "AWSEvents.ListRules", scope, &input).await?;
            for rule in page["Rules"].as_array().into_iter().flatten() {
                if let (Some(name), Some(pattern), Some("ENABLED")) =
                    (rule["Name"].as_str(), rule["EventPattern"].as_str(), rule["State"].as_str())
                {
                    let targets = self.targets(scope, name).await?;
                    rules.push(Rule { name: name.to_owned(), pattern: pattern.to_owned(), targets });
                }
            }
            token = page["NextToken"].clone();
            if !token.is_string() {
                break;
            }
        }
        let rules = Arc::new(rules);
        let entry = (Instant::now(), Arc::clone(&rules));
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.clone(), entry);
        Ok(rules)
    }

    async fn targets(&self, scope: &Scope, rule: &str) -> anyhow::Result<Vec<Target>> {
        let answer = self.upstream.call("events", "AWSEvents.ListTargetsByRule", scope, &json!({"Rule": rule})).await?;
        let mut targets = Vec::new();
        for target in answer["Targets"].as_array().into_iter().flatten() {
            let arn = target["Arn"].as_str().unwrap_or_default();
            match arn.split(':').nth(2) {
                Some("sns") => targets.push(Target::Topic(arn.to_owned())),
                Some("sqs") => {
                    let name = arn.rsplit(':').next().unwrap_or_default();
                    let input = json!({"QueueName": name});
                    match self.upstream.call("sqs", "AmazonSQS.GetQueueUrl", scope, &input).await {
                        Ok(answer) => targets.push(Target::Queue {
                            url: answer["QueueUrl"].as_str().unwrap_or_default().to_owned(),
                            group: target["SqsParameters"]["MessageGroupId"].as_str().map(str::to_owned),
                        }),
                        Err(error) => tracing::warn!(rule, arn, %error, "a rule's target queue does not exist"),
                    }
                }
                _ => tracing::warn!(rule, arn, "the sandbox delivers to queues and topics only"),
            }
        }
        Ok(targets)
    }
}

/// Takes one event after the other. Weak, so that the bus goes, and this ends, when the edge lets go of it.
async fn deliver(bus: std::sync::Weak<Bus>, mut pending: mpsc::UnboundedReceiver<Pending>, faults: Faults) {
    let mut switch = faults.delivery();
    while let Some(event) = pending.recv().await {
        tokio::time::sleep_until(event.due).await;
        let Ok(delivery) = switch.wait_for(|d| !d.held).await.map(|d| *d) else { return };
        let Some(bus) = bus.upgrade() else { return };
        let copies = if delivery.twice { 2 } else { 1 };
        let deliver = async move {
            if let Err(error) = bus.deliver_to_targets(&event, copies).await {
                tracing::warn!(%error, "an event could not be matched against the rules");
            }
        };
        if delivery.reordered {
            let late = Duration::from_millis(fastrand::u64(0..2000));
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                deliver.await;
            });
        } else {
            deliver.await;
        }
    }
}
