//! EventBridge event patterns: which events the rules must send to the queue, for the catalogue and, given policies, for
//! what they match.
//!
//! A pattern holds at most 2,048 characters (Amazon EventBridge User Guide, "Amazon EventBridge quotas"), so many events
//! make several. A pattern names sources and event names apart: it also lets through a name of one of its services under
//! another one's source, which intake then drops as not in the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use reforge_api::Match;
use serde_json::{Value, json};

use crate::catalog::{Catalog, Entry};

/// EventBridge's limit, in characters.
pub const MAX_CHARACTERS: usize = 2048;

/// The events of the catalogue that any of `matches` asks for, by source; without any, all of it.
pub fn wanted<'a>(catalog: &'a Catalog, matches: &[&Match]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in catalog.entries() {
        for rule in &entry.events {
            if matches.is_empty() || matches.iter().any(|m| takes(m, entry, &rule.name)) {
                wanted.entry(&rule.source).or_default().insert(&rule.name);
            }
        }
    }
    wanted
}

fn takes(m: &Match, entry: &Entry, event: &str) -> bool {
    m.resource_types.iter().any(|t| *t == entry.r#type || *t == entry.cloud_formation_type)
        && (m.events.is_empty() || m.events.iter().any(|e| e == event))
}

/// Patterns for these events, each as compact JSON within [`MAX_CHARACTERS`].
pub fn patterns(wanted: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut patterns = Vec::new();
    let (mut sources, mut names): (BTreeSet<&str>, BTreeSet<Name>) = (BTreeSet::new(), BTreeSet::new());
    for (source, events) in wanted {
        for event in events {
            let (mut more_sources, mut more_names) = (sources.clone(), names.clone());
            more_sources.insert(source);
            more_names.extend(names_of(source, event));
            if !names.is_empty() && pattern(&more_sources, &more_names).len() > MAX_CHARACTERS {
                patterns.push(pattern(&sources, &names));
                sources = BTreeSet::from([*source]);
                names = names_of(source, event).into_iter().collect();
            } else {
                (sources, names) = (more_sources, more_names);
            }
        }
    }
    if !names.is_empty() {
        patterns.push(pattern(&sources, &names));
    }
    patterns
}

/// How a rule matches an event's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Is(String),
    Begins(String),
}

/// Lambda's names carry the version of its API, a date.
fn names_of(source: &str, event: &str) -> Vec<Name> {
    match source {
        "lambda.amazonaws.com" => vec![Name::Is(event.to_owned()), Name::Begins(format!("{event}20"))],
        _ => vec![Name::Is(event.to_owned())],
    }
}

fn pattern(sources: &BTreeSet<&str>, names: &BTreeSet<Name>) -> String {
    let names: Vec<Value> = names
        .iter()
        .map(|name| match name {
            Name::Is(name) => json!(name),
            Name::Begins(prefix) => json!({"prefix": prefix}),
        })
        .collect();
    let detail = json!({"eventSource": sources, "eventName": names});
    // Only AWS itself can send with such a source.
    json!({"source": [{"prefix": "aws."}], "detail-type": ["AWS API Call via CloudTrail"], "detail": detail})
        .to_string()
}

/// The wanted events that none of the patterns lets through, as "source name". A pattern that is not of the form that
/// [`patterns`] makes lets nothing through that anyone could tell.
pub fn undelivered(wanted: &BTreeMap<&str, BTreeSet<&str>>, patterns: &[String]) -> Vec<String> {
    let patterns: Vec<Value> = patterns.iter().filter_map(|p| serde_json::from_str(p).ok()).collect();
    let delivered = |source: &str, event: &str| {
        patterns.iter().any(|p| {
            let has = |list: &Value, is: &dyn Fn(&Value) -> bool| list.as_array().is_some_and(|l| l.iter().any(is));
            let from = has(&p["detail"]["eventSource"], &|s| s == source);
            let name = |n: &Value| {
                n == event || n["prefix"].as_str().is_some_and(|prefix| format!("{event}20150331").starts_with(prefix))
            };
            from && has(&p["detail"]["eventName"], &name)
        })
    };
    let all = wanted.iter().flat_map(|(source, events)| events.iter().map(move |event| (*source, *event)));
    all.filter(|(source, event)| !delivered(source, event)).map(|(source, event)| format!("{source} {event}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_within_the_limit_and_let_every_event_of_the_catalogue_through() {
        let wanted = wanted(Catalog::builtin(), &[]);
        let patterns = patterns(&wanted);
        assert!(patterns.len() > 1 && patterns.iter().all(|p| p.len() <= MAX_CHARACTERS));
        assert_eq!(undelivered(&wanted, &patterns), Vec::<String>::new());
    }

    #[test]
    fn only_what_policies_match_is_asked_for() {
        let m = Match {
            resource_types: vec!["AWS::DynamoDB::Table".into()],
            events: vec!["DeleteTable".into()],
            ..Match::default()
        };
        let wanted = wanted(Catalog::builtin(), &[&m]);
        assert_eq!(wanted, BTreeMap::from([("dynamodb.amazonaws.com", BTreeSet::from(["DeleteTable"]))]));
        let [pattern] = &patterns(&wanted)[..] else { panic!("one pattern") };
        assert!(pattern.contains(r#""eventName":["DeleteTable"]"#), "{pattern}");
    }

    #[test]
    fn events_share_a_pattern_as_long_as_it_has_room() {
        let of = |length: usize| {
            let name = "B".repeat(length);
            patterns(&BTreeMap::from([("s.amazonaws.com", BTreeSet::from(["A", name.as_str()]))]))
        };
        let [one] = &of(1)[..] else { panic!("two names are no reason for two patterns") };
        let room = MAX_CHARACTERS - one.len();
        let full: Vec<usize> = of(1 + room).iter().map(String::len).collect();
        assert_eq!((full, of(2 + room).len()), (vec![MAX_CHARACTERS], 2));
    }

    #[test]
    fn a_name_of_lambdas_is_let_through_with_the_version_of_its_api() {
        let delete = BTreeMap::from([("lambda.amazonaws.com", BTreeSet::from(["DeleteFunction"]))]);
        assert!(patterns(&delete)[0].contains(r#""eventName":["DeleteFunction",{"prefix":"DeleteFunction20"}]"#));
    }

    #[test]
    fn what_no_pattern_lets_through_is_named() {
        let all = wanted(Catalog::builtin(), &[]);
        let few = BTreeMap::from([("lambda.amazonaws.com", BTreeSet::from(["DeleteFunction"]))]);
        let missing = undelivered(&all, &patterns(&few));
        assert!(!missing.contains(&"lambda.amazonaws.com DeleteFunction".to_owned()));
        assert!(missing.contains(&"dynamodb.amazonaws.com DeleteTable".to_owned()));
        let delete = |source| BTreeMap::from([(source, BTreeSet::from(["DeleteTable"]))]);
        let sent = patterns(&delete("dynamodb.amazonaws.com"));
        assert_eq!(undelivered(&delete("dynamodb.amazonaws.com"), &sent), Vec::<String>::new());
        assert_eq!(undelivered(&delete("other.amazonaws.com"), &sent), ["other.amazonaws.com DeleteTable"]);
        let update = BTreeMap::from([("dynamodb.amazonaws.com", BTreeSet::from(["UpdateTable"]))]);
        assert_eq!(undelivered(&update, &sent), ["dynamodb.amazonaws.com UpdateTable"]);
    }
}
