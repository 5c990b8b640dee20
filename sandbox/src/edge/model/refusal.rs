//! A refusal in the service's own words, code and shape.
//!
//! Given what is wrong, it gives the answer. JSON and Query services say what their common validation says (Smithy's "Validation exceptions"
//! and the Common Errors of the IAM and STS API references); EC2, SQS, S3, CodeBuild and Lambda have words or codes of their own:
//! Amazon EC2 "Error codes for the Amazon EC2 API"; Amazon SQS "Common errors" and aws-cli #2549 ("Unknown Attribute FifoQueue");
//! Amazon S3 "Error responses"; CodeBuild's InvalidInputException, the one error of bad input that its operations list;
//! CloudTrail's errors for single members (API reference, LookupEvents: InvalidMaxResultsException);
//! lambda-action #83 (a ValidationException of Lambda's) and Lambda's runtimes, whose refusal is an InvalidParameterValueException.

use super::service::{Operation, Protocol, Service};
use super::violation::{Constraint, Unreadable, Violation};
use crate::edge::http::Reply;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

/// The answer to an input with violations, of which there is at least one.
pub fn of(service: &Service, operation: &Operation, violations: &[Violation]) -> Reply {
    let Some(first) = violations.first() else { return error(service, 400, "ValidationException", "") };
    match (service.metadata.protocol, service.name.as_str()) {
        (Protocol::Ec2, _) => {
            let (code, message) = ec2(first);
            error(service, 400, code, &message)
        }
        (Protocol::RestXml, _) => {
            let (code, message) = s3(service, operation, first);
            error(service, 400, code, &message)
        }
        (_, "sqs") => {
            let (code, message) = sqs(first);
            error(service, 400, code, &message)
        }
        (_, "lambda") if first.member == "Runtime" => {
            let value = first.value.as_ref().map(shown).unwrap_or_default();
            let (path, words) = (&first.path, words(&first.constraint));
            let message = format!("Value {value} at '{path}' failed to satisfy constraint: {words} or be a valid ARN");
            error(service, 400, "InvalidParameterValueException", &message)
        }
        (_, "cloudtrail") => {
            let own = format!("Invalid{}Exception", first.member);
            let code = if lists(operation, &own) { &own } else { common_code(service, operation) };
            error(service, 400, code, &common(violations))
        }
        _ => error(service, 400, common_code(service, operation), &common(violations)),
    }
}

/// The answer to an operation that the service does not have.
pub fn unknown_operation(service: &Service, name: &str) -> Reply {
    match service.metadata.protocol {
        Protocol::Json => error(service, 400, "UnknownOperationException", ""),
        Protocol::RestJson | Protocol::Other => error(service, 404, "UnknownOperationException", ""),
        Protocol::Query => {
            let version = &service.metadata.api_version;
            error(service, 400, "InvalidAction", &format!("Could not find operation {name} for version {version}"))
        }
        Protocol::Ec2 => {
            error(service, 400, "InvalidAction", &format!("The action {name} is not valid for this web service."))
        }
        Protocol::RestXml => {
            error(service, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        }
    }
}

/// The answer to what could not be read.
pub fn unreadable(service: &Service, what: &Unreadable) -> Reply {
    let Unreadable { member, why } = what;
    match service.metadata.protocol {
        Protocol::Query => error(service, 400, "MalformedInput", why),
        Protocol::Ec2 => {
            error(service, 400, "InvalidParameterValue", &format!("Invalid value for parameter {member}: {why}"))
        }
        Protocol::RestXml => error(service, 400, "MalformedXML", MALFORMED),
        _ => error(service, 400, "SerializationException", why),
    }
}

const MALFORMED: &str = "The XML you provided was not well-formed or did not validate against our published schema";

/// An error in the service's protocol.
fn error(service: &Service, status: u16, code: &str, message: &str) -> Reply {
    let text = quick_xml::escape::escape(message);
    let id = uuid::Uuid::new_v4();
    match service.metadata.protocol {
        Protocol::Json | Protocol::RestJson | Protocol::Other => {
            let mut reply = Reply::json_error(status, code, message);
            if service.name == "sqs"
                && let Ok(value) = HeaderValue::from_str(&format!("{code};Sender"))
            {
                // Smithy, "AWS Query compatible": the code that clients of the older protocol knew.
                reply.headers.insert(HeaderName::from_static("x-amzn-query-error"), value);
            }
            reply
        }
        Protocol::Query => Reply::new(
            status,
            "text/xml",
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
            ),
        ),
        Protocol::Ec2 => Reply::new(
            status,
            "text/xml",
            format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors><RequestID>{id}</RequestID></Response>"
            ),
        ),
        Protocol::RestXml => Reply::new(
            status,
            "application/xml",
            format!("<Error><Code>{code}</Code><Message>{text}</Message><RequestId>{id}</RequestId></Error>"),
        ),
    }
}

fn lists(operation: &Operation, name: &str) -> bool {
    operation.errors.iter().any(|error| error.shape == name)
}

/// The code of a service with the common words.
fn common_code(service: &Service, operation: &Operation) -> &'static str {
    if service.metadata.protocol == Protocol::Query {
        return "ValidationError";
    }
    match service.name.as_str() {
        "codebuild" => "InvalidInputException",
        "eks" if !lists(operation, "ValidationException") => "InvalidParameterException",
        _ => "ValidationException",
    }
}

fn common(violations: &[Violation]) -> String {
    let sentences: Vec<String> = violations.iter().map(sentence).collect();
    let (count, s) = (sentences.len(), if sentences.len() == 1 { "" } else { "s" });
    format!("{count} validation error{s} detected: {}", sentences.join("; "))
}

fn sentence(violation: &Violation) -> String {
    let Violation { path, value, constraint, .. } = violation;
    let value = match value {
        None => String::new(),
        Some(Value::Null) => " null".to_owned(),
        Some(value) => format!(" '{}'", shown(value)),
    };
    format!("Value{value} at '{path}' failed to satisfy constraint: {}", words(constraint))
}

fn words(constraint: &Constraint) -> String {
    match constraint {
        Constraint::NotNull => "Member must not be null".to_owned(),
        Constraint::MinLength(least) => format!("Member must have length greater than or equal to {least}"),
        Constraint::MaxLength(most) => format!("Member must have length less than or equal to {most}"),
        Constraint::MinValue(least) => format!("Member must have value greater than or equal to {least}"),
        Constraint::MaxValue(most) => format!("Member must have value less than or equal to {most}"),
        Constraint::Pattern(pattern) => format!("Member must satisfy regular expression pattern: {pattern}"),
        Constraint::Enum(values) => format!("Member must satisfy enum value set: [{}]", values.join(", ")),
        Constraint::OneMember => "Member must have exactly one of its members set".to_owned(),
        Constraint::Elements(inner) => format!("Member must satisfy constraint: [{}]", all(inner)),
        Constraint::Keys(inner) => format!("Map keys must satisfy constraint: [{}]", all(inner)),
        Constraint::Values(inner) => format!("Map value must satisfy constraint: [{}]", all(inner)),
    }
}

fn all(constraints: &[Constraint]) -> String {
    constraints.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// As Java writes values.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn sqs(violation: &Violation) -> (&'static str, String) {
    let name = &violation.member;
    let value = violation.value.as_ref().map(shown).unwrap_or_default();
    match &violation.constraint {
        Constraint::NotNull => ("MissingParameter", format!("The request must contain the parameter {name}.")),
        Constraint::Keys(of) | Constraint::Elements(of) if name.starts_with("Attribute") => {
            let unknown = violation.value.as_ref().and_then(|value| outsider(value, of)).unwrap_or_default();
            ("InvalidAttributeName", format!("Unknown Attribute {unknown}."))
        }
        constraint => {
            let reason = words(constraint);
            ("InvalidParameterValue", format!("Value {value} for parameter {name} is invalid. Reason: {reason}."))
        }
    }
}

/// The first key or element that is none of the values that there are.
fn outsider<'v>(value: &'v Value, constraints: &[Constraint]) -> Option<&'v str> {
    let values = constraints.iter().find_map(|c| if let Constraint::Enum(values) = c { Some(values) } else { None })?;
    let names: Vec<&str> = match value {
        Value::Object(entries) => entries.keys().map(String::as_str).collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    names.into_iter().find(|name| !values.iter().any(|value| value == name))
}

fn ec2(violation: &Violation) -> (&'static str, String) {
    let name = &violation.member;
    let value = violation.value.as_ref().map(shown).unwrap_or_default();
    match &violation.constraint {
        Constraint::NotNull => ("MissingParameter", format!("The request must contain the parameter {name}")),
        Constraint::Enum(_) => ("InvalidParameterValue", format!("Invalid value '{value}' for {name}.")),
        constraint => {
            let reason = words(constraint);
            ("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid. {reason}."))
        }
    }
}

/// What is wrong in an XML body does not fit S3's schema; what is wrong elsewhere is an argument.
fn s3(service: &Service, operation: &Operation, violation: &Violation) -> (&'static str, String) {
    let input = operation.input.as_ref().and_then(|i| service.shape(&i.shape));
    let in_body = input.and_then(|i| i.members.get(&violation.root)).is_some_and(|m| m.location.is_none());
    match &violation.constraint {
        Constraint::NotNull if in_body && violation.path == lower(&violation.root) => {
            ("MissingRequestBodyError", "Request Body is empty".to_owned())
        }
        _ if in_body => ("MalformedXML", MALFORMED.to_owned()),
        constraint => ("InvalidArgument", format!("Argument {}: {}", violation.member, words(constraint))),
    }
}

fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
