//! Rights that were given against rights that were used: which were never needed, and for which of them a reason stands beside the rule.
//!
//! Given what IAM judged, what the roles' policies allow and the arguments in the Terraform, it gives the differences; it runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::edge::IamReport;

/// What stands before the actions that a comment argues for.
const ARGUMENT: &str = "# Unseen in the sandbox:";

/// An action that a role was allowed in the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The role's ARN, or the service's name.
    pub actor: String,
    /// `service:Action`.
    pub action: String,
    /// How often.
    pub times: u64,
    /// On how many resources.
    pub resources: usize,
}

/// An action that a role was denied in the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// The role's ARN, or the service's name.
    pub actor: String,
    /// `service:Action`.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// The operation that needed it.
    pub operation: String,
    /// Why, in AWS's words.
    pub why: String,
    /// How often.
    pub times: u64,
}

/// A pattern of actions in a role's policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Right {
    /// The role's ARN.
    pub actor: String,
    /// `service:Action`, with stars.
    pub action: String,
}

/// An operation for which the edge does not know what AWS asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmapped {
    /// The role's ARN.
    pub actor: String,
    /// `service:Operation`.
    pub operation: String,
}

/// Rights given against rights used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rights {
    /// What was allowed.
    pub seen: Vec<Seen>,
    /// What was denied.
    pub denied: Vec<Denied>,
    /// What is allowed and was not seen.
    pub unseen: Vec<Right>,
    /// What of it no comment argues for.
    pub unargued: Vec<Right>,
    /// What could not be judged by AWS's own action.
    pub unmapped: Vec<Unmapped>,
}

impl Rights {
    /// Whether nothing was denied, and each right was used or is argued for.
    pub fn is_good(&self) -> bool {
        self.denied.is_empty() && self.unargued.is_empty()
    }
}

/// Compares: `allowed` are the patterns of actions by role, `argued` those that comments argue for.
pub fn compare(report: &IamReport, allowed: &BTreeMap<String, Vec<String>>, argued: &BTreeSet<String>) -> Rights {
    let mut rights = Rights::default();
    for actor in &report.actors {
        let name = || actor.actor.clone();
        rights.seen.extend(actor.seen.iter().map(|s| Seen {
            actor: name(),
            action: s.action.clone(),
            times: s.times,
            resources: s.resources,
        }));
        rights.denied.extend(actor.denied.iter().map(|d| Denied {
            actor: name(),
            action: d.action.clone(),
            resource: d.resource.clone(),
            operation: d.operation.clone(),
            why: d.why.clone(),
            times: d.times,
        }));
        rights.unmapped.extend(actor.unmapped.iter().map(|o| Unmapped { actor: name(), operation: o.clone() }));
    }
    for (actor, patterns) in allowed {
        let alike = report.actors.iter().filter(|other| kind(&other.actor) == kind(actor));
        let seen: Vec<&str> = alike.flat_map(|other| &other.seen).map(|s| s.action.as_str()).collect();
        let unseen = patterns.iter().filter(|pattern| !seen.iter().any(|action| is_under(pattern, action)));
        rights.unseen.extend(unseen.map(|action| Right { actor: actor.clone(), action: action.clone() }));
    }
    rights.unargued = rights.unseen.iter().filter(|r| !argued.contains(&r.action.to_lowercase())).cloned().collect();
    rights
}

/// Of which kind a role is, by the last word of its name: an operator's, a plan's, an apply's. The roles of a kind have their
/// rights from one list by service, in whichever account and for whichever workspace: one that uses a right shows what it is
/// there for.
fn kind(actor: &str) -> &str {
    actor.rsplit(['-', '/']).next().unwrap_or(actor)
}

/// The actions, in small letters, that comments of the form `# Unseen in the sandbox: a:B, c:D*: why` in a folder's `.tf` files argue for.
///
/// # Errors
/// When the folder or a file of it can't be read.
pub fn argued_in(folder: &Path) -> Result<BTreeSet<String>> {
    let mut argued = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "tf") {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            argued.extend(text.lines().flat_map(argued_on));
        }
    }
    Ok(argued)
}

/// The actions of one line; none when it gives no reason.
fn argued_on(line: &str) -> Vec<String> {
    let mut rest = match line.trim().strip_prefix(ARGUMENT) {
        Some(rest) => rest.trim_start(),
        None => return Vec::new(),
    };
    let mut actions = Vec::new();
    loop {
        let Some((service, after)) = rest.split_once(':') else { return Vec::new() };
        let end = after.find([',', ':']).unwrap_or(after.len());
        let (action, after) = after.split_at(end);
        actions.push(format!("{service}:{action}").trim().to_lowercase());
        match after.split_at_checked(1) {
            Some((",", next)) => rest = next.trim_start(),
            Some((":", why)) if !why.trim().is_empty() => return actions,
            _ => return Vec::new(),
        }
    }
}

/// Whether an action is one of a pattern's, whose stars take any letters.
fn is_under(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == action };
    let Some(mut left) = action.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{ActorReport, Seen as Judged};

    #[test]
    fn a_right_is_seen_argued_for_or_neither() {
        let judged = Judged { action: "ec2:DescribeInstances".to_owned(), times: 2, resources: 1 };
        let actor = ActorReport { actor: "r".to_owned(), seen: vec![judged], denied: Vec::new(), unmapped: Vec::new() };
        let report = IamReport { actors: vec![actor] };
        let patterns = ["ec2:Describe*", "ec2:DeleteTags", "s3:Get*Policy"].map(str::to_owned).to_vec();
        let allowed =
            BTreeMap::from([("r".to_owned(), patterns.clone()), ("idle".to_owned(), vec![patterns[0].clone()])]);
        let argued =
            argued_on("  # Unseen in the sandbox: ec2:DeleteTags, S3:Get*Policy: nobody takes tags away, here")
                .into_iter()
                .collect();
        let rights = compare(&report, &allowed, &argued);
        let names = |rights: &[Right]| rights.iter().map(|r| format!("{} {}", r.actor, r.action)).collect::<Vec<_>>();
        assert_eq!(names(&rights.unseen), ["idle ec2:Describe*", "r ec2:DeleteTags", "r s3:Get*Policy"]);
        assert_eq!(names(&rights.unargued), ["idle ec2:Describe*"]);
        assert!(!rights.is_good());
    }

    #[test]
    fn a_right_that_another_role_of_the_kind_used_is_seen() {
        let judged = Judged { action: "ec2:RunInstances".to_owned(), times: 1, resources: 1 };
        let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        let actor = role("reforge-ec2-apply");
        let report = IamReport {
            actors: vec![ActorReport { actor, seen: vec![judged], denied: Vec::new(), unmapped: Vec::new() }],
        };
        let pattern = vec!["ec2:RunInstances".to_owned()];
        let allowed = ["reforge-platform-apply", "reforge-platform-plan"].map(|name| (role(name), pattern.clone()));
        let rights = compare(&report, &BTreeMap::from(allowed), &BTreeSet::new());
        let unseen: Vec<&str> = rights.unseen.iter().map(|r| r.actor.as_str()).collect();
        assert_eq!(unseen, [role("reforge-platform-plan")]);
    }

    #[test]
    fn a_comment_without_a_reason_argues_for_nothing() {
        for line in [
            "# Unseen in the sandbox: ec2:DeleteTags",
            "# Unseen in the sandbox: ec2:DeleteTags:",
            "# ec2:DeleteTags: why",
        ] {
            assert!(argued_on(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn stars_take_any_letters_in_any_capitals() {
        for (pattern, action, expected) in [
            ("s3:GetBucket*", "s3:getbucketpolicy", true),
            ("s3:*Object", "s3:GetObject", true),
            ("s3:*Object", "s3:GetObjectTagging", false),
            ("iam:*Role*", "iam:ListRolePolicies", true),
            ("s3:GetObject", "s3:GetObjectTagging", false),
            ("*", "a:B", true),
        ] {
            assert_eq!(is_under(pattern, action), expected, "{pattern} {action}");
        }
    }
}
