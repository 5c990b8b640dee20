//! A hold: while there is one, nothing is started for the Incidents that it covers.

use std::collections::BTreeMap;

use reforge_api::IncidentSpec;

use super::glob::matches_glob;

/// What somebody wants left alone, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hold {
    reason: String,
    resources: Vec<String>,
    actors: Vec<String>,
    accounts: Vec<String>,
}

impl Hold {
    /// Reads the data of the ConfigMap: `reason`, and globs on `resources` (ids), `actors` (ARNs) and `accounts`, one a
    /// line. Without any glob it covers everything; a key that is none of these is no reason to cover less.
    pub fn parse(data: &BTreeMap<String, String>) -> Self {
        let lines = |key: &str| {
            let text = data.get(key).map(String::as_str).unwrap_or_default();
            text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
        };
        Self {
            reason: data.get("reason").map(|r| r.trim().chars().take(500).collect()).unwrap_or_default(),
            resources: lines("resources"),
            actors: lines("actors"),
            accounts: lines("accounts"),
        }
    }

    /// Whether it covers every Incident.
    pub fn covers_everything(&self) -> bool {
        [&self.resources, &self.actors, &self.accounts].iter().all(|l| l.is_empty())
    }

    /// Whether it covers an Incident.
    pub fn covers(&self, spec: &IncidentSpec) -> bool {
        let any = |globs: &[String], text: &str| globs.iter().any(|g| matches_glob(g, text));
        let actor = &spec.event.actor;
        let arns = [&actor.arn, &actor.issuer_arn];
        self.covers_everything()
            || any(&self.resources, &spec.resource.id)
            || any(&self.accounts, &spec.event.account_id)
            || arns.into_iter().flatten().any(|arn| any(&self.actors, arn))
    }

    /// Why, for people.
    pub fn reason(&self) -> &str {
        if self.reason.is_empty() { "no reason was given" } else { &self.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident() -> IncidentSpec {
        serde_json::from_value(serde_json::json!({
            "event": {"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "dynamodb.amazonaws.com",
                "accountId": "111122223333", "region": "eu-west-1",
                "actor": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/admin/x",
                    "issuerArn": "arn:aws:iam::111122223333:role/admin"}},
            "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
            "change": "Deleted", "policyRef": {"name": "p"}
        }))
        .unwrap()
    }

    fn covers(pairs: &[(&str, &str)]) -> bool {
        let data = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Hold::parse(&data).covers(&incident())
    }

    #[test]
    fn a_hold_without_globs_covers_everything() {
        assert!(covers(&[]));
        assert!(covers(&[("reason", "maintenance"), ("resource", "a misspelt key")]));
    }

    #[test]
    fn people_read_why_or_that_nobody_said_why() {
        let reason = |data: &[(&str, &str)]| {
            let data = data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Hold::parse(&data).reason().to_owned()
        };
        assert_eq!(reason(&[("reason", " maintenance\n")]), "maintenance");
        assert_eq!(reason(&[]), "no reason was given");
    }

    #[test]
    fn a_hold_covers_what_any_of_its_globs_does() {
        assert!(covers(&[("resources", "users\norders*\n")]));
        assert!(covers(&[("actors", "arn:aws:iam::*:role/admin")]));
        assert!(covers(&[("accounts", "111122223333"), ("resources", "elsewhere")]));
        assert!(!covers(&[
            ("resources", "users"),
            ("actors", "arn:aws:iam::*:user/ann"),
            ("accounts", "999999999999")
        ]));
    }
}
