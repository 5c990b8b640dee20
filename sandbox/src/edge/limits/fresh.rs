//! Roles and instance profiles that were just made: no service can use them for a while.
//!
//! Given the successful calls that make them, it refuses those that hand them to a service too early, in the words over which Terraform's provider
//! tries again (terraform-provider-aws #4233 for CodeBuild). A role that nobody made is not missed here.

use super::asked::Asked;
use super::settling::Settling;
use crate::edge::call::Call;
use crate::edge::http::Reply;
use std::time::{Duration, Instant};

/// Account, kind and name.
type Key = (String, Kind, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Role,
    InstanceProfile,
}

/// What was made lately.
#[derive(Debug)]
pub struct Fresh(Settling<Key>);

impl Fresh {
    /// Nothing was made yet; what is made is of no use for so long.
    pub fn new(takes: Duration) -> Self {
        Self(Settling::new(takes))
    }

    /// Notes what a successful call made.
    pub fn learn(&self, call: &Call, asked: &Asked<'_>) {
        let (kind, name) = match (call.service.as_str(), call.operation.as_str()) {
            ("iam", "CreateRole") => (Kind::Role, "RoleName"),
            ("iam", "CreateInstanceProfile" | "AddRoleToInstanceProfile") => {
                (Kind::InstanceProfile, "InstanceProfileName")
            }
            _ => return,
        };
        if let Some(name) = asked.text(name) {
            self.0.change((call.credential.account.clone(), kind, name.to_owned()), Instant::now());
        }
    }

    /// The refusal of a call that hands over what nobody can use yet; `caller` is the ARN of who calls.
    pub fn refusal(&self, asked: &Asked<'_>, caller: &str) -> Option<Reply> {
        let call = asked.call;
        let member = |name: &str| asked.text(name).unwrap_or_default();
        match (call.service.as_str(), call.operation.as_str()) {
            ("codebuild", "CreateProject" | "UpdateProject")
                if self.is_fresh(call, Kind::Role, member("serviceRole")) =>
            {
                Some(no_role_for_codebuild(call))
            }
            ("codebuild", "StartBuild") if self.is_fresh(call, Kind::Role, member("serviceRoleOverride")) => {
                Some(no_role_for_codebuild(call))
            }
            ("lambda", "CreateFunction" | "UpdateFunctionConfiguration")
                if self.is_fresh(call, Kind::Role, member("Role")) =>
            {
                let message = "The role defined for the function cannot be assumed by Lambda.";
                Some(call.refusal(400, "InvalidParameterValueException", message))
            }
            ("ec2", "RunInstances" | "AssociateIamInstanceProfile") => {
                let named = [("Name", "name"), ("Arn", "arn")];
                let (member, value) = named
                    .iter()
                    .find_map(|(name, shown)| Some((shown, asked.text(&format!("IamInstanceProfile.{name}"))?)))?;
                self.is_fresh(call, Kind::InstanceProfile, value).then(|| {
                    let message = format!(
                        "Value ({value}) for parameter iamInstanceProfile.{member} is invalid. Invalid IAM Instance Profile name"
                    );
                    call.refusal(400, "InvalidParameterValue", &message)
                })
            }
            ("sts", "AssumeRole") if self.is_fresh(call, Kind::Role, member("RoleArn")) => {
                let role = member("RoleArn");
                let message =
                    format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}");
                Some(call.refusal(403, "AccessDenied", &message))
            }
            _ => None,
        }
    }

    /// By name or ARN; a name is of the caller's account.
    fn is_fresh(&self, call: &Call, kind: Kind, name_or_arn: &str) -> bool {
        let account = name_or_arn.split(':').nth(4).unwrap_or(&call.credential.account).to_owned();
        let name = name_or_arn.rsplit('/').next().unwrap_or_default().to_owned();
        !self.0.is_settled(&(account, kind, name), Instant::now())
    }
}

fn no_role_for_codebuild(call: &Call) -> Reply {
    let message = "CodeBuild is not authorized to perform: sts:AssumeRole on service role. Please verify that: 1) The provided service role exists, \
                   2) The role name is case-sensitive and matches exactly, and 3) The role has the necessary trust policy configured.";
    call.refusal(400, "InvalidInputException", message)
}
