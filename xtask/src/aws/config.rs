//! The AWS configuration file of a run: the caller as `default`, the operator under its role. Pure.

/// The profile of the operator.
pub const OPERATOR: &str = "operator";
/// The variable with the session, in the form that `credential_process` prints. It is in the environment of what a run
/// starts and on no disk: what a killed run leaves behind is no key.
pub const SESSION: &str = "REFORGE_ACCEPTANCE_SESSION";
/// The program of `credential_process`: gives what the variable has.
pub const PRINT_SESSION: &str = "#!/bin/sh\nprintf '%s' \"$REFORGE_ACCEPTANCE_SESSION\"\n";

/// The section of the caller. S3 takes no presigned URL of signature version 2 for a new bucket, and none of another
/// region's host; an emulated AWS has no host for each bucket. The CLI's version 1 takes a parameter's value that is an
/// address for what is found there.
pub fn caller(region: &str, credential_process: &str, is_emulated: bool) -> String {
    let addressing = if is_emulated { "path" } else { "virtual" };
    format!(
        "[default]\nregion = {region}\ncli_timestamp_format = iso8601\ncli_follow_urlparam = false\n\
         credential_process = \"{credential_process}\"\n\
         s3 =\n  signature_version = s3v4\n  addressing_style = {addressing}\n"
    )
}

/// The section of the operator.
pub fn operator(region: &str, role_arn: &str) -> String {
    format!(
        "\n[profile {OPERATOR}]\nregion = {region}\nrole_arn = {role_arn}\nrole_session_name = reforge\nsource_profile = default\n"
    )
}

/// What a run sets in the environment of the AWS CLI, Terraform and the operator: files instead of the caller's, the
/// region, the session, and the endpoint of an emulated AWS.
pub fn variables(
    [config, none, terraform]: [&str; 3],
    region: &str,
    session: &str,
    endpoint: Option<&str>,
) -> Vec<(String, String)> {
    let mut all = vec![
        ("AWS_CONFIG_FILE", config),
        ("AWS_SHARED_CREDENTIALS_FILE", none),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_PAGER", ""),
        ("TF_CLI_CONFIG_FILE", terraform),
        ("TF_IN_AUTOMATION", "1"),
        ("CHECKPOINT_DISABLE", "1"),
        (SESSION, session),
    ];
    all.extend(endpoint.map(|url| ("AWS_ENDPOINT_URL", url)));
    all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::{PRINT_SESSION, SESSION, variables};

    #[test]
    fn an_endpoint_is_set_where_one_is_given_and_nowhere_else() {
        let endpoints = |endpoint| {
            let all = variables(["c", "n", "t"], "eu-west-1", "{}", endpoint);
            all.into_iter().filter(|(name, _)| name.contains("ENDPOINT")).collect::<Vec<_>>()
        };
        assert!(endpoints(None).is_empty());
        let url = "http://localhost:1";
        assert_eq!(endpoints(Some(url)), [("AWS_ENDPOINT_URL".to_owned(), url.to_owned())]);
    }

    #[test]
    fn no_profile_and_no_key_of_anybodys_is_set() {
        let all = variables(["c", "n", "t"], "eu-west-1", "{}", None);
        assert!(all.iter().all(|(name, _)| !name.contains("PROFILE") && !name.contains("KEY")));
    }

    #[test]
    fn the_program_prints_the_variable_that_is_set() {
        assert!(PRINT_SESSION.contains(&format!("\"${SESSION}\"")));
    }
}
