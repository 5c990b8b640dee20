//! EventBridge ("Actions, resources, and condition keys for Amazon EventBridge").

use super::{Access, Ask};

/// The questions of a call.
pub fn accesses(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let on = |resource: String| Access { context: ask.tags(), ..Access::new(ask.own("events"), resource) };
    let rule = if ask.text("Rule").is_empty() { ask.text("Name") } else { ask.text("Rule") };
    Some(match ask.operation {
        "PutEvents" => return put_events(ask),
        "ListRules" | "ListEventBuses" | "TestEventPattern" | "ListRuleNamesByTarget" => vec![on("*".to_owned())],
        "CreateEventBus" | "DeleteEventBus" | "DescribeEventBus" | "UpdateEventBus" => {
            let tagged = ask.operation == "CreateEventBus" && ask.input["Tags"].is_array();
            tagging(ask, on(bus(ask, ask.text("Name"))), tagged)
        }
        "PutPermission" | "RemovePermission" => vec![on(bus(ask, ask.text("EventBusName")))],
        "PutTargets" => {
            let targets = ask.input["Targets"].as_array().into_iter().flatten();
            let passed = targets.filter_map(|t| ask.pass_role(t["RoleArn"].as_str()?, "events.amazonaws.com"));
            std::iter::once(on(rule_arn(ask, rule))).chain(passed).collect()
        }
        "PutRule" => {
            let mut accesses = tagging(ask, on(rule_arn(ask, rule)), ask.input["Tags"].is_array());
            accesses.extend(ask.pass_role(ask.text("RoleArn"), "events.amazonaws.com"));
            accesses
        }
        "TagResource" | "UntagResource" | "ListTagsForResource" => vec![on(ask.text("ResourceARN").to_owned())],
        _ if !rule.is_empty() => vec![on(rule_arn(ask, rule))],
        _ => return None,
    })
}

fn tagging(ask: &Ask<'_>, made: Access, tagged: bool) -> Vec<Access> {
    let tag = (tagged && !ask.tag_pairs().is_empty())
        .then(|| Access { action: "events:TagResource".to_owned(), ..made.clone() });
    std::iter::once(made).chain(tag).collect()
}

/// Each entry is asked for by itself, since each has its own source.
fn put_events(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let put = |entry: &serde_json::Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        Access::new("events:PutEvents", bus(ask, text("EventBusName")))
            .with("events:source", text("Source"))
            .with("events:detail-type", text("DetailType"))
    };
    Some(ask.input["Entries"].as_array()?.iter().map(put).collect())
}

/// The ARN of a bus by name or ARN.
fn bus(ask: &Ask<'_>, name: &str) -> String {
    match name {
        "" => ask.arn("events", "event-bus/default"),
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => ask.arn("events", &format!("event-bus/{name}")),
    }
}

/// Rules of the default bus do not name it.
fn rule_arn(ask: &Ask<'_>, rule: &str) -> String {
    let bus = ask.text("EventBusName").rsplit('/').next().unwrap_or_default();
    match bus {
        "" | "default" => ask.arn("events", &format!("rule/{rule}")),
        bus => ask.arn("events", &format!("rule/{bus}/{rule}")),
    }
}
