//! The rules of an event bus and their targets, as the emulator has them.
//!
//! Given a bus, it gives its enabled rules that have a pattern; it delivers nothing.

use crate::edge::upstream::{Scope, Upstream};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Rules are read again after this long even if no change to them was seen.
const RULES_LIVE: Duration = Duration::from_secs(10);

/// An event bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Where it is.
    pub scope: Scope,
    /// Its name, `default` for the one that AWS's own events come to.
    pub name: String,
}

impl Address {
    /// The default bus there.
    pub fn default_of(scope: &Scope) -> Self {
        Self { scope: scope.clone(), name: "default".to_owned() }
    }
}

/// An enabled rule with a pattern.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its pattern, as JSON text.
    pub pattern: String,
    /// Where what matches goes.
    pub targets: Vec<Target>,
}

/// Where a rule sends what matches.
#[derive(Debug)]
pub enum Target {
    /// Another bus, whose rules it is held against in turn.
    Bus(Address),
    /// Where its way ends.
    End(End),
}

/// Where an event's way ends.
#[derive(Debug)]
pub enum End {
    /// A queue.
    Queue {
        /// Where it is.
        scope: Scope,
        /// Its URL.
        url: String,
        /// The message group, for a FIFO queue.
        group: Option<String>,
    },
    /// A topic.
    Topic {
        /// Where it is.
        scope: Scope,
        /// Its ARN.
        arn: String,
    },
}

#[derive(Debug, Default)]
struct Known {
    rules: HashMap<Address, (Instant, Arc<Vec<Rule>>)>,
    /// How often there was a change.
    changes: u64,
}

/// The rules of all buses, read when they are needed and kept for a while.
#[derive(Debug)]
pub struct Rules {
    upstream: Upstream,
    known: Mutex<Known>,
}

impl Rules {
    /// None are known yet.
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream, known: Mutex::default() }
    }

    /// Forgets the rules, after a change to them.
    pub fn forget(&self) {
        let mut known = self.known();
        known.rules.clear();
        known.changes += 1;
    }

    /// The rules of a bus; none for a bus that does not exist.
    ///
    /// # Errors
    /// When the emulator can't be reached, or refuses the listing.
    pub async fn of(&self, bus: &Address) -> anyhow::Result<Arc<Vec<Rule>>> {
        let (cached, changes) = {
            let known = self.known();
            (known.rules.get(bus).cloned(), known.changes)
        };
        if let Some((at, rules)) = cached
            && at.elapsed() < RULES_LIVE
        {
            return Ok(rules);
        }
        let rules = Arc::new(self.read(bus).await?);
        let mut known = self.known();
        // What was read while something changed may be what was before.
        if known.changes == changes {
            known.rules.insert(bus.clone(), (Instant::now(), Arc::clone(&rules)));
        }
        drop(known);
        Ok(rules)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, bus: &Address) -> anyhow::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut input = json!({"EventBusName": bus.name});
            if token.is_string() {
                input["NextToken"] = token;
            }
            let page = self.upstream.call("events", "AWSEvents.ListRules", &bus.scope, &input).await?;
            for rule in page["Rules"].as_array().into_iter().flatten() {
                if let (Some(name), Some(pattern), Some("ENABLED")) =
                    (rule["Name"].as_str(), rule["EventPattern"].as_str(), rule["State"].as_str())
                {
                    let targets = self.targets(bus, name).await?;
                    rules.push(Rule { name: name.to_owned(), pattern: pattern.to_owned(), targets });
                }
            }
            token = page["NextToken"].clone();
            if !token.is_string() {
                return Ok(rules);
            }
        }
    }

    async fn targets(&self, bus: &Address, rule: &str) -> anyhow::Result<Vec<Target>> {
        let input = json!({"Rule": rule, "EventBusName": bus.name});
        let answer = self.upstream.call("events", "AWSEvents.ListTargetsByRule", &bus.scope, &input).await?;
        let mut targets = Vec::new();
        for target in answer["Targets"].as_array().into_iter().flatten() {
            let arn = target["Arn"].as_str().unwrap_or_default();
            match self.target(arn, target).await {
                Ok(target) => targets.push(target),
                Err(error) => tracing::warn!(rule, arn, %error, "nothing can be delivered to a rule's target"),
            }
        }
        Ok(targets)
    }

    async fn target(&self, arn: &str, target: &Value) -> anyhow::Result<Target> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, service, region, account, name] = parts[..] else { anyhow::bail!("it is named by no ARN") };
        let scope = Scope { account: account.to_owned(), region: region.to_owned() };
        match (service, name.strip_prefix("event-bus/")) {
            ("events", Some(bus)) => Ok(Target::Bus(Address { scope, name: bus.to_owned() })),
            ("sns", _) => Ok(Target::End(End::Topic { scope, arn: arn.to_owned() })),
            ("sqs", _) => {
                let input = json!({"QueueName": name});
                let answer = self.upstream.call("sqs", "AmazonSQS.GetQueueUrl", &scope, &input).await?;
                Ok(Target::End(End::Queue {
                    scope,
                    url: answer["QueueUrl"].as_str().unwrap_or_default().to_owned(),
                    group: target["SqsParameters"]["MessageGroupId"].as_str().map(str::to_owned),
                }))
            }
            _ => anyhow::bail!("the sandbox delivers to queues, topics and event buses only"),
        }
    }
}
