//! EventBridge for the events that AWS itself sends: matched by the emulator (`TestEventPattern`), delivered here, since its `PutEvents` rightly refuses `aws.*` sources.
//!
//! Events go from the default bus of where they happened to the SQS and SNS targets of the rules that match (`rules`), and to other buses.
//! There are two lines: CloudTrail's and CodeBuild's events take [`Faults::set_delivery_delay`] and can be held; the others are prompt. Events of
//! one line are delivered in the order in which they were sent, unless [`Faults::set_delivery_reordered`]. Input transformers are not applied.
//! What a target's own policy, or the rule's role, does not let in is not delivered; it goes to the target's dead-letter queue, if it has one.

mod rules;

use super::fan_out::FanOut;
use super::faults::Faults;
use super::iam::{Access, Iam, Source};
use super::upstream::{Scope, Upstream};
use rules::{Address, End, Rule, Rules, Target, To};
use serde_json::{Value, json};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// EventBridge User Guide, "Sending events between event buses": "EventBridge can't route events received from a sender event bus to a third event bus."
const HOPS: u8 = 1;

/// What EventBridge is called as a principal.
const SERVICE: &str = "events.amazonaws.com";

/// What is told to a bus.
#[derive(Debug)]
pub struct Event<'a> {
    /// `detail-type`.
    pub detail_type: &'a str,
    /// `source`.
    pub source: &'a str,
    /// `time`, RFC 3339 in seconds.
    pub time: &'a str,
    /// `resources`, ARNs.
    pub resources: &'a [String],
    /// `detail`.
    pub detail: &'a Value,
}

#[derive(Debug)]
struct Pending {
    due: Instant,
    scope: Scope,
    envelope: Value,
}

/// The event buses.
#[derive(Debug)]
pub struct Bus {
    upstream: Upstream,
    faults: Faults,
    iam: Arc<Iam>,
    fan_out: FanOut,
    rules: Rules,
    switched: mpsc::UnboundedSender<Pending>,
    prompt: mpsc::UnboundedSender<Pending>,
}

impl Bus {
    /// The bus, and the future that delivers until the bus is dropped.
    pub fn new(upstream: Upstream, faults: Faults, iam: Arc<Iam>) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let (switched, later) = mpsc::unbounded_channel();
        let (prompt, at_once) = mpsc::unbounded_channel();
        let rules = Rules::new(upstream.clone());
        let fan_out = FanOut::new(upstream.clone(), Arc::clone(&iam));
        let bus = Arc::new(Self { upstream, faults: faults.clone(), iam, fan_out, rules, switched, prompt });
        let (one, other) = (Arc::downgrade(&bus), Arc::downgrade(&bus));
        let deliveries = async move {
            tokio::join!(deliver(one, later, faults.clone(), true), deliver(other, at_once, faults, false));
        };
        (bus, deliveries)
    }

    /// Puts an event into its envelope and in line for delivery, after the delay and when nothing is held.
    pub fn send(&self, scope: &Scope, event: &Event<'_>) {
        let due = Instant::now() + self.faults.delivery().borrow().delay;
        line_up(&self.switched, Pending { due, scope: scope.clone(), envelope: envelope(scope, event) });
    }

    /// The same for an event that waits for nothing but the ones before it.
    pub fn send_promptly(&self, scope: &Scope, event: &Event<'_>) {
        let due = Instant::now();
        line_up(&self.prompt, Pending { due, scope: scope.clone(), envelope: envelope(scope, event) });
    }

    /// What topics send on.
    pub fn fan_out(&self) -> &FanOut {
        &self.fan_out
    }

    /// Forgets the rules, after a change to them.
    pub fn rules_changed(&self) {
        self.rules.forget();
    }

    async fn deliver_to_targets(&self, event: &Pending, copies: usize) -> anyhow::Result<()> {
        let body = event.envelope.to_string();
        let mut buses = vec![(Address::default_of(&event.scope), 0)];
        while let Some((bus, hops)) = buses.pop() {
            for rule in self.rules.of(&bus).await?.iter() {
                if !self.matches(&bus, rule, &body).await? {
                    continue;
                }
                for target in &rule.targets {
                    if let Err(refusal) = self.may_send(rule, target, &event.envelope).await {
                        let arn = target.arn.as_str();
                        tracing::warn!(
                            rule = rule.name,
                            arn,
                            error = format!("{refusal:#}"),
                            "a target lets no event in"
                        );
                        self.put_aside(rule, target, &body).await;
                        continue;
                    }
                    match &target.to {
                        To::Bus(next) if hops < HOPS => buses.push((next.clone(), hops + 1)),
                        To::Bus(next) => {
                            tracing::warn!(rule = rule.name, bus = next.name, "an event goes to no third event bus");
                        }
                        To::End(end) => self.deliver_copies(rule, end, &body, copies).await,
                    }
                }
            }
        }
        Ok(())
    }

    async fn matches(&self, bus: &Address, rule: &Rule, body: &str) -> anyhow::Result<bool> {
        let question = json!({"Event": body, "EventPattern": rule.pattern});
        let answer = self.upstream.call("events", "AWSEvents.TestEventPattern", &bus.scope, &question).await?;
        Ok(answer["Result"] == json!(true))
    }

    /// EventBridge sends under the target's role where it has one, else in its own name (EventBridge User Guide, "Using
    /// resource-based policies for Amazon EventBridge" and "Permissions for event buses").
    async fn may_send(&self, rule: &Rule, target: &Target, event: &Value) -> anyhow::Result<()> {
        let source = Source { service: SERVICE, arn: &rule.arn };
        let access = access(target, event);
        match &target.role {
            Some(role) => {
                self.iam.service_may_assume(source, role).await?;
                self.iam.session_may(source, role, &rule.name, &[access]).await
            }
            None => self.iam.service_may(source, &access).await,
        }
    }

    /// EventBridge User Guide, "Using dead-letter queues to process undelivered events": what may not be sent is put there at once.
    async fn put_aside(&self, rule: &Rule, target: &Target, body: &str) {
        let Some((arn, queue)) = &target.dead_letters else { return };
        let access = Access::new("sqs:SendMessage", arn);
        let put = match self.iam.service_may(Source { service: SERVICE, arn: &rule.arn }, &access).await {
            Ok(()) => self.deliver_to(queue, body).await,
            refused => refused,
        };
        if let Err(error) = put {
            tracing::warn!(
                rule = rule.name,
                arn,
                error = format!("{error:#}"),
                "an event is lost: nor can it be put aside"
            );
        }
    }

    async fn deliver_copies(&self, rule: &Rule, end: &End, body: &str, copies: usize) {
        for _ in 0..copies {
            if let Err(error) = self.deliver_to(end, body).await {
                tracing::warn!(rule = rule.name, %error, "an event could not be delivered to a target");
            }
        }
    }

    async fn deliver_to(&self, end: &End, body: &str) -> anyhow::Result<()> {
        match end {
            End::Topic { scope, arn } => self.fan_out.publishing(arn, self.upstream.publish(scope, arn, body)).await,
            End::Queue { scope, url, group } => {
                let mut message = json!({"QueueUrl": url, "MessageBody": body});
                if let Some(group) = group {
                    message["MessageGroupId"] = json!(group);
                    message["MessageDeduplicationId"] = json!(uuid::Uuid::new_v4().to_string());
                }
                self.upstream.call("sqs", "AmazonSQS.SendMessage", scope, &message).await.map(|_| ())
            }
        }
    }
}

/// What the target's service asks IAM.
fn access(target: &Target, event: &Value) -> Access {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    match &target.to {
        To::Bus(_) => Access::new("events:PutEvents", &target.arn)
            .with("events:source", text("source"))
            .with("events:detail-type", text("detail-type")),
        To::End(End::Topic { .. }) => Access::new("sns:Publish", &target.arn),
        To::End(End::Queue { .. }) => Access::new("sqs:SendMessage", &target.arn),
    }
}

fn envelope(scope: &Scope, event: &Event<'_>) -> Value {
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4().to_string(),
        "detail-type": event.detail_type,
        "source": event.source,
        "account": scope.account,
        "time": event.time,
        "region": scope.region,
        "resources": event.resources,
        "detail": event.detail,
    })
}

fn line_up(line: &mpsc::UnboundedSender<Pending>, event: Pending) {
    if line.send(event).is_err() {
        tracing::warn!("an event was dropped: the edge is shutting down");
    }
}

/// Takes one event of a line after the other. Weak, so that the bus goes, and this ends, when the edge lets go of it.
async fn deliver(bus: Weak<Bus>, mut line: mpsc::UnboundedReceiver<Pending>, faults: Faults, can_be_held: bool) {
    let mut switch = faults.delivery();
    while let Some(event) = line.recv().await {
        tokio::time::sleep_until(event.due).await;
        let Ok(delivery) = switch.wait_for(|d| !(d.held && can_be_held)).await.map(|d| *d) else { return };
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
