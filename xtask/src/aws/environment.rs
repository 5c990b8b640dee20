//! What of the caller's environment reaches what a run starts: everything but `AWS_*` and `TF_*`.
//!
//! Any of these would go before what the run says: another account's keys, an endpoint of one service
//! (`AWS_ENDPOINT_URL_S3`), arguments to every Terraform (`TF_CLI_ARGS`), values of variables (`TF_VAR_name`). A list of
//! them ages, so the run keeps none: it starts itself again without all of both, before it starts anything else. Then
//! there is nothing that a child could inherit, whoever starts it, the sandbox and the control plane included.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;

use anyhow::{Context, Result};

use super::programs;

/// Where the profiles of the caller are, and whom it trusts when it signs in; handed on under a name of the run's own, for
/// signing in and nothing else. AWS SDKs and Tools Reference Guide, "Location of the shared config and credentials files".
const OF_PROFILES: [&str; 3] = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"];
const HANDED_ON: &str = "REFORGE_ACCEPTANCE_CALLERS_";

/// A variable with its value.
pub type Variable = (OsString, OsString);

/// Starts this program again without the caller's variables, if there are any. It stays the same process.
pub fn shed() -> Result<()> {
    if std::env::vars_os().all(|(name, _)| !is_kept_back(&name)) {
        return Ok(());
    }
    let program = std::env::current_exe().context("finding this program, to start it without AWS_* and TF_*")?;
    let mut again = programs::again(&program, without(std::env::vars_os()));
    again.args(std::env::args_os().skip(1));
    Err(again.exec()).with_context(|| {
        format!(
            "starting {} without AWS_* and TF_* of the environment; unset them yourself and try again",
            program.display()
        )
    })
}

/// What anything that is started gets.
pub fn inherited() -> Vec<Variable> {
    without(std::env::vars_os())
}

/// The names that are kept back and are there all the same; none, after [`shed`].
pub fn kept_back() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name).filter(|name| is_kept_back(name));
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// What signing in gets beside: it is the caller's own profile that is looked for.
pub fn of_profiles() -> Vec<Variable> {
    profiles_of(std::env::vars_os())
}

fn is_kept_back(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"AWS_") || name.starts_with(b"TF_")
}

/// The rest, and what is handed on under another name.
fn without(all: impl Iterator<Item = Variable>) -> Vec<Variable> {
    let mut kept = Vec::new();
    for (name, value) in all {
        if !is_kept_back(&name) {
            kept.push((name, value));
        } else if OF_PROFILES.iter().any(|of| name == *of) && !value.is_empty() {
            let mut renamed = OsString::from(HANDED_ON);
            renamed.push(&name);
            kept.push((renamed, value));
        }
    }
    kept
}

fn profiles_of(all: impl Iterator<Item = Variable>) -> Vec<Variable> {
    let named = |(name, value): Variable| {
        let own = OF_PROFILES.iter().find(|of| name == *format!("{HANDED_ON}{of}"))?;
        Some((OsString::from(own), value))
    };
    all.filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::{Variable, profiles_of, without};

    fn variables(names: &[&str]) -> Vec<Variable> {
        names.iter().map(|name| (name.into(), format!("value of {name}").into())).collect()
    }

    fn names(of: Vec<Variable>) -> Vec<String> {
        of.into_iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn nothing_of_aws_and_of_terraform_is_inherited_however_new_it_is() {
        let all = [
            "AWS_ACCESS_KEY_ID",
            "AWS_ENDPOINT_URL_DYNAMODB",
            "AWS_NAMED_IN_A_YEAR_TO_COME",
            "TF_CLI_ARGS_apply",
            "TF_VAR_region",
            "TF_WORKSPACE",
            "HOME",
            "PATH",
            "MY_AWS_PROFILE",
        ];
        assert_eq!(names(without(variables(&all).into_iter())), ["HOME", "PATH", "MY_AWS_PROFILE"]);
    }

    #[test]
    fn where_the_profiles_are_reaches_signing_in_and_nothing_else() {
        let shed = without(variables(&["AWS_CONFIG_FILE", "AWS_PROFILE", "HOME"]).into_iter());
        assert!(names(shed.clone()).iter().all(|name| !name.starts_with("AWS_")));
        assert_eq!(profiles_of(shed.into_iter()), variables(&["AWS_CONFIG_FILE"]));
    }

    #[test]
    fn what_was_shed_once_is_not_shed_again() {
        let once = without(variables(&["AWS_CONFIG_FILE", "TF_LOG", "HOME"]).into_iter());
        assert_eq!(without(once.clone().into_iter()), once);
    }
}
