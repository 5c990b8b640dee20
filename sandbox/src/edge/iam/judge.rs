//! The decision (IAM User Guide, "Policy evaluation logic" and "Cross-account policy evaluation logic"). Pure: policies and
//! request come in, a verdict goes out.
//!
//! An explicit deny anywhere goes before everything. Within an account an allow of the resource's policy that names the
//! caller is as good as one of the caller's own policies, both within boundary and session policy; from another account
//! both are needed. Keys and roles are the exception: without a word in their own policy nobody comes in, also within the account.

use super::policy::{Asked, Named, Policy};

/// All policies that a request is held against.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Those of the caller: inline and attached.
    pub identity: &'a [Policy],
    /// The permissions boundary of the caller's role.
    pub boundary: Option<&'a Policy>,
    /// The session's own, when it was given any.
    pub session: Option<&'a [Policy]>,
    /// The resource's.
    pub resource: Option<&'a Policy>,
    /// The resource is a key or a role.
    pub guarded: bool,
    /// The account of the resource.
    pub owner: &'a str,
}

/// Whose policy decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The caller's own.
    Identity,
    /// The boundary.
    Boundary,
    /// The session's.
    Session,
    /// The resource's.
    Resource,
    /// The trust policy of a role.
    Trust,
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A policy of this kind denies it.
    Explicit(Kind),
    /// No policy of this kind allows it.
    Missing(Kind),
}

impl Why {
    /// How AWS ends the sentence (IAM User Guide, "Troubleshoot access denied error messages").
    pub fn words(self, action: &str) -> String {
        let (Self::Explicit(kind) | Self::Missing(kind)) = self;
        let (article, name) = match kind {
            Kind::Identity => ("an", "identity-based policy"),
            Kind::Boundary => ("a", "permissions boundary"),
            Kind::Session => ("a", "session policy"),
            Kind::Resource => ("a", "resource-based policy"),
            Kind::Trust => ("the", "role trust policy"),
        };
        match self {
            Self::Explicit(_) => format!("with an explicit deny in {article} {name}"),
            Self::Missing(_) => format!("because no {name} allows the {action} action"),
        }
    }
}

/// Judges a request.
///
/// # Errors
/// Why it is denied.
pub fn judge(asked: &Asked<'_>, held: &Held<'_>) -> Result<(), Why> {
    let on_resource = if asked.action.starts_with("sts:") { Kind::Trust } else { Kind::Resource };
    let denied = |policies: &[Policy]| policies.iter().any(|p| p.denies(asked));
    let allowed = |policies: &[Policy]| policies.iter().any(|p| p.allows(asked));
    let one = |policy: Option<&Policy>, denies: bool| {
        policy.is_some_and(|p| if denies { p.denies(asked) } else { !p.allows(asked) })
    };
    if denied(held.identity) {
        return Err(Why::Explicit(Kind::Identity));
    }
    if one(held.boundary, true) {
        return Err(Why::Explicit(Kind::Boundary));
    }
    if held.session.is_some_and(denied) {
        return Err(Why::Explicit(Kind::Session));
    }
    if one(held.resource, true) {
        return Err(Why::Explicit(on_resource));
    }
    let granted = held.resource.and_then(|p| p.grants(asked));
    let account = asked.caller.account();
    let foreign = account != held.owner;
    if (foreign || held.guarded) && granted.is_none() {
        // A caller whose own policies say nothing is told so first.
        let own = !account.is_empty() && !allowed(held.identity);
        return Err(Why::Missing(if own { Kind::Identity } else { on_resource }));
    }
    let named = granted.filter(|_| !foreign).is_some_and(|n| n >= Named::Itself);
    let vouched = matches!(asked.caller, super::policy::Caller::Service(_) | super::policy::Caller::Federated(_));
    if vouched {
        return if granted.is_some() { Ok(()) } else { Err(Why::Missing(on_resource)) };
    }
    if !named && !allowed(held.identity) {
        return Err(Why::Missing(Kind::Identity));
    }
    if granted == Some(Named::Session) && !foreign {
        return Ok(());
    }
    if one(held.boundary, false) {
        return Err(Why::Missing(Kind::Boundary));
    }
    if held.session.is_some_and(|session| !allowed(session)) {
        return Err(Why::Missing(Kind::Session));
    }
    Ok(())
}
