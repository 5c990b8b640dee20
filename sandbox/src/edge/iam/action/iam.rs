//! IAM and STS ("Actions, resources, and condition keys for AWS Identity and Access Management (IAM)", "... for AWS Security Token Service").

use super::{Access, Ask, pass_role};

/// The questions of a call to IAM.
pub fn accesses(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let own = |kind: &str, name: &str| Access::new(ask.own("iam"), named(ask, kind, name));
    let role = ask.field("RoleName");
    let mut access = match ask.operation {
        "ListRoles" => own("role", ""),
        "ListPolicies" => own("policy", ""),
        "ListInstanceProfiles" => own("instance-profile", ""),
        // Without a name it asks for the caller, as Terraform does when it may not ask STS.
        "GetUser" => own("user", ask.field("UserName")),
        "ListUsers" => own("user", ""),
        "ListGroups" => own("group", ""),
        "GetAccountSummary" | "ListAccountAliases" | "GetAccountPasswordPolicy" | "ListOpenIDConnectProviders" => {
            Access::new(ask.own("iam"), "*")
        }
        "CreatePolicy" => own("policy", ask.field("PolicyName")),
        operation if operation.contains("InstanceProfile") && operation != "ListInstanceProfilesForRole" => {
            own("instance-profile", ask.field("InstanceProfileName"))
        }
        operation if operation.ends_with("OpenIDConnectProvider") => {
            Access::new(ask.own("iam"), ask.field("OpenIDConnectProviderArn"))
        }
        _ if !role.is_empty() => own("role", role),
        _ if !ask.field("UserName").is_empty() => own("user", ask.field("UserName")),
        _ if !ask.field("PolicyArn").is_empty() => Access::new(ask.own("iam"), ask.field("PolicyArn")),
        _ => return None,
    };
    access.context = ask.tags();
    if !role.is_empty() && !ask.field("PolicyArn").is_empty() {
        access.context.set("iam:PolicyARN", ask.field("PolicyArn"));
    }
    if !ask.field("PermissionsBoundary").is_empty() {
        access.context.set("iam:PermissionsBoundary", ask.field("PermissionsBoundary"));
    }
    let tagging = match ask.operation {
        "CreateRole" => Some("iam:TagRole"),
        "CreatePolicy" => Some("iam:TagPolicy"),
        "CreateInstanceProfile" => Some("iam:TagInstanceProfile"),
        _ => None,
    };
    let tagging = tagging.filter(|_| ask.has_field("Tags."));
    let tagging = tagging.map(|action| Access { action: action.to_owned(), ..access.clone() });
    // "iam:PassRole" is a dependent action of putting a role into a profile.
    let passed = (ask.operation == "AddRoleToInstanceProfile")
        .then(|| pass_role(&named(ask, "role", role), "ec2.amazonaws.com"));
    Some([Some(access), tagging, passed].into_iter().flatten().collect())
}

/// The questions of a call to STS. Who one is may be asked by everybody.
pub fn sts(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let role = ask.field("RoleArn");
    match ask.operation {
        "GetCallerIdentity" | "DecodeAuthorizationMessage" => Some(Vec::new()),
        "AssumeRole" => {
            let mut assume = Access::new("sts:AssumeRole", role);
            let (id, name) = (ask.field("ExternalId"), ask.field("RoleSessionName"));
            if !id.is_empty() {
                assume.context.set("sts:ExternalId", id);
            }
            assume.context.set("sts:RoleSessionName", name);
            assume.context.extend(&ask.tags());
            let tagging =
                ask.has_field("Tags.").then(|| Access { action: "sts:TagSession".to_owned(), ..assume.clone() });
            Some(std::iter::once(assume).chain(tagging).collect())
        }
        "AssumeRoleWithWebIdentity" => Some(vec![Access::new("sts:AssumeRoleWithWebIdentity", role)]),
        _ => None,
    }
}

/// An ARN of IAM, which has no region. Paths are known of what is being made only.
fn named(ask: &Ask<'_>, kind: &str, name: &str) -> String {
    let path = Some(ask.field("Path")).filter(|p| !p.is_empty() && ask.operation.starts_with("Create")).unwrap_or("/");
    format!("arn:aws:iam::{}:{kind}{path}{name}", ask.account)
}
