//! Tells people of the transitions that matter: a Kubernetes Event, and one SNS message for each topic that asks for
//! it. Called once, after the transition was written; what cannot be sent is counted and logged, and holds nothing up.

use std::time::Duration;

use aws_sdk_sns::Client;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Resource, ResourceExt};
use reforge_api::{Incident, Moment, RecoveryPolicy, condition};
use reforge_core::tell::message::message;
use reforge_core::tell::topics::topics;

use crate::runtime::aws_fault::ask;
use crate::runtime::metrics::Metrics;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Who tells people.
#[derive(Clone)]
pub struct Notifier {
    sns: Client,
    recorder: Recorder,
    default_topic: Option<String>,
    cluster: Option<String>,
    metrics: Metrics,
}

impl Notifier {
    /// Tells through `sns` and `recorder`; the default topic is for policies that name none.
    pub fn new(
        sns: Client,
        recorder: Recorder,
        default_topic: Option<String>,
        cluster: Option<String>,
        metrics: Metrics,
    ) -> Self {
        Self { sns, recorder, default_topic, cluster, metrics }
    }

    /// Tells of a transition.
    pub async fn tell(&self, incident: &Incident, moment: Moment, policy: Option<&RecoveryPolicy>) {
        self.event(incident, moment).await;
        // With what was found out since about who did it.
        let incident = &Incident { spec: incident.judged_spec(), ..incident.clone() };
        let message = message(incident, moment, self.cluster.as_deref());
        for topic in topics(policy, moment, self.default_topic.as_deref()) {
            let call = self.sns.publish().topic_arn(&topic).subject(&message.subject).message(&message.text).send();
            if let Err(fault) = ask(&format!("publishing to {topic}"), TIMEOUT, call).await {
                self.metrics.notifications_failed.inc();
                tracing::error!(incident = incident.name_any(), %fault, "people were not told");
            }
        }
    }

    async fn event(&self, incident: &Incident, moment: Moment) {
        let status = incident.status.clone().unwrap_or_default();
        let ready = status.conditions.iter().find(|c| c.r#type == condition::READY);
        let note: String = ready.map(|c| c.message.as_str()).unwrap_or_default().chars().take(1000).collect();
        let event = Event {
            type_: match moment {
                Moment::AwaitingApproval | Moment::Failed => EventType::Warning,
                _ => EventType::Normal,
            },
            // The recorder takes events of one reason for repetitions, whatever their note: a reason per transition.
            reason: format!("{moment:?}"),
            note: Some(note),
            action: format!("{:?}", status.step.name),
            secondary: None,
        };
        let about = incident.object_ref(&());
        let published = tokio::time::timeout(TIMEOUT, self.recorder.publish(&event, &about)).await;
        if let Ok(Err(error)) = published {
            tracing::warn!(incident = incident.name_any(), %error, "the Kubernetes Event was not written");
        }
    }
}
