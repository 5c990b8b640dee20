//! What a call of the AWS CLI does, by its words, and what its error says. Pure.

/// Operations that change nothing begin so; of any other it is not assumed.
const READING: [&str; 6] = ["get-", "list-", "describe-", "head-", "batch-get-", "lookup-"];

/// Whether a call changes nothing.
pub fn reads(args: &[&str]) -> bool {
    match args {
        // Computed on this machine.
        ["s3", "presign", ..] => true,
        // It gives out keys.
        [_, "get-session-token" | "get-federation-token", ..] => false,
        [_, operation, ..] => READING.iter().any(|verb| operation.starts_with(verb)),
        _ => false,
    }
}

/// The code in what the AWS CLI says of an error: "An error occurred (NoSuchBucket) when calling the DeleteBucket
/// operation: ...".
pub fn code(error: &str) -> Option<&str> {
    let (_, rest) = error.split_once("An error occurred (")?;
    rest.split_once(')').map(|(code, _)| code)
}

/// Whether AWS says that the thing is not there, by the code and never by the words around it.
pub fn is_gone(error: &str) -> bool {
    let Some(code) = code(error) else { return false };
    let ends = ["NotFound", "NotFoundException", "NonExistentQueue", "QueueDoesNotExist"];
    // 404 is what the CLI makes of an answer without a body, to HeadBucket and HeadObject.
    ["NoSuchBucket", "NoSuchEntity", "404"].contains(&code) || ends.iter().any(|end| code.ends_with(end))
}

/// Whether it is a bucket without tags.
pub fn has_no_tags(error: &str) -> bool {
    code(error) == Some("NoSuchTagSet")
}

#[cfg(test)]
mod tests {
    use super::{has_no_tags, is_gone, reads};

    fn error(code: &str) -> String {
        format!("aws x y: An error occurred ({code}) when calling the Y operation: the NotFound does not exist")
    }

    #[test]
    fn only_what_is_known_to_read_reads() {
        assert!(reads(&["sts", "get-caller-identity"]));
        assert!(reads(&["codebuild", "batch-get-builds", "--ids", "a"]));
        assert!(reads(&["s3", "presign", "s3://b/k"]));
        for changing in [
            ["ec2", "terminate-instances"],
            ["s3api", "delete-objects"],
            ["kms", "schedule-key-deletion"],
            ["iam", "detach-role-policy"],
            ["events", "remove-targets"],
            ["codebuild", "stop-build"],
            ["ssm", "put-parameter"],
            ["s3", "rm"],
            ["sqs", "purge-queue"],
            ["any", "operation-to-come"],
        ] {
            assert!(!reads(&changing), "{changing:?}");
        }
        assert!(!reads(&["sts"]));
    }

    #[test]
    fn what_is_not_there_is_gone_and_what_is_refused_is_not() {
        for code in [
            "NoSuchBucket",
            "NoSuchEntity",
            "ResourceNotFoundException",
            "InvalidGroup.NotFound",
            "AWS.SimpleQueueService.NonExistentQueue",
            "NotFound",
            "404",
        ] {
            assert!(is_gone(&error(code)), "{code}");
        }
        for code in ["AccessDenied", "NoSuchTagSet", "ExpiredToken", "ResourceInUseException", "Throttling"] {
            assert!(!is_gone(&error(code)), "{code}: whatever is said after it");
        }
        assert!(!is_gone("Could not connect to the endpoint URL: NotFound"));
    }

    #[test]
    fn a_bucket_without_tags_is_there() {
        assert!(has_no_tags(&error("NoSuchTagSet")) && !is_gone(&error("NoSuchTagSet")));
    }
}
