//! A recovery's own calls claim to be made by a build; whether it is one of ours, the [index](crate::index) says.

use reforge_api::Event;

/// The build, by its UUID, whose session a recovery role acts in, if it acts in one.
pub fn claimed_build<'a>(event: &'a Event, recovery_roles: &[String]) -> Option<&'a str> {
    let issuer = event.actor.issuer_arn.as_deref();
    let role = issuer.is_some_and(|arn| recovery_roles.iter().any(|role| role == arn));
    event.actor.session_name.as_deref().filter(|_| role)?.strip_prefix("AWSCodeBuild-")
}
