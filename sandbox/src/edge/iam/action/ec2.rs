//! EC2 ("Actions, resources, and condition keys for Amazon EC2"): reading knows no resources, writing knows many.

use super::{Access, Ask};
use crate::edge::iam::context::Context;

/// Resource types by the prefix of their ids.
const TYPES: [(&str, &str); 12] = [
    ("i-", "instance"),
    ("vol-", "volume"),
    ("eni-", "network-interface"),
    ("sg-", "security-group"),
    ("sgr-", "security-group-rule"),
    ("subnet-", "subnet"),
    ("vpc-", "vpc"),
    ("lt-", "launch-template"),
    ("rtb-", "route-table"),
    ("igw-", "internet-gateway"),
    ("snap-", "snapshot"),
    ("eipalloc-", "elastic-ip"),
];

/// The questions of a call.
pub fn accesses(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let on = |resources: Vec<String>| Some(resources.into_iter().map(|r| Access::new(ask.own("ec2"), r)).collect());
    match ask.operation {
        operation if operation.starts_with("Describe") => on(vec!["*".to_owned()]),
        "RunInstances" => Some(run_instances(ask)),
        "StartInstances" | "StopInstances" | "TerminateInstances" | "RebootInstances" | "MonitorInstances"
        | "UnmonitorInstances" => {
            on(ask.fields("InstanceId").into_iter().map(|id| ask.arn("ec2", &format!("instance/{id}"))).collect())
        }
        "ModifyInstanceAttribute" | "ModifyInstanceMetadataOptions" | "ModifyInstanceCreditSpecification" => {
            let groups = ask.fields("GroupId").into_iter().map(|id| format!("security-group/{id}"));
            let instance = format!("instance/{}", ask.field("InstanceId"));
            on(std::iter::once(instance).chain(groups).map(|r| ask.arn("ec2", &r)).collect())
        }
        "CreateTags" | "DeleteTags" => {
            let tags = ask.tags();
            let tagged = |id: &str| Access { context: tags.clone(), ..Access::new(ask.own("ec2"), by_id(ask, id)) };
            Some(ask.fields("ResourceId").into_iter().map(tagged).collect())
        }
        "CreateSecurityGroup" => Some(create_security_group(ask)),
        "DeleteSecurityGroup"
        | "AuthorizeSecurityGroupIngress"
        | "AuthorizeSecurityGroupEgress"
        | "RevokeSecurityGroupIngress"
        | "RevokeSecurityGroupEgress" => {
            on(vec![ask.arn("ec2", &format!("security-group/{}", or_any(ask.field("GroupId"))))])
        }
        _ => None,
    }
}

/// The instance profile that a launch names, by name or ARN: the role in it is passed.
pub fn instance_profile(ask: &Ask<'_>) -> Option<String> {
    if ask.service != "ec2" {
        return None;
    }
    if !matches!(ask.operation, "RunInstances" | "AssociateIamInstanceProfile" | "ReplaceIamInstanceProfileAssociation")
    {
        return None;
    }
    let named = ["IamInstanceProfile.Name", "IamInstanceProfile.Arn"];
    named
        .iter()
        .map(|name| ask.field(name))
        .find(|v| !v.is_empty())
        .map(|v| v.rsplit('/').next().unwrap_or(v).to_owned())
}

/// All that a launch touches, each of which must be allowed.
fn run_instances(ask: &Ask<'_>) -> Vec<Access> {
    let interface = "NetworkInterface.1";
    let first =
        |names: [&str; 2]| names.iter().map(|n| ask.field(n)).find(|v| !v.is_empty()).unwrap_or_default().to_owned();
    let mut groups: Vec<String> = ask.fields("SecurityGroupId").into_iter().map(str::to_owned).collect();
    groups.extend(ask.fields(&format!("{interface}.SecurityGroupId")).into_iter().map(str::to_owned));
    if groups.is_empty() {
        // The default group of the VPC, whose id the request does not tell.
        groups.push("*".to_owned());
    }
    let mut resources: Vec<String> =
        ["instance/*", "volume/*", "network-interface/*"].map(|r| ask.arn("ec2", r)).into();
    let subnet = first(["SubnetId", &format!("{interface}.SubnetId")]);
    resources.push(ask.arn("ec2", &format!("subnet/{}", or_any(&subnet))));
    resources.extend(groups.iter().map(|id| ask.arn("ec2", &format!("security-group/{id}"))));
    if !ask.field("ImageId").is_empty() {
        // Images are no account's in their ARN.
        resources.push(format!("arn:aws:ec2:{}::image/{}", ask.region, ask.field("ImageId")));
    }
    if !ask.field("KeyName").is_empty() {
        resources.push(ask.arn("ec2", &format!("key-pair/{}", ask.field("KeyName"))));
    }
    if ask.has_field("LaunchTemplate.") {
        resources
            .push(ask.arn("ec2", &format!("launch-template/{}", or_any(ask.field("LaunchTemplate.LaunchTemplateId")))));
    }
    let mut context = ask.tags();
    if !ask.field("InstanceType").is_empty() {
        context.set("ec2:InstanceType", ask.field("InstanceType"));
    }
    let launch = |resource| Access { context: context.clone(), ..Access::new("ec2:RunInstances", resource) };
    let mut accesses: Vec<Access> = resources.into_iter().map(launch).collect();
    accesses.extend(tag_on_create(ask, &context));
    accesses
}

fn create_security_group(ask: &Ask<'_>) -> Vec<Access> {
    let context = ask.tags();
    let made = Access { context: context.clone(), ..Access::new(ask.own("ec2"), ask.arn("ec2", "security-group/*")) };
    let vpc = Access::new(ask.own("ec2"), ask.arn("ec2", &format!("vpc/{}", or_any(ask.field("VpcId")))));
    std::iter::once(made).chain([vpc]).chain(tag_on_create(ask, &context)).collect()
}

/// Amazon EC2 User Guide, "Grant permission to tag Amazon EC2 resources during creation".
fn tag_on_create(ask: &Ask<'_>, context: &Context) -> Vec<Access> {
    let specified =
        ask.form.iter().filter(|(name, _)| name.starts_with("TagSpecification.") && name.ends_with(".ResourceType"));
    let mut kinds: Vec<&str> = specified.map(|(_, kind)| kind.as_str()).collect();
    kinds.dedup();
    let tag = |kind: &str| {
        let context = context.clone().with("ec2:CreateAction", ask.operation);
        Access { context, ..Access::new("ec2:CreateTags", ask.arn("ec2", &format!("{kind}/*"))) }
    };
    kinds.into_iter().map(tag).collect()
}

fn by_id(ask: &Ask<'_>, id: &str) -> String {
    let kind = TYPES.iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, kind)| *kind);
    match kind {
        Some(kind) => ask.arn("ec2", &format!("{kind}/{id}")),
        None if id.starts_with("ami-") => format!("arn:aws:ec2:{}::image/{id}", ask.region),
        None => ask.arn("ec2", &format!("*/{id}")),
    }
}

fn or_any(id: &str) -> &str {
    if id.is_empty() { "*" } else { id }
}
