//! The queue as a pipeline: what one call or one message takes holds up no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::Response;
use reforge::intake::queue::{Handled, Receiver};
use reforge::runtime::metrics::Metrics;
use reforge_aws::queue::Queue;
use serde_json::{Value, json};
use tokio::sync::{Barrier, watch};
use tokio_util::sync::CancellationToken;

use crate::fake::{Answer, Call, Fake};
use crate::world::eventually;

/// How many messages a receive brings.
const BATCH: usize = 10;
/// The body of a message whose handling does not end.
const ENDLESS: &str = "endless";

fn json_answer(body: &Value) -> Answer {
    let answer = Response::builder().status(200).header("content-type", "application/x-amz-json-1.0");
    answer.body(Body::from(body.to_string())).expect("an answer")
}

fn is(call: &Call, operation: &str) -> bool {
    call.headers.get("x-amz-target").is_some_and(|target| *target == format!("AmazonSQS.{operation}"))
}

/// Full batches, as many as are left, and then nothing for as long as anybody asks.
async fn next_batch(left: &AtomicUsize, first_body: &str) -> Answer {
    let Ok(number) = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) else {
        return std::future::pending().await;
    };
    let message = |i: usize| {
        let body = if i == 0 { first_body } else { "quick" };
        json!({"MessageId": format!("{number}-{i}"), "ReceiptHandle": format!("{number}-{i}"), "Body": body})
    };
    json_answer(&json!({"Messages": (0..BATCH).map(message).collect::<Vec<_>>()}))
}

/// Has a queue worked off, and counts what was handled to its end.
async fn work_off(sqs: &Fake, stop: &CancellationToken) -> Arc<AtomicUsize> {
    let queue = Receiver::new(Queue::new(&sqs.config, "http://q", "http://dead"), Metrics::default());
    let handled = Arc::new(AtomicUsize::new(0));
    let (count, stopped) = (handled.clone(), stop.clone());
    let handle = move |body: String| {
        let (count, stopped) = (count.clone(), stopped.clone());
        async move {
            if body == ENDLESS {
                stopped.cancelled().await;
                return Handled::Keep;
            }
            count.fetch_add(1, Ordering::SeqCst);
            Handled::Done
        }
    };
    tokio::spawn(queue.run(watch::Sender::new(true).subscribe(), stop.clone(), handle));
    handled
}

#[tokio::test]
async fn receives_and_deletes_are_under_way_side_by_side() {
    let (left, together) = (Arc::new(AtomicUsize::new(8)), Arc::new(AtomicUsize::new(0)));
    let (receives, deletes) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let seen = together.clone();
    let sqs = Fake::start(move |call: Call| {
        let (left, seen) = (left.clone(), seen.clone());
        let (receives, deletes) = (receives.clone(), deletes.clone());
        async move {
            // Nobody is answered before another asks as well.
            if is(&call, "ReceiveMessage") {
                receives.wait().await;
                return next_batch(&left, "quick").await;
            }
            deletes.wait().await;
            seen.fetch_add(1, Ordering::SeqCst);
            json_answer(&json!({"Successful": [], "Failed": []}))
        }
    })
    .await;
    let stop = CancellationToken::new();
    let handled = work_off(&sqs, &stop).await;
    let all = || handled.load(Ordering::SeqCst) == 8 * BATCH && together.load(Ordering::SeqCst) >= 2;
    eventually("all are handled, and deletes have met", async || all().then_some(())).await;
    stop.cancel();
}

#[tokio::test]
async fn a_message_that_takes_long_keeps_no_room_but_its_own() {
    const BATCHES: usize = 20;
    let left = Arc::new(AtomicUsize::new(BATCHES));
    let sqs = Fake::start(move |call: Call| {
        let left = left.clone();
        async move {
            if is(&call, "ReceiveMessage") {
                return next_batch(&left, ENDLESS).await;
            }
            json_answer(&json!({"Successful": [], "Failed": []}))
        }
    })
    .await;
    let stop = CancellationToken::new();
    let handled = work_off(&sqs, &stop).await;
    let others = BATCHES * (BATCH - 1);
    let all = || handled.load(Ordering::SeqCst) == others;
    eventually("all others are handled", async || all().then_some(())).await;
    stop.cancel();
}
