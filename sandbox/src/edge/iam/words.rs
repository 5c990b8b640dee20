//! A refusal as AWS words it: the sentence is IAM's (IAM User Guide, "Troubleshoot access denied error messages"), code and status are the service's.

use super::judge::Why;
use crate::edge::call::{Call, Protocol};
use crate::edge::http::Reply;

/// What was denied to whom, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// How AWS names the caller.
    pub caller: String,
    /// `service:Action`.
    pub action: String,
    /// The resource, or `*`.
    pub resource: String,
    /// Why.
    pub why: Why,
}

impl Denial {
    /// `User: .. is not authorized to perform: .. on resource: .. because ..`.
    pub fn sentence(&self) -> String {
        let (service, name) = self.action.split_once(':').unwrap_or(("", &self.action));
        let action = match service {
            // As both services write it.
            "sqs" => self.action.to_lowercase(),
            "sns" => format!("SNS:{name}"),
            _ => self.action.clone(),
        };
        let resource = match (service, self.resource.as_str()) {
            (_, "*") => String::new(),
            ("s3", resource) => format!(" on resource: \"{resource}\""),
            (_, resource) => format!(" on resource: {resource}"),
        };
        // STS does not tell which policy it was.
        let why = if service == "sts" { String::new() } else { format!(" {}", self.why.words(&action)) };
        format!("User: {} is not authorized to perform: {action}{resource}{why}", self.caller)
    }

    /// The answer to the call that was denied.
    pub fn reply(&self, call: &Call) -> Reply {
        let sentence = self.sentence();
        let of_key = self.action.starts_with("kms:");
        let (status, code) = match (call.service.as_str(), call.protocol) {
            ("sns", _) if of_key => (400, "KMSAccessDenied"),
            ("sqs", _) if of_key => (400, "KMS.AccessDeniedException"),
            ("sns", _) => (403, "AuthorizationError"),
            ("sqs", _) | (_, Protocol::Query | Protocol::S3) => (403, "AccessDenied"),
            (_, Protocol::Ec2) => (403, "UnauthorizedOperation"),
            (_, Protocol::Json) => (400, "AccessDeniedException"),
            (_, Protocol::RestJson) => (403, "AccessDeniedException"),
        };
        let sentence = match call.protocol {
            Protocol::Ec2 => format!("You are not authorized to perform this operation. {sentence}"),
            _ => sentence,
        };
        refusal(call, status, code, &sentence)
    }
}

/// The answer to a key of which AWS knows nothing.
pub fn unknown_key(call: &Call) -> Reply {
    let (status, code, message) = match call.protocol {
        Protocol::Json => {
            (400, "UnrecognizedClientException", "The security token included in the request is invalid.")
        }
        Protocol::RestJson => {
            (403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        }
        Protocol::S3 => {
            (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        }
        Protocol::Ec2 => (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
        Protocol::Query => (403, "InvalidClientTokenId", "The security token included in the request is invalid."),
    };
    refusal(call, status, code, message)
}

/// The answer to a call that nobody signed.
pub fn unsigned(call: &Call) -> Reply {
    refusal(call, 403, "MissingAuthenticationToken", "Missing Authentication Token")
}

/// A refusal whose message may hold anything: object keys are in it.
pub fn refusal(call: &Call, status: u16, code: &str, message: &str) -> Reply {
    let message = match call.protocol {
        Protocol::Json | Protocol::RestJson => message.to_owned(),
        _ => message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
    };
    call.refusal(status, code, &message)
}
