//! Another account: its events come by the hub's bus, and its own builds put back what was lost in it.

use sandbox::{ACCOUNT, Caller, ELSEWHERE, MEMBER, MEMBER_POLICY, NAMESPACE, REGION};
use serde_json::{Value, json};

use crate::world::{in_turn, phase};

#[test]
fn a_table_in_another_account_comes_back_by_that_accounts_builds() {
    in_turn(async |world| {
        let (account, roles) = world.sandbox.join().await.expect("the account joins");
        let with_member = |settings: &mut Value| {
            settings["accounts"] = json!([account]);
            let grant = &mut settings["grants"][0];
            grant["accounts"] = json!([ACCOUNT, MEMBER]);
            let projects = grant["projects"].as_array_mut().expect("projects");
            projects.extend([json!(format!("aiops-{ELSEWHERE}-plan")), json!(format!("aiops-{ELSEWHERE}-recovery"))]);
            settings["recoveryRoles"].as_array_mut().expect("roles").extend(roles);
        };
        world.restart_with(with_member).await;
        world.sandbox.plane().kubectl_with(MEMBER_POLICY, &["apply", "-f", "-"]).expect("a policy");
        let ready = ["wait", "-n", NAMESPACE, "--for=condition=Ready", "rpol/elsewhere", "--timeout=30s"];
        world.kubectl(&ready);

        let table = "AiOpsDataTable";
        let delete = async || {
            let call = ["dynamodb", "delete-table", "--table-name", table];
            world.sandbox.aws_as(MEMBER, &call).await.expect("deleted");
        };
        let name = world.opened_by("dynamodb", delete).await;
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["spec"]["event"]["accountId"], MEMBER);
        assert_eq!(incident["spec"]["policyRef"]["name"], "elsewhere");
        let arn = format!("arn:aws:dynamodb:{REGION}:{MEMBER}:table/{table}");
        assert_eq!(incident["status"]["verification"]["newArn"], arn, "{incident:#}");
        let there = ["dynamodb", "describe-table", "--table-name", table, "--query", "Table.TableArn"];
        let there = world.sandbox.aws_as(MEMBER, &there).await.expect("it is there");
        assert!(there.contains(&arn), "{there}");

        // The role there is had by its external id alone.
        let role = account["roleArn"].as_str().expect("a role");
        let assume = ["sts", "assume-role", "--role-session-name", "test", "--role-arn", role];
        let external_id = account["externalId"].as_str().expect("an external id");
        world.nothing_was_refused();
        let refused = world.sandbox.aws(Caller::Operator, &assume).await.expect_err("refused without it");
        assert!(refused.to_string().contains("AccessDenied"), "{refused}");
        world.refusals_were_wanted();
        let knows = [&assume[..], &["--external-id", external_id]].concat();
        world.sandbox.aws(Caller::Operator, &knows).await.expect("given with it");
    });
}
