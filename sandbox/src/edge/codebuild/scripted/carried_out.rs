//! What a scripted build asks about its resources and does to them, as Terraform's provider does: by type.

use super::resource::{Kind, Resource};
use super::session::Session;
use crate::edge::call::xml_text;
use crate::edge::http::Reply;
use anyhow::{Context as _, bail, ensure};
use serde_json::json;

/// The image of new instances.
const IMAGE: &str = "ami-0c55b159cbfafe1f0";
/// What a table or an instance is like that is there.
const THERE: &str = "there";

/// What a resource is like now; None: it is not there.
///
/// # Errors
/// What AWS said, if it refuses.
pub async fn value(session: &Session, of: &Resource) -> anyhow::Result<Option<String>> {
    let name = &of.name;
    let reply = match of.kind {
        Kind::Parameter => session.json("ssm", "AmazonSSM.GetParameter", &json!({"Name": name})).await?,
        Kind::Table => session.json("dynamodb", "DynamoDB_20120810.DescribeTable", &json!({"TableName": name})).await?,
        Kind::Function => session.rest("GET", "lambda", &function_path(name), &json!(null)).await?,
        Kind::Instance => {
            session
                .query("ec2", &[("Action", "DescribeInstances"), ("Version", "2016-11-15"), ("InstanceId.1", name)])
                .await?
        }
    };
    if !reply.is_success() && is_absent(&reply) {
        return Ok(None);
    }
    ensure!(reply.is_success(), "reading {name}: {}", reply.text());
    let body = reply.json_body();
    Ok(match of.kind {
        Kind::Parameter => Some(body["Parameter"]["Value"].as_str().context("a parameter has a value")?.to_owned()),
        Kind::Table => (body["Table"]["TableStatus"] == "ACTIVE").then(|| THERE.to_owned()),
        Kind::Function => Some(body["Description"].as_str().unwrap_or_default().to_owned()),
        Kind::Instance => state(&reply.text()).is_some_and(|s| s == "running").then(|| THERE.to_owned()),
    })
}

/// Makes a resource, or puts it back to what it is to be like; gives its name, which is another one for a new instance.
///
/// # Errors
/// What AWS said, if it refuses.
pub async fn put(session: &Session, of: &Resource) -> anyhow::Result<String> {
    let Resource { name, value, .. } = of;
    let reply = match of.kind {
        Kind::Parameter => {
            let input = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
            session.json("ssm", "AmazonSSM.PutParameter", &input).await?
        }
        Kind::Table => {
            let input = json!({
                "TableName": name, "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            });
            session.json("dynamodb", "DynamoDB_20120810.CreateTable", &input).await?
        }
        Kind::Function => session.rest("PUT", "lambda", &function_path(name), &json!({"Description": value})).await?,
        Kind::Instance => {
            let count = [("MinCount", "1"), ("MaxCount", "1"), ("InstanceType", "t3.micro"), ("ImageId", IMAGE)];
            session
                .query("ec2", &[&[("Action", "RunInstances"), ("Version", "2016-11-15")][..], &count].concat())
                .await?
        }
    };
    ensure!(reply.is_success(), "writing {name}: {}", reply.text());
    match of.kind {
        Kind::Instance => xml_text(&reply.text(), "instanceId").context("a new instance has an id"),
        _ => Ok(name.clone()),
    }
}

/// Deletes a resource.
///
/// # Errors
/// What AWS said, if it refuses.
pub async fn delete(session: &Session, of: &Resource) -> anyhow::Result<()> {
    let name = &of.name;
    let reply = match of.kind {
        Kind::Parameter => session.json("ssm", "AmazonSSM.DeleteParameter", &json!({"Name": name})).await?,
        other => bail!("no script deletes a {}", other.terraform()),
    };
    ensure!(reply.is_success(), "deleting {name}: {}", reply.text());
    Ok(())
}

fn function_path(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/configuration")
}

fn is_absent(reply: &Reply) -> bool {
    let text = reply.text();
    ["ParameterNotFound", "ResourceNotFoundException", "InvalidInstanceID.NotFound"]
        .iter()
        .any(|code| text.contains(code))
}

/// The state of the instance in an answer of DescribeInstances.
fn state(xml: &str) -> Option<&str> {
    let (_, rest) = xml.split_once("<instanceState>")?;
    let (_, rest) = rest.split_once("<name>")?;
    rest.split_once("</name>").map(|(name, _)| name)
}
