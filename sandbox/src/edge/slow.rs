//! Deletions that take time, as in AWS: a table is `DELETING` and an instance `shutting-down` for a while.
//!
//! The emulator deletes at once; the edge lays its answers over the emulator's until the time is over. S3 and Lambda deletions are immediate in AWS too.
//! Instances start and stop at once. What becomes of an instance is told to `instance_states`.

use super::call::Call;
use super::faults::Faults;
use super::http::Reply;
use super::instance_states::InstanceStates;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Account, region and name or id.
type Key = (String, String, String);

/// What is being deleted.
#[derive(Debug)]
pub struct SlowDeletes {
    faults: Faults,
    states: InstanceStates,
    tables: Mutex<HashMap<Key, (Instant, Value)>>,
    instances: Mutex<HashMap<Key, Instant>>,
}

impl SlowDeletes {
    /// Nothing is being deleted yet.
    pub fn new(faults: Faults, states: InstanceStates) -> Self {
        Self { faults, states, tables: Mutex::default(), instances: Mutex::default() }
    }

    /// The answer in the emulator's place, for calls on a table that is still going.
    pub fn before(&self, call: &Call) -> Option<Reply> {
        if call.service != "dynamodb" {
            return None;
        }
        let name = table_name(call.parameters.get("tableName")?.as_str()?);
        let (until, description) = live(&self.tables).get(&key(call, name)).cloned()?;
        if until <= Instant::now() {
            return None;
        }
        match call.operation.as_str() {
            "DescribeTable" => Some(Reply::json(&json!({"Table": description}))),
            "CreateTable" | "DeleteTable" | "UpdateTable" => Some(Reply::json_error(
                400,
                "ResourceInUseException",
                &format!("Attempt to change a resource which is still in use: Table is being deleted: {name}"),
            )),
            _ => None,
        }
    }

    /// Notes deletions, and changes what the emulator says about those under way.
    pub fn after(&self, call: &Call, reply: Reply) -> Reply {
        if !reply.is_success() {
            return reply;
        }
        match (call.service.as_str(), call.operation.as_str()) {
            ("dynamodb", "DeleteTable") => self.table_deleted(call, reply),
            ("dynamodb", "ListTables") => self.list_tables(call, reply),
            ("ec2", "TerminateInstances") => self.instances_terminated(call, reply),
            ("ec2", "RunInstances" | "StartInstances" | "StopInstances") => {
                self.states.follow(call, &reply.text(), Instant::now());
                reply
            }
            ("ec2", "DescribeInstances") => self.describe_instances(call, reply),
            _ => reply,
        }
    }

    fn table_deleted(&self, call: &Call, reply: Reply) -> Reply {
        let mut body = reply.json_body();
        body["TableDescription"]["TableStatus"] = json!("DELETING");
        let description = body["TableDescription"].clone();
        if let Some(name) = description["TableName"].as_str() {
            let until = Instant::now() + self.faults.slow_deletes();
            live(&self.tables).insert(key(call, name), (until, description.clone()));
        }
        reply.with_body(body.to_string())
    }

    fn list_tables(&self, call: &Call, reply: Reply) -> Reply {
        let mut body = reply.json_body();
        let going: Vec<String> = live(&self.tables)
            .iter()
            .filter(|((account, region, _), (until, _))| {
                *account == call.credential.account && *region == call.credential.region && *until > Instant::now()
            })
            .map(|((_, _, name), _)| name.clone())
            .collect();
        // Only a listing of one page is completed: on a page of many it is not known which page a name belongs to.
        if !going.is_empty()
            && body.get("LastEvaluatedTableName").is_none()
            && call.parameters.get("exclusiveStartTableName").is_none()
            && let Some(names) = body["TableNames"].as_array_mut()
        {
            names.extend(going.into_iter().map(Value::from));
            names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            return reply.with_body(body.to_string());
        }
        reply
    }

    fn instances_terminated(&self, call: &Call, reply: Reply) -> Reply {
        let until = Instant::now() + self.faults.slow_deletes();
        let xml = reply.text();
        let mut going = live(&self.instances);
        for id in texts(&xml, "instanceId") {
            // Terminating a second time does not start over.
            going.entry(key(call, &id)).or_insert(until);
        }
        drop(going);
        self.states.follow(call, &xml, until);
        self.describe_states(call, reply, "currentState")
    }

    fn describe_instances(&self, call: &Call, reply: Reply) -> Reply {
        self.describe_states(call, reply, "instanceState")
    }

    /// Replaces `terminated` by `shutting-down` in the element `state` of each instance whose time is not over.
    fn describe_states(&self, call: &Call, reply: Reply, state: &str) -> Reply {
        let going: Vec<String> = live(&self.instances)
            .iter()
            .filter(|((account, region, _), until)| {
                *account == call.credential.account && *region == call.credential.region && **until > Instant::now()
            })
            .map(|((_, _, id), _)| id.clone())
            .collect();
        if going.is_empty() {
            return reply;
        }
        let mut xml = reply.text();
        for id in going {
            shut_down(&mut xml, &id, state);
        }
        reply.with_body(xml)
    }
}

/// A table may be named by its ARN.
fn table_name(name_or_arn: &str) -> &str {
    name_or_arn.rsplit("table/").next().unwrap_or(name_or_arn)
}

fn key(call: &Call, name: &str) -> Key {
    (call.credential.account.clone(), call.credential.region.clone(), name.to_owned())
}

fn live<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).map(|t| t.trim().to_owned()).collect()
}

fn shut_down(xml: &mut String, id: &str, state: &str) {
    let Some(at) = xml.find(&format!("<instanceId>{id}</instanceId>")) else { return };
    let (open, close) = (format!("<{state}>"), format!("</{state}>"));
    let Some(start) = xml[at..].find(&open).map(|i| at + i) else { return };
    let Some(end) = xml[start..].find(&close).map(|i| start + i) else { return };
    xml.replace_range(start + open.len()..end, "<code>32</code><name>shutting-down</name>");
}
