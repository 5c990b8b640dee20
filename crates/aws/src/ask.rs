//! An SDK's error as a [`Fault`]: the one way in which an answer of AWS that is none becomes something to decide on.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use reforge_api::FaultClass;
use reforge_core::words::fault::Fault;

/// Error codes by which AWS's services say that they want fewer calls, or run as much as they may (botocore's retry
/// rules, "legacy" and "standard", and CodeBuild's API reference).
const THROTTLED: [&str; 16] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "BandwidthLimitExceeded",
    "SlowDown",
    "AccountLimitExceededException",
    "LimitExceededException",
    "KMS.ThrottlingException",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

/// Answers that say nothing of what becomes of the same call later, though they are 4xx (S3 API reference, "List of error
/// codes").
const PASSING: [&str; 3] = ["RequestTimeout", "OperationAborted", "ConditionalRequestConflict"];

/// Error codes that begin like this say that the caller may not, or is not believed to be who it says.
const DENIED: [&str; 12] = [
    "AccessDenied",
    "UnauthorizedOperation",
    "Unauthorized",
    "AuthorizationError",
    "AuthFailure",
    "KMSAccessDenied",
    "KMS.AccessDenied",
    "InvalidClientTokenId",
    "UnrecognizedClient",
    "ExpiredToken",
    "SignatureDoesNotMatch",
    "Forbidden",
];

/// Asks AWS, with a deadline over all tries.
///
/// # Errors
/// The fault, with `doing` in it.
pub async fn ask<T, E>(
    doing: &str,
    deadline: Duration,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, Fault>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer.map_err(|error| fault(doing, &error)),
        Err(_) => Err(silence(doing, deadline)),
    }
}

/// Nobody answered within the deadline.
pub fn silence(doing: &str, deadline: Duration) -> Fault {
    Fault::transient(doing, &format!("no answer within {} s", deadline.as_secs()))
}

/// The fault that an error is.
pub fn fault<E>(doing: &str, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    if let (Some(code), message) = (error.code(), error.message()) {
        let said = message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
        return Fault::new(doing, class(code, status), &said);
    }
    match status {
        // The answer to a HEAD has no body, and so no code.
        Some(403) => Fault::new(doing, FaultClass::Denied, "403 Forbidden"),
        Some(404) => Fault::new(doing, FaultClass::Absent, "404 Not Found"),
        Some(status) => Fault::transient(doing, &format!("HTTP {status}")),
        None => without_answer(doing, error),
    }
}

/// No service has answered: the connection, or the credentials, which STS gives and denies.
fn without_answer<E: Error + 'static>(doing: &str, error: &SdkError<E>) -> Fault {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let said = deepest.to_string();
    let denied = ["AccessDenied", "not authorized to perform"].iter().any(|word| said.contains(word));
    Fault::new(doing, if denied { FaultClass::Denied } else { FaultClass::Transient }, &said)
}

fn class(code: &str, status: Option<u16>) -> FaultClass {
    if THROTTLED.contains(&code) || status == Some(429) {
        return FaultClass::Throttled;
    }
    if DENIED.iter().any(|denied| code.starts_with(denied)) {
        return FaultClass::Denied;
    }
    let absent = ["NoSuch", "NotFound", "ResourceNotFound", "ParameterNotFound", "QueueDoesNotExist"];
    if absent.iter().any(|word| code.starts_with(word)) || code.ends_with("NonExistentQueue") {
        return FaultClass::Absent;
    }
    if PASSING.iter().any(|passing| code.starts_with(passing)) {
        return FaultClass::Transient;
    }
    match status {
        Some(403) => FaultClass::Denied,
        Some(404) => FaultClass::Absent,
        Some(408 | 409) => FaultClass::Transient,
        Some(400..=499) => FaultClass::Ours,
        _ => FaultClass::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_services_answer_has_its_class() {
        for (code, status, expected) in [
            ("ThrottlingException", 400, FaultClass::Throttled),
            ("SlowDown", 503, FaultClass::Throttled),
            ("AccountLimitExceededException", 400, FaultClass::Throttled),
            ("AccessDenied", 403, FaultClass::Denied),
            ("AccessDeniedException", 400, FaultClass::Denied),
            ("UnauthorizedOperation", 403, FaultClass::Denied),
            ("ExpiredTokenException", 400, FaultClass::Denied),
            ("NoSuchBucket", 404, FaultClass::Absent),
            ("ResourceNotFoundException", 400, FaultClass::Absent),
            ("AWS.SimpleQueueService.NonExistentQueue", 400, FaultClass::Absent),
            ("InvalidInputException", 400, FaultClass::Ours),
            ("ValidationException", 400, FaultClass::Ours),
            ("InternalFailure", 500, FaultClass::Transient),
        ] {
            assert_eq!(class(code, Some(status)), expected, "{code}");
        }
    }
}
