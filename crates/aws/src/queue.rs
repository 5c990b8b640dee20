//! SQS: the queue with the events, and the one for dead letters.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, MessageAttributeValue};
use reforge_api::FaultClass;
use reforge_core::words::fault::Fault;

use crate::ask::ask;

/// How long a message stays hidden, in seconds.
pub const VISIBILITY_SECONDS: i32 = 30;
/// Messages that a call brings or deletes at most.
pub const BATCH: usize = 10;
const TIMEOUT: Duration = Duration::from_secs(10);
/// The message attribute that says why a message is a dead letter.
const REASON: &str = "ReforgeReason";

/// The queue and its dead-letter queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
    dead_letter_url: String,
}

/// A message that is in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub body: String,
    /// What it is hidden and deleted by.
    pub receipt: String,
}

impl Queue {
    /// By the credentials of `config`, wherever the queues are.
    pub fn new(config: &SdkConfig, url: &str, dead_letter_url: &str) -> Self {
        Self { client: Client::new(config), url: url.to_owned(), dead_letter_url: dead_letter_url.to_owned() }
    }

    /// The queue's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Up to ten messages, waited for for so many seconds.
    ///
    /// # Errors
    /// Why the queue cannot be read, and what to do about it.
    pub async fn receive(&self, wait: i32) -> Result<Vec<Received>, String> {
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(wait)
            .visibility_timeout(VISIBILITY_SECONDS)
            .send();
        let deadline = TIMEOUT + Duration::from_secs(wait.unsigned_abs().into());
        let output = ask("receiving", deadline, call).await.map_err(|fault| self.explain(&fault))?;
        let received = output.messages.unwrap_or_default().into_iter().filter_map(|message| {
            Some(Received { body: message.body.unwrap_or_default(), receipt: message.receipt_handle? })
        });
        Ok(received.collect())
    }

    fn explain(&self, fault: &Fault) -> String {
        let url = &self.url;
        match fault.class {
            FaultClass::Absent => {
                format!("the queue {url} does not exist; check settings.queueUrl, its region and account")
            }
            FaultClass::Denied => format!(
                "the operator's role may not read the queue {url}; it needs sqs:ReceiveMessage, DeleteMessage and ChangeMessageVisibility on it: {}",
                fault.said
            ),
            _ => format!("the queue {url} cannot be read: {}", fault.said),
        }
    }

    /// Keeps a message hidden for so many seconds from now.
    ///
    /// # Errors
    /// What SQS answered; the message comes again when it was to.
    pub async fn hide(&self, receipt: &str, seconds: i32) -> Result<(), Fault> {
        let call = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        let call = call.visibility_timeout(seconds).send();
        ask("changing a message's visibility", TIMEOUT, call).await.map(|_| ())
    }

    /// Puts a message into the dead-letter queue, with the reason.
    ///
    /// # Errors
    /// What SQS answered in place of taking it.
    pub async fn set_aside(&self, body: &str, reason: &str) -> Result<(), Fault> {
        let doing = format!("sending to {}", self.dead_letter_url);
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
        let attribute = attribute.map_err(|error| Fault::ours(&doing, &error.to_string()))?;
        let call = self.client.send_message().queue_url(&self.dead_letter_url).message_body(body);
        ask(&doing, TIMEOUT, call.message_attributes(REASON, attribute).send()).await.map(|_| ())
    }

    /// Deletes up to ten messages; gives back how many were not.
    ///
    /// # Errors
    /// What SQS answered in place of deleting any.
    pub async fn delete(&self, receipts: Vec<String>) -> Result<usize, Fault> {
        let entries = receipts.into_iter().enumerate().filter_map(|(i, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(i.to_string()).receipt_handle(receipt).build().ok()
        });
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect())).send();
        Ok(ask("deleting messages", TIMEOUT, call).await?.failed().len())
    }
}
