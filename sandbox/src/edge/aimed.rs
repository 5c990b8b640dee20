//! Faults that are aimed: at the calls of one principal about one thing, so that those about something else go on as they
//! were. Whether a call is meant, and how often one was; what becomes of it is up to `proxy`.

use super::call::{Call, Protocol};
use super::http::{Reply, Request};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Later than any deadline that a caller of AWS has.
const LATE: Duration = Duration::from_secs(60);

/// How a call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Refused with this error code, by the sandbox's own word.
    Code(String),
    /// Denied, in IAM's words, as if no policy allowed it.
    Denied,
    /// Throttled, in the service's words.
    Throttled,
    /// The service has failed.
    ServerError,
    /// It is carried out, and answered when nobody waits any more.
    Slow,
    /// It is carried out, and its answer breaks off in the middle.
    Half,
}

impl Manner {
    /// Waits until nobody waits for the answer any more.
    pub(crate) async fn late() {
        tokio::time::sleep(LATE).await;
    }
}

/// Which calls are meant. Services, operations and principals are named as in [`super::Faults`].
#[derive(Debug, Clone)]
pub struct Aim<'a> {
    /// The service.
    pub service: &'a str,
    /// One operation, or all of them.
    pub operation: Option<&'a str>,
    /// Who calls.
    pub principal: &'a str,
    /// What is in the call's path, its body, or the scope that it is signed for (`/eu-west-1/`).
    pub about: &'a str,
}

/// The calls that are meant.
#[derive(Debug)]
pub(super) struct Aimed {
    service: String,
    operation: Option<String>,
    principal: String,
    about: String,
    manner: Manner,
    counted: Counted,
}

#[derive(Debug)]
struct Calls {
    /// How many still go wrong.
    left: Mutex<u32>,
    times: Mutex<Vec<Instant>>,
}

/// The calls since they were asked to be counted. Clones count the same.
#[derive(Debug, Clone)]
pub struct Counted(Arc<Calls>);

impl Counted {
    /// So many go wrong.
    pub(crate) fn of(count: u32) -> Self {
        Self(Arc::new(Calls { left: Mutex::new(count), times: Mutex::default() }))
    }

    /// Counts one; whether it goes wrong.
    pub(crate) fn strike(&self) -> bool {
        locked(&self.0.times).push(Instant::now());
        let mut left = locked(&self.0.left);
        let goes_wrong = *left > 0;
        *left = left.saturating_sub(1);
        goes_wrong
    }

    /// How many, those that went wrong included.
    pub fn calls(&self) -> u64 {
        self.times().len() as u64
    }

    /// When each came.
    pub fn times(&self) -> Vec<Instant> {
        locked(&self.0.times).clone()
    }

    /// From now on they go well, and are counted all the same.
    pub fn end(&self) {
        *locked(&self.0.left) = 0;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Aimed {
    /// The next `count` calls go wrong.
    pub fn new(aim: &Aim<'_>, manner: Manner, count: u32) -> (Self, Counted) {
        let counted = Counted::of(count);
        let aimed = Self {
            service: aim.service.to_owned(),
            operation: aim.operation.map(ToOwned::to_owned),
            principal: aim.principal.to_owned(),
            about: aim.about.to_owned(),
            manner,
            counted: counted.clone(),
        };
        (aimed, counted)
    }

    /// Whether a call is meant.
    pub fn means(&self, request: &Request, call: &Call, principal: &str) -> bool {
        self.service == call.service
            && self.operation.as_ref().is_none_or(|operation| *operation == call.operation)
            && self.principal == principal
            && (request.target.contains(&self.about)
                || request.header("authorization").contains(&self.about)
                || request.body.windows(self.about.len().max(1)).any(|part| part == self.about.as_bytes()))
    }

    /// Counts a call that is meant; how it goes wrong, if it does.
    pub fn strike(&self) -> Option<Manner> {
        self.counted.strike().then(|| self.manner.clone())
    }
}

/// The answer of a service that wants fewer calls: each has its own code for it.
pub(super) fn throttled(call: &Call) -> Reply {
    let (status, code, message) = match (call.service.as_str(), call.protocol) {
        (_, Protocol::Ec2) => (503, "RequestLimitExceeded", "Request limit exceeded."),
        (_, Protocol::S3) => (503, "SlowDown", "Please reduce your request rate."),
        (_, Protocol::Query) => (400, "Throttling", "Rate exceeded"),
        ("lambda", _) => (429, "TooManyRequestsException", "Rate exceeded"),
        ("bedrock", _) => (429, "ThrottlingException", "Too many requests, please wait before trying again."),
        _ => (400, "ThrottlingException", "Rate exceeded"),
    };
    call.refusal(status, code, message)
}

/// The answer of a service that has failed: each has its own code for it.
pub(super) fn failed(call: &Call) -> Reply {
    let (status, code, message) = match (call.service.as_str(), call.protocol) {
        (_, Protocol::Ec2) => (500, "InternalError", "An internal error has occurred"),
        (_, Protocol::S3) => (500, "InternalError", "We encountered an internal error. Please try again."),
        (_, Protocol::Query) => (500, "InternalError", "We encountered an internal error. Please try again."),
        ("lambda", _) => (500, "ServiceException", "An error occurred and the request cannot be processed."),
        ("bedrock", _) => (503, "ServiceUnavailableException", "The service is temporarily unavailable."),
        _ => (500, "InternalServerError", "An error occurred on the server side."),
    };
    call.refusal(status, code, message)
}
