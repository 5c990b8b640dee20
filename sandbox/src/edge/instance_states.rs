//! The event `EC2 Instance State-change Notification`, in the shape of the EC2 User Guide, "State change events for Amazon EC2 instances".
//!
//! Given a call on instances and its answer, it sends the states that they go through, in order, while [`Faults::set_instance_states`] says so.

use super::call::{Call, parse_xml};
use super::eventbridge::{Bus, Event};
use super::faults::Faults;
use super::upstream::Scope;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Tells the bus of instances' states.
#[derive(Debug)]
pub struct InstanceStates {
    faults: Faults,
    bus: Arc<Bus>,
}

impl InstanceStates {
    /// One that tells this bus.
    pub fn new(faults: Faults, bus: Arc<Bus>) -> Self {
        Self { faults, bus }
    }

    /// Sends the first state of what the call changed at once, and the last one at `over`. `answer` is the emulator's.
    pub fn follow(&self, call: &Call, answer: &str, over: Instant) {
        let (first, last) = match call.operation.as_str() {
            "RunInstances" | "StartInstances" => ("pending", "running"),
            "StopInstances" => ("stopping", "stopped"),
            "TerminateInstances" => ("shutting-down", "terminated"),
            _ => return,
        };
        if !self.faults.instance_states() {
            return;
        }
        let scope = call.credential.scope();
        for id in changed(answer) {
            send(&self.bus, &scope, &id, first);
            let wait = over.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                send(&self.bus, &scope, &id, last);
                continue;
            }
            let (bus, scope) = (Arc::downgrade(&self.bus), scope.clone());
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                if let Some(bus) = bus.upgrade() {
                    send(&bus, &scope, &id, last);
                }
            });
        }
    }
}

fn send(bus: &Bus, scope: &Scope, id: &str, state: &str) {
    let event = Event {
        detail_type: "EC2 Instance State-change Notification",
        source: "aws.ec2",
        time: &format!("{:.0}", Timestamp::now()),
        resources: &[format!("arn:aws:ec2:{}:{}:instance/{id}", scope.region, scope.account)],
        detail: &json!({"instance-id": id, "state": state}),
    };
    bus.send_promptly(scope, &event);
}

/// The ids of the instances that are in another state than before; a launched one was in none.
fn changed(answer: &str) -> Vec<String> {
    let Some((_, root)) = parse_xml(answer) else { return Vec::new() };
    let item = &root["instancesSet"]["item"];
    let items = item.as_array().map_or(std::slice::from_ref(item), Vec::as_slice);
    let is_changed = |item: &&Value| {
        let (before, now) = (&item["previousState"]["name"], &item["currentState"]["name"]);
        before.is_null() || before != now
    };
    items.iter().filter(is_changed).filter_map(|item| item["instanceId"].as_str()).map(str::to_owned).collect()
}
