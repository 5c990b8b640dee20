//! One thing in AWS that a run may have made: what it is, how it is found by its name or its tag, and how it is removed.
//! What is known of each kind is here, and calls nothing.

use super::names::{PREFIX, Site, TAG};
use super::owner::Runs;

/// What it is, in the order in which they can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A log group; before the function or project that may be all that tells whose it is.
    LogGroup,
    /// An EC2 instance.
    Instance,
    /// A Lambda function.
    Function,
    /// A DynamoDB table.
    Table,
    /// An SSM parameter.
    Parameter,
    /// A trail.
    Trail,
    /// A CodeBuild project.
    Project,
    /// An EventBridge rule.
    Rule,
    /// A queue, by its URL.
    Queue,
    /// A topic, by its ARN.
    Topic,
    /// An IAM role.
    Role,
    /// A bucket, with what is in it.
    Bucket,
    /// A volume that outlived its instance.
    Volume,
    /// A security group.
    SecurityGroup,
    /// A subnet.
    Subnet,
    /// A VPC.
    Vpc,
    /// A name of a key.
    Alias,
    /// A key; it is scheduled to be deleted, more AWS does not allow.
    Key,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    /// What it is.
    pub kind: Kind,
    /// Its name, URL, ARN or id: whatever removes it.
    pub id: String,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.kind, self.id)
    }
}

/// The arguments of the AWS CLI that list what has a name of ours, one for each kind that has names.
pub fn listings() -> Vec<(Kind, Vec<String>)> {
    let by_name = |list: &str, member: &str| {
        let tested = if member.is_empty() { "@" } else { member };
        let member = if member.is_empty() { String::new() } else { format!(".{member}") };
        format!("{list}[?starts_with({tested}, '{PREFIX}-')]{member}")
    };
    let tagged = |list: &str, id: &str| format!("{list}[?Tags[?Key=='Name' && Value=='{PREFIX}']].{id}");
    let living = "State.Name!='terminated' && State.Name!='shutting-down'";
    let instances = format!(
        "Reservations[].Instances[?{living} && Tags[?Key=='Name' && starts_with(Value, '{PREFIX}-')]][].InstanceId"
    );
    let all = [
        (Kind::Instance, "ec2 describe-instances", instances),
        (Kind::Function, "lambda list-functions", by_name("Functions", "FunctionName")),
        (Kind::Table, "dynamodb list-tables", by_name("TableNames", "")),
        (Kind::Parameter, "ssm describe-parameters", format!("Parameters[?starts_with(Name, '/{PREFIX}/')].Name")),
        (Kind::Trail, "cloudtrail describe-trails", by_name("trailList", "Name")),
        (Kind::Project, "codebuild list-projects", by_name("projects", "")),
        (Kind::Rule, "events list-rules", by_name("Rules", "Name")),
        (Kind::Queue, "sqs list-queues", format!("QueueUrls[?contains(@, '/{PREFIX}-')]")),
        (Kind::Topic, "sns list-topics", format!("Topics[?contains(TopicArn, ':{PREFIX}-')].TopicArn")),
        (
            Kind::LogGroup,
            "logs describe-log-groups",
            format!("logGroups[?contains(logGroupName, '/{PREFIX}')].logGroupName"),
        ),
        (Kind::Role, "iam list-roles", by_name("Roles", "RoleName")),
        (Kind::Bucket, "s3api list-buckets", by_name("Buckets", "Name")),
        (
            Kind::SecurityGroup,
            "ec2 describe-security-groups",
            format!("SecurityGroups[?starts_with(GroupName, '{PREFIX}-')].GroupId"),
        ),
        (Kind::Subnet, "ec2 describe-subnets", tagged("Subnets", "SubnetId")),
        (Kind::Vpc, "ec2 describe-vpcs", tagged("Vpcs", "VpcId")),
        (Kind::Alias, "kms list-aliases", format!("Aliases[?AliasName=='alias/{PREFIX}'].AliasName")),
    ];
    let words = |command: &str, query: String| {
        command.split(' ').map(ToOwned::to_owned).chain(["--query".to_owned(), query]).collect()
    };
    all.into_iter().map(|(kind, command, query)| (kind, words(command, query))).collect()
}

/// The arguments that list the ARNs of what is tagged, or was, as of these runs, or of any. It is a way to find what has no
/// name of ours, and no proof: a thing's own service is asked for its tags.
pub fn tagged(runs: Option<&Runs>) -> Vec<String> {
    let values = runs.map(|runs| format!(",Values={}", runs.iter().cloned().collect::<Vec<_>>().join(",")));
    let filter = format!("Key={TAG}{}", values.unwrap_or_default());
    let query = "ResourceTagMappingList[].ResourceARN";
    ["resourcegroupstaggingapi", "get-resources", "--tag-filters", &filter, "--query", query]
        .map(ToOwned::to_owned)
        .into()
}

/// What an ARN names, if it is of a kind that a run makes.
pub fn of_arn(arn: &str) -> Option<Thing> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, service, region, account, resource] = parts[..] else { return None };
    let after = |prefix: &str| resource.strip_prefix(prefix).map(ToOwned::to_owned);
    let (kind, id) = match service {
        "s3" => (Kind::Bucket, Some(resource.to_owned())),
        "sqs" => {
            let suffix = if partition == "aws-cn" { ".cn" } else { "" };
            (Kind::Queue, Some(format!("https://sqs.{region}.amazonaws.com{suffix}/{account}/{resource}")))
        }
        "sns" => (Kind::Topic, Some(arn.to_owned())),
        "dynamodb" => (Kind::Table, after("table/")),
        "lambda" => (Kind::Function, after("function:")),
        "ssm" => (Kind::Parameter, after("parameter").map(|name| format!("/{}", name.trim_start_matches('/')))),
        "events" => (Kind::Rule, after("rule/")),
        "codebuild" => (Kind::Project, after("project/")),
        "cloudtrail" => (Kind::Trail, after("trail/")),
        "logs" => (Kind::LogGroup, after("log-group:").map(|name| name.trim_end_matches(":*").to_owned())),
        "iam" => (Kind::Role, after("role/")),
        "kms" => (Kind::Key, after("key/")),
        "ec2" => {
            let (what, id) = resource.split_once('/')?;
            let kind = match what {
                "instance" => Kind::Instance,
                "volume" => Kind::Volume,
                "security-group" => Kind::SecurityGroup,
                "subnet" => Kind::Subnet,
                "vpc" => Kind::Vpc,
                _ => return None,
            };
            (kind, Some(id.to_owned()))
        }
        _ => return None,
    };
    id.map(|id| Thing { kind, id })
}

/// The id of what an ARN of EC2's names, whether or not a run makes such: EC2 tells the tags of anything by its id.
pub fn ec2_id(arn: &str) -> Option<&str> {
    let [_, _, "ec2", _, _, resource] = arn.splitn(6, ':').collect::<Vec<_>>()[..] else { return None };
    resource.split_once('/').map(|(_, id)| id)
}

/// The questions that tell whether it is there and whose, asked in turn: each answers null or that there is no such thing,
/// or with `State` or `Tags` or both. Two where the answer about tags of what is not there is no word on that. An alias is
/// asked after by its key, which is no matter of one question.
pub fn questions(thing: &Thing, site: &Site) -> Vec<Vec<String>> {
    let id = thing.id.as_str();
    let arn = |service: &str, resource: &str| {
        format!("arn:{}:{service}:{}:{}:{resource}{id}", site.partition, site.region, site.account)
    };
    let ask = |command: &str, args: &[&str], query: &str| {
        let words = command.split(' ').chain(args.iter().copied()).chain(["--query", query]);
        words.map(ToOwned::to_owned).collect::<Vec<String>>()
    };
    let tags = "{Tags: Tags}";
    match thing.kind {
        Kind::Instance => {
            let query = "Reservations[0].Instances[0].{State: State.Name, Tags: Tags}";
            vec![ask("ec2 describe-instances --instance-ids", &[id], query)]
        }
        Kind::Volume => vec![ask("ec2 describe-volumes --volume-ids", &[id], "Volumes[0].{State: State, Tags: Tags}")],
        Kind::SecurityGroup => {
            vec![ask("ec2 describe-security-groups --group-ids", &[id], "SecurityGroups[0].{Tags: Tags}")]
        }
        Kind::Subnet => vec![ask("ec2 describe-subnets --subnet-ids", &[id], "Subnets[0].{Tags: Tags}")],
        Kind::Vpc => vec![ask("ec2 describe-vpcs --vpc-ids", &[id], "Vpcs[0].{Tags: Tags}")],
        Kind::Function => vec![ask("lambda get-function --function-name", &[id], tags)],
        Kind::Table => vec![
            ask("dynamodb describe-table --table-name", &[id], "{State: Table.TableStatus}"),
            ask("dynamodb list-tags-of-resource --resource-arn", &[&arn("dynamodb", "table/")], tags),
        ],
        Kind::Parameter => vec![
            {
                let named = format!("Key=Name,Option=Equals,Values={id}");
                ask("ssm describe-parameters --parameter-filters", &[&named], "Parameters[0].{State: Type}")
            },
            ask("ssm list-tags-for-resource --resource-type Parameter --resource-id", &[id], "{Tags: TagList}"),
        ],
        Kind::Trail => {
            let query = "{Tags: ResourceTagList[0].TagsList}";
            vec![ask("cloudtrail list-tags --resource-id-list", &[&arn("cloudtrail", "trail/")], query)]
        }
        Kind::Project => vec![ask("codebuild batch-get-projects --names", &[id], "projects[0].{Tags: tags}")],
        Kind::Rule => vec![ask("events list-tags-for-resource --resource-arn", &[&arn("events", "rule/")], tags)],
        Kind::Queue => vec![ask("sqs list-queue-tags --queue-url", &[id], tags)],
        Kind::Topic => vec![ask("sns list-tags-for-resource --resource-arn", &[id], tags)],
        Kind::LogGroup => {
            vec![ask("logs list-tags-for-resource --resource-arn", &[&arn("logs", "log-group:")], "{Tags: tags}")]
        }
        Kind::Role => vec![ask("iam list-role-tags --role-name", &[id], tags)],
        // A bucket's name may be another account's anywhere.
        Kind::Bucket => {
            let owner = ["--expected-bucket-owner", &site.account];
            vec![ask("s3api get-bucket-tagging --bucket", &[&[id], &owner[..]].concat(), "{Tags: TagSet}")]
        }
        Kind::Alias => Vec::new(),
        Kind::Key => vec![
            ask("kms describe-key --key-id", &[id], "{State: KeyMetadata.KeyState}"),
            ask("kms list-resource-tags --key-id", &[id], tags),
        ],
    }
}

/// Whether a thing in this state only waits to be gone, for which nothing more can be done.
pub fn is_going(state: &str) -> bool {
    ["terminated", "shutting-down", "DELETING", "deleting", "PendingDeletion"].contains(&state)
}

/// The arguments that remove it, where one call does; buckets, roles and rules take more.
pub fn removal(thing: &Thing) -> Vec<&str> {
    let id = thing.id.as_str();
    match thing.kind {
        Kind::Instance => vec!["ec2", "terminate-instances", "--instance-ids", id],
        Kind::Function => vec!["lambda", "delete-function", "--function-name", id],
        Kind::Table => vec!["dynamodb", "delete-table", "--table-name", id],
        Kind::Parameter => vec!["ssm", "delete-parameter", "--name", id],
        Kind::Trail => vec!["cloudtrail", "delete-trail", "--name", id],
        Kind::Project => vec!["codebuild", "delete-project", "--name", id],
        Kind::Rule => vec!["events", "delete-rule", "--name", id],
        Kind::Queue => vec!["sqs", "delete-queue", "--queue-url", id],
        Kind::Topic => vec!["sns", "delete-topic", "--topic-arn", id],
        Kind::LogGroup => vec!["logs", "delete-log-group", "--log-group-name", id],
        Kind::Role => vec!["iam", "delete-role", "--role-name", id],
        Kind::Bucket => vec!["s3api", "delete-bucket", "--bucket", id],
        Kind::Volume => vec!["ec2", "delete-volume", "--volume-id", id],
        Kind::SecurityGroup => vec!["ec2", "delete-security-group", "--group-id", id],
        Kind::Subnet => vec!["ec2", "delete-subnet", "--subnet-id", id],
        Kind::Vpc => vec!["ec2", "delete-vpc", "--vpc-id", id],
        Kind::Alias => vec!["kms", "delete-alias", "--alias-name", id],
        Kind::Key => vec!["kms", "schedule-key-deletion", "--pending-window-in-days", "7", "--key-id", id],
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Thing, ec2_id, is_going, listings, of_arn, questions, removal, tagged};
    use crate::aws::calls::reads;
    use crate::aws::names::Site;
    use crate::aws::owner::Runs;

    fn site() -> Site {
        Site { account: "111122223333".to_owned(), region: "eu-west-1".to_owned(), partition: "aws".to_owned() }
    }

    #[test]
    fn what_arns_name_is_told_apart() {
        let named = |arn: &str| of_arn(arn).map(|t| (t.kind, t.id));
        let is = |kind, id: &str| Some((kind, id.to_owned()));
        assert_eq!(named("arn:aws:s3:::b"), is(Kind::Bucket, "b"));
        assert_eq!(named("arn:aws:ssm:eu-west-1:111122223333:parameter/a/b"), is(Kind::Parameter, "/a/b"));
        assert_eq!(named("arn:aws:logs:eu-west-1:111122223333:log-group:/a/b:*"), is(Kind::LogGroup, "/a/b"));
        assert_eq!(named("arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1"), is(Kind::Vpc, "vpc-1"));
        assert_eq!(named("arn:aws:sqs:eu-west-1:1:q"), is(Kind::Queue, "https://sqs.eu-west-1.amazonaws.com/1/q"));
        assert_eq!(named("arn:aws:ec2:eu-west-1:1:volume/vol-1"), is(Kind::Volume, "vol-1"));
        assert_eq!(named("arn:aws:ec2:eu-west-1:1:security-group-rule/sgr-1"), None);
        assert_eq!(ec2_id("arn:aws:ec2:eu-west-1:1:security-group-rule/sgr-1"), Some("sgr-1"));
        assert_eq!(ec2_id("arn:aws:sns:eu-west-1:1:topic"), None);
        assert_eq!(named("nonsense"), None);
    }

    #[test]
    fn a_role_goes_after_what_runs_under_it_and_a_network_after_what_is_in_it() {
        assert!(Kind::Function < Kind::Role && Kind::Project < Kind::Role);
        assert!(Kind::Instance < Kind::SecurityGroup && Kind::SecurityGroup < Kind::Subnet && Kind::Subnet < Kind::Vpc);
        assert!(Kind::Trail < Kind::Bucket, "a trail would write again into an emptied bucket");
        assert!(Kind::LogGroup < Kind::Function && Kind::LogGroup < Kind::Project, "its owner tells whose it is");
    }

    #[test]
    fn every_kind_with_a_name_is_looked_for_and_can_be_removed() {
        let kinds: Vec<Kind> = listings().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds.len(), 16, "a key has no name but its alias");
        for kind in kinds {
            let thing = Thing { kind, id: "x".to_owned() };
            assert!(removal(&thing).contains(&"x"), "{thing}");
        }
    }

    #[test]
    fn whose_a_thing_is_can_be_asked_for_each_kind_by_reading_alone() {
        for (kind, _) in listings().into_iter().chain([(Kind::Key, Vec::new()), (Kind::Volume, Vec::new())]) {
            let asked = questions(&Thing { kind, id: "x".to_owned() }, &site());
            assert_eq!(asked.is_empty(), kind == Kind::Alias, "an alias is its key's");
            for question in asked {
                let args: Vec<&str> = question.iter().map(String::as_str).collect();
                assert!(reads(&args), "{args:?}");
                assert!(args[..args.len() - 2].iter().any(|arg| arg.ends_with('x')), "{args:?}");
            }
        }
    }

    #[test]
    fn the_tag_of_a_run_is_asked_for_with_its_value() {
        let filter = |runs: Option<&Runs>| tagged(runs).remove(3);
        let runs = Runs::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(filter(Some(&runs)), "Key=reforge.dev/acceptance,Values=a,b");
        assert_eq!(filter(None), "Key=reforge.dev/acceptance");
    }

    #[test]
    fn what_waits_for_its_end_is_not_removed_again() {
        assert!(is_going("PendingDeletion") && is_going("shutting-down") && is_going("DELETING"));
        assert!(!is_going("running") && !is_going("Enabled") && !is_going("Disabled"));
    }
}
