//! A call to the apiserver: bounded in time, and what became of it as a value.

use std::time::Duration;

use reforge_api::FaultClass;
use reforge_core::words::fault::Fault;
use thiserror::Error;

use crate::refusal::Refusal;

/// kube's client has no read timeout of its own.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a call to the apiserver did not go well.
#[derive(Debug, Error)]
pub enum KubeCallError {
    /// It answered with an error, or could not be reached.
    #[error("{}", words(.0))]
    Kube(#[from] kube::Error),
    /// It did not answer.
    #[error("the apiserver did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Somebody else has what was to be written.
    #[error("{0}")]
    Lost(&'static str),
    /// What is stored is not what Reforge stores.
    #[error("what is stored cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl KubeCallError {
    /// Whether somebody else wrote first.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Kube(kube::Error::Api(e)) => e.code == 409 && Refusal::of(e).is_none(),
            Self::Lost(_) => true,
            Self::Kube(_) | Self::Timeout | Self::Unreadable(_) => false,
        }
    }

    /// Whether there is no such object.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Kube(kube::Error::Api(e)) if e.code == 404)
    }

    /// Whether what was to be written is not accepted as it is, or what is stored cannot be read: trying it again as it is
    /// changes nothing.
    pub fn is_refusal(&self) -> bool {
        self.refusal().is_some_and(|refusal| !refusal.passes())
            || matches!(self, Self::Kube(kube::Error::SerdeError(_)) | Self::Unreadable(_))
    }

    /// Why the apiserver did not store this one object, while it would store others; None where it is away, overloaded, or
    /// refuses this operator whatever it writes.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Kube(kube::Error::Api(e)) => Refusal::of(e),
            Self::Kube(_) | Self::Timeout | Self::Lost(_) | Self::Unreadable(_) => None,
        }
    }

    /// The fault that it is.
    pub fn fault(&self, doing: impl Into<String>) -> Fault {
        let class = match self {
            Self::Kube(kube::Error::Api(e)) => match e.code {
                401 | 403 => FaultClass::Denied,
                404 => FaultClass::Absent,
                429 => FaultClass::Throttled,
                409 | 500.. => FaultClass::Transient,
                _ => FaultClass::Ours,
            },
            Self::Kube(_) | Self::Timeout | Self::Lost(_) => FaultClass::Transient,
            Self::Unreadable(_) => FaultClass::Ours,
        };
        Fault::new(doing, class, &self.to_string())
    }
}

/// What the apiserver said, in its own words: kube's own show its answer as Rust has it.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(answer) => answer.message.clone(),
        other => other.to_string(),
    }
}

/// Bounds a call to the apiserver in time.
pub async fn kube_call<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, KubeCallError> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(KubeCallError::Timeout),
    }
}
