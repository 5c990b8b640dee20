//! The calls of a scripted build: to the edge, as the AWS CLI of a real one makes them, under the build's own session. So IAM
//! judges them, and they leave records.

use crate::edge::codebuild::{CodeBuild, build::Build, environment};
use crate::edge::http::Reply;
use crate::edge::upstream::Upstream;
use anyhow::ensure;
use hyper::body::Bytes;
use serde_json::Value;

/// A build's session.
#[derive(Debug)]
pub struct Session {
    edge: Upstream,
    access_key: String,
    region: String,
    /// The region of the resources, which the state need not be in.
    resources: String,
    bucket: String,
}

impl Session {
    /// That of a build which publishes into `bucket`, and whose resources are in a region.
    pub fn of(codebuild: &CodeBuild, build: &Build, bucket: &str, resources: &str) -> Self {
        Self {
            edge: Upstream::new(&codebuild.url),
            access_key: environment::access_key(&build.uuid),
            region: build.scope.region.clone(),
            resources: resources.to_owned(),
            bucket: bucket.to_owned(),
        }
    }

    async fn send(&self, service: &str, builder: hyper::http::request::Builder, body: Bytes) -> anyhow::Result<Reply> {
        self.edge.send((&self.access_key, &self.region), service, builder, body).await
    }

    /// Publishes an object.
    ///
    /// # Errors
    /// What S3 said, if it refuses.
    pub async fn put(&self, key: &str, body: impl Into<Bytes>) -> anyhow::Result<()> {
        let builder = hyper::Request::put(self.edge.at(&format!("/{}/{key}", self.bucket)));
        let reply = self.send("s3", builder, body.into()).await?;
        ensure!(reply.is_success(), "writing {key}: {}", reply.text());
        Ok(())
    }

    /// Publishes an object unless it is there. False: it is.
    ///
    /// # Errors
    /// What S3 said, if it refuses for another reason.
    pub async fn put_once(&self, key: &str, body: &Value) -> anyhow::Result<bool> {
        let builder =
            hyper::Request::put(self.edge.at(&format!("/{}/{key}", self.bucket))).header("if-none-match", "*");
        let reply = self.send("s3", builder, body.to_string().into()).await?;
        if matches!(reply.status, 409 | 412) {
            return Ok(false);
        }
        ensure!(reply.is_success(), "writing {key} once: {}", reply.text());
        Ok(true)
    }

    /// What was published.
    ///
    /// # Errors
    /// What S3 said, if it refuses, or if there is no such object.
    pub async fn get(&self, key: &str) -> anyhow::Result<Bytes> {
        let builder = hyper::Request::get(self.edge.at(&format!("/{}/{key}", self.bucket)));
        let reply = self.send("s3", builder, Bytes::new()).await?;
        ensure!(reply.is_success(), "reading {key}: {}", reply.text());
        Ok(reply.body)
    }

    /// Calls an operation of a JSON protocol, about a resource.
    ///
    /// # Errors
    /// When the edge can't be reached.
    pub async fn json(&self, service: &str, target: &str, input: &Value) -> anyhow::Result<Reply> {
        let builder = hyper::Request::post(self.edge.at("/"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target);
        self.about_resources(service, builder, input.to_string()).await
    }

    /// The same of a Query protocol.
    ///
    /// # Errors
    /// When the edge can't be reached.
    pub async fn query(&self, service: &str, pairs: &[(&str, &str)]) -> anyhow::Result<Reply> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let builder =
            hyper::Request::post(self.edge.at("/")).header("content-type", "application/x-www-form-urlencoded");
        self.about_resources(service, builder, form).await
    }

    /// The same of a REST protocol; null: a call without a body.
    ///
    /// # Errors
    /// When the edge can't be reached.
    pub async fn rest(&self, method: &str, service: &str, path: &str, input: &Value) -> anyhow::Result<Reply> {
        let builder = hyper::Request::builder().method(method).uri(self.edge.at(path));
        let body = if input.is_null() { String::new() } else { input.to_string() };
        self.about_resources(service, builder.header("content-type", "application/json"), body).await
    }

    async fn about_resources(
        &self,
        service: &str,
        builder: hyper::http::request::Builder,
        body: String,
    ) -> anyhow::Result<Reply> {
        self.edge.send((&self.access_key, &self.resources), service, builder, body.into()).await
    }
}
