//! What waits to be sent: bounded, in order for each receiver, a few at a time. Putting something in never waits: where there
//! is no room, the oldest that wait have to go, and are given back.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use reforge_api::FaultClass;
use reforge_core::words::fault::Fault;
use tokio::sync::Notify;

/// What waits, and under whose name.
#[derive(Debug)]
pub struct Outbox<T> {
    room: usize,
    inside: Mutex<Inside<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct Inside<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    in_hand: BTreeSet<String>,
    closed: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    name: String,
    bytes: usize,
    what: T,
}

impl<T> Outbox<T> {
    /// An empty one with room for so many bytes.
    pub fn new(room: usize) -> Self {
        let inside = Inside { waiting: VecDeque::new(), bytes: 0, in_hand: BTreeSet::new(), closed: false };
        Self { room, inside: Mutex::new(inside), changed: Notify::new() }
    }

    /// Puts something of so many bytes in, after all that waits under the same name; gives back what there was no room for any
    /// more, the oldest first.
    pub fn put(&self, name: String, bytes: usize, what: T) -> Vec<T> {
        let (mut inside, mut gone) = (self.inside(), Vec::new());
        inside.bytes += bytes;
        inside.waiting.push_back(Waiting { name, bytes, what });
        while inside.bytes > self.room && inside.waiting.len() > 1 {
            gone.extend(inside.remove(0).map(|oldest| oldest.what));
        }
        drop(inside);
        self.changed.notify_waiters();
        gone
    }

    /// Says that nothing more comes: [`Outbox::send_all`] ends when what waits is sent.
    pub fn close(&self) {
        self.inside().closed = true;
        self.changed.notify_waiters();
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.inside().waiting.len()
    }

    /// Sends what comes until it is closed and empty, so many at a time, and never two of one name.
    pub async fn send_all<F: Future<Output = ()>>(&self, at_once: usize, send: impl Fn(T) -> F) {
        join_all((0..at_once).map(|_| self.send_one_by_one(&send))).await;
    }

    async fn send_one_by_one<F: Future<Output = ()>>(&self, send: &impl Fn(T) -> F) {
        while let Some((name, what)) = self.take().await {
            send(what).await;
            self.inside().in_hand.remove(&name);
            self.changed.notify_waiters();
        }
    }

    /// The oldest whose name is not in hand; None when it is closed and empty.
    async fn take(&self) -> Option<(String, T)> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on nothing is missed that changes after the look.
            changed.as_mut().enable();
            {
                let mut inside = self.inside();
                let next = inside.waiting.iter().position(|waiting| !inside.in_hand.contains(&waiting.name));
                if let Some(taken) = next.and_then(|at| inside.remove(at)) {
                    inside.in_hand.insert(taken.name.clone());
                    return Some((taken.name, taken.what));
                }
                if inside.closed && inside.waiting.is_empty() {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inside<T> {
    fn remove(&mut self, at: usize) -> Option<Waiting<T>> {
        let removed = self.waiting.remove(at)?;
        self.bytes -= removed.bytes;
        Some(removed)
    }
}

/// Tries, and after each of the pauses once more, while time alone may mend what is wrong.
///
/// # Errors
/// The last fault.
pub async fn patiently<F>(pauses: &[Duration], send: impl Fn() -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<(), Fault>>,
{
    for pause in pauses {
        match send().await {
            Err(fault) if matches!(fault.class, FaultClass::Throttled | FaultClass::Transient) => {
                tracing::debug!(%fault, "people are not told yet; it is tried again");
                tokio::time::sleep(*pause).await;
            }
            other => return other,
        }
    }
    send().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    #[test]
    fn where_there_is_no_room_the_oldest_go() {
        let outbox = Outbox::new(20);
        let put = |bytes, what| outbox.put("x".into(), bytes, what);
        assert_eq!([put(10, "a"), put(10, "b"), put(5, "c")], [vec![], vec![], vec!["a"]]);
        assert_eq!(put(100, "large"), ["b", "c"]);
        assert_eq!(put(5, "d"), ["large"]);
    }

    #[tokio::test]
    async fn one_name_is_sent_in_order_and_holds_no_other_up() {
        let outbox = Outbox::new(10);
        for (name, what) in [("slow", 1), ("slow", 2), ("quick", 3), ("quick", 4)] {
            outbox.put(name.into(), 1, what);
        }
        outbox.close();
        let (sent, others_sent) = (Mutex::new(Vec::new()), Semaphore::new(0));
        outbox
            .send_all(2, |what| {
                let (sent, others_sent) = (&sent, &others_sent);
                async move {
                    if what == 1 {
                        // Until both of the other name are sent.
                        others_sent.acquire_many(2).await.expect("it stays open").forget();
                    }
                    sent.lock().expect("nobody panics").push(what);
                    others_sent.add_permits(usize::from(what > 2));
                }
            })
            .await;
        assert_eq!(*sent.lock().expect("nobody panics"), [3, 4, 1, 2]);
    }

    #[tokio::test]
    async fn what_time_mends_is_tried_again_and_what_it_does_not_is_not() {
        let tries = AtomicUsize::new(0);
        let pauses = [Duration::ZERO; 2];
        let answer = async |failing: usize, fault: Fault| {
            tries.store(0, Ordering::Relaxed);
            let sent = patiently(&pauses, || {
                let before = tries.fetch_add(1, Ordering::Relaxed);
                std::future::ready(if before < failing { Err(fault.clone()) } else { Ok(()) })
            });
            (sent.await.is_ok(), tries.load(Ordering::Relaxed))
        };
        let throttled = Fault::new("publishing", FaultClass::Throttled, "Throttling");
        assert_eq!(answer(2, throttled.clone()).await, (true, 3));
        assert_eq!(answer(9, throttled).await, (false, 3));
        assert_eq!(answer(9, Fault::absent("publishing", "no such topic")).await, (false, 1));
    }
}
