//! The calls of a scripted build: to the edge, as the AWS CLI of a real one makes them, under the build's own session. So IAM
//! judges them, and they leave records.

use crate::edge::codebuild::{CodeBuild, build::Build, environment};
use crate::edge::http::Reply;
use crate::edge::upstream::Upstream;
use anyhow::{Context as _, ensure};
use hyper::body::Bytes;
use serde_json::{Value, json};

/// A build's session.
#[derive(Debug)]
pub struct Session {
    edge: Upstream,
    access_key: String,
    region: String,
    bucket: String,
}

impl Session {
    /// That of a build which publishes into `bucket`.
    pub fn of(codebuild: &CodeBuild, build: &Build, bucket: &str) -> Self {
        Self {
            edge: Upstream::new(&codebuild.url),
            access_key: environment::access_key(&build.uuid),
            region: build.scope.region.clone(),
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

    async fn ssm(&self, operation: &str, input: &Value) -> anyhow::Result<Reply> {
        let builder = hyper::Request::post(self.edge.at("/"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonSSM.{operation}"));
        self.send("ssm", builder, input.to_string().into()).await
    }

    /// A parameter's value; None: there is no such parameter.
    ///
    /// # Errors
    /// What SSM said, if it refuses.
    pub async fn parameter(&self, name: &str) -> anyhow::Result<Option<String>> {
        let reply = self.ssm("GetParameter", &json!({"Name": name})).await?;
        if reply.text().contains("ParameterNotFound") {
            return Ok(None);
        }
        ensure!(reply.is_success(), "reading the parameter {name}: {}", reply.text());
        reply.json_body()["Parameter"]["Value"].as_str().map(|v| Some(v.to_owned())).context("a parameter has a value")
    }

    /// Writes a parameter, whether or not it is there.
    ///
    /// # Errors
    /// What SSM said, if it refuses.
    pub async fn put_parameter(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let input = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
        let reply = self.ssm("PutParameter", &input).await?;
        ensure!(reply.is_success(), "writing the parameter {name}: {}", reply.text());
        Ok(())
    }

    /// Deletes a parameter.
    ///
    /// # Errors
    /// What SSM said, if it refuses.
    pub async fn delete_parameter(&self, name: &str) -> anyhow::Result<()> {
        let reply = self.ssm("DeleteParameter", &json!({"Name": name})).await?;
        ensure!(reply.is_success(), "deleting the parameter {name}: {}", reply.text());
        Ok(())
    }
}
