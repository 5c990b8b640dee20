use serde_json::json;

use crate::intake::fixture::{ACCOUNT, envelope, read};

use super::*;

fn deleted() -> Value {
    envelope("dynamodb.amazonaws.com", "DeleteTable", &json!({"tableName": "orders"}))
}

#[test]
fn a_calls_parameters_are_read_where_it_has_any() {
    assert_eq!(read(&deleted()).parameters().as_deref(), Some(r#"{"tableName":"orders"}"#));
    assert_eq!(read(&envelope("s", "DeleteTable", &Value::Null)).parameters(), None);
}

#[test]
fn a_log_holds_records_as_they_are_or_in_their_envelopes_and_nothing_else() {
    let bare = deleted()["detail"].clone();
    for value in [bare, deleted()] {
        let record = of_log(value).expect("a record");
        assert_eq!((record.event.name.as_str(), record.event.account_id.as_str()), ("DeleteTable", ACCOUNT));
    }
    let mut other = deleted();
    other["detail-type"] = "CodeBuild Build State Change".into();
    assert!(matches!(of_log(other), Err(Unreadable::Kind(_))));
}

#[test]
fn an_account_has_twelve_digits() {
    for account in ["11112222333", "1111222233334", "11112222333x", "abcdefghijkl", ""] {
        let mut odd = deleted();
        odd["account"] = account.into();
        odd["detail"]["recipientAccountId"] = account.into();
        assert!(matches!(parse(&odd.to_string()), Err(Unreadable::Part("account"))), "{account}");
    }
}

#[test]
fn whether_somebody_came_with_a_second_factor_is_read_in_either_spelling() {
    for (said, mfa) in [
        (json!(true), Some(true)),
        (json!(false), Some(false)),
        (json!("true"), Some(true)),
        (json!("false"), Some(false)),
        (json!(null), None),
    ] {
        let mut event = deleted();
        event["detail"]["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] = said.clone();
        assert_eq!(read(&event).event.actor.mfa, mfa, "{said}");
    }
}

#[test]
fn only_the_end_of_a_build_is_worth_a_look() {
    let told = |status: &str| {
        let detail = json!({"build-id": "arn:aws:codebuild:r:1:build/plan:1", "build-status": status});
        let event = json!({"detail-type": "CodeBuild Build State Change", "source": "aws.codebuild", "id": "e",
            "time": "2026-01-02T03:04:05Z", "account": "1", "region": "r", "detail": detail});
        parse(&event.to_string()).unwrap()
    };
    assert!(matches!(told("IN_PROGRESS"), Message::Harmless), "whoever has started it knows");
    for over in ["SUCCEEDED", "FAILED", "STOPPED", "TIMED_OUT", "FAULT"] {
        assert!(matches!(told(over), Message::BuildOver { build_id } if build_id == "plan:1"), "{over}");
    }
}
