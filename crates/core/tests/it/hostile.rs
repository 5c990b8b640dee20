//! A corpus of events that want something of whoever reads them. None becomes an order to anything, and none makes the
//! outcome less careful.

use std::collections::BTreeSet;
use std::sync::Arc;

use reforge_api::{ClassificationPolicy, Incident, Moment, RecoveryPolicy, Verdict};
use reforge_core::catalog::Catalog;
use reforge_core::classify::{prompt, rules};
use reforge_core::index::own::Ours;
use reforge_core::intake::candidate::Candidate;
use reforge_core::intake::detect::{Detection, Surroundings, Way, detect};
use reforge_core::intake::event::{Message, parse};
use reforge_core::intake::naming::name_of;
use reforge_core::intake::plumbing::Plumbing;
use reforge_core::tell::message::message;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::records::grants;
use crate::shape::{ACCOUNT, BUILD, ROLE, envelope, policy};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    aims: String,
    event: String,
    at: String,
    value: Value,
    becomes: String,
}

fn base(event: &str) -> Value {
    match event {
        "table" => envelope("dynamodb.amazonaws.com", "DeleteTable", &json!({"tableName": "orders"})),
        "parameter" => envelope("ssm.amazonaws.com", "PutParameter", &json!({"name": "/myapp/config/mode"})),
        "bucket" => envelope("s3.amazonaws.com", "DeleteBucket", &json!({"bucketName": "shop-data"})),
        "function" => envelope("lambda.amazonaws.com", "DeleteFunction20150331", &json!({"functionName": "f"})),
        "instance" => {
            let items = json!([{"instanceId": "i-0123456789abcdef0"}]);
            envelope("ec2.amazonaws.com", "TerminateInstances", &json!({"instancesSet": {"items": items}}))
        }
        other => panic!("there is no event {other}"),
    }
}

fn put(envelope: &mut Value, at: &str, value: &Value) {
    let value = if *value == json!("HUGE") { json!("x".repeat(300_000)) } else { value.clone() };
    let (parent, field) = at.rsplit_once('/').expect("a pointer");
    let parent = envelope.pointer_mut(parent).unwrap_or_else(|| panic!("{at} leads nowhere"));
    match field.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[field] = value,
    }
}

/// What became of a message, and the Incidents that it opens.
fn outcome(body: &Value) -> (String, Vec<Candidate>) {
    let Ok(parsed) = parse(&body.to_string()) else { return ("DeadLetter".to_owned(), Vec::new()) };
    let Message::ApiCall(record) = parsed else { return ("Hint".to_owned(), Vec::new()) };
    let policies: Vec<Arc<RecoveryPolicy>> = vec![Arc::new(serde_json::from_value(policy("shop")).expect("a policy"))];
    let detected = detect(
        &record,
        &Surroundings {
            way: Way::Queue,
            catalog: Catalog::builtin(),
            policies: &policies,
            grants: &grants(ACCOUNT),
            plumbing: &Plumbing::default(),
            recovery_roles: &[ROLE.to_owned()],
            is_own_build: &|uuid, _| if uuid == BUILD { Ours::Yes } else { Ours::No },
            open_of: &|_, _| 0,
        },
    );
    match detected {
        Err(_) => ("DeadLetter".to_owned(), Vec::new()),
        Ok(Detection::Drop(reason)) => (reason.word().to_owned(), Vec::new()),
        Ok(Detection::Later) => ("Later".to_owned(), Vec::new()),
        Ok(Detection::Open(candidates) | Detection::OpenSome(candidates, _)) => ("Opened".to_owned(), candidates),
    }
}

/// Characters that a terminal, a log or a reader's eye would take for something else than text.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn corpus() -> Vec<Case> {
    serde_yaml::from_str(include_str!("hostile.yaml")).expect("the corpus is well-formed")
}

fn each_opened(check: impl Fn(&Case, &Candidate)) {
    let mut opened = 0;
    for case in corpus() {
        let mut body = base(&case.event);
        put(&mut body, &case.at, &case.value);
        for candidate in outcome(&body).1 {
            check(&case, &candidate);
            opened += 1;
        }
    }
    assert!(opened >= 30, "only {opened} events of the corpus open an Incident");
}

#[test]
fn every_event_of_the_corpus_becomes_what_it_must() {
    let corpus = corpus();
    assert!(corpus.len() >= 60, "{}", corpus.len());
    let aims: BTreeSet<&str> = corpus.iter().map(|c| c.aims.as_str()).collect();
    let all = ["chat", "identity", "model", "parser", "shell", "size", "terminal", "terraform"];
    assert_eq!(aims, all.into(), "every kind of reader is aimed at");
    let wrong: Vec<String> = corpus
        .iter()
        .filter_map(|case| {
            let mut body = base(&case.event);
            put(&mut body, &case.at, &case.value);
            let became = outcome(&body).0;
            (became != case.becomes).then(|| format!("{became}: {case:?}"))
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_hostile_text_reaches_a_terminal_a_log_or_a_message_as_anything_but_text() {
    each_opened(|case, candidate| {
        let spec = candidate.spec();
        let stored = serde_json::to_value(&spec).expect("JSON");
        check_text(&stored, case);
        assert!(stored.to_string().len() < 48 * 1024, "the Incident stays small: {}", case.at);
        let incident = Incident::new(&name_of(candidate), spec);
        let told = message(&incident, Moment::Detected, None);
        assert!(!told.text.chars().any(is_unsafe), "{case:?}: {}", told.text);
        assert!(told.subject.bytes().all(|b| (b' '..=b'~').contains(&b)), "{case:?}: {}", told.subject);
        // A line of a message is ours; a field cannot start one.
        assert!(!told.text.contains("\nSubject:") && !told.text.contains("\nTo:"), "{case:?}: {}", told.text);
    });
}

fn check_text(value: &Value, case: &Case) {
    match value {
        Value::String(text) => assert!(!text.chars().any(|c| is_unsafe(c) || c == '\n'), "{case:?}: {text:?}"),
        Value::Array(items) => items.iter().for_each(|item| check_text(item, case)),
        Value::Object(fields) => fields.values().for_each(|field| check_text(field, case)),
        _ => {}
    }
}

#[test]
fn what_a_build_is_told_of_an_event_is_a_name_that_we_made() {
    each_opened(|case, candidate| {
        let name = name_of(candidate);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.len() <= 63 && name.chars().all(plain), "{case:?}: {name}");
    });
}

#[test]
fn no_event_talks_the_rules_into_normal_or_itself_out_of_the_models_delimiters() {
    each_opened(|case, candidate| {
        let spec = candidate.spec();
        let verdict = rules::verdict(&spec, &ClassificationPolicy::default(), &[ROLE.to_owned()]).verdict;
        assert_ne!(verdict, Verdict::Normal, "{case:?}");
        let asked = prompt::build(&spec, "amazon.nova-lite-v1:0", "0123456789abcdef");
        let inner = asked.user.strip_prefix("<event-0123456789abcdef>\n").expect("the data begins with its marker");
        let inner = inner.strip_suffix("\n</event-0123456789abcdef>").expect("and ends with it");
        assert!(!inner.contains('\n') && !inner.contains("0123456789abcdef>"), "{case:?}: {inner}");
        assert!(serde_json::from_str::<Value>(inner).is_ok_and(|v| v.is_object()), "{case:?}: {inner}");
        assert!(inner.len() < 4096, "{case:?}");
    });
}

#[test]
fn a_build_started_by_hand_with_the_recovery_role_is_tampering() {
    let mut body = base("table");
    let session =
        "arn:aws:sts::111122223333:assumed-role/aiops-shop-recovery/AWSCodeBuild-ffffffff-0000-4000-8000-000000000000";
    put(&mut body, "/detail/userIdentity/arn", &json!(session));
    put(&mut body, "/detail/userIdentity/sessionContext", &json!({"sessionIssuer": {"arn": ROLE}}));
    let (became, candidates) = outcome(&body);
    assert_eq!(became, "Opened");
    let judged = rules::verdict(&candidates[0].spec(), &ClassificationPolicy::default(), &[ROLE.to_owned()]);
    assert_eq!(judged.verdict, Verdict::Tampering, "{}", judged.reason);
}

#[test]
fn a_session_named_like_an_expected_actor_is_not_one() {
    let mut body = base("parameter");
    let session = "arn:aws:sts::111122223333:assumed-role/intern/deploy";
    put(&mut body, "/detail/userIdentity/arn", &json!(session));
    let issuer = json!({"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/intern"}});
    put(&mut body, "/detail/userIdentity/sessionContext", &issuer);
    let policy: ClassificationPolicy = serde_json::from_value(json!({
        "criticality": "Standard", "expectedActors": ["arn:aws:iam::111122223333:role/deploy"]
    }))
    .expect("a policy");
    let (_, candidates) = outcome(&body);
    assert_ne!(rules::verdict(&candidates[0].spec(), &policy, &[]).verdict, Verdict::Normal);
}

#[test]
fn an_unreadable_id_beside_good_ones_is_kept_for_people_and_the_good_ones_go_on() {
    let mut body = base("instance");
    let items = json!([{"instanceId": "i-0123456789abcdef0"}, {"instanceId": "i-$(id)"}]);
    put(&mut body, "/detail/requestParameters/instancesSet/items", &items);
    let Ok(Message::ApiCall(record)) = parse(&body.to_string()) else { panic!("a record") };
    let policies: Vec<Arc<RecoveryPolicy>> = vec![Arc::new(serde_json::from_value(policy("shop")).expect("a policy"))];
    let around = Surroundings {
        way: Way::Queue,
        catalog: Catalog::builtin(),
        policies: &policies,
        grants: &grants(ACCOUNT),
        plumbing: &Plumbing::default(),
        recovery_roles: &[],
        is_own_build: &|_, _| Ours::No,
        open_of: &|_, _| 0,
    };
    let Ok(Detection::OpenSome(candidates, unreadable)) = detect(&record, &around) else { panic!("some") };
    assert_eq!(candidates.len(), 1);
    assert!(unreadable.to_string().contains("i-$(id)"), "{unreadable}");
}
