//! SQS and SNS ("Actions, resources, and condition keys for Amazon SQS", "... for Amazon SNS").

use super::{Access, Ask};

/// The questions of a call to SQS. What is done in batches has the right of the single call.
pub fn sqs(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let action = format!("sqs:{}", ask.operation.trim_end_matches("Batch"));
    let given = |name: &str| if ask.input.is_object() { ask.text(name).to_owned() } else { ask.field(name).to_owned() };
    let (url, name) = (given("QueueUrl"), given("QueueName"));
    let resource = if !url.is_empty() {
        let mut parts = url.rsplit('/');
        let name = parts.next().unwrap_or_default();
        let account = parts.next().filter(|a| a.len() == 12).unwrap_or(ask.account);
        format!("arn:aws:sqs:{}:{account}:{name}", ask.region)
    } else if !name.is_empty() {
        let owner = given("QueueOwnerAWSAccountId");
        let account = if owner.is_empty() { ask.account } else { &owner };
        format!("arn:aws:sqs:{}:{account}:{name}", ask.region)
    } else if ask.operation == "ListQueues" {
        ask.arn("sqs", "")
    } else {
        return None;
    };
    let tagged = !ask.input["tags"].is_null() || ask.has_field("Tag.");
    let tagging = (ask.operation == "CreateQueue" && tagged).then_some("sqs:TagQueue".to_owned());
    let access = |action| Access { context: ask.tags(), ..Access::new(action, resource.clone()) };
    Some(std::iter::once(action).chain(tagging).map(access).collect())
}

/// The questions of a call to SNS.
pub fn sns(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let subscription = ask.field("SubscriptionArn");
    let action = ask.own("sns").trim_end_matches("Batch").to_owned();
    let resource = match ask.operation {
        "ListTopics" | "ListSubscriptions" => "*".to_owned(),
        "CreateTopic" => ask.arn("sns", ask.field("Name")),
        _ if !subscription.is_empty() => subscription.rsplit_once(':').map_or("", |(topic, _)| topic).to_owned(),
        _ => [ask.field("TopicArn"), ask.field("TargetArn"), ask.field("ResourceArn")]
            .into_iter()
            .find(|arn| !arn.is_empty())?
            .to_owned(),
    };
    let mut context = ask.tags();
    if ask.operation == "Subscribe" {
        context.set("sns:Protocol", ask.field("Protocol"));
        context.set("sns:Endpoint", ask.field("Endpoint"));
    }
    let tagging = (ask.operation == "CreateTopic" && ask.has_field("Tags.")).then(|| "sns:TagResource".to_owned());
    let access = |action| Access { context: context.clone(), ..Access::new(action, resource.clone()) };
    Some(std::iter::once(action).chain(tagging).map(access).collect())
}
