//! IAM: every call is judged by the policies that Terraform really made, before anything answers it. It is never off.
//!
//! `caller` says who calls, `action` what AWS asks about it, `depends` what it asks beside that, `policies` and `carriers` which
//! policies there are, `judge`
//! decides, `words` refuses, `report` counts. Judged are sessions of roles and AWS's own services; users are
//! administrators, whom only resources' policies can stop.
//!
//! The evaluation is our own. `iam-rs` 0.8.0, the one crate for it, was held against 23 cases of this module and was wrong
//! in 14: `ArnEquals` knows no wildcards, a `Principal` of two kinds and `ForAllValues:..IfExists` are not read, a role's name
//! is not its sessions', nor an account's its roles', `*` is no resource, an unresolved variable matches as if it were
//! empty, and a star in a variable's value is a star; and there are no boundaries, sessions or accounts.
//! `@cloud-copilot/iam-simulate` needs Node. The emulator's own evaluator wants real signatures and knows one account.

mod action;
mod caller;
mod carriers;
mod condition;
mod context;
mod depends;
mod judge;
mod pattern;
mod policies;
mod policy;
mod report;
#[cfg(test)]
mod table;
mod words;

pub use action::Access;
pub use report::{ActorReport, Denied, IamReport, Seen};

use super::call::{Call, xml_text};
use super::http::{Reply, Request};
use super::principal::{Credential, Principals};
use super::upstream::{Scope, Upstream};
use action::Ask;
use anyhow::Context as _;
use caller::Known;
use judge::{Held, Kind, Why, judge};
use policies::Policies;
use policy::{Asked, Policy, account_of};
use report::Counts;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use words::Denial;

/// The judge of one edge.
#[derive(Debug)]
pub struct Iam {
    policies: Policies,
    principals: Arc<Principals>,
    counts: Mutex<Counts>,
}

/// On whose behalf and from where an AWS service acts.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The service: `events.amazonaws.com`.
    pub service: &'a str,
    /// `aws:SourceArn`.
    pub arn: &'a str,
}

/// Why a call is not answered.
#[derive(Debug)]
enum Refusal {
    Denied(Denial),
    UnknownKey,
    Unsigned,
    Unreadable(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl Iam {
    /// A judge by the emulator's policies.
    pub fn new(upstream: Upstream, principals: Arc<Principals>) -> Arc<Self> {
        Arc::new(Self { policies: Policies::new(upstream), principals, counts: Mutex::default() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The refusal of a call that AWS would refuse; nothing for one that may go on.
    pub async fn refusal(&self, request: &Request, call: &Call) -> Option<Reply> {
        match self.judged(request, call).await {
            Ok(()) => None,
            Err(Refusal::Denied(denial)) => Some(denial.reply(call)),
            Err(Refusal::UnknownKey) => Some(words::unknown_key(call)),
            Err(Refusal::Unsigned) => Some(words::unsigned(call)),
            Err(Refusal::Unreadable(error)) => {
                tracing::warn!(operation = call.operation, error = format!("{error:#}"), "a call could not be judged");
                Some(words::refusal(call, 503, "ServiceUnavailable", &format!("IAM: {error:#}")))
            }
        }
    }

    /// The refusal of a call as if no policy of its caller's allowed it, in AWS's words; nothing is counted.
    pub async fn denial(&self, request: &Request, call: &Call) -> Reply {
        let known = caller::signer(&self.policies, &self.principals, request, call).await;
        let asked = action::of(&Ask::new(request, call)).accesses.into_iter().next();
        match (known, asked) {
            (Ok(known), Some(access)) => denial(&known, &access, Why::Missing(Kind::Identity)).reply(call),
            _ => words::unsigned(call),
        }
    }

    /// The refusal of a request that the edge can't read as a call, when a role's session sent it: nobody can say what it needs.
    pub fn unread(&self, request: &Request) -> Option<Reply> {
        let credential = Credential::of(request);
        let session = self.principals.session(&credential.access_key)?;
        let operation = format!("{}:{} {}", credential.service, request.method, request.path());
        self.counts().unmapped(&session.role_arn, &operation);
        let message = format!("User: {} is not authorized to perform: {operation}", session.arn);
        Some(Reply::json_error(403, "AccessDeniedException", &message))
    }

    /// S3 does not say of an object that it is not there to whoever may not list the bucket (API reference, GetObject: 403 in place of 404).
    pub async fn hides(&self, request: &Request, call: &Call, reply: &Reply) -> Option<Reply> {
        if call.service != "s3" || reply.status != 404 || !action::is_object_read(request) {
            return None;
        }
        let bucket = action::bucket_of(request)?;
        if xml_text(&reply.text(), "Code").as_deref() == Some("NoSuchBucket") {
            return None;
        }
        let known = caller::signer(&self.policies, &self.principals, request, call).await.ok()?;
        let list = Access::new("s3:ListBucket", format!("arn:aws:s3:::{bucket}"));
        let denial = self.ask(&known, &list, &call_name(call)).await.err()?;
        match denial {
            Refusal::Denied(denial) => Some(denial.reply(call)),
            _ => None,
        }
    }

    /// Forgets the policies that a successful call has changed.
    pub fn learn(&self, request: &Request, call: &Call) {
        self.policies.learn(request, call);
    }

    /// What was judged so far.
    pub fn report(&self) -> IamReport {
        self.counts().report()
    }

    /// The patterns of actions that a role's own policies allow, as they are written, each once.
    ///
    /// # Errors
    /// When the emulator can't be reached, or there is no such role.
    pub async fn allowed_actions(&self, role_arn: &str) -> anyhow::Result<Vec<String>> {
        let role = self.policies.role(role_arn).await?.with_context(|| format!("there is no role {role_arn}"))?;
        let mut patterns: Vec<String> =
            role.identity.iter().flat_map(Policy::allowed_actions).map(str::to_owned).collect();
        patterns.sort();
        patterns.dedup();
        Ok(patterns)
    }

    /// Whether a service may do this in its own name, by the resource's policy alone.
    ///
    /// # Errors
    /// AWS's sentence when it may not; what went wrong when it could not be judged.
    pub async fn service_may(&self, source: Source<'_>, access: &Access) -> anyhow::Result<()> {
        said(self.ask(&caller::service(source), access, source.arn).await)
    }

    /// Whether a service may assume a role.
    ///
    /// # Errors
    /// AWS's sentence when it may not; what went wrong when it could not be judged.
    pub async fn service_may_assume(&self, source: Source<'_>, role_arn: &str) -> anyhow::Result<()> {
        self.service_may(source, &Access::new("sts:AssumeRole", role_arn)).await
    }

    /// Whether a session that a service has made of a role may do all this.
    ///
    /// # Errors
    /// AWS's sentence for the first that it may not; what went wrong when it could not be judged.
    pub async fn session_may(
        &self,
        source: Source<'_>,
        role_arn: &str,
        session: &str,
        accesses: &[Access],
    ) -> anyhow::Result<()> {
        let role = self.policies.role(role_arn).await?.with_context(|| format!("there is no role {role_arn}"))?;
        let known = caller::session_of_service(&role, session);
        for access in accesses {
            said(self.ask(&known, access, source.service).await)?;
        }
        Ok(())
    }

    /// Whether a session of a role may read a parameter, by its name or ARN, and decrypt it where it is encrypted.
    ///
    /// # Errors
    /// AWS's sentence when it may not; what went wrong when it could not be judged.
    pub async fn session_may_read_parameter(
        &self,
        source: Source<'_>,
        role_arn: &str,
        session: &str,
        (scope, name): (&Scope, &str),
    ) -> anyhow::Result<()> {
        let accesses = depends::parameter_read(&self.policies, scope, name).await?;
        self.session_may(source, role_arn, session, &accesses).await
    }

    async fn judged(&self, request: &Request, call: &Call) -> Result<(), Refusal> {
        let known = caller::signer(&self.policies, &self.principals, request, call).await?;
        let mapped = action::of(&Ask::new(request, call));
        let mut accesses = mapped.accesses;
        depends::complete(&self.policies, request, call, &mut accesses).await?;
        if let (false, Some(actor)) = (mapped.known, &known.actor) {
            self.counts().unmapped(actor, &call_name(call));
        }
        for access in &accesses {
            self.ask(&known, access, &call_name(call)).await?;
        }
        Ok(())
    }

    /// Asks one question, and counts the answer.
    async fn ask(&self, known: &Known, access: &Access, operation: &str) -> Result<(), Refusal> {
        let owner = self.owner(access, known.caller.account());
        let mut context = known.context.clone();
        context.extend(&access.context);
        context.set("aws:ResourceAccount", owner.clone());
        let asked =
            Asked { caller: &known.caller, action: &access.action, resource: &access.resource, context: &context };
        let carried = self.carried(access).await?;
        let guarded = access.action.starts_with("sts:") || (access.action.starts_with("kms:") && carried.is_some());
        let held = Held {
            identity: &known.identity,
            boundary: known.boundary.as_ref(),
            session: known.session.as_deref(),
            resource: carried.as_ref(),
            guarded,
            owner: &owner,
        };
        let verdict = judge(&asked, &held);
        if let Some(actor) = &known.actor {
            let mut counts = self.counts();
            match verdict {
                Ok(()) => counts.allowed(actor, &access.action, &access.resource),
                Err(why) => {
                    let words = why.words(&access.action);
                    counts.denied(actor, &access.action, &access.resource, operation, &words);
                }
            }
        }
        verdict.map_err(|why| Refusal::Denied(denial(known, access, why)))
    }

    /// The account of a resource. Buckets have none in their ARN, and some resources are everybody's.
    fn owner(&self, access: &Access, caller: &str) -> String {
        let named = account_of(&access.resource);
        if !named.is_empty() {
            return named.to_owned();
        }
        let bucket = bucket_arn(&access.resource).and_then(|arn| self.policies.bucket_owner(arn.rsplit(':').next()?));
        bucket.unwrap_or_else(|| caller.to_owned())
    }

    /// The policy that the resource carries.
    async fn carried(&self, access: &Access) -> anyhow::Result<Option<Policy>> {
        if access.action.starts_with("sts:") {
            // A role that is not there trusts nobody.
            return Ok(Some(self.policies.role(&access.resource).await?.map(|r| r.trust.clone()).unwrap_or_default()));
        }
        let arn = match bucket_arn(&access.resource) {
            Some(bucket) => bucket.to_owned(),
            // Aliases have no policy of their own.
            None if access.resource.contains(":alias/") || access.resource == "*" => return Ok(None),
            None => access.resource.clone(),
        };
        Ok(self.policies.resource(&arn).await?.and_then(|resource| resource.policy.clone()))
    }
}

fn denial(known: &Known, access: &Access, why: Why) -> Denial {
    Denial {
        caller: known.caller.name().to_owned(),
        action: access.action.clone(),
        resource: access.resource.clone(),
        why,
    }
}

fn said(verdict: Result<(), Refusal>) -> anyhow::Result<()> {
    match verdict {
        Ok(()) => Ok(()),
        Err(Refusal::Denied(denial)) => anyhow::bail!(denial.sentence()),
        Err(Refusal::Unreadable(error)) => Err(error),
        Err(Refusal::UnknownKey | Refusal::Unsigned) => anyhow::bail!("the caller is not known"),
    }
}

fn call_name(call: &Call) -> String {
    format!("{}:{}", call.service, call.operation)
}

/// The ARN of the bucket that this is, or is an object in.
fn bucket_arn(arn: &str) -> Option<&str> {
    arn.starts_with("arn:aws:s3:::").then(|| arn.split('/').next().unwrap_or(arn))
}
