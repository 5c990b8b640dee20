//! Where a service is known to take what its published model forbids. Each entry has its reason and where it was seen.

use super::violation::{Constraint, Violation};

/// What of a model is not insisted on.
#[derive(Debug)]
struct Exception {
    service: &'static str,
    /// Empty for all operations.
    operation: &'static str,
    /// The outermost member.
    member: &'static str,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Enum,
    Pattern,
    Length,
}

const ALL: [Exception; 0] = [];

/// Whether the service itself would let this pass.
pub fn covers(service: &str, operation: &str, violation: &Violation) -> bool {
    let what = match violation.constraint {
        Constraint::Enum(_) => What::Enum,
        Constraint::Pattern(_) => What::Pattern,
        Constraint::MinLength(_) | Constraint::MaxLength(_) => What::Length,
        _ => return false,
    };
    ALL.iter().any(|e| {
        e.service == service
            && (e.operation.is_empty() || e.operation == operation)
            && e.member == violation.root
            && e.what == what
    })
}
