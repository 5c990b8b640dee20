//! What builds publish in the artifact bucket, read: inventories, summaries, results, failures. Nothing else of the bucket is
//! ever read; plans hold secrets in clear and stay where they are.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use reforge_core::plan::inventory::Inventory;
use reforge_core::plan::published::{ApplyResult, Failure};
use reforge_core::plan::summary::{PlanDigest, Summary};
use reforge_core::words::fault::Fault;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::SemaphorePermit;

use crate::ask::{fault, silence};

use crate::inventories::{Inventories, Kept};

/// No object that is read may be larger than this.
const MAX_BYTES: i64 = 16 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why something that a build should have published could not be read.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// S3 could not be asked, or refused.
    #[error(transparent)]
    Unreadable(Fault),
    /// The object is not what it should be.
    #[error("s3://{bucket}/{key} is not what a build of Reforge's buildspec publishes: {detail}")]
    Malformed {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// What is wrong.
        detail: String,
    },
}

impl ArtifactError {
    /// The fault that it is.
    pub fn fault(self) -> Fault {
        match self {
            Self::Unreadable(fault) => fault,
            malformed @ Self::Malformed { .. } => Fault::ours("reading what a build published", &malformed.to_string()),
        }
    }

    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }
}

/// An object's bytes, or what became of asking for them.
enum Object<'a> {
    /// There is no such object.
    None,
    /// It is still the one that was known.
    Same,
    /// This.
    There(Body<'a>),
}

/// What an object has, and the memory that reading and parsing it was given.
struct Body<'a> {
    bytes: Vec<u8>,
    etag: Option<String>,
    _memory: Option<SemaphorePermit<'a>>,
}

/// The artifact bucket.
#[derive(Clone, Debug)]
pub struct Artifacts {
    s3: Client,
    bucket: String,
    inventories: Arc<Inventories>,
}

impl Artifacts {
    /// The bucket that the projects were given as REFORGE_BUCKET; what is read of inventories is kept in `inventories`.
    pub fn new(s3: Client, bucket: impl Into<String>, inventories: Arc<Inventories>) -> Self {
        Self { s3, bucket: bucket.into(), inventories }
    }

    /// The inventory of a workspace, as it is in the bucket now; None when no build has published one yet.
    pub async fn inventory(&self, workspace: &str) -> Result<Option<Arc<Inventory>>, Fault> {
        let (me, of) = (self.clone(), workspace.to_owned());
        let read = move |known| async move { me.read_inventory(&of, known).await.map_err(ArtifactError::fault) };
        self.inventories.get(&format!("{}/{workspace}", self.bucket), read).await
    }

    async fn read_inventory(&self, workspace: &str, known: Option<Kept>) -> Result<Option<Kept>, ArtifactError> {
        let key = format!("inventory/{workspace}.json");
        let body = match self.object(&key, known.as_ref().map(|known| known.etag.as_str())).await? {
            Object::None => return Ok(None),
            Object::Same => return Ok(known),
            Object::There(body) => body,
        };
        let inventory: Inventory = self.read(&key, &body)?;
        if inventory.workspace != workspace {
            return Err(self.malformed(&key, format!("it is of workspace {:?}", inventory.workspace)));
        }
        Ok(Some(Kept { etag: body.etag.unwrap_or_default(), inventory: Arc::new(inventory) }))
    }

    /// The summary that a plan build published, with the digest of its bytes.
    pub async fn summary(
        &self,
        workspace: &str,
        build_uuid: &str,
    ) -> Result<Option<(Summary, PlanDigest)>, ArtifactError> {
        let key = format!("plans/{workspace}/{build_uuid}/summary.json");
        let Some(body) = self.get(&key).await? else { return Ok(None) };
        let summary: Summary = self.read(&key, &body)?;
        if summary.workspace != workspace || summary.build != build_uuid {
            return Err(self.malformed(&key, "it is of another build".to_owned()));
        }
        Ok(Some((summary, PlanDigest::of(&body.bytes))))
    }

    /// What an apply build published; None when it did not get that far.
    pub async fn result(&self, workspace: &str, build_uuid: &str) -> Result<Option<ApplyResult>, ArtifactError> {
        let key = format!("results/{workspace}/{build_uuid}.json");
        let Some(body) = self.get(&key).await? else { return Ok(None) };
        self.read(&key, &body).map(Some)
    }

    /// How a build failed, by its own word; None when it left none.
    pub async fn failure(&self, workspace: &str, build_uuid: &str) -> Result<Option<Failure>, ArtifactError> {
        let key = format!("failures/{workspace}/{build_uuid}.json");
        let Some(body) = self.get(&key).await? else { return Ok(None) };
        self.read(&key, &body).map(Some)
    }

    fn read<T: DeserializeOwned>(&self, key: &str, body: &Body<'_>) -> Result<T, ArtifactError> {
        serde_json::from_slice(&body.bytes).map_err(|e| self.malformed(key, e.to_string()))
    }

    fn malformed(&self, key: &str, detail: String) -> ArtifactError {
        ArtifactError::Malformed { bucket: self.bucket.clone(), key: key.to_owned(), detail }
    }

    async fn get(&self, key: &str) -> Result<Option<Body<'_>>, ArtifactError> {
        match self.object(key, None).await? {
            Object::There(body) => Ok(Some(body)),
            Object::None | Object::Same => Ok(None),
        }
    }

    /// An object, unless it is the one with this ETag.
    async fn object(&self, key: &str, known: Option<&str>) -> Result<Object<'_>, ArtifactError> {
        let doing = format!("reading s3://{}/{key}", self.bucket);
        let call = self.s3.get_object().bucket(&self.bucket).key(key);
        let call = call.set_if_none_match(known.filter(|etag| !etag.is_empty()).map(str::to_owned));
        let work = async {
            let object = match call.send().await {
                Ok(object) => object,
                Err(e) if e.code() == Some("NoSuchKey") => return Ok(Object::None),
                Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 304) => return Ok(Object::Same),
                Err(e) => return Err(ArtifactError::Unreadable(fault(&doing, &e))),
            };
            let length = object.content_length().unwrap_or(MAX_BYTES);
            if length > MAX_BYTES {
                return Err(self.malformed(key, format!("it is larger than {MAX_BYTES} bytes")));
            }
            let memory = self.inventories.memory_for(length).await;
            let etag = object.e_tag().map(str::to_owned);
            let body = object
                .body
                .collect()
                .await
                .map_err(|e| ArtifactError::Unreadable(Fault::transient(&doing, &e.to_string())))?;
            Ok(Object::There(Body { bytes: body.to_vec(), etag, _memory: memory }))
        };
        let silence = || ArtifactError::Unreadable(silence(&doing, TIMEOUT));
        tokio::time::timeout(TIMEOUT, work).await.unwrap_or_else(|_| Err(silence()))
    }
}
