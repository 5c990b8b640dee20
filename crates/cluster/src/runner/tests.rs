use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::*;
use crate::changes::Changes;

/// A runner whose work is told of, and does as it is told.
struct Bench {
    changes: Changes<&'static str>,
    began: mpsc::UnboundedReceiver<&'static str>,
    /// How many were in hand at most, and how many are done.
    most: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    stop: CancellationToken,
    runner: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Debug)]
enum Answer {
    Then(Next),
    Panic,
    /// Not before this is cancelled.
    Wait(CancellationToken),
}

const HOUR: Duration = Duration::from_secs(3600);

fn bench(most: usize, answers: &[(&'static str, &[Answer])]) -> Bench {
    let changes = Changes::default();
    let listener = changes.listen();
    let (tell, began) = mpsc::unbounded_channel();
    let answers: BTreeMap<_, VecDeque<Answer>> =
        answers.iter().map(|(key, list)| (*key, list.iter().cloned().collect())).collect();
    let answers = Mutex::new(answers);
    let (in_hand, at_most, done) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (stop, highest, over) = (CancellationToken::new(), at_most.clone(), done.clone());
    let runner = tokio::spawn(run(listener, most, stop.clone(), move |key: &'static str| {
        tell.send(key).expect("the test listens");
        let answer = answers.lock().unwrap().get_mut(key).and_then(VecDeque::pop_front);
        let (in_hand, over) = (in_hand.clone(), over.clone());
        highest.fetch_max(in_hand.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        async move {
            let next = match answer {
                Some(Answer::Then(next)) => next,
                Some(Answer::Panic) => {
                    in_hand.fetch_sub(1, Ordering::SeqCst);
                    panic!("as it was told")
                }
                Some(Answer::Wait(until)) => {
                    until.cancelled().await;
                    Next::Change
                }
                None => Next::Change,
            };
            in_hand.fetch_sub(1, Ordering::SeqCst);
            over.fetch_add(1, Ordering::SeqCst);
            next
        }
    }));
    Bench { changes, began, most: at_most, done, stop, runner }
}

impl Bench {
    async fn next(&mut self) -> &'static str {
        self.began.recv().await.expect("the runner runs")
    }
}

#[tokio::test]
async fn what_changes_while_it_is_worked_on_is_worked_on_again_and_never_twice_at_once() {
    let gate = CancellationToken::new();
    let mut bench = bench(8, &[("a", &[Answer::Wait(gate.clone())])]);
    bench.changes.mark("a");
    assert_eq!(bench.next().await, "a");
    for _ in 0..2 {
        bench.changes.mark("a");
    }
    bench.changes.mark("b");
    assert_eq!(bench.next().await, "b", "it is in hand still");
    gate.cancel();
    assert_eq!(bench.next().await, "a");
    bench.changes.mark("c");
    assert_eq!(bench.next().await, "c", "two changes are seen in one look");
}

#[tokio::test]
async fn what_waits_for_a_time_is_looked_at_then_and_brought_forward_by_a_change() {
    let pauses = [Duration::MAX, HOUR, Duration::from_millis(1)];
    let mut bench = bench(8, &[("a", &pauses.map(|pause| Answer::Then(Next::After(pause))))]);
    bench.changes.mark("a");
    assert_eq!(bench.next().await, "a");
    bench.changes.mark("a");
    assert_eq!(bench.next().await, "a", "nobody waits for ever");
    bench.changes.mark("a");
    assert_eq!(bench.next().await, "a", "an hour is not waited for");
    assert_eq!(bench.next().await, "a", "its time has come, and nothing has changed");
}

#[tokio::test]
async fn no_more_than_so_many_are_worked_on_side_by_side() {
    let gate = CancellationToken::new();
    let wait = [Answer::Wait(gate.clone())];
    let keys = ["a", "b", "c", "d", "e"];
    let mut bench = bench(2, &keys.map(|key| (key, &wait[..])));
    for key in keys {
        bench.changes.mark(key);
    }
    bench.next().await;
    bench.next().await;
    gate.cancel();
    for _ in 2..keys.len() {
        bench.next().await;
    }
    assert_eq!(bench.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_panic_and_a_failure_are_one_ones_matter_and_wait_whatever_changes() {
    for answer in [Answer::Panic, Answer::Then(Next::Failed(HOUR, HOUR))] {
        let mut bench = bench(8, &[("a", &[answer])]);
        bench.changes.mark("a");
        assert_eq!(bench.next().await, "a");
        bench.changes.mark("b");
        assert_eq!(bench.next().await, "b", "the others go on");
        bench.changes.mark("a");
        bench.changes.mark("c");
        assert_eq!(bench.next().await, "c", "it is tried again later");
        assert!(!bench.runner.is_finished());
    }
}

#[tokio::test]
async fn one_that_failed_is_tried_again_when_its_pause_is_over() {
    let short = Duration::from_millis(1);
    let mut bench = bench(8, &[("a", &[Answer::Then(Next::Failed(short, short))])]);
    bench.changes.mark("a");
    assert_eq!(bench.next().await, "a");
    assert_eq!(bench.next().await, "a");
}

#[test]
fn pauses_double_up_to_the_longest() {
    let seconds = Duration::from_secs;
    let pauses: Vec<u64> = (1..6).map(|times| pause(seconds(10), seconds(60), times).as_secs()).collect();
    assert_eq!(pauses, [10, 20, 40, 60, 60]);
    assert_eq!(pause(seconds(10), seconds(600), u32::MAX), seconds(600));
}

#[tokio::test]
async fn what_is_in_hand_is_finished_before_the_end() {
    let gate = CancellationToken::new();
    let mut bench = bench(8, &[("a", &[Answer::Wait(gate.clone())])]);
    bench.changes.mark("a");
    bench.next().await;
    bench.stop.cancel();
    gate.cancel();
    bench.runner.await.expect("it ends well");
    assert_eq!(bench.done.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_nobody_listens_to_is_not_kept() {
    let changes = Changes::default();
    changes.mark("before");
    let mut listener = changes.listen();
    changes.mark("a");
    assert_eq!(listener.changed().await.into_iter().collect::<Vec<_>>(), ["a"]);
    drop(listener);
    changes.mark("after");
    let mut listener = changes.listen();
    changes.mark("b");
    assert_eq!(listener.changed().await.into_iter().collect::<Vec<_>>(), ["b"]);
}
