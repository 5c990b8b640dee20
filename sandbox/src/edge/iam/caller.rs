//! Who makes a call, with the policies and the condition keys that come with it.
//!
//! Given a call, it gives the caller; whether the caller may do anything is not decided here.

use super::context::Context;
use super::policies::{Policies, Role};
use super::policy::{Caller, Policy, account_of};
use super::{Refusal, Source};
use crate::edge::call::Call;
use crate::edge::http::Request;
use crate::edge::principal::Principals;
use crate::edge::upstream::Scope;
use jiff::Timestamp;

/// A caller with its own policies.
#[derive(Debug)]
pub struct Known {
    /// Who it is.
    pub caller: Caller,
    /// Its own policies.
    pub identity: Vec<Policy>,
    /// Its role's boundary.
    pub boundary: Option<Policy>,
    /// Its session policies, when it has any.
    pub session: Option<Vec<Policy>>,
    /// The condition keys that all its questions have.
    pub context: Context,
    /// What the report calls it; users are not in it.
    pub actor: Option<String>,
}

/// Who signed a call.
///
/// # Errors
/// When nobody did, or a session of a role that is not there; or when its policies can't be read.
pub async fn signer(
    policies: &Policies,
    principals: &Principals,
    request: &Request,
    call: &Call,
) -> Result<Known, Refusal> {
    let key = &call.credential.access_key;
    if key.is_empty() {
        return federated(request, call).ok_or(Refusal::Unsigned);
    }
    let mut context = request_context(request, call);
    let Some(session) = principals.session(key) else {
        let identity = principals.identity(&call.credential);
        let arn = identity["arn"].as_str().unwrap_or_default().to_owned();
        for (name, value) in principal_keys(&arn, &call.credential.account) {
            context.set(name, value);
        }
        context.set("aws:PrincipalType", "User");
        context.set("aws:username", arn.rsplit('/').next().unwrap_or_default());
        let identity = vec![Policy::everything()];
        return Ok(Known {
            caller: Caller::User { arn },
            identity,
            boundary: None,
            session: None,
            context,
            actor: None,
        });
    };
    let role = policies.role(&session.role_arn).await?.ok_or(Refusal::UnknownKey)?;
    for (name, value) in principal_keys(&role.arn, account_of(&role.arn)) {
        context.set(name, value);
    }
    context.set("aws:userid", session.user_id);
    let mut limits = Vec::new();
    if let Some(document) = &session.policy {
        limits.push(Policy::parse(document).map_err(anyhow::Error::msg)?);
    }
    let scope = Scope { account: account_of(&role.arn).to_owned(), ..Scope::default() };
    for arn in &session.policy_arns {
        limits.push(policies.managed(&scope, arn).await?.unwrap_or_default());
    }
    let limits = (!limits.is_empty()).then_some(limits);
    Ok(session_of(&role, session.arn, limits, context))
}

/// A service in its own name.
pub fn service(source: Source<'_>) -> Known {
    Known {
        caller: Caller::Service(source.service.to_owned()),
        identity: Vec::new(),
        boundary: None,
        session: None,
        context: service_context(source),
        actor: Some(source.service.to_owned()),
    }
}

/// A session that a service has made of a role.
pub fn session_of_service(role: &Role, session: &str) -> Known {
    let mut context = Context::default().with("aws:SecureTransport", "true");
    for (key, value) in principal_keys(&role.arn, account_of(&role.arn)) {
        context.set(key, value);
    }
    session_of(role, session_arn(&role.arn, session), None, context)
}

fn session_of(role: &Role, arn: String, session: Option<Vec<Policy>>, context: Context) -> Known {
    Known {
        caller: Caller::Session { role: role.arn.clone(), arn },
        identity: role.identity.clone(),
        boundary: role.boundary.clone(),
        session,
        context,
        actor: Some(role.arn.clone()),
    }
}

/// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`: a role's path is not in it.
fn session_arn(role_arn: &str, session: &str) -> String {
    let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
    format!("arn:aws:sts::{}:assumed-role/{role}/{session}", account_of(role_arn))
}

fn principal_keys<'a>(arn: &'a str, account: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("aws:PrincipalArn", arn),
        ("aws:PrincipalAccount", account),
        ("aws:PrincipalType", "AssumedRole"),
        ("aws:PrincipalIsAWSService", "false"),
    ]
}

/// The keys that every request has (IAM User Guide, "AWS global condition context keys"). The sandbox speaks HTTP where
/// AWS speaks TLS: `aws:SecureTransport` is what it would be there.
fn request_context(request: &Request, call: &Call) -> Context {
    let now = Timestamp::now();
    Context::default()
        .with("aws:SecureTransport", "true")
        .with("aws:SourceIp", request.peer.clone())
        .with("aws:UserAgent", request.header("user-agent"))
        .with("aws:RequestedRegion", call.region())
        .with("aws:CurrentTime", format!("{now:.0}"))
        .with("aws:EpochTime", now.as_second().to_string())
        .with("aws:MultiFactorAuthPresent", "false")
        .with("aws:ViaAWSService", "false")
}

fn service_context(source: Source<'_>) -> Context {
    Context::default()
        .with("aws:SecureTransport", "true")
        .with("aws:PrincipalIsAWSService", "true")
        .with("aws:PrincipalServiceName", source.service)
        .with("aws:SourceArn", source.arn)
        .with("aws:SourceAccount", account_of(source.arn))
}

/// Whoever brings an identity provider's token in place of a signature; the token's own signature is not checked.
fn federated(request: &Request, call: &Call) -> Option<Known> {
    if call.service != "sts" || call.operation != "AssumeRoleWithWebIdentity" {
        return None;
    }
    let parameter = |name: &str| call.parameters[name].as_str().unwrap_or_default();
    let payload = base64url(parameter("webIdentityToken").split('.').nth(1)?)?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let issuer = claims["iss"].as_str()?.trim_start_matches("https://").to_owned();
    let mut context = request_context(request, call);
    for claim in ["sub", "aud", "amr"] {
        let values = claims[claim].as_array().map_or(std::slice::from_ref(&claims[claim]), Vec::as_slice);
        let values: Vec<String> = values.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        if !values.is_empty() {
            context.set_all(&format!("{issuer}:{claim}"), values);
        }
    }
    let caller = Caller::Federated(format!("arn:aws:iam::{}:oidc-provider/{issuer}", account_of(parameter("roleArn"))));
    let actor = Some(caller.name().to_owned());
    Some(Known { caller, identity: Vec::new(), boundary: None, session: None, context, actor })
}

/// The bytes of a token's part (RFC 4648, "Base 64 Encoding with URL and Filename Safe Alphabet").
fn base64url(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}
