//! IAM's limits: sizes and numbers of policies. Names, paths and descriptions are in the API's model; the grammar is in `grammar`.

use super::asked::{Asked, dense};
use super::grammar::{Purpose, complaint};
use super::limit::{Answer, Bound, Kept, Limit, Measure, Sure};

const QUOTAS: &str = "IAM User Guide, \"IAM and AWS STS quotas\"";

/// The limits.
pub const LIMITS: &[Limit] = &[
    Limit {
        name: "IAM: inline policies of a role, together",
        bound: Bound::Most(10_240, "characters without white space"),
        source: QUOTAS,
        sure: Sure::Documented,
        calls: &[("iam", &["PutRolePolicy"])],
        measure: Measure::Kept(Kept::InlinePolicies),
        also: "module, preconditions in `roles.tf` and `operator.tf`",
        answer: Answer::seen("LimitExceeded", "Maximum policy size of {most} bytes exceeded for role {RoleName}"),
        near: "one for each role. The operator's names each project once, and from about 4,500 characters of names on by what they begin and end with. A build's has about 6,500 with all services of the module",
    },
    Limit {
        name: "IAM: managed policy",
        bound: Bound::Most(6_144, "characters without white space"),
        source: QUOTAS,
        sure: Sure::Documented,
        calls: &[("iam", &["CreatePolicy", "CreatePolicyVersion"])],
        measure: Measure::Asked(document),
        also: "",
        answer: Answer::seen("LimitExceeded", "Cannot exceed quota for PolicySize: {most}"),
        near: "the module makes none",
    },
    Limit {
        name: "IAM: managed policies of a role",
        bound: Bound::Most(10, "policies"),
        source: "IAM User Guide, \"IAM and AWS STS quotas\": 10, and 25 by request",
        sure: Sure::Documented,
        calls: &[("iam", &["AttachRolePolicy"])],
        measure: Measure::Kept(Kept::AttachedPolicies),
        also: "",
        answer: Answer::seen("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: {most}"),
        near: "the module attaches none",
    },
    Limit {
        name: "IAM: versions of a managed policy",
        bound: Bound::Most(5, "versions"),
        source: QUOTAS,
        sure: Sure::Documented,
        calls: &[("iam", &["CreatePolicyVersion"])],
        measure: Measure::Kept(Kept::PolicyVersions),
        also: "",
        answer: Answer::seen(
            "LimitExceeded",
            "A managed policy can have up to {most} versions. Before you create a new version, you must delete an existing version.",
        ),
        near: "Terraform's provider removes the oldest first",
    },
    Limit {
        name: "IAM: trust policy of a role",
        bound: Bound::Most(2_048, "characters without white space"),
        source: "IAM User Guide, \"IAM and AWS STS quotas\": 2,048, and 4,096 by request; white space is said not to count for policies in general",
        sure: Sure::Documented,
        calls: &[("iam", &["CreateRole", "UpdateAssumeRolePolicy"])],
        measure: Measure::Asked(trust),
        also: "",
        answer: Answer::seen("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: {most}"),
        near: "two statements at most, under 900 characters",
    },
    Limit {
        name: "IAM: grammar of policies",
        bound: Bound::Form("the policy language's grammar"),
        source: "IAM User Guide, \"Grammar of the IAM JSON policy language\"",
        sure: Sure::Documented,
        calls: &[(
            "iam",
            &["CreateRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "CreatePolicy", "CreatePolicyVersion"],
        )],
        measure: Measure::At("limits/grammar.rs"),
        also: "",
        answer: Answer::seen("MalformedPolicyDocument", ""),
        near: "all policies are rendered by Terraform's `aws_iam_policy_document` or `jsonencode`",
    },
    Limit {
        name: "IAM: role name",
        bound: Bound::Between(1, 64, "characters"),
        source: "API reference, CreateRole",
        sure: Sure::Documented,
        calls: &[("iam", &["CreateRole"])],
        measure: Measure::Model,
        also: "module, validation of `workspaces`",
        answer: Answer::assumed("ValidationError", ""),
        near: "`<name>-<workspace>-apply`: a name of 31 and a workspace of 42 make 80 characters; the module says so before AWS does",
    },
    Limit {
        name: "IAM: path, description, policy name and instance profile name",
        bound: Bound::Form("512, 1,000, 128 and 128 characters"),
        source: "API reference, CreateRole, PutRolePolicy and CreateInstanceProfile",
        sure: Sure::Documented,
        calls: &[("iam", &["CreateRole", "PutRolePolicy", "CreateInstanceProfile"])],
        measure: Measure::Model,
        also: "",
        answer: Answer::assumed("ValidationError", ""),
        near: "fixed and short",
    },
    Limit {
        name: "IAM: a new role or instance profile is of no use at once",
        bound: Bound::Form("some seconds; `edge::Times::settling` in the sandbox, 2 s"),
        source: "IAM User Guide, \"Troubleshoot IAM\"; terraform-provider-aws #4233",
        sure: Sure::Reported,
        calls: &[
            ("codebuild", &["CreateProject", "UpdateProject", "StartBuild"]),
            ("ec2", &["AssociateIamInstanceProfile", "RunInstances"]),
            ("lambda", &["CreateFunction", "UpdateFunctionConfiguration"]),
            ("sts", &["AssumeRole"]),
        ],
        measure: Measure::At("limits/fresh.rs"),
        also: "",
        answer: Answer::seen("InvalidInputException", ""),
        near: "Terraform's provider tries again, in the install and in every recovery that makes a role",
    },
    Limit {
        name: "STS: session name",
        bound: Bound::Between(2, 64, "characters of \\w+=,.@-"),
        source: "API reference, AssumeRole",
        sure: Sure::Documented,
        calls: &[("sts", &["AssumeRole"])],
        measure: Measure::Model,
        also: "",
        answer: Answer::assumed("ValidationError", ""),
        near: "`reforge`",
    },
    Limit {
        name: "STS: external id",
        bound: Bound::Between(2, 1_224, "characters of \\w+=,.@:/-"),
        source: "API reference, AssumeRole",
        sure: Sure::Documented,
        calls: &[("sts", &["AssumeRole"])],
        measure: Measure::Model,
        also: "module, validation of `member_of`",
        answer: Answer::assumed("ValidationError", ""),
        near: "the module asks for at least 16 of them",
    },
];

fn document(asked: &Asked<'_>) -> Vec<u64> {
    asked.text("PolicyDocument").map(dense).into_iter().collect()
}

fn trust(asked: &Asked<'_>) -> Vec<u64> {
    let name = if asked.call.operation == "CreateRole" { "AssumeRolePolicyDocument" } else { "PolicyDocument" };
    asked.text(name).map(dense).into_iter().collect()
}

/// The refusal of a policy that is none.
pub fn malformed(asked: &Asked<'_>) -> Option<(&'static str, String)> {
    if asked.call.service != "iam" {
        return None;
    }
    let (member, purpose) = match asked.call.operation.as_str() {
        "CreateRole" => ("AssumeRolePolicyDocument", Purpose::Trust),
        "UpdateAssumeRolePolicy" => ("PolicyDocument", Purpose::Trust),
        "PutRolePolicy" | "CreatePolicy" | "CreatePolicyVersion" => ("PolicyDocument", Purpose::Identity),
        _ => return None,
    };
    complaint(asked.text(member)?, purpose).map(|complaint| ("MalformedPolicyDocument", complaint))
}
