//! Who works on what has changed: each by one at a time, a bounded number side by side, and again when its time has come.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures::StreamExt;
use tokio::task::{Id as TaskId, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::time::{DelayQueue, delay_queue};

use crate::changes::Listener;

/// What became of one that was worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is looked at when it changes.
    Change,
    /// It is looked at after this pause, or when it changes.
    After(Duration),
    /// It could not be worked on: it is tried again after a pause that grows from the first of these to the second, whether it
    /// changes or not.
    Failed(Duration, Duration),
}

/// The pauses of one that ended in a panic: the fault is in the code, and only an upgrade mends it.
const PANICKED: Next = Next::Failed(Duration::from_secs(60), Duration::from_secs(600));

/// However long a pause is to be, it is looked at again after this: the queue of pauses panics over two years.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Where one is.
#[derive(Debug)]
enum Place {
    /// It waits for a time; whether a change brings it forward.
    Delayed(delay_queue::Key, bool),
    /// It is next.
    Queued,
    /// Somebody works on it; whether it has changed meanwhile.
    InHand(bool),
}

struct Runner<K> {
    places: BTreeMap<K, Place>,
    delays: DelayQueue<K>,
    queue: VecDeque<K>,
    work: JoinSet<Next>,
    in_hand: BTreeMap<TaskId, K>,
    /// How often in a row it could not be worked on.
    failed: BTreeMap<K, u32>,
}

/// Works until `stop`, and finishes what is in hand; given up waiting for, it ends that as well. `most` are worked on side by side.
pub async fn run<K, F>(mut changes: Listener<K>, most: usize, stop: CancellationToken, work_on: impl Fn(K) -> F)
where
    K: Ord + Clone + std::fmt::Debug + 'static,
    F: Future<Output = Next> + Send + 'static,
{
    let mut runner: Runner<K> = Runner {
        places: BTreeMap::new(),
        delays: DelayQueue::new(),
        queue: VecDeque::new(),
        work: JoinSet::new(),
        in_hand: BTreeMap::new(),
        failed: BTreeMap::new(),
    };
    loop {
        while runner.work.len() < most {
            let Some(key) = runner.queue.pop_front() else { break };
            let task = runner.work.spawn(work_on(key.clone()));
            runner.in_hand.insert(task.id(), key.clone());
            runner.places.insert(key, Place::InHand(false));
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(done) = runner.work.join_next_with_id() => runner.done(done),
            changed = changes.changed() => changed.into_iter().for_each(|key| runner.changed(key)),
            Some(due) = runner.delays.next() => runner.due(due.into_inner()),
        }
    }
    while runner.work.join_next().await.is_some() {}
}

impl<K: Ord + Clone + std::fmt::Debug> Runner<K> {
    fn changed(&mut self, key: K) {
        match self.places.get_mut(&key) {
            None => self.due(key),
            Some(Place::InHand(again)) => *again = true,
            Some(Place::Delayed(delay, true)) => {
                self.delays.remove(delay);
                self.due(key);
            }
            Some(Place::Delayed(_, false) | Place::Queued) => {}
        }
    }

    fn due(&mut self, key: K) {
        self.places.insert(key.clone(), Place::Queued);
        self.queue.push_back(key);
    }

    fn done(&mut self, done: Result<(TaskId, Next), JoinError>) {
        let (task, next) = match done {
            Ok(done) => done,
            Err(error) => {
                let which = self.in_hand.get(&error.id());
                tracing::error!(?which, %error, "whoever worked on it panicked; the others go on, and it is tried again later");
                (error.id(), PANICKED)
            }
        };
        let Some(key) = self.in_hand.remove(&task) else { return };
        let changed = matches!(self.places.remove(&key), Some(Place::InHand(true)));
        if let Next::Failed(first, longest) = next {
            let failed = self.failed.entry(key.clone()).or_default();
            *failed = failed.saturating_add(1);
            let pause = pause(first, longest, *failed);
            return self.delay(key, pause, false);
        }
        self.failed.remove(&key);
        match next {
            _ if changed => self.due(key),
            Next::After(pause) => self.delay(key, pause, true),
            Next::Change | Next::Failed(..) => {}
        }
    }

    fn delay(&mut self, key: K, pause: Duration, is_brought_forward: bool) {
        let delay = self.delays.insert(key.clone(), pause.min(LONGEST));
        self.places.insert(key, Place::Delayed(delay, is_brought_forward));
    }
}

/// Doubled with each time, the longest at most.
fn pause(first: Duration, longest: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.saturating_sub(1).min(16)).min(longest)
}

#[cfg(test)]
mod tests;
