//! Lambda, EKS and Bedrock, whose operations are read off method and path ("Actions, resources, and condition keys for AWS Lambda", "... for Amazon EKS", "... for Amazon Bedrock").

use super::{Access, Ask};
use crate::edge::call::percent_decode;

/// The questions of a call to Lambda.
pub fn lambda(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let parts = segments(ask);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let method = ask.request.method.as_str();
    let one = |action: &str, resource: String| Some(vec![Access::new(format!("lambda:{action}"), resource)]);
    match (method, parts.as_slice()) {
        ("GET", [_, "functions"]) => one("ListFunctions", "*".to_owned()),
        ("POST", [_, "functions"]) => Some(create_function(ask)),
        (_, [_, "functions", name, rest @ ..]) => {
            let function = function_arn(ask, name);
            let action = function_action(method, rest)?;
            let own = Access::new(format!("lambda:{action}"), function);
            let role = if action == "UpdateFunctionConfiguration" { ask.text("Role") } else { "" };
            Some(std::iter::once(own).chain(ask.pass_role(role, "lambda.amazonaws.com")).collect())
        }
        ("GET", [_, "tags", arn]) => one("ListTags", (*arn).to_owned()),
        ("POST", [_, "tags", arn]) => one("TagResource", (*arn).to_owned()),
        ("DELETE", [_, "tags", arn]) => one("UntagResource", (*arn).to_owned()),
        ("GET", [_, "event-source-mappings"]) => one("ListEventSourceMappings", "*".to_owned()),
        ("POST", [_, "event-source-mappings"]) => one("CreateEventSourceMapping", "*".to_owned()),
        (_, [_, "event-source-mappings", id]) => {
            let verb = match method {
                "GET" => "Get",
                "PUT" => "Update",
                "DELETE" => "Delete",
                _ => return None,
            };
            one(&format!("{verb}EventSourceMapping"), ask.arn("lambda", &format!("event-source-mapping:{id}")))
        }
        _ => None,
    }
}

fn create_function(ask: &Ask<'_>) -> Vec<Access> {
    let function = function_arn(ask, ask.text("FunctionName"));
    let own = Access { context: ask.tags(), ..Access::new("lambda:CreateFunction", function) };
    let tagging =
        (!ask.tag_pairs().is_empty()).then(|| Access { action: "lambda:TagResource".to_owned(), ..own.clone() });
    let passed = ask.pass_role(ask.text("Role"), "lambda.amazonaws.com");
    std::iter::once(own).chain(tagging).chain(passed).collect()
}

/// The action on a function, by what follows its name in the path.
fn function_action(method: &str, rest: &[&str]) -> Option<&'static str> {
    Some(match (method, rest) {
        ("GET", []) => "GetFunction",
        ("DELETE", []) => "DeleteFunction",
        ("GET", ["configuration"]) => "GetFunctionConfiguration",
        ("PUT", ["configuration"]) => "UpdateFunctionConfiguration",
        ("PUT", ["code"]) => "UpdateFunctionCode",
        ("GET", ["code-signing-config"]) => "GetFunctionCodeSigningConfig",
        ("GET", ["policy"]) => "GetPolicy",
        ("POST", ["policy"]) => "AddPermission",
        ("DELETE", ["policy", _]) => "RemovePermission",
        ("GET", ["versions"]) => "ListVersionsByFunction",
        ("POST", ["versions"]) => "PublishVersion",
        ("GET", ["aliases"]) => "ListAliases",
        ("POST", ["aliases"]) => "CreateAlias",
        ("GET", ["aliases", _]) => "GetAlias",
        ("PUT", ["aliases", _]) => "UpdateAlias",
        ("DELETE", ["aliases", _]) => "DeleteAlias",
        ("GET", ["concurrency"]) => "GetFunctionConcurrency",
        ("PUT", ["concurrency"]) => "PutFunctionConcurrency",
        ("DELETE", ["concurrency"]) => "DeleteFunctionConcurrency",
        ("GET", ["event-invoke-config"]) => "GetFunctionEventInvokeConfig",
        ("PUT", ["event-invoke-config"]) => "PutFunctionEventInvokeConfig",
        ("GET", ["url"]) => "GetFunctionUrlConfig",
        ("POST", ["url"]) => "CreateFunctionUrlConfig",
        ("GET", ["recursion-config"]) => "GetFunctionRecursionConfig",
        ("GET", ["runtime-management-config"]) => "GetRuntimeManagementConfig",
        ("POST", ["invocations" | "invoke-async"]) => "InvokeFunction",
        _ => return None,
    })
}

/// A function may be named by its ARN, and with a version or an alias behind it.
fn function_arn(ask: &Ask<'_>, name: &str) -> String {
    match name {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => ask.arn("lambda", &format!("function:{name}")),
    }
}

/// The questions of a call to EKS.
pub fn eks(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let parts = segments(ask);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let method = ask.request.method.as_str();
    let cluster = |name: &str| ask.arn("eks", &format!("cluster/{name}"));
    let (action, resource) = match (method, parts.as_slice()) {
        ("GET", ["clusters"]) => ("ListClusters", "*".to_owned()),
        ("POST", ["clusters"]) => ("CreateCluster", cluster(ask.text("name"))),
        ("GET", ["clusters", name]) => ("DescribeCluster", cluster(name)),
        ("DELETE", ["clusters", name]) => ("DeleteCluster", cluster(name)),
        ("POST", ["clusters", name, "update-config"]) => ("UpdateClusterConfig", cluster(name)),
        ("POST", ["clusters", name, "updates"]) => ("UpdateClusterVersion", cluster(name)),
        ("GET", ["clusters", name, "node-groups"]) => ("ListNodegroups", cluster(name)),
        ("POST", ["clusters", name, "node-groups"]) => ("CreateNodegroup", cluster(name)),
        ("GET", ["clusters", name, "node-groups", group]) => {
            ("DescribeNodegroup", ask.arn("eks", &format!("nodegroup/{name}/{group}/*")))
        }
        ("DELETE", ["clusters", name, "node-groups", group]) => {
            ("DeleteNodegroup", ask.arn("eks", &format!("nodegroup/{name}/{group}/*")))
        }
        ("GET", ["clusters", name, "addons"]) => ("ListAddons", cluster(name)),
        ("POST", ["clusters", name, "addons"]) => ("CreateAddon", cluster(name)),
        ("GET", ["clusters", name, "addons", addon]) => {
            ("DescribeAddon", ask.arn("eks", &format!("addon/{name}/{addon}/*")))
        }
        ("POST", ["clusters", name, "access-entries"]) => ("CreateAccessEntry", cluster(name)),
        ("GET", ["clusters", name, "access-entries", entry]) => {
            ("DescribeAccessEntry", ask.arn("eks", &format!("access-entry/{name}/{entry}")))
        }
        ("GET", ["tags", arn]) => ("ListTagsForResource", (*arn).to_owned()),
        ("POST", ["tags", arn]) => ("TagResource", (*arn).to_owned()),
        ("DELETE", ["tags", arn]) => ("UntagResource", (*arn).to_owned()),
        _ => return None,
    };
    let own = Access { context: ask.tags(), ..Access::new(format!("eks:{action}"), resource) };
    let tagging = (action.starts_with("Create") && !ask.tag_pairs().is_empty())
        .then(|| Access { action: "eks:TagResource".to_owned(), ..own.clone() });
    let role = match action {
        "CreateCluster" => ask.text("roleArn"),
        "CreateNodegroup" => ask.text("nodeRole"),
        _ => "",
    };
    Some(std::iter::once(own).chain(tagging).chain(ask.pass_role(role, "eks.amazonaws.com")).collect())
}

/// The questions of a call to Bedrock's runtime: Converse has the right of InvokeModel.
pub fn bedrock(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let rest = ask.request.path().strip_prefix("/model/")?;
    let (model, verb) = rest.rsplit_once('/')?;
    let action = match verb {
        "converse" | "invoke" => "bedrock:InvokeModel",
        "converse-stream" | "invoke-with-response-stream" => "bedrock:InvokeModelWithResponseStream",
        _ => return None,
    };
    let model = percent_decode(model);
    let resource = match model.as_str() {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        // A profile for several regions begins with where they are: us.amazon.nova-lite-v1:0.
        profile
            if profile.split('.').count() > 2
                && profile.split('.').next().is_some_and(|g| g.len() <= 6 && g != "amazon") =>
        {
            ask.arn("bedrock", &format!("inference-profile/{profile}"))
        }
        model => format!("arn:aws:bedrock:{}::foundation-model/{model}", ask.region),
    };
    Some(vec![Access::new(action, resource)])
}

fn segments(ask: &Ask<'_>) -> Vec<String> {
    ask.request.path().split('/').filter(|s| !s.is_empty()).map(percent_decode).collect()
}
