//! The queue: several long polls at once, bounded work in hand, several batches of deletes at once. No message waits for another:
//! each makes room for the next as soon as it is handled. A message is deleted only when its handler says that all it stands for
//! is stored; until then its visibility is extended, and afterwards it comes back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::runtime::metrics::Metrics;
use reforge_aws::queue::{BATCH, Queue, Received, VISIBILITY_SECONDS};

/// Long polls at once.
const POLLS: usize = 4;
/// Messages in hand at most, with the room that polls keep for what they bring.
const IN_HAND: usize = 128;
/// Batches of deletes at once.
const DELETES: usize = 8;
const WAIT_SECONDS: i32 = 20;
/// How soon a message comes back that could not be stored.
const RETRY_SECONDS: i32 = 5;
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

/// Who receives what is in the queue.
#[derive(Clone)]
pub struct Receiver {
    queue: Queue,
    state: watch::Sender<QueueState>,
    metrics: Metrics,
}

impl Receiver {
    /// Of the queue.
    pub fn new(queue: Queue, metrics: Metrics) -> Self {
        Self { queue, state: watch::Sender::new(QueueState::Unknown), metrics }
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

    async fn receive(&self) -> Result<Vec<Received>, String> {
        // Whether the queue is there is known at once, and not after the first long poll.
        let wait = if *self.state.borrow() == QueueState::Ok { WAIT_SECONDS } else { 0 };
        self.queue.receive(wait).await
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
                _ => tracing::info!(queue = self.queue.url(), "events are received"),
            }
        }
    }

    async fn work_on<H, F>(&self, message: Received, handle: H, deletes: mpsc::Sender<String>)
    where
        H: Fn(String) -> F,
        F: Future<Output = Handled>,
    {
        let Received { body, receipt } = message;
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
                if let Err(fault) = self.queue.set_aside(&body, &reason).await {
                    tracing::error!(%fault, reason, "a message for the dead-letter queue stays where it is");
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
        if let Err(fault) = self.queue.hide(receipt, seconds).await {
            tracing::debug!(%fault, "a message's visibility was not changed; it comes again when it runs out");
        }
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
        match self.queue.delete(batch).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "messages were not deleted; they come again"),
            Err(fault) => tracing::warn!(%fault, "messages were not deleted; they come again"),
        }
    }
}
