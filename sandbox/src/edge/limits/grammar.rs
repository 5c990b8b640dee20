//! The grammar of IAM's policies (IAM User Guide, "Grammar of the IAM JSON policy language"): what IAM refuses with `MalformedPolicyDocument`.
//!
//! Given a document and what it is for, it gives IAM's first complaint. Whether the principals, actions and resources exist is not looked up.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What its holder may do.
    Identity,
    /// Who may assume a role.
    Trust,
}

const SYNTAX: &str = "Syntax errors in policy.";
const MEMBERS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
/// IAM User Guide, "IAM JSON policy elements: Condition operators".
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

type Checked = Result<(), String>;

/// IAM's first complaint about a document.
pub fn complaint(document: &str, purpose: Purpose) -> Option<String> {
    check(document, purpose).err()
}

fn check(document: &str, purpose: Purpose) -> Checked {
    let policy: Value = serde_json::from_str(document).map_err(|_| SYNTAX.to_owned())?;
    let policy = policy.as_object().ok_or(SYNTAX)?;
    ensure(policy.keys().all(|key| ["Version", "Id", "Statement"].contains(&key.as_str())), SYNTAX)?;
    let version = policy.get("Version");
    ensure(version.is_none_or(|v| v == "2012-10-17" || v == "2008-10-17"), SYNTAX)?;
    let statements = each(policy.get("Statement").ok_or(SYNTAX)?);
    ensure(!statements.is_empty(), SYNTAX)?;
    let mut sids = BTreeSet::new();
    for statement in statements {
        let statement = statement.as_object().ok_or(SYNTAX)?;
        check_statement(statement, purpose)?;
        if let Some(sid) = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()) {
            let plain = sid.bytes().all(|b| b.is_ascii_alphanumeric());
            ensure(
                plain,
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
            )?;
            ensure(sids.insert(sid), "Statement IDs (SID) in a single policy must be unique.")?;
        }
    }
    Ok(())
}

fn check_statement(statement: &Map<String, Value>, purpose: Purpose) -> Checked {
    let has = |name: &str| statement.contains_key(name);
    ensure(statement.keys().all(|key| MEMBERS.contains(&key.as_str())), SYNTAX)?;
    ensure(matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")), SYNTAX)?;
    for pair in [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")] {
        ensure(!(has(pair.0) && has(pair.1)), SYNTAX)?;
    }
    ensure(has("Action") || has("NotAction"), "Policy statement must contain actions.")?;
    let actions = texts(statement.get("Action").or(statement.get("NotAction")))?;
    ensure(!actions.is_empty(), "Policy statement must contain actions.")?;
    let prefaced =
        |action: &&str| *action == "*" || action.split_once(':').is_some_and(|(vendor, _)| !vendor.is_empty());
    let preface = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
    ensure(actions.iter().all(prefaced), preface)?;
    match purpose {
        Purpose::Identity => {
            let principal = has("Principal") || has("NotPrincipal");
            ensure(!principal, "Policy document should not specify a principal.")?;
            let resources = texts(statement.get("Resource").or(statement.get("NotResource")))?;
            ensure(!resources.is_empty(), "Policy statement must contain resources.")?;
            for resource in resources.iter().filter(|r| **r != "*") {
                let form = resource.starts_with("arn:") && resource.splitn(6, ':').count() == 6;
                ensure(form, &format!("Resource {resource} must be in ARN format or \"*\"."))?;
            }
        }
        Purpose::Trust => {
            let resource = has("Resource") || has("NotResource");
            ensure(!resource, "Has prohibited field Resource")?;
            ensure(has("Principal") || has("NotPrincipal"), "Missing required field Principal")?;
            let assumes = |action: &&str| *action == "*" || action.to_ascii_lowercase().starts_with("sts:");
            ensure(actions.iter().all(assumes), "AssumeRole policy may only specify STS AssumeRole actions.")?;
            check_principal(statement.get("Principal").or(statement.get("NotPrincipal")))?;
        }
    }
    statement.get("Condition").map_or(Ok(()), check_condition)
}

fn check_principal(principal: Option<&Value>) -> Checked {
    let Some(Value::Object(kinds)) = principal else { return ensure(principal == Some(&"*".into()), SYNTAX) };
    for (kind, named) in kinds {
        ensure(["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str()), SYNTAX)?;
        for name in texts(Some(named))? {
            let account = name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit());
            let known = kind != "AWS" || account || name == "*" || name.starts_with("arn:") || name.starts_with("ARO");
            ensure(known, &format!("Invalid principal in policy: \"{kind}\":\"{name}\""))?;
        }
    }
    Ok(())
}

fn check_condition(condition: &Value) -> Checked {
    for (operator, keys) in condition.as_object().ok_or(SYNTAX)? {
        let base = operator.strip_prefix("ForAnyValue:").or(operator.strip_prefix("ForAllValues:")).unwrap_or(operator);
        // Null tests for absence itself and takes no suffix.
        let base = base.strip_suffix("IfExists").filter(|base| *base != "Null").unwrap_or(base);
        ensure(OPERATORS.contains(&base) && keys.is_object(), SYNTAX)?;
    }
    Ok(())
}

/// In a policy, one of a thing may stand for a list of one.
fn each(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn texts(value: Option<&Value>) -> Result<Vec<&str>, String> {
    value.map_or(&[][..], each).iter().map(|text| text.as_str().ok_or_else(|| SYNTAX.to_owned())).collect()
}

fn ensure(holds: bool, complaint: &str) -> Checked {
    if holds { Ok(()) } else { Err(complaint.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity(statement: &Value) -> Option<String> {
        complaint(&json!({"Version": "2012-10-17", "Statement": statement}).to_string(), Purpose::Identity)
    }

    fn trust(statement: &Value) -> Option<String> {
        complaint(&json!({"Version": "2012-10-17", "Statement": [statement]}).to_string(), Purpose::Trust)
    }

    #[test]
    fn policies_as_terraform_writes_them_pass() {
        let condition =
            json!({"StringEqualsIfExists": {"aws:RequestTag/a": "b"}, "ForAllValues:StringLike": {"k:k": ["aws.*"]}});
        let allow = json!({"Sid": "A1", "Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::b/*", "Condition": condition});
        assert_eq!(identity(&json!([allow, {"Effect": "Deny", "NotAction": "*", "NotResource": ["*"]}])), None);
        assert_eq!(identity(&json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"})), None);
        let principal =
            json!({"Service": ["codebuild.amazonaws.com"], "AWS": ["111122223333", "arn:aws:iam::1:role/x"]});
        assert_eq!(trust(&json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal})), None);
    }

    #[test]
    fn what_iam_does_not_take_is_refused_in_its_words() {
        let document = |text: &str| complaint(text, Purpose::Identity);
        for text in ["{", "[]", "{}", r#"{"Statement": []}"#, r#"{"Version": "2024-01-01", "Statement": [{}]}"#] {
            assert_eq!(document(text).as_deref(), Some(SYNTAX), "{text}");
        }
        let base = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
        for (member, value, expected) in [
            ("Effect", json!("allow"), SYNTAX),
            ("Actions", json!("s3:GetObject"), SYNTAX),
            ("NotAction", json!("s3:GetObject"), SYNTAX),
            ("Action", json!([]), "Policy statement must contain actions."),
            (
                "Action",
                json!("GetObject"),
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            ("Principal", json!("*"), "Policy document should not specify a principal."),
            ("Resource", json!([]), "Policy statement must contain resources."),
            ("Resource", json!("bucket/*"), "Resource bucket/* must be in ARN format or \"*\"."),
            ("Condition", json!({"StringEqual": {"a:b": "c"}}), SYNTAX),
            ("Condition", json!({"NullIfExists": {"a:b": "true"}}), SYNTAX),
            (
                "Sid",
                json!("a-b"),
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
            ),
        ] {
            let mut statement = base.clone();
            statement[member] = value;
            assert_eq!(identity(&statement).as_deref(), Some(expected), "{statement}");
        }
        let twice = json!([{"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}]);
        assert_eq!(identity(&twice).as_deref(), Some("Statement IDs (SID) in a single policy must be unique."));
    }

    #[test]
    fn a_trust_policy_names_principals_and_no_resources() {
        let base =
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}});
        for (member, value, expected) in [
            ("Resource", json!("*"), "Has prohibited field Resource"),
            ("Action", json!("s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
            ("Principal", json!({"AWS": "somebody"}), "Invalid principal in policy: \"AWS\":\"somebody\""),
            ("Principal", json!("somebody"), SYNTAX),
        ] {
            let mut statement = base.clone();
            statement[member] = value;
            assert_eq!(trust(&statement).as_deref(), Some(expected), "{statement}");
        }
        let nobody = json!({"Effect": "Allow", "Action": "sts:AssumeRole"});
        assert_eq!(trust(&nobody).as_deref(), Some("Missing required field Principal"));
    }
}
