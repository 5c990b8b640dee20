use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// An Incident as the apiserver has it.
fn stored(name: &str, version: u64, status: &Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": version.to_string(),
            "creationTimestamp": "1970-01-01T00:00:10Z"},
        "spec": {
            "event": {"origin": "CloudTrail", "id": name, "time": "1970-01-01T00:00:05.000Z", "accountId": "1", "region": "r",
                "actor": {"type": "IAMUser", "arn": "mallory"}},
            "resource": {"type": "ssm", "id": "/a"}, "change": "Changed", "policyRef": {"name": "p"},
        },
        "status": status,
    })
}

fn row(stored: Value) -> Row {
    Row::of(&serde_json::from_value(stored).expect("whatever is stored can be read"))
}

fn applying() -> Value {
    json!({
        "step": {"name": "Apply"},
        "workspace": {"name": "w", "backend": "b/k", "addresses": ["aws_x.a"]},
        "recovery": {"intent": {"kind": "Apply", "since": "1970-01-01T00:00:30.000Z", "tries": 1},
            "builds": [{"kind": "Plan", "id": "plan:1", "status": "SUCCEEDED", "start": "1970-01-01T00:00:20.000Z",
                "end": "1970-01-01T00:00:29.000Z"}]},
    })
}

fn over(why: &str, at: &str) -> Value {
    json!({"step": {"name": "Ended"}, "timeline": {"endedAt": at},
        "conditions": [{"type": "Ready", "status": "True", "reason": why}]})
}

#[test]
fn what_a_newer_version_wrote_is_read_as_far_as_it_is_known() {
    let mut newer = applying();
    newer["step"]["name"] = json!("Rehearse");
    newer["phase"] = json!("Rehearsing");
    newer["recovery"]["builds"][0]["kind"] = json!("Rehearsal");
    newer["rehearsal"] = json!({"by": ["somebody"]});
    let mut object = stored("a", 7, &newer);
    object["spec"]["event"]["origin"] = json!("Dream");
    object["spec"]["handling"] = json!("Admire");
    let row = row(object);
    assert_eq!((row.origin, row.handling, row.step, row.is_over()), (None, None, None, false));
    assert!(row.builds()[0].applies, "what it does is not known: the careful side");
    let mut index = Index::default();
    assert!(index.put(row));
    assert_eq!(index.ours("1", Time(25_000)), Ours::Yes);
    assert_eq!(index.open().count(), 1, "it has not ended");
}

#[test]
fn what_is_missing_has_the_meaning_that_the_api_gives_it() {
    let row = row(json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": {"event": {}}}));
    assert_eq!((row.origin, row.handling), (Some(reforge_api::Origin::CloudTrail), Some(Handling::Recover)));
}

#[test]
fn what_comes_late_does_not_go_before_what_is_known() {
    let mut index = Index::default();
    assert!(index.put(row(stored("a", 7, &applying()))));
    assert!(!index.put(row(stored("a", 6, &json!({})))), "it was on its way when the other was written");
    assert!(!index.put(row(stored("a", 7, &applying()))), "it says nothing new");
    assert_eq!(index.ours("2", Time(40_000)), Ours::NotYetKnown);
    assert!(index.put(row(stored("a", 8, &over("Verified", "1970-01-01T00:01:00.000Z")))));
    assert_eq!((index.ours("2", Time(40_000)), index.open_count()), (Ours::No, 0));
}

#[test]
fn an_incident_that_a_relist_does_not_name_is_gone() {
    let mut index = Index::default();
    for name in ["a", "b"] {
        index.put(row(stored(name, 7, &applying())));
    }
    index.begin_relist();
    index.put(row(stored("b", 7, &applying())));
    assert_eq!(index.len(), 2, "not before it is through");
    index.end_relist();
    let open: Vec<String> = index.open().map(|row| row.id.to_string()).collect();
    assert_eq!(open, ["shop/b"]);
}

#[test]
fn a_list_of_a_cluster_that_was_restored_is_believed_and_what_was_written_meanwhile_is_not_undone() {
    let mut index = Index::default();
    index.put(row(stored("restored", 900, &over("Verified", "1970-01-01T00:01:00.000Z"))));
    index.put(row(stored("written", 900, &json!({}))));
    index.begin_relist();
    index.put(row(stored("written", 1000, &over("Verified", "1970-01-01T00:01:00.000Z"))));
    assert!(!index.put(row(stored("written", 950, &json!({})))), "the list was made before that was written");
    assert!(index.put(row(stored("restored", 800, &applying()))));
    index.end_relist();
    let open: Vec<String> = index.open().map(|row| row.id.name.to_string()).collect();
    assert_eq!(open, ["restored"]);
}

#[test]
fn those_that_ended_come_in_the_order_of_their_ends_and_noise_is_known() {
    let mut index = Index::default();
    for (name, why, at) in [("late", "Verified", "50"), ("early", "NotManaged", "20"), ("now", "Duplicate", "59")] {
        index.put(row(stored(name, 7, &over(why, &format!("1970-01-01T00:00:{at}.000Z")))));
    }
    let before: Vec<(String, bool)> = index
        .ended_before(Time(55_000))
        .map(|row| (row.id.name.to_string(), row.ended.is_some_and(|e| e.how == How::Noise)))
        .collect();
    assert_eq!(before, [("early".to_owned(), true), ("late".to_owned(), false)]);
}

/// All that can be asked, of all that it can be asked about.
fn answers(index: &Index) -> Vec<String> {
    let names = |rows: &mut dyn Iterator<Item = &Row>| {
        let mut all: Vec<String> = rows.map(|row| row.id.to_string()).collect();
        all.sort();
        all.join(",")
    };
    let resource = Key::of_resource("1", "ssm", "/a");
    let policy = Key::of_policy("shop", "p");
    let mut answers = vec![
        names(&mut index.of_resource(resource)),
        names(&mut index.of_backend(Key::of(&["b/k"]))),
        names(&mut index.of_policy_since(policy, Time(0))),
        names(&mut index.open_of_policy(policy)),
        names(&mut index.ended_before(Time(i64::MAX))),
        format!("{:?} {:?}", index.ours("1", Time(25_000)), index.ours("9", Time(40_000))),
        format!("{} {} {:?}", index.len(), index.open_count(), index.oldest()),
        format!("{}", index.waiting_for("plan:1").is_some()),
    ];
    answers.extend(index.open().map(|row| format!("{}: {}", row.id, index.applying(row.policy).count())));
    answers.sort();
    answers
}

proptest! {
    #[test]
    fn whatever_came_before_it_answers_as_if_it_had_only_seen_what_there_is(
        happened in vec((0_usize..4, 0_usize..5), 1..40)
    ) {
        let mut waiting = applying();
        waiting["recovery"]["build"] = waiting["recovery"]["builds"][0].clone();
        let over = over("Verified", "1970-01-01T00:01:00.000Z");
        let statuses = [json!({}), applying(), waiting, over];
        let mut index = Index::default();
        let mut there = std::collections::BTreeMap::new();
        for (version, (which, what)) in happened.into_iter().enumerate() {
            let name = ["a", "b", "c", "d"][which];
            let id = Id::new("shop", name);
            if let Some(status) = statuses.get(what) {
                let row = row(stored(name, version as u64 + 1, status));
                index.put(row.clone());
                there.insert(id, row);
            } else {
                index.remove(&id);
                there.remove(&id);
            }
        }
        let mut fresh = Index::default();
        for row in there.into_values() {
            fresh.put(row);
        }
        prop_assert_eq!(answers(&index), answers(&fresh));
    }
}
