//! Questions to one API of one account and region, from whoever has any: gathered for a moment, asked together, and no more
//! often than is Reforge's share. Who asks while there is no turn waits with the others; one whose patience ends is told to come
//! back, and no call is made for it. An answer is never older than its question.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use reforge_api::FaultClass;
use reforge_core::words::fault::Fault;
use tokio::sync::{mpsc, oneshot};

use crate::ask::silence;

/// How long questions are gathered before they are asked.
const GATHER: Duration = Duration::from_millis(20);
/// Questions that wait to be gathered.
const WAITING: usize = 1024;

/// How an API is asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many ids one call takes.
    pub most: usize,
    /// How many calls may follow each other at once, after a quiet while.
    pub burst: u32,
    /// How long until there is one more.
    pub every: Duration,
    /// How long a question waits for its answer.
    pub patience: Duration,
}

impl Pace {
    /// A third of what the tightest of the APIs gives to all of an account's callers: Lambda's control plane takes 15 calls a
    /// second (AWS Lambda Developer Guide, "Lambda quotas"), EC2 refills 20 a second for what only describes (EC2 Developer
    /// Guide, "Request throttling"). `most` is how many ids a call takes.
    pub const fn shared(most: usize) -> Self {
        Self { most, burst: 10, every: Duration::from_millis(200), patience: Duration::from_secs(20) }
    }
}

type Reply<T> = oneshot::Sender<Result<Option<T>, Fault>>;

/// One API of one account and region. Clones share its turns.
#[derive(Clone, Debug)]
pub struct Gather<T> {
    asks: mpsc::Sender<(String, Reply<T>)>,
    patience: Duration,
}

impl<T: Clone + Send + 'static> Gather<T> {
    /// Starts the task that asks; it ends with the last clone. `ask` is given different ids, `pace.most` at most, and gives
    /// back what there is of them.
    pub fn start<F>(pace: Pace, ask: impl Fn(Vec<String>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<HashMap<String, T>, Fault>> + Send + 'static,
    {
        let (asks, queue) = mpsc::channel(WAITING);
        tokio::spawn(gather(pace, ask, queue));
        Self { asks, patience: pace.patience }
    }

    /// The same for an API that takes one id a call.
    pub fn one_by_one<F>(ask: impl Fn(String) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Option<T>, Fault>> + Send + 'static,
    {
        Self::start(Pace::shared(1), move |ids| {
            let ask = ask.clone();
            async move {
                let mut found = HashMap::new();
                for id in ids {
                    found.extend(ask(id.clone()).await?.map(|answer| (id, answer)));
                }
                Ok(found)
            }
        })
    }

    /// What there is of an id; None where there is no such thing.
    ///
    /// # Errors
    /// The fault of the call that it was asked with, or Throttled where it was not asked in time; with `doing` in it.
    pub async fn one(&self, id: &str, doing: &str) -> Result<Option<T>, Fault> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.asks.send((id.to_owned(), reply)).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(self.patience, asked).await {
            Ok(Some(answer)) => answer.map_err(|fault| Fault { doing: doing.to_owned(), ..fault }),
            // The task has ended, or the call's has: as good as no answer.
            Ok(None) => Err(silence(doing, self.patience)),
            Err(_) => {
                let said = "so many Incidents ask that this question was held back";
                Err(Fault::new(doing, FaultClass::Throttled, said))
            }
        }
    }
}

async fn gather<T, F>(
    pace: Pace,
    ask: impl Fn(Vec<String>) -> F + Send + 'static,
    mut queue: mpsc::Receiver<(String, Reply<T>)>,
) where
    T: Clone + Send + 'static,
    F: Future<Output = Result<HashMap<String, T>, Fault>> + Send + 'static,
{
    let (mut waiting, mut turns) = (Vec::new(), Turns::new(pace, Instant::now()));
    loop {
        if waiting.is_empty() {
            let Some(first) = queue.recv().await else { return };
            waiting.push(first);
            tokio::time::sleep(GATHER).await;
        }
        tokio::time::sleep(turns.take(Instant::now())).await;
        while let Ok(more) = queue.try_recv() {
            waiting.push(more);
        }
        waiting.retain(|(_, reply)| !reply.is_closed());
        let mut ids: Vec<String> = Vec::new();
        for (id, _) in &waiting {
            if ids.len() < pace.most && !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        if ids.is_empty() {
            continue;
        }
        let (asked, later) = waiting.into_iter().partition(|(id, _)| ids.contains(id));
        waiting = later;
        tokio::spawn(reply_all(ask(ids), asked));
    }
}

async fn reply_all<T: Clone>(
    call: impl Future<Output = Result<HashMap<String, T>, Fault>>,
    asked: Vec<(String, Reply<T>)>,
) {
    let found = call.await;
    for (id, reply) in asked {
        // A closed receiver is a reconcile that was cancelled; nobody misses the answer.
        let _ = reply.send(match &found {
            Ok(found) => Ok(found.get(&id).cloned()),
            Err(fault) => Err(fault.clone()),
        });
    }
}

/// A token bucket.
struct Turns {
    pace: Pace,
    left: u32,
    since: Instant,
}

impl Turns {
    fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, left: pace.burst, since: now }
    }

    /// Takes the next turn; how long it is until then.
    fn take(&mut self, now: Instant) -> Duration {
        let every = self.pace.every;
        let gained = now.saturating_duration_since(self.since).as_nanos() / every.as_nanos().max(1);
        let gained = u32::try_from(gained).unwrap_or(u32::MAX).min(self.pace.burst);
        self.left = self.left.saturating_add(gained).min(self.pace.burst);
        self.since = if self.left == self.pace.burst { now } else { self.since + every * gained };
        if self.left > 0 {
            self.left -= 1;
            return Duration::ZERO;
        }
        self.since += every;
        self.since.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use futures::future::join_all;

    const HOUR: Duration = Duration::from_secs(3600);

    /// What each call was asked.
    type Calls = Arc<Mutex<Vec<Vec<String>>>>;

    /// An API that knows what is called by one letter, and notes what it is asked.
    fn api(pace: Pace) -> (Gather<String>, Calls) {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = calls.clone();
        let gather = Gather::start(pace, move |ids: Vec<String>| {
            noted.lock().expect("nobody panics").push(ids.clone());
            let found = ids.into_iter().filter(|id| id.len() == 1).map(|id| (id.clone(), format!("{id}!")));
            std::future::ready(Ok(found.collect()))
        });
        (gather, calls)
    }

    #[tokio::test]
    async fn questions_at_the_same_time_share_a_call_and_the_same_question_is_asked_once() {
        let (gather, calls) = api(Pace::shared(100));
        let answers = join_all(["a", "b", "a", "none"].map(|id| gather.one(id, "asking"))).await;
        let answers: Vec<Option<String>> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
        assert_eq!(answers, [Some("a!".into()), Some("b!".into()), Some("a!".into()), None]);
        assert_eq!(*calls.lock().expect("nobody panics"), [["a", "b", "none"]]);
    }

    #[tokio::test]
    async fn no_call_has_more_ids_than_the_api_takes() {
        let (gather, calls) = api(Pace::shared(2));
        join_all(["a", "b", "c", "a"].map(|id| gather.one(id, "asking"))).await;
        assert_eq!(*calls.lock().expect("nobody panics"), [vec!["a", "b"], vec!["c"]]);
    }

    #[tokio::test]
    async fn without_a_turn_no_call_is_made_and_who_asks_is_told_to_come_back() {
        let pace = Pace { most: 1, burst: 1, every: HOUR, patience: Duration::from_millis(200) };
        let (gather, calls) = api(pace);
        assert_eq!(gather.one("a", "asking").await, Ok(Some("a!".into())));
        let fault = gather.one("b", "asking about b").await.expect_err("there is no turn");
        assert_eq!((fault.class, fault.doing.as_str()), (FaultClass::Throttled, "asking about b"));
        assert_eq!(calls.lock().expect("nobody panics").len(), 1);
    }

    #[tokio::test]
    async fn a_fault_is_told_to_each_in_the_words_of_its_own_question() {
        let denied = || std::future::ready(Err(Fault::new("asking about many", FaultClass::Denied, "no")));
        let gather: Gather<()> = Gather::start(Pace::shared(100), move |_| denied());
        for answer in join_all(["a", "b"].map(|id| gather.one(id, id))).await.into_iter().zip(["a", "b"]) {
            let (fault, doing) = (answer.0.expect_err("denied"), answer.1);
            assert_eq!((fault.doing.as_str(), fault.class), (doing, FaultClass::Denied));
        }
    }

    #[test]
    fn turns_come_back_one_by_one_and_no_more_than_a_burst_of_them() {
        let pace = Pace { most: 1, burst: 2, every: Duration::from_millis(100), patience: HOUR };
        let start = Instant::now();
        let mut turns = Turns::new(pace, start);
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut takes = |times: &[u64]| times.iter().map(|t| turns.take(at(*t)).as_millis()).collect::<Vec<_>>();
        assert_eq!(takes(&[0, 0, 0]), [0, 0, 100]);
        assert_eq!(takes(&[100, 350]), [100, 0], "one for each 100 ms since, and two were taken ahead");
        assert_eq!(takes(&[10_000, 10_000, 10_000]), [0, 0, 100]);
    }
}
