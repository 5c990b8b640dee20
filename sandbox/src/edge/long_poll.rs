//! Long polls of queues, as a row of short ones.
//!
//! The emulator goes on with a poll whose caller is gone, and hands it a message that nobody sees until its visibility timeout is over: after
//! each kill of the operator events would be late that AWS delivers at once. Here a poll ends, but for one slice, with its caller.

use super::http::{Reply, Request};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long a poll may outlive its caller.
const SLICE: Duration = Duration::from_secs(1);

/// The answer to `ReceiveMessage`, asked for in slices by `forward` until there is a message or the time is over.
pub async fn receive<F>(request: &Request, forward: impl Fn(Request) -> F) -> Option<Reply>
where
    F: Future<Output = Option<Reply>>,
{
    let mut input = request.json();
    let Some(wait) = input["WaitTimeSeconds"].as_u64() else { return forward(request.clone()).await };
    let end = Instant::now() + Duration::from_secs(wait);
    loop {
        let left = end.saturating_duration_since(Instant::now()).min(SLICE);
        input["WaitTimeSeconds"] = json!(left.as_secs());
        let reply = forward(Request { body: input.to_string().into(), ..request.clone() }).await?;
        let is_empty = reply.is_success() && reply.json_body()["Messages"].as_array().is_none_or(Vec::is_empty);
        if !is_empty || left < SLICE {
            return Some(reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{HeaderMap, Method};
    use std::sync::Mutex;

    fn request(body: &str) -> Request {
        Request {
            method: Method::POST,
            target: "/".to_owned(),
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
            peer: String::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn a_long_poll_is_asked_for_in_slices_until_a_message_comes() {
        let waits = Mutex::new(Vec::new());
        let forward = |slice: Request| {
            let mut waits = waits.lock().unwrap();
            waits.push(slice.json()["WaitTimeSeconds"].as_u64());
            let messages = if waits.len() == 3 { json!([{"Body": "it"}]) } else { json!([]) };
            std::future::ready(Some(Reply::json(&json!({"Messages": messages}))))
        };
        let reply = receive(&request(r#"{"WaitTimeSeconds":20}"#), forward).await.unwrap();
        assert_eq!(reply.json_body()["Messages"][0]["Body"], "it");
        assert_eq!(*waits.lock().unwrap(), [Some(1), Some(1), Some(1)]);
    }

    #[tokio::test]
    async fn a_poll_that_waits_for_nothing_is_asked_for_once() {
        let calls = Mutex::new(0);
        let forward = |_: Request| {
            *calls.lock().unwrap() += 1;
            std::future::ready(Some(Reply::json(&json!({}))))
        };
        receive(&request(r#"{"WaitTimeSeconds":0}"#), forward).await.unwrap();
        assert_eq!(*calls.lock().unwrap(), 1);
    }
}
