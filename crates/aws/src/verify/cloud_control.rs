//! Any type that AWS Cloud Control reads: whether the resource is there, and its properties for a policy's expectations.

use aws_sdk_cloudcontrol::Client;
use reforge_api::Check;
use reforge_core::incident::subject::Subject;
use reforge_core::policy::expression::{self, Facts};
use reforge_core::words::fault::Fault;
use serde_json::{Value, json};

use crate::gather::Gather;

use super::{answered, asking, check};

const UNSUPPORTED: [&str; 2] = ["UnsupportedActionException", "TypeNotFoundException"];
const ABSENT: [&str; 3] = ["ResourceNotFoundException", UNSUPPORTED[0], UNSUPPORTED[1]];

/// What Cloud Control says of the resource.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// These are its properties.
    There(Value),
    /// There is none.
    Gone,
    /// Cloud Control does not read the type here.
    Unsupported,
}

/// GetResource, by the name of the type, a space, and the identifier.
pub(super) fn resources(client: Client) -> Gather<Said> {
    Gather::one_by_one(move |of| {
        let (r#type, id) = of.split_once(' ').unwrap_or_default();
        let call = client.get_resource().type_name(r#type).identifier(id).send();
        async move {
            Ok(Some(match answered(&ABSENT, call).await? {
                Ok(answer) => {
                    let text = answer.resource_description().and_then(|d| d.properties()).unwrap_or("{}");
                    let odd = |e| Fault::ours("", &format!("its properties are not JSON: {e}"));
                    Said::There(serde_json::from_str(text).map_err(odd)?)
                }
                Err(code) if UNSUPPORTED.contains(&code.as_str()) => Said::Unsupported,
                Err(_) => Said::Gone,
            }))
        }
    })
}

/// Asks for the resource by the identifier that its type has.
pub(super) async fn look(resources: &Gather<Said>, subject: &Subject<'_>, id: &str) -> Result<Said, Fault> {
    let r#type = subject.cloud_formation_type;
    let answer = resources.one(&format!("{type} {id}"), &asking(&format!("{type} {id} in Cloud Control"))).await?;
    Ok(answer.unwrap_or(Said::Gone))
}

/// The checks that follow: whether it is there, and whether it is as the policy expects. What nobody can answer is no yes.
pub(super) fn checks(answer: &Said, subject: &Subject<'_>, id: &str) -> Vec<Check> {
    let there =
        |passed| check("resource is there", passed, format!("{} {id}, by Cloud Control", subject.cloud_formation_type));
    let mut checks = match answer {
        Said::There(_) => vec![there(true)],
        Said::Gone => vec![there(false)],
        Said::Unsupported => Vec::new(),
    };
    for expected in subject.expect {
        let (passed, detail) = match answer {
            Said::There(properties) => {
                let facts = Facts::from([("resource", properties.clone()), ("change", json!(subject.change))]);
                match expression::holds(expected, &facts) {
                    Ok(holds) => (holds, if holds { "it is so" } else { "it is not so" }.to_owned()),
                    Err(why) => (false, format!("it cannot be answered: {why}")),
                }
            }
            Said::Gone => (false, "the resource is not there".to_owned()),
            Said::Unsupported => (false, "Cloud Control does not read this type".to_owned()),
        };
        checks.push(check(expected, passed, detail));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::Change;
    use reforge_core::catalog::Verify;

    fn subject(expect: &[String]) -> Subject<'_> {
        Subject {
            resource_type: "sqs",
            cloud_formation_type: "AWS::SQS::Queue",
            verify: Verify::CloudControl,
            cloud_control_id: None,
            change: Change::Deleted,
            old_id: "q",
            now: Vec::new(),
            plan_is_empty: true,
            stateful: true,
            restores_data: false,
            expect,
        }
    }

    fn expecting(expect: &[String], seen: &Said) -> Vec<(bool, String)> {
        checks(seen, &subject(expect), "q").into_iter().map(|c| (c.passed, c.detail)).collect()
    }

    #[test]
    fn what_a_policy_expects_is_asked_of_the_properties() {
        let answer = Said::There(json!({"KmsMasterKeyId": "alias/q", "DelaySeconds": 0}));
        let expect = ["resource.KmsMasterKeyId == 'alias/q'".to_owned(), "resource.DelaySeconds > 0".to_owned()];
        let passed: Vec<bool> = expecting(&expect, &answer).into_iter().map(|(passed, _)| passed).collect();
        assert_eq!(passed, [true, true, false]);
    }

    #[test]
    fn a_long_expectation_has_a_name_that_a_status_takes() {
        let expect = [format!("resource.Name == '{}'", "x".repeat(900))];
        let subject = Subject { expect: &expect, ..subject(&[]) };
        let checks = checks(&Said::There(json!({"Name": "y"})), &subject, "q");
        assert!(checks.iter().all(|c| c.name.chars().count() <= 128) && checks.iter().any(|c| !c.passed));
    }

    #[test]
    fn what_nobody_can_answer_is_no_yes() {
        let expect = ["resource.There.Is.None == 1".to_owned()];
        for answer in [Said::There(json!({})), Said::Gone, Said::Unsupported] {
            assert!(expecting(&expect, &answer).iter().any(|(passed, _)| !passed));
        }
        assert!(expecting(&[], &Said::Unsupported).is_empty(), "the plan's word stands");
    }
}
