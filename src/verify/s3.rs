//! A bucket: there, and with versioning where its Terraform has it.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::BucketVersioningStatus;
use reforge_core::words::fault::Fault;

use crate::runtime::gather::Gather;

use super::{Found, Question, ask, asking, check};

const ABSENT: [&str; 3] = ["NotFound", "NoSuchBucket", "404"];

/// HeadBucket, and GetBucketVersioning.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    there: Gather<()>,
    versioning: Gather<Option<BucketVersioningStatus>>,
}

impl Buckets {
    pub(super) fn new(client: &Client) -> Self {
        let (heads, versions) = (client.clone(), client.clone());
        Self {
            there: Gather::one_by_one(move |name| {
                let call = heads.head_bucket().bucket(name).send();
                async move { Ok(ask(&ABSENT, call).await?.map(|_| ())) }
            }),
            versioning: Gather::one_by_one(move |name| {
                let call = versions.get_bucket_versioning().bucket(name).send();
                async move { Ok(ask(&ABSENT, call).await?.map(|output| output.status)) }
            }),
        }
    }
}

pub(super) async fn find(buckets: &Buckets, question: &Question<'_>) -> Result<Found, Fault> {
    let name = question.id_of("aws_s3_bucket").unwrap_or(question.old_id);
    let doing = asking(&format!("bucket {name}"));
    if buckets.there.one(name, &doing).await?.is_none() {
        return Ok(Found::new("bucket exists", false, format!("there is no bucket {name}")));
    }
    let mut found = Found::new("bucket exists", true, name);
    if question.has("aws_s3_bucket_versioning") {
        let status = buckets.versioning.one(name, &doing).await?.flatten();
        let said = status.as_ref().map_or("off", BucketVersioningStatus::as_str).to_owned();
        found.more.push(check("versioning is Enabled", status == Some(BucketVersioningStatus::Enabled), said));
    }
    found.id = Some(name.to_owned());
    found.arn = question.now.iter().find(|r| r.terraform_type == "aws_s3_bucket").and_then(|r| r.arn.clone());
    Ok(found)
}
