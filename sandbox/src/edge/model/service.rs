//! One service's API model, as botocore ships it (`service-2.json`): operations and shapes, and nothing of its documentation.

use super::route::Route;
use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::Path;
use std::sync::OnceLock;

/// How a service's model says that it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// `X-Amz-Target` and JSON.
    Json,
    /// `Action=` and XML answers.
    Query,
    /// EC2's own variant of Query.
    Ec2,
    /// Paths and JSON.
    RestJson,
    /// Paths and XML.
    RestXml,
    /// One that the edge does not read.
    #[serde(other)]
    Other,
}

/// What a service says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// `2012-08-10`.
    pub api_version: String,
    /// How it speaks.
    pub protocol: Protocol,
    /// The first part of its host, and the signing name where there is no other.
    pub endpoint_prefix: String,
    /// The name in credential scopes.
    pub signing_name: Option<String>,
    /// What stands before the operation in `X-Amz-Target`.
    pub target_prefix: Option<String>,
}

impl Metadata {
    /// The name that requests are signed for.
    pub fn signed_as(&self) -> &str {
        self.signing_name.as_deref().unwrap_or(&self.endpoint_prefix)
    }
}

/// A service.
#[derive(Debug, Deserialize)]
pub struct Service {
    /// The name of its folder: `dynamodb`, `bedrock-runtime`.
    #[serde(skip)]
    pub name: String,
    /// What it says of itself.
    pub metadata: Metadata,
    /// By name.
    pub operations: BTreeMap<String, Operation>,
    /// By name.
    pub shapes: HashMap<String, Shape>,
    #[serde(skip)]
    routes: OnceLock<Vec<Route>>,
}

/// An operation.
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// Method and URI.
    #[serde(default)]
    pub http: Http,
    /// The shape of the input.
    pub input: Option<Member>,
    /// The shape of the answer.
    pub output: Option<Member>,
    /// The errors that it lists.
    #[serde(default)]
    pub errors: Vec<Member>,
    /// Whether another one took its place.
    #[serde(default)]
    pub deprecated: bool,
}

/// Where an operation is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// `GET`.
    #[serde(default)]
    pub method: String,
    /// A template: `/{Bucket}/{Key+}?tagging`.
    #[serde(default)]
    pub request_uri: String,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Named members.
    Structure,
    /// Elements in order.
    List,
    /// Keys that are data.
    Map,
    /// Text.
    String,
    /// One letter.
    Character,
    /// Bytes, base64 where the protocol is text.
    Blob,
    /// True or false.
    Boolean,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    /// Single precision.
    Float,
    /// Double precision.
    Double,
    /// A point in time.
    Timestamp,
}

/// A shape.
#[allow(clippy::struct_excessive_bools, reason = "they are the model's traits")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Of a structure.
    #[serde(default)]
    pub members: BTreeMap<String, Member>,
    /// Of a structure.
    #[serde(default)]
    pub required: Vec<String>,
    /// The member of a structure that is the whole body.
    pub payload: Option<String>,
    /// A structure of which one member is set.
    #[serde(default)]
    pub union: bool,
    /// Any JSON.
    #[serde(default)]
    pub document: bool,
    /// The elements of a list.
    pub member: Option<Member>,
    /// The keys of a map.
    pub key: Option<Member>,
    /// The values of a map.
    pub value: Option<Member>,
    /// Without an element around the list.
    #[serde(default)]
    pub flattened: bool,
    /// The least length or number.
    pub min: Option<f64>,
    /// The greatest length or number.
    pub max: Option<f64>,
    /// A regular expression of Java's.
    pub pattern: Option<String>,
    /// The values that there are; none for any.
    #[serde(default, rename = "enum")]
    pub values: Vec<String>,
    /// Not to be shown.
    #[serde(default)]
    pub sensitive: bool,
    /// A body that is not read whole.
    #[serde(default)]
    pub streaming: bool,
    /// A stream of events.
    #[serde(default)]
    pub eventstream: bool,
    /// How a time is written.
    pub timestamp_format: Option<String>,
    /// Its name in a request.
    pub location_name: Option<String>,
}

/// A use of a shape.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The shape's name.
    pub shape: String,
    /// `uri`, `querystring`, `header`, `headers`, `statusCode`; none for the body.
    pub location: Option<String>,
    /// Its name in a request.
    pub location_name: Option<String>,
    /// Its name in a request to EC2.
    pub query_name: Option<String>,
    /// Without an element around the list.
    #[serde(default)]
    pub flattened: bool,
    /// An attribute of its element.
    #[serde(default)]
    pub xml_attribute: bool,
    /// A body that is not read whole.
    #[serde(default)]
    pub streaming: bool,
    /// How a time is written.
    pub timestamp_format: Option<String>,
}

impl Service {
    /// Reads the model of a service.
    ///
    /// # Errors
    /// When the file can't be read, or is no model.
    pub fn load(name: &str, file: &Path) -> anyhow::Result<Self> {
        let text = read(file, u64::MAX)?;
        let mut service: Self =
            serde_json::from_slice(&text).with_context(|| format!("the API model {}", file.display()))?;
        name.clone_into(&mut service.name);
        Ok(service)
    }

    /// A shape by its name. Models name only shapes that they have.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.shapes.get(name)
    }

    /// The operations by method and URI.
    pub fn routes(&self) -> &[Route] {
        self.routes.get_or_init(|| Route::all(self))
    }

    /// Whether a use of a shape must not be shown.
    pub fn is_sensitive(&self, shape: &str) -> bool {
        self.shape(shape).is_none_or(|s| s.sensitive)
    }
}

impl Member {
    /// Whether it is a list or map without an element around it.
    pub fn is_flattened(&self, service: &Service) -> bool {
        self.flattened || service.shape(&self.shape).is_some_and(|s| s.flattened)
    }

    /// Whether it is a body that is not read whole.
    pub fn is_streaming(&self, service: &Service) -> bool {
        self.streaming || service.shape(&self.shape).is_some_and(|s| s.streaming || s.eventstream)
    }
}

/// The metadata of a model, without reading the rest of it.
///
/// # Errors
/// When the file can't be read, or does not start as a model does.
pub fn metadata(file: &Path) -> anyhow::Result<Metadata> {
    const HEAD: u64 = 16 * 1024;
    let text = read(file, HEAD)?;
    let text = String::from_utf8_lossy(&text);
    let (_, rest) = text.split_once("\"metadata\":").context("a model says what it is of")?;
    let first = serde_json::Deserializer::from_str(rest).into_iter().next();
    Ok(first.context("a model says what it is of")??)
}

fn read(file: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let open = || format!("the API model {}", file.display());
    let raw = std::fs::File::open(file).with_context(open)?;
    let mut text = Vec::new();
    if file.extension().is_some_and(|e| e == "gz") {
        GzDecoder::new(raw).take(most).read_to_end(&mut text).with_context(open)?;
    } else {
        raw.take(most).read_to_end(&mut text).with_context(open)?;
    }
    Ok(text)
}
