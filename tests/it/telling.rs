//! Telling people stands in nobody's way, and nothing of it is lost when the operator stops.

use std::sync::Arc;

use kube::runtime::events::{Recorder, Reporter};
use reforge::notify::Notifier;
use reforge::runtime::metrics::Metrics;
use reforge_api::{Incident, Moment};
use reforge_aws::topics::Topics;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, answer};
use crate::world::{client, namespace, plane};

const PUBLISHED: &str = r#"<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>"#;

async fn notifier(sns: &Fake, metrics: &Metrics) -> Notifier {
    let recorder = Recorder::new(client(plane()).await, Reporter { controller: "reforge".into(), instance: None });
    let topic = Some("arn:aws:sns:eu-west-1:111122223333:reforge".to_owned());
    Notifier::new(Topics::new(&sns.config), recorder, topic, None, metrics.clone())
}

fn incident(namespace: &str) -> Incident {
    serde_json::from_value(crate::api::incident(namespace)).expect("an Incident")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_while_nobody_listens_is_sent_in_order_before_the_end() {
    let (namespace, metrics, listening) = (namespace(), Metrics::default(), Arc::new(Semaphore::new(0)));
    let heard = listening.clone();
    let sns = Fake::start(move |_| {
        let heard = heard.clone();
        async move {
            heard.acquire().await.expect("it stays open").forget();
            answer(200, PUBLISHED)
        }
    });
    let (sns, stop) = (sns.await, CancellationToken::new());
    let notifier = notifier(&sns, &metrics).await;
    let delivery = tokio::spawn(notifier.deliver(stop.clone()));
    let moments = [Moment::Detected, Moment::AwaitingApproval, Moment::Recovered];
    for moment in moments {
        notifier.tell(&incident(&namespace), moment, None);
    }
    stop.cancel();
    drop(notifier);
    listening.add_permits(moments.len());
    delivery.await.expect("it ends when all is sent");
    let told: Vec<String> = sns.calls().into_iter().map(|call| call.body).collect();
    assert_eq!(told.len(), moments.len());
    for (moment, body) in moments.iter().zip(&told) {
        assert!(body.contains(&format!("{moment:?}")), "{moment:?} is not what {body} tells");
    }
    let reasons = plane().kubectl(&["get", "events", "-n", &namespace, "-o", "jsonpath={.items[*].reason}"]);
    let mut reasons: Vec<String> = reasons.expect("events").split_whitespace().map(str::to_owned).collect();
    reasons.sort();
    assert_eq!(reasons, ["AwaitingApproval", "Detected", "Recovered"]);
    assert_eq!(metrics.notifications_failed.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_counted_and_holds_nobody_up() {
    let (metrics, sns) = (Metrics::default(), Fake::start(|_| std::future::ready(answer(200, PUBLISHED))).await);
    let notifier = notifier(&sns, &metrics).await;
    let incident = incident("shop");
    for _ in 0..1024 {
        notifier.tell(&incident, Moment::Detected, None);
    }
    assert_eq!(metrics.notifications_failed.get(), 0, "there is room for many");
    for _ in 0..8192 {
        notifier.tell(&incident, Moment::Detected, None);
    }
    assert!(metrics.notifications_failed.get() >= 4096, "the oldest had to go");
}
