//! SNS: messages to people.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use reforge_core::words::fault::Fault;

use crate::ask::ask;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The topics of the operator's own account and region.
#[derive(Clone, Debug)]
pub struct Topics(Client);

impl Topics {
    /// By the credentials of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// Publishes a message to a topic, by its ARN.
    ///
    /// # Errors
    /// What SNS answered in place of having it.
    pub async fn publish(&self, topic: &str, subject: &str, text: &str) -> Result<(), Fault> {
        let call = self.0.publish().topic_arn(topic).subject(subject).message(text).send();
        ask(&format!("publishing to {topic}"), TIMEOUT, call).await.map(|_| ())
    }
}
