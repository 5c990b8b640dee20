//! What Reforge itself stands on: the trail, the rules, the queues, the projects and the roles of its install, and its canary.
//! What happens to these is told to people and never put back: who can change them could bend what a recovery does.

use reforge_api::{Change, Event, Handling, PolicyRef, Resource, Time};
use serde::Deserialize;

use crate::catalog::Catalog;
use crate::intake::candidate::Candidate;
use crate::intake::event::Record;

/// The name in place of a policy's, of Incidents that no policy takes.
pub const NO_POLICY: &str = "reforge-itself";
/// The catalogue's type of a canary.
pub const CANARY_TYPE: &str = "ssm";
/// The name of the event that a canary did not come back.
pub const CANARY_LOST: &str = "CanaryLost";

/// One thing that Reforge stands on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// The catalogue's type.
    pub r#type: String,
    /// The id as the catalogue normalises it.
    pub id: String,
    /// The account; without it, the operator's own.
    #[serde(default)]
    pub account_id: Option<String>,
}

/// All that Reforge stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plumbing {
    /// The operator's own namespace.
    pub namespace: String,
    /// The operator's own account.
    pub account: String,
    /// The region of the operator's own AWS resources.
    pub region: String,
    /// What a change to is told.
    pub parts: Vec<Part>,
    /// The parameter that canaries are written to.
    pub canary: Option<String>,
    /// When an operator first started here. What was done to its install before made it, and is nobody's gap.
    pub since: Time,
}

impl Plumbing {
    /// What an Incident about this resource is for, if it is one of ours.
    pub fn handling(&self, r#type: &str, id: &str, event: &Event) -> Option<Handling> {
        let account = event.account_id.as_str();
        let here = (account, event.region.as_str()) == (&self.account, &self.region);
        let is_canary = here && r#type == CANARY_TYPE && self.canary.as_deref() == Some(id);
        if is_canary && event.name == "PutParameter" {
            return Some(Handling::Canary);
        }
        let is =
            |p: &&Part| p.r#type == r#type && p.id == id && p.account_id.as_deref().unwrap_or(&self.account) == account;
        self.parts.iter().find(is).map(|_| Handling::Alert)
    }

    /// Whether a record is of a canary of ours.
    pub fn is_canary(&self, catalog: &Catalog, record: &Record) -> bool {
        let event = &record.event;
        let Some(found) = catalog.find(&event.source, &event.name, &record.detail) else { return false };
        let handling = |id: &String| self.handling(&found.entry.r#type, id, event);
        found.ids.iter().any(|id| handling(id) == Some(Handling::Canary))
    }

    /// Whether an event is counted and not told: a change to what Reforge stands on, from before an operator first started.
    pub fn is_of_the_install(&self, handling: Handling, event: &Event) -> bool {
        handling == Handling::Alert && event.time < self.since
    }

    /// The Incident about it, in the operator's own namespace.
    pub fn candidate(&self, resource: Resource, event: Event, change: Change, handling: Handling) -> Candidate {
        let policy = PolicyRef { name: NO_POLICY.to_owned() };
        Candidate { namespace: self.namespace.clone(), policy, event, resource, change, handling }
    }
}

/// The account in a queue's URL: `https://sqs.<region>.amazonaws.com/<account>/<name>`.
pub fn account_of(queue_url: &str) -> Option<&str> {
    let account = queue_url.rsplit('/').nth(1)?;
    (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::fixture;

    fn plumbing() -> Plumbing {
        let part = |r#type: &str, id: &str, account: Option<&str>| Part {
            r#type: r#type.into(),
            id: id.into(),
            account_id: account.map(str::to_owned),
        };
        Plumbing {
            namespace: "reforge".into(),
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            parts: vec![
                part("sqs", "reforge-events", None),
                part("iam-role", "reforge-operator", Some("444455556666")),
            ],
            canary: Some("/reforge/canary".into()),
            since: Time::default(),
        }
    }

    fn event(name: &str, account: &str, region: &str) -> Event {
        let event = serde_json::json!({"id": "e", "time": "2026-01-02T03:04:05Z", "name": name, "source": "s",
            "accountId": account, "region": region, "actor": {}});
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn what_it_stands_on_is_known_by_type_id_and_account() {
        let plumbing = plumbing();
        let of =
            |r#type, id, account| plumbing.handling(r#type, id, &event("SetQueueAttributes", account, "eu-west-1"));
        assert_eq!(of("sqs", "reforge-events", "111122223333"), Some(Handling::Alert));
        assert_eq!(of("sqs", "reforge-events", "444455556666"), None, "the same name elsewhere");
        assert_eq!(of("iam-role", "reforge-operator", "444455556666"), Some(Handling::Alert));
        assert_eq!(of("sns", "reforge-events", "111122223333"), None);
    }

    #[test]
    fn a_canary_is_written_and_a_deleted_one_is_no_canary() {
        let plumbing = plumbing();
        let of = |name, region| plumbing.handling("ssm", "/reforge/canary", &event(name, "111122223333", region));
        assert_eq!(of("PutParameter", "eu-west-1"), Some(Handling::Canary));
        assert_eq!(of("DeleteParameter", "eu-west-1"), None);
        assert_eq!(of("PutParameter", "us-east-1"), None, "another parameter of the same name");
    }

    #[test]
    fn a_record_of_the_canary_is_known_before_anything_else_is_looked_at() {
        let is_canary = |call: &str, name: &str| {
            let envelope = fixture::envelope("ssm.amazonaws.com", call, &serde_json::json!({"name": name}));
            plumbing().is_canary(Catalog::builtin(), &fixture::read(&envelope))
        };
        assert!(is_canary("PutParameter", "/reforge/canary"));
        assert!(!is_canary("PutParameter", "/shop/flags"));
        assert!(!is_canary("DeleteParameter", "/reforge/canary"));
        assert!(!is_canary("DescribeParameters", "/reforge/canary"));
    }

    #[test]
    fn the_own_account_stands_in_the_queues_url() {
        assert_eq!(account_of("https://sqs.eu-west-1.amazonaws.com/111122223333/q"), Some("111122223333"));
        assert_eq!(account_of("http://localhost:4566/000000000000/q"), Some("000000000000"));
        for other in ["https://example.com/q", "https://sqs/11112222333/q", "https://sqs/11112222333x/q"] {
            assert_eq!(account_of(other), None, "{other}");
        }
    }
}
