use super::*;

fn published() -> serde_json::Value {
    serde_json::json!({
        "workspace": "shop", "build": "uuid", "incident": "i", "attempt": 1, "sourceVersion": "commit",
        "changes": [
            {"address": "t.a", "type": "t", "actions": ["create"], "attributes": ["name"], "valueHash": "v"},
            {"address": "t.b", "type": "t", "actions": ["update"], "attributes": ["size"], "valueHash": "w"},
        ],
    })
}

fn read(published: &serde_json::Value) -> Summary {
    Summary::parse(published.to_string().as_bytes()).expect("a summary")
}

#[test]
fn a_summary_is_read_as_the_build_wrote_it_and_nothing_is_made_up() {
    let summary = read(&published());
    assert_eq!((summary.workspace.as_str(), summary.changes.len()), ("shop", 2));
    assert!(Summary::parse(b"{}").is_err(), "one without changes is none");
}

#[test]
fn an_approval_holds_for_a_plan_that_would_do_the_same_and_for_no_other() {
    let digest = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut other = published();
        change(&mut other);
        read(&other).change_digest("uid", 1)
    };
    let approved = digest(&|_| {});
    assert_eq!(approved.len(), 64);
    let again = digest(&|s| {
        s["build"] = "another".into();
        s["attempt"] = 2.into();
        s["changes"].as_array_mut().expect("a list").reverse();
    });
    assert_eq!(again, approved, "another build, in another order");
    let others: [&dyn Fn(&mut serde_json::Value); 6] = [
        &|s| s["sourceVersion"] = "another".into(),
        &|s| s["changes"][0]["address"] = "t.c".into(),
        &|s| s["changes"][0]["type"] = "u".into(),
        &|s| s["changes"][0]["actions"] = serde_json::json!(["delete", "create"]),
        &|s| s["changes"][1]["attributes"] = serde_json::json!(["size", "name"]),
        &|s| s["changes"][1]["valueHash"] = "x".into(),
    ];
    for (i, other) in others.into_iter().enumerate() {
        assert_ne!(digest(other), approved, "{i}");
    }
    let summary = read(&published());
    assert_ne!(summary.change_digest("another", 1), approved, "a policy that was made anew");
    assert_ne!(summary.change_digest("uid", 2), approved, "a policy that was edited");
}

#[test]
fn somebody_elses_apply_is_a_serial_that_no_build_of_ours_left_and_a_state_written_since() {
    let event = Time(1000);
    let moved =
        |known, modified: Option<i64>| StateRef { serial: 7, known, modified: modified.map(Time) }.moved_since(event);
    assert!(moved(Some(6), Some(1000)));
    assert!(!moved(Some(6), Some(999)), "an owner's apply of before");
    assert!(!moved(Some(7), Some(2000)), "our own");
    assert!(!moved(None, Some(2000)), "nobody knows what was there");
    assert!(!moved(Some(6), None), "nobody knows when");
}
