//! IAM: what AWS would refuse is refused, in its words, and what it would let pass is let pass.
#![allow(missing_docs)]

mod edge_support;
use edge_support::{World, everything, within};
use serde_json::{Value, json};
use std::time::Duration;

const ACCOUNT: &str = "000000000000";
const MEMBER: &str = "444455556666";

fn root() -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole"})
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn key(answer: &str) -> String {
    answer.split("<AccessKeyId>").nth(1).unwrap_or_else(|| panic!("{answer}")).split('<').next().unwrap().to_owned()
}

/// The key of a session of a role that has this policy.
async fn session(world: &World, name: &str, policy: Value) -> String {
    let role = world.role(ACCOUNT, name, &root(), &policy).await;
    let assume = [("Action", "AssumeRole"), ("RoleArn", role.as_str()), ("RoleSessionName", "session")];
    key(&world.form("AKIATERRAFORM", "sts", &assume).await.1)
}

/// The `error` sentence of a denied call, for the session `session` of a role.
fn denied(role: &str, action: &str, resource: &str, why: &str) -> String {
    format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session is not authorized to perform: {action}{resource} {why}"
    )
}

fn no_identity(action: &str) -> String {
    format!("because no identity-based policy allows the {action} action")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_its_right_passes_and_one_without_is_refused_in_each_protocols_words() {
    let world = World::start().await;
    let parameter = "arn:aws:ssm:us-east-1:000000000000:parameter/iam-a/*";
    let key = session(&world, "iam-a", allow("ssm:PutParameter", parameter)).await;
    let put = |name: &str| json!({"Name": name, "Value": "v", "Type": "String"});
    assert_eq!(world.json(&key, "AmazonSSM.PutParameter", put("/iam-a/x")).await.0, 200);

    let (status, refused) = world.json(&key, "AmazonSSM.PutParameter", put("/iam-other")).await;
    let resource = " on resource: arn:aws:ssm:us-east-1:000000000000:parameter/iam-other";
    assert_eq!((status, &refused["__type"]), (400, &json!("AccessDeniedException")));
    assert_eq!(
        refused["message"],
        json!(denied("iam-a", "ssm:PutParameter", resource, &no_identity("ssm:PutParameter")))
    );

    let (status, refused) = world.json(&key, "AmazonSSM.DescribeParameters", json!({})).await;
    assert_eq!((status, &refused["__type"]), (400, &json!("AccessDeniedException")));

    let (status, refused) = world.form(&key, "ec2", &[("Action", "DescribeInstances")]).await;
    assert_eq!(status, 403);
    assert!(refused.contains("<Code>UnauthorizedOperation</Code>"), "{refused}");
    let sentence = denied("iam-a", "ec2:DescribeInstances", "", &no_identity("ec2:DescribeInstances"));
    assert!(refused.contains(&format!("You are not authorized to perform this operation. {sentence}")), "{refused}");

    let (status, refused) = world.rest(&key, "s3", "GET", "/iam-a-bucket/k", "").await;
    assert_eq!(status, 403);
    assert!(refused.contains("<Code>AccessDenied</Code>"), "{refused}");
    let resource = " on resource: \"arn:aws:s3:::iam-a-bucket/k\"";
    assert!(refused.contains(&denied("iam-a", "s3:GetObject", resource, &no_identity("s3:GetObject"))), "{refused}");

    let topic = "arn:aws:sns:us-east-1:000000000000:t";
    let (status, refused) =
        world.form(&key, "sns", &[("Action", "Publish"), ("TopicArn", topic), ("Message", "m")]).await;
    assert_eq!(status, 403);
    assert!(refused.contains("<Code>AuthorizationError</Code>"), "{refused}");
    let sentence = denied("iam-a", "SNS:Publish", &format!(" on resource: {topic}"), &no_identity("SNS:Publish"));
    assert!(refused.contains(&sentence), "{refused}");

    let (status, refused) = world.form(&key, "iam", &[("Action", "GetRole"), ("RoleName", "iam-a")]).await;
    assert_eq!(status, 403);
    assert!(refused.contains("<Code>AccessDenied</Code>"), "{refused}");

    let (status, refused) = world.rest(&key, "lambda", "GET", "/2015-03-31/functions/pay", "").await;
    assert_eq!(status, 403);
    assert!(
        refused.contains("AccessDeniedException") && refused.contains("lambda:GetFunction on resource"),
        "{refused}"
    );

    let record = world.records("PutParameter").pop().unwrap();
    assert_eq!(record["errorCode"], "AccessDenied");
    assert!(record["errorMessage"].as_str().unwrap().contains("is not authorized to perform: ssm:PutParameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_allowed_and_denied_is_reported_by_role() {
    let world = World::start().await;
    let key = session(&world, "iam-report", allow("ssm:GetParameter*", "*")).await;
    for name in ["/iam-r1", "/iam-r2", "/iam-r2"] {
        world.json(&key, "AmazonSSM.GetParameter", json!({"Name": name})).await;
    }
    for _ in 0..2 {
        world.json(&key, "AmazonSSM.DeleteParameter", json!({"Name": "/iam-r1"})).await;
    }
    world.json(&key, "AmazonSSM.ListDocuments", json!({})).await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/iam-report");
    let report = world.edge.iam().of(&role).unwrap().clone();
    let seen: Vec<_> = report.seen.iter().map(|s| (s.action.as_str(), s.times, s.resources)).collect();
    assert_eq!(seen, [("ssm:GetParameter", 3, 2)]);
    let denied: Vec<_> = report.denied.iter().map(|d| (d.action.as_str(), d.operation.as_str(), d.times)).collect();
    assert_eq!(
        denied,
        [("ssm:DeleteParameter", "ssm:DeleteParameter", 2), ("ssm:ListDocuments", "ssm:ListDocuments", 1)]
    );
    assert_eq!(report.unmapped, ["ssm:ListDocuments"]);
    assert_eq!(world.edge.allowed_actions(&role).await.unwrap(), ["ssm:GetParameter*"]);
}

/// The operator's statement for builds, as the module renders it, with fewer of the keys that must not be there.
fn start_builds(project: &str) -> Value {
    json!({
        "Sid": "Start", "Effect": "Allow", "Action": "codebuild:StartBuild",
        "Resource": [format!("arn:aws:codebuild:us-east-1:{ACCOUNT}:project/{project}")],
        "Condition": {
            "ForAllValues:StringEquals": {"codebuild:environment.environmentVariables.name": ["REFORGE_INCIDENT", "REFORGE_ATTEMPT"]},
            "Null": {
                "codebuild:serviceRole": "true", "codebuild:source.buildspec": "true", "codebuild:environment.image": "true",
                "codebuild:environment.privilegedMode": "true", "codebuild:source.auth.type": "true", "codebuild:environment.fleet.fleetArn": "true",
            },
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_is_started_with_the_overrides_that_are_allowed_and_no_others() {
    let world = World::start().await;
    world.project("iam-b", "phases:\n  build:\n    commands: ['true']\n").await;
    let key = session(&world, "iam-b", start_builds("iam-b")).await;
    let start = |input: Value| {
        let mut input = input;
        input["projectName"] = json!("iam-b");
        let (world, key) = (&world, key.as_str());
        async move { world.json(key, "CodeBuild_20161006.StartBuild", input).await }
    };
    let variable = |name: &str| json!({"name": name, "value": "v", "type": "PLAINTEXT"});
    for refused in [
        json!({"buildspecOverride": "phases: {}"}),
        json!({"imageOverride": "mine"}),
        json!({"privilegedModeOverride": false}),
        json!({"sourceAuthOverride": {"type": "OAUTH"}}),
        json!({"fleetOverride": {"fleetArn": "arn:aws:codebuild:us-east-1:000000000000:fleet/f"}}),
        json!({"serviceRoleOverride": "arn:aws:iam::000000000000:role/recovery-role"}),
        json!({"environmentVariablesOverride": [variable("REFORGE_INCIDENT"), variable("LD_PRELOAD")]}),
    ] {
        let (status, answer) = start(refused.clone()).await;
        assert_eq!((status, &answer["__type"]), (400, &json!("AccessDeniedException")), "{refused}");
    }
    let allowed = [variable("REFORGE_INCIDENT"), variable("REFORGE_ATTEMPT")];
    for passes in [
        json!({}),
        json!({"environmentVariablesOverride": allowed, "sourceVersion": "v", "timeoutInMinutesOverride": 5}),
    ] {
        let (status, answer) = start(passes).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (status, _) = world.json(&key, "CodeBuild_20161006.StartBuild", json!({"projectName": "iam-b2"})).await;
    assert_eq!(status, 400, "another project");
    world.edge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_and_a_session_policy_hold_what_the_roles_policy_gives() {
    let world = World::start().await;
    let document = json!({"Version": "2012-10-17", "Statement": allow("ssm:GetParameter", "*")}).to_string();
    let create = [("Action", "CreatePolicy"), ("PolicyName", "iam-bound"), ("PolicyDocument", &document)];
    world.form("AKIATERRAFORM", "iam", &create).await;
    let get = json!({"Name": "/iam-c"});
    let put = json!({"Name": "/iam-c", "Value": "v", "Type": "String"});
    world.ok("AmazonSSM.PutParameter", put.clone()).await;

    let unbound = session(&world, "iam-bounded", everything()).await;
    assert_eq!(world.json(&unbound, "AmazonSSM.GetParameter", get.clone()).await.0, 200);
    let bound = [
        ("Action", "PutRolePermissionsBoundary"),
        ("RoleName", "iam-bounded"),
        ("PermissionsBoundary", "arn:aws:iam::000000000000:policy/iam-bound"),
    ];
    let (status, answer) = world.form("AKIATERRAFORM", "iam", &bound).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(world.json(&unbound, "AmazonSSM.GetParameter", get.clone()).await.0, 200);
    let (_, refused) = world.json(&unbound, "AmazonSSM.PutParameter", put.clone()).await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.ends_with("because no permissions boundary allows the ssm:PutParameter action"), "{message}");

    let role = world.role(ACCOUNT, "iam-limited", &root(), &everything()).await;
    let assume = [("Action", "AssumeRole"), ("RoleArn", &role), ("RoleSessionName", "session"), ("Policy", &document)];
    let limited = key(&world.form("AKIATERRAFORM", "sts", &assume).await.1);
    assert_eq!(world.json(&limited, "AmazonSSM.GetParameter", get).await.0, 200);
    let (_, refused) = world.json(&limited, "AmazonSSM.PutParameter", put).await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.ends_with("because no session policy allows the ssm:PutParameter action"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_another_account_is_assumed_by_whom_both_accounts_let_and_with_the_external_id() {
    let world = World::start().await;
    let hub = format!("arn:aws:iam::{ACCOUNT}:role/iam-d");
    let trust = json!({
        "Effect": "Allow", "Principal": {"AWS": hub}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "f3c1a9d27b60455e8a14"}},
    });
    let role = world.role(MEMBER, "iam-d-member", &trust, &allow("ssm:PutParameter", "*")).await;
    let operator = session(&world, "iam-d", allow("sts:AssumeRole", &role)).await;
    let stranger = session(&world, "iam-d-stranger", everything()).await;
    let powerless = session(&world, "iam-d-powerless", allow("ssm:*", "*")).await;
    let assume = |key: String, id: Option<&'static str>| {
        let (world, role) = (&world, role.as_str());
        async move {
            let mut pairs = vec![("Action", "AssumeRole"), ("RoleArn", role), ("RoleSessionName", "member")];
            pairs.extend(id.map(|id| ("ExternalId", id)));
            world.form(&key, "sts", &pairs).await
        }
    };
    let id = Some("f3c1a9d27b60455e8a14");
    for (who, id) in [(&operator, None), (&operator, Some("other")), (&stranger, id), (&powerless, id)] {
        let (status, answer) = assume(who.clone(), id).await;
        assert_eq!(status, 403, "{answer}");
        assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
        assert!(
            answer.contains(&format!("is not authorized to perform: sts:AssumeRole on resource: {role}<")),
            "{answer}"
        );
    }
    let (status, answer) = assume(operator, id).await;
    assert_eq!(status, 200, "{answer}");
    let member = key(&answer);
    let put = json!({"Name": "/iam-d", "Value": "v", "Type": "String"});
    assert_eq!(world.json(&member, "AmazonSSM.PutParameter", put).await.0, 200);
    assert_eq!(world.json(&member, "AmazonSSM.GetParameter", json!({"Name": "/iam-d"})).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buckets_policy_denies_administrators_too() {
    let world = World::start().await;
    world.rest("AKIATERRAFORM", "s3", "PUT", "/iam-e", "").await;
    let deny = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::iam-e/locked/*",
    }});
    let (status, answer) = world.rest("AKIATERRAFORM", "s3", "PUT", "/iam-e?policy", deny.to_string()).await;
    assert!(status < 300, "{answer}");
    assert_eq!(world.rest("AKIATERRAFORM", "s3", "PUT", "/iam-e/open/k", "x").await.0, 200);
    let (status, answer) = world.rest("AKIATERRAFORM", "s3", "PUT", "/iam-e/locked/k", "x").await;
    assert_eq!(status, 403);
    assert!(answer.contains("with an explicit deny in a resource-based policy"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_there_is_hidden_from_whoever_may_not_list() {
    let world = World::start().await;
    world.rest("AKIATERRAFORM", "s3", "PUT", "/iam-f", "").await;
    let blind = session(&world, "iam-f-blind", allow("s3:GetObject", "*")).await;
    let seeing = session(
        &world,
        "iam-f-seeing",
        json!([allow("s3:GetObject", "*"), allow("s3:ListBucket", "arn:aws:s3:::iam-f")]),
    )
    .await;
    assert_eq!(world.rest(&blind, "s3", "GET", "/iam-f/gone", "").await.0, 403);
    assert_eq!(world.rest(&seeing, "s3", "GET", "/iam-f/gone", "").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_buckets_objects_need_the_key_as_well() {
    let world = World::start().await;
    let created = world.json("AKIATERRAFORM", "TrentService.CreateKey", json!({})).await.1;
    let arn = created["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    world.rest("AKIATERRAFORM", "s3", "PUT", "/iam-g", "").await;
    let encryption = format!(
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{arn}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
    );
    let (status, answer) = world.rest("AKIATERRAFORM", "s3", "PUT", "/iam-g?encryption", encryption).await;
    assert!(status < 300, "{answer}");
    let objects = allow("s3:*Object", "arn:aws:s3:::iam-g/*");
    let keyless = session(&world, "iam-g-keyless", objects.clone()).await;
    let writer = session(&world, "iam-g-writer", json!([objects, allow("kms:GenerateDataKey", &arn)])).await;
    let (status, answer) = world.rest(&keyless, "s3", "PUT", "/iam-g/k", "x").await;
    assert_eq!(status, 403);
    assert!(
        answer.contains(&format!("kms:GenerateDataKey on resource: {arn} because no identity-based policy allows")),
        "{answer}"
    );
    assert_eq!(world.rest(&writer, "s3", "PUT", "/iam-g/k", "x").await.0, 200);
    assert!(world.rest(&writer, "s3", "GET", "/iam-g/k", "").await.1.contains("kms:Decrypt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_sends_only_to_a_queue_whose_policy_lets_it() {
    let world = World::start().await;
    let lets = |rule: &str| {
        json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}")}},
        }})
    };
    let pattern = json!({"source": ["aws.dynamodb"], "detail": {"requestParameters": {"tableName": ["iam-h"]}}});
    let (open, open_arn) = world.queue_with("iam-h-open", &lets("iam-h-open")).await;
    let (shut, shut_arn) = world.queue_with("iam-h-shut", &lets("another-rule")).await;
    world.rule("AKIATERRAFORM", "default", "iam-h-shut", &pattern, &shut_arn).await;
    world.rule("AKIATERRAFORM", "default", "iam-h-open", &pattern, &open_arn).await;
    world.json("AKIAMALLORY", "DynamoDB_20120810.DeleteTable", json!({"TableName": "iam-h"})).await;
    world.receive_all(&open, 1).await;
    let counted = || async {
        let report = world.edge.iam();
        report.of("events.amazonaws.com")?.denied.iter().find(|d| d.resource == shut_arn).cloned()
    };
    let denied = within(Duration::from_secs(10), counted).await;
    assert_eq!((denied.action.as_str(), denied.times), ("sqs:SendMessage", 1));
    assert_eq!(denied.operation, format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/iam-h-shut"));
    assert!(world.receive(&shut).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_does_not_let_in_goes_to_the_targets_dead_letter_queue() {
    let world = World::start().await;
    let nobody = json!({"Version": "2012-10-17", "Statement": []});
    let (_, shut_arn) = world.queue_with("iam-m-shut", &nobody).await;
    let (dead, dead_arn) = world.queue("iam-m-dead").await;
    let pattern = json!({"detail": {"requestParameters": {"tableName": ["iam-m"]}}});
    world.ok("AWSEvents.PutRule", json!({"Name": "iam-m", "EventPattern": pattern.to_string()})).await;
    let target = json!({"Id": "t", "Arn": shut_arn, "DeadLetterConfig": {"Arn": dead_arn}});
    world.ok("AWSEvents.PutTargets", json!({"Rule": "iam-m", "Targets": [target]})).await;
    world.json("AKIAMALLORY", "DynamoDB_20120810.DeleteTable", json!({"TableName": "iam-m"})).await;
    assert_eq!(world.receive_all(&dead, 1).await[0]["detail"]["eventName"], "DeleteTable");
}

/// A token of the issuer `https://oidc.example/id/1` for `system:serviceaccount:reforge:reforge` and `sts.amazonaws.com`.
const TOKEN: &str = "eyJhbGciOiAiUlMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9vaWRjLmV4YW1wbGUvaWQvMSIsICJzdWIiOiAic3lzdGVtOnNlcnZpY2VhY2NvdW50OnJlZm9yZ2U6cmVmb3JnZSIsICJhdWQiOiBbInN0cy5hbWF6b25hd3MuY29tIl19.x";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_becomes_the_role_whose_trust_names_it() {
    let world = World::start().await;
    let trusts = |subject: &str| {
        json!({
            "Effect": "Allow", "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example/id/1")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                "oidc.example/id/1:sub": format!("system:serviceaccount:reforge:{subject}"), "oidc.example/id/1:aud": "sts.amazonaws.com",
            }},
        })
    };
    for (name, subject, status) in [("iam-n", "reforge", 200), ("iam-n2", "other", 403)] {
        let role = world.role(ACCOUNT, name, &trusts(subject), &everything()).await;
        let assume = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("RoleArn", role.as_str()),
            ("RoleSessionName", "session"),
            ("WebIdentityToken", TOKEN),
        ];
        let (answered, answer) = world.form("", "sts", &assume).await;
        assert_eq!(answered, status, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_sends_on_only_to_a_queue_whose_policy_lets_it() {
    let world = World::start().await;
    let topic = "arn:aws:sns:us-east-1:000000000000:iam-l";
    world.form("AKIATERRAFORM", "sns", &[("Action", "CreateTopic"), ("Name", "iam-l")]).await;
    let lets = |topic: &str| {
        json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }})
    };
    let (open, open_arn) = world.queue_with("iam-l-open", &lets(topic)).await;
    let (shut, shut_arn) = world.queue_with("iam-l-shut", &lets("arn:aws:sns:us-east-1:000000000000:other")).await;
    for queue in [&open_arn, &shut_arn] {
        let subscribe = [
            ("Action", "Subscribe"),
            ("TopicArn", topic),
            ("Protocol", "sqs"),
            ("Endpoint", queue),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", "true"),
        ];
        let (status, answer) = world.form("AKIATERRAFORM", "sns", &subscribe).await;
        assert_eq!(status, 200, "{answer}");
    }
    let publish = [("Action", "Publish"), ("TopicArn", topic), ("Message", "{}")];
    for _ in 0..2 {
        assert_eq!(world.form("AKIATERRAFORM", "sns", &publish).await.0, 200);
    }
    world.receive_all(&open, 2).await;
    assert!(world.receive(&shut).await.is_empty());
    let denied = world.edge.iam().of("sns.amazonaws.com").unwrap().denied.clone();
    assert_eq!((denied.len(), denied[0].resource.as_str(), denied[0].times), (1, shut_arn.as_str(), 2));

    let policy = json!({"QueueUrl": shut, "Attributes": {"Policy": lets(topic).to_string()}});
    world.ok("AmazonSQS.SetQueueAttributes", policy).await;
    assert_eq!(world.form("AKIATERRAFORM", "sns", &publish).await.0, 200);
    world.receive_all(&shut, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_role_does_not_trust_codebuild_does_not_start() {
    let world = World::start().await;
    world.project("iam-i", "phases:\n  build:\n    commands: ['true']\n").await;
    let trusts = |account: &str| {
        json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }})
        .to_string()
    };
    let trusting =
        json!({"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole"});
    let role = world.role(ACCOUNT, "iam-i", &trusting, &everything()).await;
    world.ok("CodeBuild_20161006.UpdateProject", json!({"name": "iam-i", "serviceRole": role})).await;
    let update = |trust: String| {
        let world = &world;
        async move {
            let pairs =
                [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "iam-i"), ("PolicyDocument", trust.as_str())];
            assert_eq!(world.form("AKIATERRAFORM", "iam", &pairs).await.0, 200);
        }
    };
    update(trusts(MEMBER)).await;
    let start = json!({"projectName": "iam-i"});
    let (status, refused) = world.json("AKIATERRAFORM", "CodeBuild_20161006.StartBuild", start.clone()).await;
    assert_eq!((status, &refused["__type"]), (400, &json!("InvalidInputException")));
    assert!(
        refused["message"].as_str().unwrap().starts_with("CodeBuild is not authorized to perform: sts:AssumeRole on")
    );
    assert!(world.edge.builds().is_empty());
    update(trusts(ACCOUNT)).await;
    assert_eq!(world.over(&world.build(start).await).await["buildStatus"], "SUCCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_role_may_not_write_its_log_fails_before_its_phases() {
    let world = World::start().await;
    world.project("iam-j", "phases:\n  build:\n    commands: ['true']\n").await;
    let trust =
        json!({"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole"});
    let role = world.role(ACCOUNT, "iam-j", &trust, &allow("logs:*", "arn:aws:logs:*:*:log-group:/elsewhere:*")).await;
    world.ok("CodeBuild_20161006.UpdateProject", json!({"name": "iam-j", "serviceRole": role})).await;
    let build = world.over(&world.build(json!({"projectName": "iam-j"})).await).await;
    assert_eq!(build["buildStatus"], "FAILED");
    let failed = build["phases"].as_array().unwrap().iter().find(|p| p["phaseStatus"] == "FAILED").unwrap();
    let message = failed["contexts"][0]["message"].as_str().unwrap();
    assert!(message.contains("does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_a_profile_needs_the_right_to_pass_its_role() {
    let world = World::start().await;
    let web = world.service_role(ACCOUNT, "iam-k-web", "ec2.amazonaws.com").await;
    for pairs in [
        vec![("Action", "CreateInstanceProfile"), ("InstanceProfileName", "iam-k")],
        vec![("Action", "AddRoleToInstanceProfile"), ("InstanceProfileName", "iam-k"), ("RoleName", "iam-k-web")],
    ] {
        let (status, answer) = world.form("AKIATERRAFORM", "iam", &pairs).await;
        assert_eq!(status, 200, "{answer}");
    }
    let run = |key: String| {
        let world = &world;
        async move {
            let run = [
                ("Action", "RunInstances"),
                ("ImageId", "ami-1"),
                ("MinCount", "1"),
                ("MaxCount", "1"),
                ("InstanceType", "t3.micro"),
                ("IamInstanceProfile.Name", "iam-k"),
                ("TagSpecification.1.ResourceType", "instance"),
                ("TagSpecification.1.Tag.1.Key", "Name"),
                ("TagSpecification.1.Tag.1.Value", "web"),
            ];
            world.form(&key, "ec2", &run).await
        }
    };
    let launches = json!([allow("ec2:RunInstances", "*"), allow("ec2:CreateTags", "*")]);
    let (status, refused) = run(session(&world, "iam-k1", launches).await).await;
    assert_eq!(status, 403);
    assert!(
        refused.contains(&format!("is not authorized to perform: iam:PassRole on resource: {web} because")),
        "{refused}"
    );
    let to = |service: &str| {
        let mut pass = allow("iam:PassRole", &web);
        pass["Condition"] = json!({"StringEquals": {"iam:PassedToService": service}});
        json!([allow("ec2:RunInstances", "*"), allow("ec2:CreateTags", "*"), pass])
    };
    assert_eq!(run(session(&world, "iam-k2", to("lambda.amazonaws.com")).await).await.0, 403);
    assert_eq!(run(session(&world, "iam-k3", to("ec2.amazonaws.com")).await).await.0, 200);
    let untagged =
        run(session(&world, "iam-k4", json!([allow("ec2:RunInstances", "*"), allow("iam:PassRole", "*")])).await).await;
    assert!(untagged.1.contains("ec2:CreateTags"), "{}", untagged.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_role_that_does_not_exist_is_nobody() {
    let world = World::start().await;
    let (status, answer) = world.form("AKIAOPERATOR", "iam", &[("Action", "ListRoles")]).await;
    assert_eq!(status, 403);
    assert!(answer.contains("<Code>InvalidClientTokenId</Code>"), "{answer}");
    let (_, answer) = world.json("AKIAOPERATOR", "AmazonSSM.GetParameter", json!({"Name": "/x"})).await;
    assert_eq!(answer["__type"], "UnrecognizedClientException");
}
