//! The queue: several long polls at once, bounded work in hand, several batches of deletes at once. No message waits for another:
//! each makes room for the next as soon as it is handled. A message is deleted only when its handler says that all it stands for
//! is stored; until then its visibility is extended, and afterwards it comes back.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageAttributeValue};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::runtime::aws_fault::{self, ask};
use crate::runtime::metrics::Metrics;

/// Long polls at once.
const POLLS: usize = 4;
/// Messages in hand at most, with the room that polls keep for what they bring.
const IN_HAND: usize = 128;
/// Batches of deletes at once.
const DELETES: usize = 8;
const WAIT_SECONDS: i32 = 20;
/// How long a message stays hidden; extended at half of it while the work lasts.
const VISIBILITY_SECONDS: i32 = 30;
/// How soon a message comes back that could not be stored.
const RETRY_SECONDS: i32 = 5;
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const BATCH: usize = 10;
const BATCH_WAIT: Duration = Duration::from_millis(500);

/// What a handler says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handled {
    /// All is stored, or there is nothing to store: delete it.
    Done,
    /// Only people can mend what is wrong with it: put it into the dead-letter queue, counted by this word and with this
    /// reason, then delete it.
    DeadLetter(&'static str, String),
    /// It could not be stored now: leave it in the queue.
    Keep,
}

/// Whether the queue can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// Nothing was asked yet.
    Unknown,
    /// It answers.
    Ok,
    /// It does not; what SQS said, and what to do.
    Trouble(String),
}

/// One queue and its dead-letter queue.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    url: String,
    dead_letter_url: String,
    state: watch::Sender<QueueState>,
    metrics: Metrics,
}

impl Queue {
    /// The queue at `url`.
    pub fn new(client: Client, url: &str, dead_letter_url: &str, metrics: Metrics) -> Self {
        let state = watch::Sender::new(QueueState::Unknown);
        Self { client, url: url.to_owned(), dead_letter_url: dead_letter_url.to_owned(), state, metrics }
    }

    /// Whether the queue can be read, as it changes.
    pub fn state(&self) -> watch::Receiver<QueueState> {
        self.state.subscribe()
    }

    /// Receives until `stop`; then finishes what is in hand. Receives nothing while `open` is false.
    pub async fn run<H, F>(self, open: watch::Receiver<bool>, stop: CancellationToken, handle: H)
    where
        H: Fn(String) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Handled> + Send,
    {
        let (deletes, queue) = mpsc::channel(IN_HAND);
        let deleter = tokio::spawn(self.clone().delete_in_batches(queue));
        let room = Arc::new(Semaphore::new(IN_HAND));
        let work = TaskTracker::new();
        let polls = (0..POLLS).map(|_| {
            let (queue, work, room, deletes) = (self.clone(), work.clone(), room.clone(), deletes.clone());
            queue.poll(open.clone(), stop.clone(), room, work, deletes, handle.clone())
        });
        futures::future::join_all(polls).await;
        work.close();
        work.wait().await;
        drop(deletes);
        if let Err(error) = deleter.await {
            tracing::error!(%error, "the task that deletes messages ended badly; they will come again");
        }
    }

    async fn poll<H, F>(
        self,
        mut open: watch::Receiver<bool>,
        stop: CancellationToken,
        room: Arc<Semaphore>,
        work: TaskTracker,
        deletes: mpsc::Sender<String>,
        handle: H,
    ) where
        H: Fn(String) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Handled> + Send,
    {
        let mut pause = Duration::from_millis(500);
        loop {
            let opened = stop.run_until_cancelled(open.wait_for(|open| *open)).await.map(|r| r.is_ok());
            if opened != Some(true) {
                return;
            }
            // Room for a whole batch first, so that nothing received waits unseen while its visibility runs out.
            let Some(Ok(mut permits)) = stop.run_until_cancelled(room.clone().acquire_many_owned(10)).await else {
                return;
            };
            let Some(received) = stop.run_until_cancelled(self.receive()).await else { return };
            let messages = match received {
                Ok(messages) => messages,
                Err(trouble) => {
                    self.says(QueueState::Trouble(trouble));
                    drop(permits);
                    if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                        return;
                    }
                    pause = (pause * 2).min(Duration::from_secs(30));
                    continue;
                }
            };
            self.says(QueueState::Ok);
            pause = Duration::from_millis(500);
            for message in messages {
                self.metrics.messages_received.inc();
                let (queue, handle, deletes) = (self.clone(), handle.clone(), deletes.clone());
                let permit = permits.split(1);
                work.spawn(async move {
                    queue.work_on(message, handle, deletes).await;
                    drop(permit);
                });
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, String> {
        // Whether the queue is there is known at once, and not after the first long poll.
        let wait = if *self.state.borrow() == QueueState::Ok { WAIT_SECONDS } else { 0 };
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(wait)
            .visibility_timeout(VISIBILITY_SECONDS)
            .send();
        let patience = CALL_TIMEOUT + Duration::from_secs(wait.unsigned_abs().into());
        match tokio::time::timeout(patience, call).await {
            Ok(Ok(output)) => Ok(output.messages.unwrap_or_default()),
            Ok(Err(error)) => Err(self.explain(error.code(), &aws_fault::of("receiving", &error).said)),
            Err(_) => Err(format!("the queue {} does not answer; is there a way to SQS from the cluster?", self.url)),
        }
    }

    fn explain(&self, code: Option<&str>, detail: &str) -> String {
        let url = &self.url;
        match code {
            Some("AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist") => {
                format!("the queue {url} does not exist; check settings.queueUrl, its region and account")
            }
            Some("AccessDenied" | "AccessDeniedException" | "InvalidClientTokenId") => format!(
                "the operator's role may not read the queue {url}; it needs sqs:ReceiveMessage, DeleteMessage and ChangeMessageVisibility on it"
            ),
            _ => format!("the queue {url} cannot be read: {detail}"),
        }
    }

    /// Says once what changed, not with every poll.
    fn says(&self, now: QueueState) {
        let changed = self.state.send_if_modified(|before| {
            let changed = *before != now;
            before.clone_from(&now);
            changed
        });
        if changed {
            match now {
                QueueState::Trouble(trouble) => tracing::error!(trouble, "no events are received"),
                _ => tracing::info!(queue = self.url, "events are received"),
            }
        }
    }

    async fn work_on<H, F>(&self, message: Message, handle: H, deletes: mpsc::Sender<String>)
    where
        H: Fn(String) -> F,
        F: Future<Output = Handled>,
    {
        let Some(receipt) = message.receipt_handle else { return };
        let body = message.body.unwrap_or_default();
        let mut work = std::pin::pin!(handle(body.clone()));
        let half = Duration::from_secs(u64::from(VISIBILITY_SECONDS.unsigned_abs()) / 2);
        let handled = loop {
            match tokio::time::timeout(half, &mut work).await {
                Ok(handled) => break handled,
                Err(_) => self.stay_hidden(&receipt, VISIBILITY_SECONDS).await,
            }
        };
        match handled {
            Handled::Keep => return self.stay_hidden(&receipt, RETRY_SECONDS).await,
            Handled::DeadLetter(word, reason) => {
                if let Err(error) = self.to_dead_letters(&body, &reason).await {
                    tracing::error!(error, reason, "a message for the dead-letter queue stays where it is");
                    return self.stay_hidden(&receipt, RETRY_SECONDS).await;
                }
                self.metrics.dead_lettered(word);
            }
            Handled::Done => {}
        }
        // The receiver outlives every sender; were it gone, the message would only come again.
        let _ = deletes.send(receipt).await;
    }

    async fn stay_hidden(&self, receipt: &str, seconds: i32) {
        let call = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        let sent = tokio::time::timeout(CALL_TIMEOUT, call.visibility_timeout(seconds).send()).await;
        if !matches!(sent, Ok(Ok(_))) {
            tracing::debug!("a message's visibility could not be changed; it comes again when it runs out");
        }
    }

    async fn to_dead_letters(&self, body: &str, reason: &str) -> Result<(), String> {
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
        let attribute = attribute.map_err(|e| e.to_string())?;
        let call = self.client.send_message().queue_url(&self.dead_letter_url).message_body(body);
        let call = call.message_attributes("ReforgeReason", attribute).send();
        let sent = ask(&format!("sending to {}", self.dead_letter_url), CALL_TIMEOUT, call).await;
        sent.map(|_| ()).map_err(|fault| fault.to_string())
    }

    async fn delete_in_batches(self, mut queue: mpsc::Receiver<String>) {
        let (sent, room) = (TaskTracker::new(), Arc::new(Semaphore::new(DELETES)));
        while let Some(first) = queue.recv().await {
            let mut batch = vec![first];
            let full = async {
                while batch.len() < BATCH {
                    let Some(next) = queue.recv().await else { break };
                    batch.push(next);
                }
            };
            // Either way the batch is sent: full, or after its time.
            let _ = tokio::time::timeout(BATCH_WAIT, full).await;
            // Nobody closes it.
            let permit = room.clone().acquire_owned().await;
            let queue = self.clone();
            sent.spawn(async move {
                queue.delete(batch).await;
                drop(permit);
            });
        }
        sent.close();
        sent.wait().await;
    }

    async fn delete(&self, batch: Vec<String>) {
        let entries = batch.into_iter().enumerate().filter_map(|(i, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(i.to_string()).receipt_handle(receipt).build().ok()
        });
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect())).send();
        match ask("deleting messages", CALL_TIMEOUT, call).await {
            Ok(output) if output.failed().is_empty() => {}
            Ok(output) => {
                tracing::warn!(count = output.failed().len(), "messages were not deleted; they come again");
            }
            Err(fault) => tracing::warn!(%fault, "messages were not deleted; they come again"),
        }
    }
}
