//! What a record amounts to.

use reforge_scan::{Counts, Form};

use crate::reference::scan_content;

const NAMES: &str = r#""eventSource":"dynamodb.amazonaws.com","eventName":"DeleteTable""#;

fn counts(content: &str) -> Counts {
    let scanned = scan_content(content.as_bytes());
    assert_eq!(scanned.totals.troubles, [], "{content}");
    scanned.totals.counts
}

#[test]
fn a_wanted_call_is_kept_as_it_came() {
    let text = format!(r#"{{ {NAMES} , "requestParameters":{{"tableName":"ä\"}}{{"}} }}"#);
    let scanned = scan_content(format!("\n  {text}  \n").as_bytes());
    assert_eq!(scanned.kept, [(Form::Record, text)]);
    assert_eq!(scanned.offsets.first().unwrap().1, 3);
}

#[test]
fn a_nested_error_code_is_not_the_records() {
    let nested = r#""requestParameters":{"errorCode":"x","a":[{"errorCode":"x"}],"readOnly":true,"eventName":"y"}"#;
    assert_eq!(counts(&format!("{{{NAMES},{nested}}}")).kept, 1);
    assert_eq!(counts(&format!("{{{nested},{NAMES}}}")).kept, 1);
}

#[test]
fn a_field_in_a_text_is_none() {
    assert_eq!(counts(&format!(r#"{{{NAMES},"a":",\"errorCode\":\"x\"","b":"\\"}}"#)).kept, 1);
    assert_eq!(counts(&format!(r#"{{"a":"errorCode","b":"readOnly",{NAMES},"c":"detail-type"}}"#)).kept, 1);
}

#[test]
fn an_error_code_of_null_is_no_error() {
    assert_eq!(counts(&format!(r#"{{{NAMES},"errorCode":null}}"#)).kept, 1);
    assert_eq!(counts(&format!(r#"{{{NAMES},"errorCode":"AccessDenied"}}"#)).failed, 1);
    assert_eq!(counts(&format!(r#"{{{NAMES},"errorCode":""}}"#)).failed, 1);
}

#[test]
fn read_only_is_a_boolean_or_a_word() {
    for yes in [r"true", r#""true""#, r#""TRUE""#, r#""tr\u0075e""#] {
        assert_eq!(counts(&format!(r#"{{{NAMES},"readOnly":{yes}}}"#)).read_only, 1, "{yes}");
    }
    for no in ["false", "null", "1", r#""false""#, r#""""#, "{}", r#"["true"]"#] {
        assert_eq!(counts(&format!(r#"{{{NAMES},"readOnly":{no}}}"#)).kept, 1, "{no}");
    }
}

#[test]
fn a_failed_call_counts_as_failed_even_if_it_reads() {
    assert_eq!(counts(&format!(r#"{{"readOnly":true,"errorCode":"x",{NAMES}}}"#)).failed, 1);
}

#[test]
fn of_two_equal_keys_the_last_counts() {
    assert_eq!(counts(&format!(r#"{{"errorCode":"x",{NAMES},"errorCode":null}}"#)).kept, 1);
    assert_eq!(counts(&format!(r#"{{"eventName":"Other",{NAMES}}}"#)).kept, 1);
    assert_eq!(counts(&format!(r#"{{{NAMES},"eventName":"Other"}}"#)).not_in_catalogue, 1);
    assert_eq!(counts(&format!(r#"{{{NAMES},"event\u004eame":"Other"}}"#)).not_in_catalogue, 1);
}

#[test]
fn a_key_is_the_same_however_it_is_written() {
    assert_eq!(counts(r#"{"event\u0053ource":"dynamodb.amazonaws.com","event\u004eame":"DeleteTable"}"#).kept, 1);
    assert_eq!(counts(r#"{"eventSource":"dynamodb.amazonaws.com","eventName":"Delete\u0054able"}"#).kept, 1);
    assert_eq!(counts(&format!(r#"{{{NAMES},"\u0065rrorCode":"x"}}"#)).failed, 1);
    assert_eq!(counts(&format!(r#"{{{NAMES},"x\"errorCode":"x","errorCode\"":"x"}}"#)).kept, 1);
}

#[test]
fn an_api_version_makes_no_other_call() {
    let call = |name: &str| format!(r#"{{"eventSource":"lambda.amazonaws.com","eventName":"{name}"}}"#);
    assert_eq!(counts(&call("DeleteFunction20150331")).kept, 1);
    assert_eq!(counts(&call("DeleteFunction20150331v2")).kept, 1);
    assert_eq!(counts(&call("DeleteFunctionConcurrency20171031")).not_in_catalogue, 1);
}

#[test]
fn a_name_of_another_service_is_not_wanted() {
    assert_eq!(counts(r#"{"eventSource":"glue.amazonaws.com","eventName":"DeleteTable"}"#).not_in_catalogue, 1);
}

#[test]
fn an_envelope_is_judged_by_its_detail() {
    let envelope = |kind: &str, detail: &str| format!(r#"{{"version":"0","detail-type":"{kind}","detail":{detail}}}"#);
    let call = "AWS API Call via CloudTrail";
    let text = envelope(call, &format!("{{{NAMES}}}"));
    assert_eq!(scan_content(text.as_bytes()).kept, [(Form::Envelope, text)]);
    assert_eq!(counts(&envelope(call, &format!(r#"{{{NAMES},"readOnly":true}}"#))).read_only, 1);
    assert_eq!(counts(&envelope("AWS Service Event via CloudTrail", &format!("{{{NAMES}}}"))).other_kind, 1);
    assert_eq!(counts(&format!(r#"{{"detail":{{{NAMES}}},"detail-type":"{call}"}}"#)).kept, 1);
    assert_eq!(counts(&envelope(call, "null")).nameless, 1);
}

#[test]
fn what_names_no_call_is_counted_apart() {
    for text in ["{}", r#"{"a":1}"#, r#"{"eventName":"DeleteTable"}"#, r#"{"eventSource":"","eventName":"x"}"#] {
        assert_eq!(counts(text).nameless, 1, "{text}");
    }
}
