//! The emulator behind the edge: forwards requests to it, and makes the edge's own calls.
//!
//! The edge's own calls go here directly and so leave no CloudTrail record, as AWS's inner doings leave none. Scripted builds
//! use the same client on the edge itself.

use super::http::{Reply, Request, end_to_end};
use super::principal::{DEFAULT_ACCOUNT, DEFAULT_REGION};
use anyhow::Context as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A client of the emulator; clones share its connections.
#[derive(Debug, Clone)]
pub struct Upstream {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// On whose behalf the edge itself calls the emulator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The account, 12 digits.
    pub account: String,
    /// The region.
    pub region: String,
}

impl Default for Scope {
    /// The account and the region of those who name none.
    fn default() -> Self {
        Self { account: DEFAULT_ACCOUNT.to_owned(), region: DEFAULT_REGION.to_owned() }
    }
}

impl Upstream {
    /// `base` is `http://host:port` without a slash at the end.
    pub fn new(base: &str) -> Self {
        // The emulator closes idle connections after some seconds; one that it closes while we send would fail the call.
        let client =
            Client::builder(TokioExecutor::new()).pool_idle_timeout(std::time::Duration::from_secs(2)).build_http();
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }

    /// Passes a request on unchanged and returns the whole answer.
    ///
    /// # Errors
    /// When the emulator can't be reached or breaks off.
    pub async fn forward(&self, request: &Request) -> anyhow::Result<Reply> {
        let mut builder =
            hyper::Request::builder().method(request.method.clone()).uri(format!("{}{}", self.base, request.target));
        if let Some(headers) = builder.headers_mut() {
            headers.clone_from(&request.headers);
            headers.remove("content-length");
        }
        let outgoing = builder.body(Full::new(request.body.clone())).context("build the request for the emulator")?;
        let response = self.client.request(outgoing).await.context("reach the emulator")?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("read the emulator's answer")?.to_bytes();
        Ok(Reply::of(parts.status.as_u16(), end_to_end(parts.headers), body))
    }

    async fn own(
        &self,
        builder: hyper::http::request::Builder,
        service: &str,
        scope: &Scope,
        body: String,
    ) -> anyhow::Result<Reply> {
        self.send((&scope.account, &scope.region), service, builder, Bytes::from(body)).await
    }

    /// The URL of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request that is signed, if not truly, with an access key and for a region and service.
    ///
    /// # Errors
    /// When nobody can be reached, or breaks off.
    pub async fn send(
        &self,
        (access_key, region): (&str, &str),
        service: &str,
        builder: hyper::http::request::Builder,
        body: Bytes,
    ) -> anyhow::Result<Reply> {
        let credential = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0",
        );
        let outgoing = builder
            .header("authorization", credential)
            .body(Full::new(body))
            .with_context(|| format!("build a {service} call"))?;
        let response =
            self.client.request(outgoing).await.with_context(|| format!("reach the emulator's {service}"))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.with_context(|| format!("read the answer of {service}"))?.to_bytes();
        Ok(Reply::of(parts.status.as_u16(), end_to_end(parts.headers), body))
    }

    /// Calls an operation of a JSON protocol; `target` is the whole `X-Amz-Target`.
    ///
    /// # Errors
    /// When the emulator can't be reached, or refuses the call.
    pub async fn call(&self, service: &str, target: &str, scope: &Scope, input: &Value) -> anyhow::Result<Value> {
        let reply = self.ask(service, target, scope, input).await?;
        anyhow::ensure!(reply.is_success(), "{target} was refused with {}: {}", reply.status, reply.text());
        Ok(reply.json_body())
    }

    /// The same, with refusals among the answers.
    ///
    /// # Errors
    /// When the emulator can't be reached.
    pub async fn ask(&self, service: &str, target: &str, scope: &Scope, input: &Value) -> anyhow::Result<Reply> {
        let builder = hyper::Request::post(format!("{}/", self.base))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target);
        self.own(builder, service, scope, input.to_string()).await
    }

    /// Reads what a REST protocol has at a path, query included, and returns the answer, refusals included.
    ///
    /// # Errors
    /// When the emulator can't be reached.
    pub async fn get(&self, service: &str, scope: &Scope, path: &str) -> anyhow::Result<Reply> {
        self.own(hyper::Request::get(format!("{}{path}", self.base)), service, scope, String::new()).await
    }

    /// Calls an operation of a Query protocol and returns the answer, refusals included.
    ///
    /// # Errors
    /// When the emulator can't be reached.
    pub async fn query(&self, service: &str, scope: &Scope, pairs: &[(&str, &str)]) -> anyhow::Result<Reply> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let builder =
            hyper::Request::post(format!("{}/", self.base)).header("content-type", "application/x-www-form-urlencoded");
        self.own(builder, service, scope, form).await
    }

    /// Publishes to a topic.
    ///
    /// # Errors
    /// When the emulator can't be reached, or refuses the call.
    pub async fn publish(&self, scope: &Scope, topic: &str, message: &str) -> anyhow::Result<()> {
        let pairs = [("Action", "Publish"), ("Version", "2010-03-31"), ("TopicArn", topic), ("Message", message)];
        let reply = self.query("sns", scope, &pairs).await?;
        anyhow::ensure!(reply.is_success(), "Publish to {topic} was refused with {}: {}", reply.status, reply.text());
        Ok(())
    }

    /// Reads an S3 object, of the given version if there is one.
    ///
    /// # Errors
    /// When the emulator can't be reached, or the object or version does not exist.
    pub async fn object(&self, scope: &Scope, bucket: &str, key: &str, version: Option<&str>) -> anyhow::Result<Reply> {
        let key: Vec<String> = key
            .split('/')
            .map(|part| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>().replace('+', "%20"))
            .collect();
        let query = version.map(|v| format!("?versionId={v}")).unwrap_or_default();
        let builder = hyper::Request::get(format!("{}/{bucket}/{}{query}", self.base, key.join("/")));
        let reply = self.own(builder, "s3", scope, String::new()).await?;
        anyhow::ensure!(reply.is_success(), "S3 answered {} for s3://{bucket}/{}", reply.status, key.join("/"));
        Ok(reply)
    }
}
