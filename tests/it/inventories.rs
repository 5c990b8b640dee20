//! Inventories in an S3 that counts: how often they are read, and what is read again.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use futures::future::join_all;
use reforge_aws::artifacts::Artifacts;
use reforge_aws::inventories::Inventories;
use reforge_core::plan::inventory::Inventory;
use serde_json::json;

use crate::fake::{Answer, Call, Fake, answer};

/// What the bucket has: a tag, and an address in the inventory.
type Bucket = Arc<Mutex<Option<(&'static str, &'static str)>>>;

fn serve(bucket: &Bucket, call: &Call) -> Answer {
    let Some((tag, address)) = *bucket.lock().expect("nobody panics") else {
        return answer(404, "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>");
    };
    if call.headers.get("if-none-match").is_some_and(|known| known == tag) {
        return answer(304, "");
    }
    let inventory = json!({
        "workspace": "shop", "accountId": "111122223333", "region": "eu-west-1",
        "backend": {"bucket": "states", "key": "shop"}, "resources": [{"address": address, "type": "aws_s3_bucket"}],
    });
    let mut answer = answer(200, inventory.to_string());
    answer.headers_mut().insert("etag", tag.parse().expect("a header"));
    answer
}

async fn start(bucket: &Bucket) -> (Fake, Artifacts) {
    let has = bucket.clone();
    let fake = Fake::start(move |call| std::future::ready(serve(&has, &call))).await;
    let s3 = Client::from_conf(Builder::from(&fake.config).force_path_style(true).build());
    let artifacts = Artifacts::new(s3, "artifacts", Arc::new(Inventories::new(1024 * 1024)));
    (fake, artifacts)
}

fn address(inventory: Option<&Arc<Inventory>>) -> Option<&str> {
    Some(inventory?.resources.first()?.address.as_str())
}

#[tokio::test]
async fn incidents_that_locate_at_once_read_an_inventory_once() {
    let bucket = Bucket::new(Mutex::new(Some(("\"1\"", "aws_s3_bucket.first"))));
    let (fake, artifacts) = start(&bucket).await;
    let read = join_all((0..32).map(|_| artifacts.inventory("shop"))).await;
    assert_eq!(fake.calls().len(), 1);
    for inventory in read {
        assert_eq!(address(inventory.expect("read").as_ref()), Some("aws_s3_bucket.first"));
    }
}

#[tokio::test]
async fn an_inventory_is_read_again_only_when_a_build_has_published_another() {
    let bucket = Bucket::new(Mutex::new(Some(("\"1\"", "aws_s3_bucket.first"))));
    let (fake, artifacts) = start(&bucket).await;
    let read = async || artifacts.inventory("shop").await.expect("read");
    let (first, again) = (read().await, read().await);
    let (first, again) = (first.expect("there"), again.expect("there"));
    assert!(Arc::ptr_eq(&first, &again), "nothing was sent or parsed again");
    let asked: Vec<_> = fake.calls().iter().map(|c| c.headers.get("if-none-match").cloned()).collect();
    assert_eq!(asked, [None, Some("\"1\"".parse().expect("a header"))], "S3 is asked each time");

    *bucket.lock().expect("nobody panics") = Some(("\"2\"", "aws_s3_bucket.second"));
    assert_eq!(address(read().await.as_ref()), Some("aws_s3_bucket.second"));
    *bucket.lock().expect("nobody panics") = None;
    assert_eq!(address(read().await.as_ref()), None, "what is gone is gone here too");
}
