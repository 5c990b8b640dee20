//! A bucket: there, and with versioning where its Terraform has it.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::BucketVersioningStatus;
use reforge_core::incident::subject::Subject;
use reforge_core::words::fault::Fault;

use crate::gather::Gather;

use super::{Found, ask, asking, check};

/// GetBucketVersioning: that the bucket is there, and its versioning. HeadBucket would ask for the right to list it.
pub(super) fn buckets(client: Client) -> Gather<Option<BucketVersioningStatus>> {
    Gather::one_by_one(move |name| {
        let call = client.get_bucket_versioning().bucket(name).send();
        async move { Ok(ask(&["NoSuchBucket"], call).await?.map(|output| output.status)) }
    })
}

pub(super) async fn find(
    buckets: &Gather<Option<BucketVersioningStatus>>,
    subject: &Subject<'_>,
) -> Result<Found, Fault> {
    let name = subject.id_of("aws_s3_bucket").unwrap_or(subject.old_id);
    let Some(status) = buckets.one(name, &asking(&format!("bucket {name}"))).await? else {
        return Ok(Found::new("bucket exists", false, format!("there is no bucket {name}")));
    };
    let mut found = Found::new("bucket exists", true, name);
    if subject.has("aws_s3_bucket_versioning") {
        let said = status.as_ref().map_or("off", BucketVersioningStatus::as_str).to_owned();
        found.more.push(check("versioning is Enabled", status == Some(BucketVersioningStatus::Enabled), said));
    }
    found.id = Some(name.to_owned());
    found.arn = subject.now.iter().find(|r| r.terraform_type == "aws_s3_bucket").and_then(|r| r.arn.clone());
    Ok(found)
}
