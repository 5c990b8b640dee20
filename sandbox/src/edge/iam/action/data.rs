//! Services whose questions follow from one name in the request: DynamoDB, Systems Manager, Secrets Manager, CloudWatch Logs, CloudTrail, Cloud Control, RDS.

use super::{Access, Ask};
use serde_json::Value;

/// The questions of a call to DynamoDB.
pub fn dynamodb(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let table = |name: &str| match name {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => ask.arn("dynamodb", &format!("table/{name}")),
    };
    let own = |resource: String| Access { context: ask.tags(), ..Access::new(ask.own("dynamodb"), resource) };
    Some(match ask.operation {
        "ListTables" | "DescribeLimits" | "DescribeEndpoints" | "ListBackups" => vec![own("*".to_owned())],
        "ListTagsOfResource" | "TagResource" | "UntagResource" | "GetResourcePolicy" | "PutResourcePolicy" => {
            vec![own(ask.text("ResourceArn").to_owned())]
        }
        "CreateTable" => {
            let made = own(table(ask.text("TableName")));
            let tagging = (!ask.tag_pairs().is_empty())
                .then(|| Access { action: "dynamodb:TagResource".to_owned(), ..made.clone() });
            std::iter::once(made).chain(tagging).collect()
        }
        "Query" | "Scan" if !ask.text("IndexName").is_empty() => {
            vec![own(format!("{}/index/{}", table(ask.text("TableName")), ask.text("IndexName")))]
        }
        "BatchGetItem" | "BatchWriteItem" => {
            ask.input["RequestItems"].as_object()?.keys().map(|name| own(table(name))).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => ask.input["TransactItems"]
            .as_array()?
            .iter()
            .flat_map(|item| item.as_object().into_iter().flatten())
            .map(|(verb, item)| {
                let action =
                    if verb == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{verb}Item") };
                Access::new(format!("dynamodb:{action}"), table(item["TableName"].as_str().unwrap_or_default()))
            })
            .collect(),
        _ if !ask.text("TableName").is_empty() => vec![own(table(ask.text("TableName")))],
        _ => return None,
    })
}

/// The questions of a call to Systems Manager's parameters.
pub fn ssm(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let on = |name: &str| Access {
        context: ask.tags(),
        ..Access::new(ask.own("ssm"), parameter_arn(name, ask.account, ask.region))
    };
    Some(match ask.operation {
        // Knows no resource; AWS names all of them in its refusal.
        "DescribeParameters" => vec![Access::new(ask.own("ssm"), ask.arn("ssm", "*"))],
        "GetParameters" | "DeleteParameters" => {
            ask.input["Names"].as_array()?.iter().filter_map(Value::as_str).map(on).collect()
        }
        "GetParametersByPath" => vec![on(ask.text("Path"))],
        "AddTagsToResource" | "RemoveTagsFromResource" | "ListTagsForResource"
            if ask.text("ResourceType") == "Parameter" =>
        {
            vec![on(ask.text("ResourceId"))]
        }
        "PutParameter" => {
            let put = on(ask.text("Name"));
            let tagging = (!ask.tag_pairs().is_empty())
                .then(|| Access { action: "ssm:AddTagsToResource".to_owned(), ..put.clone() });
            std::iter::once(put).chain(tagging).collect()
        }
        "GetParameter"
        | "GetParameterHistory"
        | "DeleteParameter"
        | "LabelParameterVersion"
        | "UnlabelParameterVersion" => vec![on(ask.text("Name"))],
        _ => return None,
    })
}

/// The ARN of a parameter: the slash that its name may begin with is the one that separates.
pub fn parameter_arn(name: &str, account: &str, region: &str) -> String {
    match name {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => {
            // A version or label may be asked for: `name:3`.
            let name = name.split(':').next().unwrap_or(name).trim_start_matches('/');
            format!("arn:aws:ssm:{region}:{account}:parameter/{name}")
        }
    }
}

/// The questions of a call to Secrets Manager.
pub fn secrets(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let own = |resource: String| Access { context: ask.tags(), ..Access::new(ask.own("secretsmanager"), resource) };
    Some(match ask.operation {
        "ListSecrets" | "GetRandomPassword" | "BatchGetSecretValue" => vec![own("*".to_owned())],
        "CreateSecret" => {
            let made = own(secret_arn(ask.text("Name"), ask.account, ask.region));
            let tagging = (!ask.tag_pairs().is_empty())
                .then(|| Access { action: "secretsmanager:TagResource".to_owned(), ..made.clone() });
            std::iter::once(made).chain(tagging).collect()
        }
        _ if !ask.text("SecretId").is_empty() => vec![own(secret_arn(ask.text("SecretId"), ask.account, ask.region))],
        _ => return None,
    })
}

/// The ARN of a secret by name or ARN; by name it lacks the six letters that Secrets Manager adds.
pub fn secret_arn(name: &str, account: &str, region: &str) -> String {
    match name {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}"),
    }
}

/// The questions of a call to CloudWatch Logs. What is about a group is asked of its streams but for tags, as AWS's own
/// refusals show; the ARN without `:*` is for tags ("Amazon CloudWatch Logs resources and operations").
pub fn logs(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let group = ask.text("logGroupName");
    let on = |resource: &str| Access { context: ask.tags(), ..Access::new(ask.own("logs"), ask.arn("logs", resource)) };
    Some(match ask.operation {
        "DescribeLogGroups" => vec![on("log-group::log-stream:")],
        "ListTagsForResource" | "TagResource" | "UntagResource" => {
            let arn = ask.text("resourceArn");
            vec![Access { context: ask.tags(), ..Access::new(ask.own("logs"), arn.trim_end_matches(":*")) }]
        }
        "CreateLogGroup" => {
            let tagged = !ask.tag_pairs().is_empty();
            let tag = Access { action: "logs:TagResource".to_owned(), ..on(&format!("log-group:{group}")) };
            std::iter::once(on(&format!("log-group:{group}:log-stream:"))).chain(tagged.then_some(tag)).collect()
        }
        _ if group.is_empty() => return None,
        _ => vec![on(&format!("log-group:{group}:log-stream:{}", ask.text("logStreamName")))],
    })
}

/// The questions of a call to CloudTrail.
pub fn cloudtrail(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let trail = |name: &str| match name {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => ask.arn("cloudtrail", &format!("trail/{name}")),
    };
    let resource = match ask.operation {
        "LookupEvents" | "DescribeTrails" | "ListTrails" => "*".to_owned(),
        _ => [ask.text("Name"), ask.text("TrailName")].into_iter().find(|n| !n.is_empty()).map(trail)?,
    };
    Some(vec![Access::new(ask.own("cloudtrail"), resource)])
}

/// Cloud Control is CloudFormation to IAM. Its handlers read with the caller's own rights: those questions are the
/// handlers', which the sandbox does not run.
pub fn cloud_control(ask: &Ask<'_>) -> Vec<Access> {
    vec![Access::new(ask.own("cloudformation"), ask.arn("cloudformation", "resource/*"))]
}

/// The questions of a call to RDS.
pub fn rds(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let kinds = [
        ("DBInstanceIdentifier", "db"),
        ("DBSubnetGroupName", "subgrp"),
        ("DBParameterGroupName", "pg"),
        ("DBSnapshotIdentifier", "snapshot"),
        ("DBClusterIdentifier", "cluster"),
    ];
    let named = kinds.iter().filter(|(field, _)| !ask.field(field).is_empty());
    let mut resources: Vec<String> =
        named.map(|(field, kind)| ask.arn("rds", &format!("{kind}:{}", ask.field(field)))).collect();
    if !ask.field("ResourceName").is_empty() {
        resources.push(ask.field("ResourceName").to_owned());
    }
    if resources.is_empty() {
        resources.push(if ask.operation.starts_with("Describe") { "*".to_owned() } else { return None });
    }
    let own = |resource: String| Access { context: ask.tags(), ..Access::new(ask.own("rds"), resource) };
    let mut accesses: Vec<Access> = resources.into_iter().map(own).collect();
    if ask.has_field("Tags.") && ask.operation.starts_with("Create") {
        accesses.push(Access { action: "rds:AddTagsToResource".to_owned(), ..accesses[0].clone() });
    }
    Some(accesses)
}
