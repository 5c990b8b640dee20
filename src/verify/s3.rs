//! A bucket: there, and with versioning where its Terraform has it.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::BucketVersioningStatus;
use reforge_core::words::fault::Fault;

use super::{Found, Question, ask, check};

pub(super) async fn find(client: &Client, question: &Question<'_>) -> Result<Found, Fault> {
    let name = question.id_of("aws_s3_bucket").unwrap_or(question.old_id);
    let absent = ["NotFound", "NoSuchBucket", "404"];
    let what = format!("bucket {name}");
    if ask(&what, &absent, client.head_bucket().bucket(name).send()).await?.is_none() {
        return Ok(Found::new("bucket exists", false, format!("there is no bucket {name}")));
    }
    let mut found = Found::new("bucket exists", true, name);
    if question.has("aws_s3_bucket_versioning") {
        let versioning = ask(&what, &absent, client.get_bucket_versioning().bucket(name).send()).await?;
        let status = versioning.and_then(|v| v.status);
        let said = status.as_ref().map_or("off", BucketVersioningStatus::as_str).to_owned();
        found.more.push(check("versioning is Enabled", status == Some(BucketVersioningStatus::Enabled), said));
    }
    found.id = Some(name.to_owned());
    found.arn = question.now.iter().find(|r| r.terraform_type == "aws_s3_bucket").and_then(|r| r.arn.clone());
    Ok(found)
}
