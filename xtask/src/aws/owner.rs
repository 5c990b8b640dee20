//! Whose a thing is: that run's whose id is in its tag, and nobody's of ours without one. Pure.
//!
//! A name says nothing: two runs on two machines have the same names, and anybody may give one to something of their own.
//! Only the tag was put there by a run, and its value is the id of that run alone.
//!
//! What has no tags of its own belongs to what it is in, and goes with it:
//!
//! - EventBridge's targets are of a rule, messages of a queue, subscriptions of a topic, inline policies and attachments of
//!   a role, versions, aliases and permissions of a function, rules of a security group: each is gone with the other, and
//!   can be nowhere else.
//! - An object is of the bucket that it is in. The bucket's tag is the run's, so the run made it, empty, and whoever writes
//!   into it does so through the run's trail, builds or uploads.
//! - An alias of a key is of the key that it names ([`super::found`] asks for that key's tags), for it can be pointed at
//!   another key by whoever may.
//! - A log group that Lambda or CodeBuild made by itself is of the function or project after which it is named, while that
//!   is there ([`made_by`]): so these go first. With its owner gone it is nobody's, and stays.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::names::TAG;
use super::thing::{Kind, Thing};

/// Ids of runs.
pub type Runs = BTreeSet<String>;
/// The tags of a thing.
pub type Tags = BTreeMap<String, String>;

/// The tags in an answer, in whichever of the services' forms: a map, or a list of keys and values.
pub fn tags(answer: &Value) -> Tags {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    match answer {
        Value::Object(map) => map.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect(),
        Value::Array(list) => {
            let member = |tag: &Value, names: [&str; 3]| names.iter().find_map(|name| text(&tag[*name]));
            let pair =
                |tag| Some((member(tag, ["Key", "key", "TagKey"])?, member(tag, ["Value", "value", "TagValue"])?));
            list.iter().filter_map(pair).collect()
        }
        _ => Tags::new(),
    }
}

/// The run that these tags name.
pub fn run_of(tags: &Tags) -> Option<String> {
    tags.get(TAG).filter(|run| !run.is_empty()).cloned()
}

/// Whether what is of `run` is of one of these.
pub fn is_of(run: Option<&str>, runs: &Runs) -> bool {
    run.is_some_and(|run| runs.contains(run))
}

/// What made a log group by itself and without tags. Lambda Developer Guide, "Sending Lambda function logs to CloudWatch
/// Logs"; CodeBuild User Guide, "Change a build project's settings", Logs.
pub fn made_by(log_group: &str) -> Option<Thing> {
    let of = |prefix: &str, kind| {
        let id = log_group.strip_prefix(prefix).filter(|name| !name.is_empty() && !name.contains('/'))?;
        Some(Thing { kind, id: id.to_owned() })
    };
    of("/aws/lambda/", Kind::Function).or_else(|| of("/aws/codebuild/", Kind::Project))
}

/// What in Terraform's plan to destroy is not this run's, by address: by the tags that the provider has just read. What
/// has no tags in the provider's schema is part of something in the same root that has. An alias may name another key, and a
/// rule of a security group is its group's: not every AWS says a rule's own tags.
pub fn not_of(plan: &Value, run: &str) -> Vec<String> {
    let destroyed: Vec<&Value> = plan["resource_changes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|change| change["mode"] == "managed")
        .filter(|change| change["change"]["actions"].as_array().is_some_and(|all| all.contains(&"delete".into())))
        .collect();
    let is_ours = |of: &Value| run_of(&tags(&of["tags_all"])).as_deref() == Some(run);
    let of_ours = |kind: &str, id: &str| -> BTreeSet<&str> {
        let ours = destroyed.iter().filter(|change| change["type"] == kind && is_ours(&change["change"]["before"]));
        ours.filter_map(|change| change["change"]["before"][id].as_str()).collect()
    };
    let (keys, groups) = (of_ours("aws_kms_key", "key_id"), of_ours("aws_security_group", "id"));
    let is_anothers = |change: &&&Value| {
        let before = &change["change"]["before"];
        let is_in = |ours: &BTreeSet<&str>, member: &str| before[member].as_str().is_some_and(|id| ours.contains(id));
        match change["type"].as_str() {
            Some("aws_kms_alias") => !is_in(&keys, "target_key_id"),
            Some("aws_vpc_security_group_egress_rule" | "aws_vpc_security_group_ingress_rule") => {
                !is_in(&groups, "security_group_id")
            }
            _ => before.get("tags_all").is_some() && !is_ours(before),
        }
    };
    let address = |change: &&Value| change["address"].as_str().unwrap_or("?").to_owned();
    destroyed.iter().filter(is_anothers).map(address).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Runs, is_of, made_by, not_of, run_of, tags};
    use crate::aws::names::TAG;
    use crate::aws::thing::{Kind, Thing};

    const RUN: &str = "20261126-100000";

    #[test]
    fn tags_are_read_in_every_form_that_a_service_has() {
        let forms = [
            json!([{"Key": TAG, "Value": RUN}, {"Key": "Name", "Value": "x"}]),
            json!([{"key": TAG, "value": RUN}]),
            json!([{"TagKey": TAG, "TagValue": RUN}]),
            json!({TAG: RUN, "Name": "x"}),
        ];
        assert!(forms.iter().all(|form| run_of(&tags(form)).as_deref() == Some(RUN)));
    }

    #[test]
    fn only_this_runs_tag_makes_a_thing_this_runs() {
        let runs = Runs::from([RUN.to_owned()]);
        let is_ours = |answer: Value| is_of(run_of(&tags(&answer)).as_deref(), &runs);
        assert!(is_ours(json!({TAG: RUN})));
        assert!(!is_ours(json!({TAG: "20261126-100001"})), "of another run");
        assert!(!is_ours(json!({TAG: ""})));
        assert!(!is_ours(json!({"Name": RUN})), "another key");
        assert!(!is_ours(json!([])) && !is_ours(Value::Null), "no tags");
        assert!(!is_of(Some(RUN), &Runs::new()), "no run is no reason to remove anything");
    }

    #[test]
    fn a_log_group_that_a_service_made_is_its_owners() {
        let owner = |name| made_by(name).map(|thing| (thing.kind, thing.id));
        let x = || "reforge-acceptance-x".to_owned();
        assert_eq!(owner("/aws/lambda/reforge-acceptance-x"), Some((Kind::Function, x())));
        assert_eq!(owner("/aws/codebuild/reforge-acceptance-x"), Some((Kind::Project, x())));
        assert_eq!(owner("/reforge/reforge-acceptance/builds"), None);
        assert_eq!(owner("/aws/lambda/"), None);
        assert_eq!(made_by("/aws/lambda/a/b"), None::<Thing>);
    }

    fn destroyed(kind: &str, before: &Value) -> Value {
        json!({"address": format!("{kind}.x"), "mode": "managed", "type": kind, "change": {"actions": ["delete"], "before": before}})
    }

    #[test]
    fn terraform_destroys_what_carries_the_runs_tag_and_what_is_part_of_that() {
        let plan = json!({"resource_changes": [
            destroyed("aws_sqs_queue", &json!({"tags_all": {TAG: RUN}})),
            destroyed("aws_cloudwatch_event_target", &json!({"rule": "r"})),
            destroyed("aws_kms_key", &json!({"key_id": "k", "tags_all": {TAG: RUN}})),
            destroyed("aws_kms_alias", &json!({"target_key_id": "k"})),
            destroyed("aws_security_group", &json!({"id": "sg", "tags_all": {TAG: RUN}})),
            destroyed("aws_vpc_security_group_egress_rule", &json!({"security_group_id": "sg", "tags_all": {}})),
            {"address": "data.x", "mode": "data", "type": "x", "change": {"actions": ["delete"], "before": {"tags_all": {}}}},
        ]});
        assert_eq!(not_of(&plan, RUN), Vec::<String>::new());
        let all = ["sqs_queue", "kms_key", "kms_alias", "security_group", "vpc_security_group_egress_rule"];
        assert_eq!(not_of(&plan, "another"), all.map(|kind| format!("aws_{kind}.x")));
    }

    #[test]
    fn terraform_does_not_destroy_what_another_made_under_the_same_name() {
        let plan = json!({"resource_changes": [
            destroyed("aws_lambda_function", &json!({"tags_all": {}})),
            destroyed("aws_iam_role", &json!({"tags_all": null})),
            destroyed("aws_dynamodb_table", &json!({"tags_all": {TAG: "of another run"}})),
            destroyed("aws_kms_alias", &json!({"target_key_id": "of another"})),
            destroyed("aws_vpc_security_group_ingress_rule", &json!({"security_group_id": "of another"})),
        ]});
        assert_eq!(not_of(&plan, RUN).len(), 5);
    }
}
