//! What the evaluator does, case by case: statements first, then which policy goes before which.

use super::context::Context;
use super::judge::{Held, Kind, Why, judge};
use super::policy::{Asked, Caller, Policy};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/team/r";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/r/s";
const ACCOUNT: &str = "111122223333";
const OBJECT: &str = "arn:aws:s3:::b/k";

/// Condition keys with their values.
type Keys = &'static [(&'static str, &'static [&'static str])];

fn caller() -> Caller {
    Caller::Session { role: ROLE.to_owned(), arn: SESSION.to_owned() }
}

fn policy(statements: &Value) -> Policy {
    Policy::parse(&json!({"Version": "2012-10-17", "Statement": statements}).to_string()).unwrap()
}

fn context(keys: &[(&str, &[&str])]) -> Context {
    let mut context = Context::default();
    for (key, values) in keys {
        context.set_all(key, values.iter().map(|v| (*v).to_owned()).collect());
    }
    context
}

fn allows(statement: &Value, action: &str, resource: &str, keys: &[(&str, &[&str])]) -> bool {
    let (caller, context) = (caller(), context(keys));
    policy(statement).allows(&Asked { caller: &caller, action, resource, context: &context })
}

#[test]
fn actions_and_resources_match_as_in_iam() {
    // What the statement is about, what is asked for, and whether it is allowed.
    let cases = [
        ("a name in other capitals", json!({"Action": "S3:getobject", "Resource": "*"}), "s3:GetObject", OBJECT, true),
        ("a star", json!({"Action": "s3:Get*", "Resource": "*"}), "s3:GetObject", OBJECT, true),
        ("a star elsewhere", json!({"Action": "s3:Put*", "Resource": "*"}), "s3:GetObject", OBJECT, false),
        ("a question mark", json!({"Action": "s3:GetObjec?", "Resource": "*"}), "s3:GetObject", OBJECT, true),
        ("everything", json!({"Action": "*", "Resource": "*"}), "ssm:DescribeParameters", "*", true),
        (
            "one of a list",
            json!({"Action": ["a:B", "s3:GetObject"], "Resource": ["arn:x", "arn:aws:s3:::b/*"]}),
            "s3:GetObject",
            OBJECT,
            true,
        ),
        ("not that action", json!({"NotAction": "s3:Put*", "Resource": "*"}), "s3:GetObject", OBJECT, true),
        ("that action excepted", json!({"NotAction": "s3:Get*", "Resource": "*"}), "s3:GetObject", OBJECT, false),
        (
            "not that resource",
            json!({"Action": "s3:*", "NotResource": "arn:aws:s3:::c/*"}),
            "s3:GetObject",
            OBJECT,
            true,
        ),
        (
            "that resource excepted",
            json!({"Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"}),
            "s3:GetObject",
            OBJECT,
            false,
        ),
        (
            "the bucket is not its objects",
            json!({"Action": "s3:*", "Resource": "arn:aws:s3:::b"}),
            "s3:GetObject",
            OBJECT,
            false,
        ),
        (
            "an ARN in other capitals",
            json!({"Action": "s3:*", "Resource": "arn:aws:s3:::B/*"}),
            "s3:GetObject",
            OBJECT,
            false,
        ),
        (
            "a star across slashes",
            json!({"Action": "s3:*", "Resource": "arn:aws:s3:::b/*/z"}),
            "s3:GetObject",
            "arn:aws:s3:::b/x/y/z",
            true,
        ),
        (
            "a star at the end, across colons",
            json!({"Action": "logs:*", "Resource": "arn:aws:logs:*:1:log-group:/g:*"}),
            "logs:PutLogEvents",
            "arn:aws:logs:us-east-1:1:log-group:/g:log-stream:s",
            true,
        ),
        (
            "an ARN where there is no resource",
            json!({"Action": "ssm:*", "Resource": "arn:aws:ssm:*:*:parameter/*"}),
            "ssm:DescribeParameters",
            "arn:aws:ssm:us-east-1:1:*",
            false,
        ),
    ];
    for (name, statement, action, resource, expected) in cases {
        let mut statement = statement;
        statement["Effect"] = json!("Allow");
        assert_eq!(allows(&statement, action, resource, &[]), expected, "{name}");
    }
}

#[test]
fn conditions_hold_as_in_iam() {
    let yes = true;
    let cases: [(&str, Value, Keys, bool); 45] = [
        ("equal", json!({"StringEquals": {"a:k": "v"}}), &[("A:K", &["v"])], yes),
        ("one of several wanted", json!({"StringEquals": {"a:k": ["u", "v"]}}), &[("a:k", &["v"])], yes),
        ("equal takes no star", json!({"StringEquals": {"a:k": "v*"}}), &[("a:k", &["vw"])], false),
        ("equal in other capitals", json!({"StringEquals": {"a:k": "V"}}), &[("a:k", &["v"])], false),
        ("equal whatever the capitals", json!({"StringEqualsIgnoreCase": {"a:k": "V"}}), &[("a:k", &["v"])], yes),
        ("equal, and the key is not there", json!({"StringEquals": {"a:k": "v"}}), &[], false),
        ("equal if it is there, and it is not", json!({"StringEqualsIfExists": {"a:k": "v"}}), &[], yes),
        (
            "equal if it is there, and it is another",
            json!({"StringEqualsIfExists": {"a:k": "v"}}),
            &[("a:k", &["w"])],
            false,
        ),
        ("not equal to any", json!({"StringNotEquals": {"a:k": ["u", "v"]}}), &[("a:k", &["v"])], false),
        ("not equal, and the key is not there", json!({"StringNotEquals": {"a:k": "v"}}), &[], yes),
        ("like", json!({"StringLike": {"a:k": "v*x?"}}), &[("a:k", &["v--xy"])], yes),
        ("not like", json!({"StringNotLike": {"a:k": "v*"}}), &[("a:k", &["vw"])], false),
        (
            "two operators, one fails",
            json!({"StringLike": {"a:k": "v*"}, "StringEquals": {"a:l": "1"}}),
            &[("a:k", &["v"])],
            false,
        ),
        (
            "two keys, both hold",
            json!({"StringEquals": {"a:k": "v", "a:l": "1"}}),
            &[("a:k", &["v"]), ("a:l", &["1"])],
            yes,
        ),
        ("all of the values", json!({"ForAllValues:StringEquals": {"a:k": ["u", "v"]}}), &[("a:k", &["v", "u"])], yes),
        (
            "all but one of the values",
            json!({"ForAllValues:StringEquals": {"a:k": ["u", "v"]}}),
            &[("a:k", &["v", "w"])],
            false,
        ),
        ("all of no values", json!({"ForAllValues:StringEquals": {"a:k": "v"}}), &[], yes),
        ("all of an empty set", json!({"ForAllValues:StringEquals": {"a:k": "v"}}), &[("a:k", &[])], yes),
        ("any of the values", json!({"ForAnyValue:StringLike": {"a:k": "v*"}}), &[("a:k", &["u", "vw"])], yes),
        ("any of no values", json!({"ForAnyValue:StringLike": {"a:k": "v*"}}), &[], false),
        ("all, if it is there", json!({"ForAllValues:StringEqualsIfExists": {"a:k": ["v"]}}), &[("a:k", &["v"])], yes),
        ("any that is not", json!({"ForAnyValue:StringNotEquals": {"a:k": "v"}}), &[("a:k", &["v", "w"])], yes),
        ("null, and it is not there", json!({"Null": {"a:k": "true"}}), &[], yes),
        ("null, and it is there", json!({"Null": {"a:k": "true"}}), &[("a:k", &["v"])], false),
        ("not null", json!({"Null": {"a:k": false}}), &[("a:k", &["v"])], yes),
        ("true", json!({"Bool": {"a:k": "true"}}), &[("a:k", &["true"])], yes),
        ("a boolean that is none in JSON", json!({"Bool": {"a:k": [true]}}), &[("a:k", &["True"])], yes),
        ("true, and the key is not there", json!({"Bool": {"a:k": "true"}}), &[], false),
        ("true if it is there", json!({"BoolIfExists": {"a:k": "true"}}), &[], yes),
        (
            "an ARN by a star",
            json!({"ArnEquals": {"a:k": "arn:aws:events:*:1:rule/*"}}),
            &[("a:k", &["arn:aws:events:us-east-1:1:rule/x/y"])],
            yes,
        ),
        (
            "an ARN's star stays in its part",
            json!({"ArnLike": {"a:k": "arn:aws:*:rule/x"}}),
            &[("a:k", &["arn:aws:events:us-east-1:1:rule/x"])],
            false,
        ),
        (
            "not that ARN",
            json!({"ArnNotLike": {"a:k": "arn:aws:sns:*:1:*"}}),
            &[("a:k", &["arn:aws:sns:us-east-1:1:t"])],
            false,
        ),
        ("less", json!({"NumericLessThan": {"a:k": 10}}), &[("a:k", &["9.5"])], yes),
        ("not less", json!({"NumericLessThan": {"a:k": "10"}}), &[("a:k", &["10"])], false),
        ("at least", json!({"NumericGreaterThanEquals": {"a:k": "10"}}), &[("a:k", &["10"])], yes),
        ("no number", json!({"NumericEquals": {"a:k": "10"}}), &[("a:k", &["ten"])], false),
        (
            "before",
            json!({"DateLessThan": {"a:k": "2026-01-01T00:00:00Z"}}),
            &[("a:k", &["2025-12-31T23:59:59Z"])],
            yes,
        ),
        (
            "after, in seconds since 1970",
            json!({"DateGreaterThan": {"a:k": "1700000000"}}),
            &[("a:k", &["2026-01-01T00:00:00Z"])],
            yes,
        ),
        (
            "in the range",
            json!({"IpAddress": {"a:k": ["10.0.0.0/8", "203.0.113.0/24"]}}),
            &[("a:k", &["203.0.113.9"])],
            yes,
        ),
        ("not in the range", json!({"NotIpAddress": {"a:k": "203.0.113.0/24"}}), &[("a:k", &["203.0.113.9"])], false),
        (
            "in the range, by version 6",
            json!({"IpAddress": {"a:k": "2001:db8::/32"}}),
            &[("a:k", &["2001:db8::1"])],
            yes,
        ),
        ("one address", json!({"IpAddress": {"a:k": "203.0.113.9"}}), &[("a:k", &["203.0.113.8"])], false),
        ("a variable", json!({"StringEquals": {"a:k": "${a:l}"}}), &[("a:k", &["v"]), ("a:l", &["v"])], yes),
        ("a variable's default", json!({"StringEquals": {"a:k": "${a:l, 'd'}"}}), &[("a:k", &["d"])], yes),
        ("a variable that is not there", json!({"StringLike": {"a:k": "${a:l}*"}}), &[("a:k", &["v"])], false),
    ];
    for (name, condition, keys, expected) in cases {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
        assert_eq!(allows(&statement, "s3:GetObject", OBJECT, keys), expected, "{name}");
    }
}

#[test]
fn a_variables_value_is_no_pattern_and_a_stars_name_is_a_star() {
    let own = json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/${a:k}"});
    assert!(allows(&own, "s3:GetObject", OBJECT, &[("a:k", &["k"])]));
    assert!(!allows(&own, "s3:GetObject", OBJECT, &[("a:k", &["*"])]));
    assert!(!allows(&own, "s3:GetObject", OBJECT, &[]));
    let star = json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/${*}"});
    assert!(!allows(&star, "s3:GetObject", OBJECT, &[]));
}

#[test]
fn a_document_that_aws_would_not_take_is_not_read() {
    for statement in [
        json!({"Effect": "Maybe", "Action": "*", "Resource": "*"}),
        json!({"Effect": "Allow", "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringIs": {"a:k": "v"}}}),
    ] {
        assert!(Policy::parse(&json!({"Statement": statement}).to_string()).is_err(), "{statement}");
    }
}

/// The policies of one case; what is not given is not there.
#[derive(Default)]
struct Case {
    identity: Value,
    boundary: Value,
    session: Value,
    resource: Value,
    guarded: bool,
    owner: &'static str,
}

impl Case {
    fn verdict(&self, caller: &Caller) -> Result<(), Why> {
        let context = context(&[("aws:SourceArn", &["arn:aws:events:us-east-1:1:rule/r"])]);
        let asked =
            Asked { caller, action: "sqs:SendMessage", resource: "arn:aws:sqs:us-east-1:1:q", context: &context };
        let read = |document: &Value| (!document.is_null()).then(|| policy(document));
        let (identity, boundary, session, resource) =
            (read(&self.identity), read(&self.boundary), read(&self.session).map(|p| vec![p]), read(&self.resource));
        let held = Held {
            identity: identity.as_slice(),
            boundary: boundary.as_ref(),
            session: session.as_deref(),
            resource: resource.as_ref(),
            guarded: self.guarded,
            owner: if self.owner.is_empty() { ACCOUNT } else { self.owner },
        };
        judge(&asked, &held)
    }
}

fn all(effect: &str) -> Value {
    json!({"Effect": effect, "Action": "sqs:*", "Resource": "*"})
}

fn to(effect: &str, principal: &Value) -> Value {
    json!({"Effect": effect, "Principal": principal, "Action": "sqs:*", "Resource": "*"})
}

#[test]
fn policies_of_several_kinds_decide_as_in_iam() {
    let (allow, deny, nothing) =
        (all("Allow"), all("Deny"), json!({"Effect": "Allow", "Action": "a:B", "Resource": "*"}));
    let (role, session) = (json!({"AWS": ROLE}), json!({"AWS": SESSION}));
    let (root, other) =
        (json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}), json!({"AWS": "arn:aws:iam::999988887777:root"}));
    let ok = Ok(());
    let foreign = "444455556666";
    let cases = [
        ("nothing", Case::default(), Err(Why::Missing(Kind::Identity))),
        ("its own policy", Case { identity: allow.clone(), ..Case::default() }, ok),
        (
            "its own policy denies",
            Case { identity: json!([allow, deny]), ..Case::default() },
            Err(Why::Explicit(Kind::Identity)),
        ),
        ("boundary and policy", Case { identity: allow.clone(), boundary: allow.clone(), ..Case::default() }, ok),
        (
            "the boundary leaves it out",
            Case { identity: allow.clone(), boundary: nothing.clone(), ..Case::default() },
            Err(Why::Missing(Kind::Boundary)),
        ),
        (
            "the boundary denies",
            Case { identity: allow.clone(), boundary: deny.clone(), ..Case::default() },
            Err(Why::Explicit(Kind::Boundary)),
        ),
        (
            "a boundary gives nothing",
            Case { boundary: allow.clone(), ..Case::default() },
            Err(Why::Missing(Kind::Identity)),
        ),
        (
            "the session leaves it out",
            Case { identity: allow.clone(), session: nothing.clone(), ..Case::default() },
            Err(Why::Missing(Kind::Session)),
        ),
        (
            "the session denies",
            Case { identity: allow.clone(), session: deny.clone(), ..Case::default() },
            Err(Why::Explicit(Kind::Session)),
        ),
        ("the resource names the role", Case { resource: to("Allow", &role), ..Case::default() }, ok),
        (
            "the resource names the role, the boundary holds",
            Case { resource: to("Allow", &role), boundary: nothing.clone(), ..Case::default() },
            Err(Why::Missing(Kind::Boundary)),
        ),
        (
            "the resource names the session, past the boundary",
            Case { resource: to("Allow", &session), boundary: nothing.clone(), ..Case::default() },
            ok,
        ),
        (
            "the resource names the account",
            Case { resource: to("Allow", &root), ..Case::default() },
            Err(Why::Missing(Kind::Identity)),
        ),
        ("the resource names everybody", Case { resource: to("Allow", &json!("*")), ..Case::default() }, ok),
        (
            "the resource names another",
            Case { resource: to("Allow", &other), ..Case::default() },
            Err(Why::Missing(Kind::Identity)),
        ),
        (
            "the resource denies",
            Case { identity: allow.clone(), resource: to("Deny", &json!("*")), ..Case::default() },
            Err(Why::Explicit(Kind::Resource)),
        ),
        (
            "the resource denies the account",
            Case { identity: allow.clone(), resource: to("Deny", &root), ..Case::default() },
            Err(Why::Explicit(Kind::Resource)),
        ),
        (
            "a deny of all others",
            Case {
                identity: allow.clone(),
                resource: json!({"Effect": "Deny", "NotPrincipal": role, "Action": "*", "Resource": "*"}),
                ..Case::default()
            },
            ok,
        ),
        (
            "a key says nothing",
            Case { identity: allow.clone(), resource: to("Allow", &other), guarded: true, ..Case::default() },
            Err(Why::Missing(Kind::Resource)),
        ),
        (
            "a key leaves it to the account",
            Case { identity: allow.clone(), resource: to("Allow", &root), guarded: true, ..Case::default() },
            ok,
        ),
        (
            "a key leaves it to the account, which says nothing",
            Case { resource: to("Allow", &root), guarded: true, ..Case::default() },
            Err(Why::Missing(Kind::Identity)),
        ),
        (
            "another account's, and only its own allows",
            Case { identity: allow.clone(), owner: foreign, ..Case::default() },
            Err(Why::Missing(Kind::Resource)),
        ),
        (
            "another account's, and only the resource allows",
            Case { resource: to("Allow", &role), owner: foreign, ..Case::default() },
            Err(Why::Missing(Kind::Identity)),
        ),
        (
            "another account's, and both allow",
            Case { identity: allow.clone(), resource: to("Allow", &root), owner: foreign, ..Case::default() },
            ok,
        ),
        (
            "another account's, and the boundary holds",
            Case {
                identity: allow,
                boundary: nothing,
                resource: to("Allow", &role),
                owner: foreign,
                ..Case::default()
            },
            Err(Why::Missing(Kind::Boundary)),
        ),
    ];
    for (name, case, expected) in cases {
        assert_eq!(case.verdict(&caller()), expected, "{name}");
    }
}

#[test]
fn a_service_comes_in_by_the_resources_policy_alone() {
    let events = Caller::Service("events.amazonaws.com".to_owned());
    let service = json!({"Service": ["sns.amazonaws.com", "events.amazonaws.com"], "AWS": ROLE});
    let mut statement = to("Allow", &service);
    assert_eq!(Case { resource: statement.clone(), ..Case::default() }.verdict(&events), Ok(()));
    statement["Condition"] = json!({"ArnEquals": {"aws:SourceArn": "arn:aws:events:*:1:rule/other"}});
    let refused = Err(Why::Missing(Kind::Resource));
    assert_eq!(Case { resource: statement, ..Case::default() }.verdict(&events), refused);
    assert_eq!(Case::default().verdict(&events), refused);
    assert_eq!(
        Case { identity: all("Allow"), ..Case::default() }.verdict(&Caller::Service("x.amazonaws.com".to_owned())),
        refused
    );
}

#[test]
fn a_refusal_ends_in_awss_words() {
    assert_eq!(
        Why::Missing(Kind::Identity).words("s3:GetObject"),
        "because no identity-based policy allows the s3:GetObject action"
    );
    assert_eq!(Why::Explicit(Kind::Resource).words("s3:GetObject"), "with an explicit deny in a resource-based policy");
    assert_eq!(Why::Missing(Kind::Boundary).words("a:B"), "because no permissions boundary allows the a:B action");
}
