//! Policy documents: statements, and whether one is about a request (IAM User Guide, "Grammar of the IAM JSON policy language"). Pure.

use super::condition::Condition;
use super::context::Context;
use super::pattern::Pattern;
use serde_json::Value;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A session of a role.
    Session {
        /// The role's ARN.
        role: String,
        /// The session's: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
        arn: String,
    },
    /// A user.
    User {
        /// Its ARN.
        arn: String,
    },
    /// An AWS service on its own behalf, `events.amazonaws.com`.
    Service(String),
    /// Somebody whom an identity provider vouches for; its ARN.
    Federated(String),
}

impl Caller {
    /// The account that the caller is of, none for services.
    pub fn account(&self) -> &str {
        match self {
            Self::Session { arn, .. } | Self::User { arn } | Self::Federated(arn) => account_of(arn),
            Self::Service(_) => "",
        }
    }

    /// How AWS names the caller in a refusal.
    pub fn name(&self) -> &str {
        match self {
            Self::Session { arn, .. } | Self::User { arn } => arn,
            Self::Service(name) | Self::Federated(name) => name,
        }
    }
}

/// The account in an ARN.
pub fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// How closely a `Principal` element names a caller, which decides what its allow is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// By account: the account's own policies have to allow it as well.
    Account,
    /// By role, user or service, or as anybody.
    Itself,
    /// By session: what bounds the role does not bound this.
    Session,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// By whom.
    pub caller: &'a Caller,
    /// `service:Action`.
    pub action: &'a str,
    /// The ARN, or `*` where AWS knows no resource for the action.
    pub resource: &'a str,
    /// The request context.
    pub context: &'a Context,
}

/// Patterns of an element or of its `Not..` form.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    not: bool,
    patterns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Principals {
    not: bool,
    /// The kind, `AWS`, `Service` or `Federated`, and the name.
    names: Vec<(String, String)>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    allows: bool,
    principals: Option<Principals>,
    actions: Listed,
    resources: Option<Listed>,
    conditions: Vec<Condition>,
    /// Policies older than 2012-10-17 have no variables.
    variables: bool,
}

/// A policy document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// Says what AWS would not have taken.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|e| format!("the policy is no JSON: {e}"))?;
        let variables = document["Version"].as_str() == Some("2012-10-17");
        let statements = each(&document["Statement"]).iter().map(|s| Statement::of(s, variables));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }

    /// Lets its holder do everything.
    pub fn everything() -> Self {
        let all = || Listed { not: false, patterns: vec!["*".to_owned()] };
        let statement = Statement {
            allows: true,
            principals: None,
            actions: all(),
            resources: Some(all()),
            conditions: Vec::new(),
            variables: false,
        };
        Self { statements: vec![statement] }
    }

    /// Whether one of its statements denies this.
    pub fn denies(&self, asked: &Asked<'_>) -> bool {
        self.statements.iter().any(|s| !s.allows && s.names(asked).is_some())
    }

    /// Whether, as a policy of the caller's own, it allows this.
    pub fn allows(&self, asked: &Asked<'_>) -> bool {
        self.grants(asked).is_some()
    }

    /// How closely the statement that allows this and names the caller best does so.
    pub fn grants(&self, asked: &Asked<'_>) -> Option<Named> {
        self.statements.iter().filter(|s| s.allows).filter_map(|s| s.names(asked)).max()
    }

    /// The patterns of actions that it allows, as they are written.
    pub fn allowed_actions(&self) -> impl Iterator<Item = &str> {
        let allowing = self.statements.iter().filter(|s| s.allows && !s.actions.not);
        allowing.flat_map(|s| &s.actions.patterns).map(String::as_str)
    }
}

impl Statement {
    fn of(statement: &Value, variables: bool) -> Result<Self, String> {
        let allows = match statement["Effect"].as_str() {
            Some("Allow") => true,
            Some("Deny") => false,
            other => return Err(format!("the effect of a statement is {other:?}")),
        };
        Ok(Self {
            allows,
            principals: Principals::of(statement),
            actions: Listed::of(statement, "Action", "NotAction").ok_or("a statement has no action")?,
            resources: Listed::of(statement, "Resource", "NotResource"),
            conditions: Condition::parse(&statement["Condition"])?,
            variables,
        })
    }

    /// How closely it names the caller, when it is about what is asked for.
    fn names(&self, asked: &Asked<'_>) -> Option<Named> {
        let named = match &self.principals {
            Some(principals) => principals.name(asked.caller)?,
            None => Named::Itself,
        };
        let applies = self.actions.has(|p| Pattern::plain(&p.to_lowercase()).matches(&asked.action.to_lowercase()))
            && self.resources.as_ref().is_none_or(|r| r.has(|p| self.resource_matches(p, asked)))
            && self.conditions.iter().all(|c| c.holds(asked.context));
        applies.then_some(named)
    }

    fn resource_matches(&self, pattern: &str, asked: &Asked<'_>) -> bool {
        let pattern =
            if self.variables { Pattern::resolve(pattern, asked.context) } else { Some(Pattern::plain(pattern)) };
        pattern.is_some_and(|p| p.matches(asked.resource))
    }
}

impl Listed {
    fn of(statement: &Value, name: &str, negation: &str) -> Option<Self> {
        let (not, element) = match statement.get(name) {
            Some(element) => (false, element),
            None => (true, statement.get(negation)?),
        };
        let patterns = each(element).iter().filter_map(|p| p.as_str().map(str::to_owned)).collect();
        Some(Self { not, patterns })
    }

    fn has(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|p| matches(p)) != self.not
    }
}

impl Principals {
    fn of(statement: &Value) -> Option<Self> {
        let (not, element) = match statement.get("Principal") {
            Some(element) => (false, element),
            None => (true, statement.get("NotPrincipal")?),
        };
        let mut names = Vec::new();
        if let Some(everybody) = element.as_str() {
            names.push(("AWS".to_owned(), everybody.to_owned()));
        }
        for (kind, listed) in element.as_object().into_iter().flatten() {
            names.extend(each(listed).iter().filter_map(|n| Some((kind.clone(), n.as_str()?.to_owned()))));
        }
        Some(Self { not, names })
    }

    fn name(&self, caller: &Caller) -> Option<Named> {
        let named = self.names.iter().filter_map(|(kind, name)| named(kind, name, caller)).max();
        if self.not { named.is_none().then_some(Named::Itself) } else { named }
    }
}

/// "You cannot use a wildcard to match part of a principal name or ARN": only a star of its own is one.
fn named(kind: &str, name: &str, caller: &Caller) -> Option<Named> {
    let root = |account: &str| name == account || (name.ends_with(":root") && account_of(name) == account);
    match (kind, caller) {
        ("AWS", _) if name == "*" => Some(Named::Itself),
        ("AWS", Caller::Session { arn, .. }) if name == arn => Some(Named::Session),
        ("AWS", Caller::Session { role, .. }) if name == role => Some(Named::Itself),
        ("AWS", Caller::User { arn }) if name == arn => Some(Named::Itself),
        ("AWS", Caller::Session { .. } | Caller::User { .. }) if root(caller.account()) => Some(Named::Account),
        ("Service", Caller::Service(service)) if name == service => Some(Named::Itself),
        ("Federated", Caller::Federated(provider)) if name == provider => Some(Named::Itself),
        _ => None,
    }
}

/// In a policy, one of a thing may stand for a list of one.
fn each(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}
