//! Where a service is known to take what the pattern of its published model forbids. Each entry has its reason and where it was
//! seen.

use super::violation::{Constraint, Violation};

/// A pattern that is not insisted on.
#[derive(Debug)]
struct Exception {
    /// The model.
    service: &'static str,
    operations: &'static [&'static str],
    /// The outermost member.
    member: &'static str,
}

/// S3 Control's tags are those of general purpose buckets too (S3 User Guide, "Using tags with S3 general purpose buckets"), whose
/// ARNs have neither region nor account: `arn:aws:s3:::name`. Terraform's AWS provider asks so of every bucket; its model
/// was written for the resources that have both.
const ALL: [Exception; 1] = [Exception {
    service: "s3control",
    operations: &["ListTagsForResource", "TagResource", "UntagResource"],
    member: "ResourceArn",
}];

/// Whether the service itself would let this pass.
pub fn covers(service: &str, operation: &str, violation: &Violation) -> bool {
    matches!(violation.constraint, Constraint::Pattern(_))
        && ALL.iter().any(|e| e.service == service && e.operations.contains(&operation) && e.member == violation.root)
}
