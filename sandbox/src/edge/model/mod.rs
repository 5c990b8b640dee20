//! Requests held against the API models before anything answers them, and answers held against them after.
//!
//! Given a signed request, it gives the input in the API's spelling, or the refusal that AWS would give: a required member missing, a length,
//! a number, a pattern, an enum, a type, an operation that there is not. Services without a model and unsigned requests pass. It knows no
//! state: whether a name is taken, or a policy makes sense, is for whoever answers.
//!
//! The models are botocore's (`store`), the newest version of each. What the services are known to take in spite of them is in `exceptions`.
//! Not read are SQS in its former Query protocol, CBOR, streams of events, and the bodies of S3's objects.

mod answer;
mod decode;
mod exceptions;
mod operation;
mod pattern;
mod refusal;
mod route;
mod service;
mod store;
mod validate;
mod violation;

#[cfg(test)]
mod tests;

use super::faults::Faults;
use super::http::{Reply, Request};
use super::principal::Credential;
use operation::Read;
use serde_json::Value;
use service::{Member, Protocol, Service, Type};
use std::path::Path;
use std::sync::Arc;
use store::Store;
use violation::Violation;

/// The API models.
#[derive(Debug, Clone)]
pub struct Models(Arc<Store>);

/// What a request asks for, in the API's spelling: nothing of it is covered.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The name that the request is signed for: `dynamodb`, `bedrock`, `s3`.
    pub service: String,
    /// The name of its API's model, which may be another: `bedrock-runtime`, `s3control`.
    pub api: String,
    /// The operation as the API reference has it: `PutBucketLifecycleConfiguration`, `GetFunctionConfiguration`.
    pub operation: String,
    /// Its members, by the API's names: `{"TableName": "orders"}`. Bodies that are streams are left out.
    pub value: Value,
}

/// A request that the models know, and have nothing against.
#[derive(Debug)]
pub struct Modelled {
    /// What it asks for.
    pub input: Input,
    service: Arc<Service>,
}

impl Models {
    /// The models in a folder of botocore's (`botocore/data`).
    ///
    /// # Errors
    /// When the folder can't be read, or has no models.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        Store::open(folder).map(Self)
    }

    /// The request's input, the refusal that AWS would give, or nothing when the models do not know of it.
    ///
    /// # Errors
    /// The refusal.
    pub fn check(&self, request: &Request, credential: &Credential) -> Result<Option<Modelled>, Box<Reply>> {
        let services = self.0.services(&credential.service);
        match operation::read(request, &services) {
            Read::NotModelled => Ok(None),
            Read::Unknown { service, name } => Err(Box::new(refusal::unknown_operation(&service, &name))),
            Read::Call { service, operation, decoded } => {
                if !decoded.unknown.is_empty() {
                    let members = decoded.unknown.join(", ");
                    tracing::debug!(service = service.name, operation, members, "members that AWS does not know");
                }
                if let Some(what) = &decoded.unreadable {
                    return Err(Box::new(refusal::unreadable(&service, what)));
                }
                let violations = self.violations(&service, &operation, &decoded.input);
                if let (false, Some(called)) = (violations.is_empty(), service.operations.get(&operation)) {
                    return Err(Box::new(refusal::of(&service, called, &violations)));
                }
                let (api, value) = (service.name.clone(), decoded.input);
                let input = Input { service: credential.service.clone(), api, operation, value };
                Ok(Some(Modelled { input, service }))
            }
        }
    }

    fn violations(&self, service: &Service, operation: &str, input: &Value) -> Vec<Violation> {
        let shape = service.operations.get(operation).and_then(|o| o.input.as_ref());
        let Some(shape) = shape else { return Vec::new() };
        let mut violations = validate::violations(service, &self.0.patterns, &shape.shape, input);
        violations.retain(|violation| !exceptions::covers(&service.name, operation, violation));
        violations
    }
}

impl Modelled {
    /// The answer as an SDK would see it: members that the API does not have are gone. Another type than the API's is a fault of whoever
    /// answered; it is counted and stays.
    pub fn shaped(&self, reply: Reply, faults: &Faults) -> Reply {
        let is_json = matches!(self.service.metadata.protocol, Protocol::Json | Protocol::RestJson);
        let operation = self.service.operations.get(&self.input.operation);
        let output = operation.and_then(|o| o.output.as_ref()).and_then(|o| self.service.shape(&o.shape));
        let (Some(output), true, true) = (output, is_json, reply.is_success()) else { return reply };
        let payload = output.payload.as_ref().and_then(|name| output.members.get(name));
        let is_opaque =
            |m: &Member| self.service.shape(&m.shape).is_none_or(|s| s.kind != Type::Structure || s.eventstream);
        if payload.is_some_and(is_opaque) {
            return reply;
        }
        let Ok(mut body) = serde_json::from_slice(&reply.body) else { return reply };
        let found = answer::shape(&self.service, output, &mut body);
        let (service, operation) = (&self.service.name, &self.input.operation);
        for place in found.misshapen {
            tracing::warn!(service, operation, place, "an answer is not of the API's shape");
            faults.count_misshapen(format!("{service} {operation}: {place}"));
        }
        if found.removed.is_empty() {
            return reply;
        }
        tracing::debug!(
            service,
            operation,
            members = found.removed.join(", "),
            "members of an answer that AWS does not know"
        );
        reply.with_body(body.to_string())
    }
}
