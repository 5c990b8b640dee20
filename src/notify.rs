//! Tells people of the transitions that matter: a Kubernetes Event, and one SNS message for each topic that asks for it. Telling
//! stands in nobody's way: what is to be said is put down at once, and sent by a task of its own, in order for each Incident
//! and receiver. What cannot be sent is counted and logged.

mod outbox;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Resource, ResourceExt};
use reforge_api::{Incident, Moment, RecoveryPolicy, condition};
use reforge_core::tell::message::{Message, message};
use reforge_core::tell::topics::topics;
use tokio_util::sync::CancellationToken;

use crate::runtime::metrics::Metrics;
use reforge_aws::ask::silence;
use reforge_aws::topics::Topics;
use reforge_cluster::KubeCallError;

use outbox::{Outbox, patiently};

const TIMEOUT: Duration = Duration::from_secs(5);
/// What waits at most, in bytes; and what an Event, or a message beside its text, takes of it.
const ROOM: usize = 8 * 1024 * 1024;
const EACH: usize = 2 * 1024;
/// Events, and messages, that are sent at once.
const AT_ONCE: usize = 4;
/// How long is waited before what did not go through is sent again.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];
/// How long what waits may still be sent when the operator stops, which ends 25 s later at the latest.
const GRACE: Duration = Duration::from_secs(20);

/// Who tells people. Clones share what waits.
#[derive(Clone)]
pub struct Notifier {
    default_topic: Option<String>,
    cluster: Option<String>,
    desk: Arc<Desk>,
    _writer: Arc<Writer>,
}

/// What waits, and how it is sent.
struct Desk {
    topics: Topics,
    recorder: Recorder,
    metrics: Metrics,
    events: Outbox<(Event, ObjectReference)>,
    messages: Outbox<Letter>,
}

/// While there is one, more may come.
struct Writer(Arc<Desk>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.events.close();
        self.0.messages.close();
    }
}

struct Letter {
    incident: String,
    topic: String,
    message: Arc<Message>,
}

impl Notifier {
    /// Tells through `topics` and `recorder`, as soon as [`Notifier::deliver`] runs; the default topic is for policies that name
    /// none.
    pub fn new(
        topics: Topics,
        recorder: Recorder,
        default_topic: Option<String>,
        cluster: Option<String>,
        metrics: Metrics,
    ) -> Self {
        let (events, messages) = (Outbox::new(ROOM), Outbox::new(ROOM));
        let desk = Arc::new(Desk { topics, recorder, metrics, events, messages });
        Self { default_topic, cluster, _writer: Arc::new(Writer(desk.clone())), desk }
    }

    /// Tells of a transition: what there is to say is put down as it is now, and sent later.
    pub fn tell(&self, incident: &Incident, moment: Moment, policy: Option<&RecoveryPolicy>) {
        let who = format!("{}/{}", incident.namespace().unwrap_or_default(), incident.name_any());
        let told = (event(incident, moment), incident.object_ref(&()));
        for (_, about) in self.desk.events.put(who.clone(), EACH, told) {
            self.desk.left(&about.name.unwrap_or_default(), "too many Kubernetes Events wait");
        }
        // With what was found out since about who did it.
        let incident = &Incident { spec: incident.judged_spec(), ..incident.clone() };
        let message = Arc::new(message(incident, moment, self.cluster.as_deref()));
        for topic in topics(policy, moment, self.default_topic.as_deref()) {
            let name = format!("{who} {topic}");
            let letter = Letter { incident: who.clone(), topic, message: message.clone() };
            for oldest in self.desk.messages.put(name, EACH + message.text.len(), letter) {
                self.desk.left(&oldest.incident, "too many messages wait");
            }
        }
    }

    /// Sends what is told, until nobody is left who could tell anything and all is sent, or for 20 s after `stop`.
    pub fn deliver(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let desk = self.desk.clone();
        async move {
            let all = async {
                tokio::join!(
                    desk.events.send_all(AT_ONCE, |(event, about)| desk.record(event, about)),
                    desk.messages.send_all(AT_ONCE, |letter| desk.publish(letter)),
                );
            };
            let grace = async {
                stop.cancelled().await;
                tokio::time::sleep(GRACE).await;
            };
            tokio::select! {
                () = all => {}
                () = grace => {
                    let left = desk.events.waiting() + desk.messages.waiting();
                    if left > 0 {
                        desk.metrics.notifications_failed.inc_by(u64::try_from(left).unwrap_or(u64::MAX));
                        tracing::error!(left, "people were not told of all before the end");
                    }
                }
            }
        }
    }
}

impl Desk {
    async fn publish(&self, letter: Letter) {
        let Letter { incident, topic, message } = &letter;
        let sent = patiently(&PAUSES, || self.topics.publish(topic, &message.subject, &message.text));
        if let Err(fault) = sent.await {
            self.left(incident, &fault.to_string());
        }
    }

    async fn record(&self, event: Event, about: ObjectReference) {
        let doing = "writing a Kubernetes Event";
        let sent = patiently(&PAUSES, || {
            let written = tokio::time::timeout(TIMEOUT, self.recorder.publish(&event, &about));
            written.map(|written| match written {
                Ok(written) => written.map_err(|e| KubeCallError::from(e).fault(doing)),
                Err(_) => Err(silence(doing, TIMEOUT)),
            })
        });
        if let Err(fault) = sent.await {
            self.left(about.name.as_deref().unwrap_or_default(), &fault.to_string());
        }
    }

    fn left(&self, incident: &str, why: &str) {
        self.metrics.notifications_failed.inc();
        tracing::error!(incident, why, "people were not told");
    }
}

fn event(incident: &Incident, moment: Moment) -> Event {
    let status = incident.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|c| c.r#type == condition::READY);
    let note: String = ready.map(|c| c.message.as_str()).unwrap_or_default().chars().take(1000).collect();
    Event {
        type_: match moment {
            Moment::AwaitingApproval | Moment::Failed => EventType::Warning,
            _ => EventType::Normal,
        },
        // The recorder takes events of one reason for repetitions, whatever their note: a reason per transition.
        reason: format!("{moment:?}"),
        note: Some(note),
        action: format!("{:?}", status.step.name),
        secondary: None,
    }
}
