//! Which operation of which service a signed request is, and its input.
//!
//! Given a request and the services of its signing name, it gives the operation with its input in the API's spelling, or the name that no
//! service has. A request in a protocol that the model does not speak is nothing that could be told.

use super::decode::{self, Body, Decoded, Parts};
use super::route::{self, Asked, Found};
use super::service::{Protocol, Service};
use crate::edge::call::bucket_and_key;
use crate::edge::http::Request;
use std::borrow::Cow;
use std::sync::Arc;

/// What a request is.
#[derive(Debug)]
pub enum Read {
    /// An operation with its input.
    Call {
        /// Its service.
        service: Arc<Service>,
        /// Its name.
        operation: String,
        /// What it says.
        decoded: Decoded,
    },
    /// No operation of this service.
    Unknown {
        /// The service.
        service: Arc<Service>,
        /// What was asked for.
        name: String,
    },
    /// Nothing that the models could tell.
    NotModelled,
}

/// Reads a request.
pub fn read(request: &Request, services: &[Arc<Service>]) -> Read {
    if let Some((prefix, name)) = request.header("x-amz-target").rsplit_once('.') {
        let speaking = |s: &&Arc<Service>| s.metadata.protocol == Protocol::Json;
        let addressed = |s: &&Arc<Service>| {
            s.metadata.target_prefix.as_deref().is_some_and(|p| unqualified(p) == unqualified(prefix))
        };
        let Some(service) = services.iter().filter(speaking).find(addressed).or_else(|| services.iter().find(speaking))
        else {
            return Read::NotModelled;
        };
        return of(service, Some(name).filter(|_| addressed(&service)), name, |shape| {
            decode::json(service, shape, &request.body)
        });
    }
    let pairs = form(request);
    if let Some((_, action)) = pairs.iter().find(|(name, _)| name == "Action") {
        let Some(service) = of_action(services, action, &pairs) else { return Read::NotModelled };
        return of(service, Some(action), action, |shape| decode::query(service, shape, &pairs));
    }
    rest(request, services)
}

/// The name of the service itself: AWS takes it with its package (`com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101`, as
/// botocore says it) and without (as Smithy's protocols and so the newer SDKs say it).
fn unqualified(prefix: &str) -> &str {
    prefix.rsplit('.').next().unwrap_or_default()
}

fn of(service: &Arc<Service>, found: Option<&str>, name: &str, decode: impl Fn(&str) -> Decoded) -> Read {
    let service_ = Arc::clone(service);
    match found.and_then(|name| service.operations.get(name)) {
        Some(operation) => {
            let decoded = operation.input.as_ref().map_or_else(Decoded::nothing, |input| decode(&input.shape));
            Read::Call { service: service_, operation: name.to_owned(), decoded }
        }
        None => Read::Unknown { service: service_, name: name.to_owned() },
    }
}

/// The service of a form: by the version of its API, else the first that has the operation, else the first.
fn of_action<'s>(services: &'s [Arc<Service>], action: &str, pairs: &[(String, String)]) -> Option<&'s Arc<Service>> {
    let version = pairs.iter().find(|(name, _)| name == "Version").map(|(_, version)| version.as_str());
    let speaking: Vec<&Arc<Service>> =
        services.iter().filter(|s| matches!(s.metadata.protocol, Protocol::Query | Protocol::Ec2)).collect();
    let has = |s: &&&Arc<Service>| s.operations.contains_key(action);
    let of_version = |s: &&&Arc<Service>| Some(s.metadata.api_version.as_str()) == version;
    let found = speaking.iter().filter(of_version).find(has).or_else(|| speaking.iter().find(has));
    found.or_else(|| speaking.first()).copied()
}

fn form(request: &Request) -> Vec<(String, String)> {
    if request.header("content-type").starts_with("application/x-www-form-urlencoded") {
        form_urlencoded::parse(&request.body).into_owned().collect()
    } else {
        request.query_pairs()
    }
}

fn rest(request: &Request, services: &[Arc<Service>]) -> Read {
    let query = request.query_pairs();
    let has_header = |name: &str| request.headers.contains_key(name.to_ascii_lowercase());
    let (mut best, mut unknown): (Option<(&Arc<Service>, Body, Found)>, _) = (None, None);
    for service in services {
        let written = match service.metadata.protocol {
            Protocol::RestJson => Body::Json,
            Protocol::RestXml => Body::Xml,
            _ => continue,
        };
        let path = path(service, request);
        let asked = Asked { method: request.method.as_str(), path: &path, query: &query, has_header: &has_header };
        match route::find(service, &asked) {
            // S3 Control's places could be an object of S3.
            Some(found) if best.as_ref().is_none_or(|(_, _, known)| known.fit < found.fit) => {
                best = Some((service, written, found));
            }
            Some(_) => {}
            None => {
                unknown.get_or_insert(service);
            }
        }
    }
    if let Some((service, written, found)) = best {
        let parts =
            Parts { labels: &found.labels, query: &query, headers: &request.headers, body: &request.body, written };
        let decode = |shape: &str| decode::rest(service, shape, &parts);
        return of(service, Some(&found.operation), &found.operation, decode);
    }
    match unknown {
        Some(service) => {
            Read::Unknown { service: Arc::clone(service), name: format!("{} {}", request.method, request.path()) }
        }
        None => Read::NotModelled,
    }
}

/// The path as the templates have it. S3's bucket may be in the host; S3 Control's paths are not buckets.
fn path<'r>(service: &Service, request: &'r Request) -> Cow<'r, str> {
    if service.name != "s3" {
        return Cow::Borrowed(request.path());
    }
    let in_path = request.path().trim_start_matches('/');
    let (bucket, _) = bucket_and_key(request);
    let first = in_path.split('/').next().unwrap_or_default();
    if bucket.is_empty() || crate::edge::call::percent_decode(first) == bucket {
        return Cow::Borrowed(request.path());
    }
    Cow::Owned(format!("/{bucket}/{in_path}"))
}
