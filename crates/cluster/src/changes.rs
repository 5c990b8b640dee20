//! What has changed since somebody last asked: a set, so that it never holds more than there is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Names of what has changed, for one who works on it. While nobody listens, nothing is kept.
#[derive(Debug)]
pub struct Changes<K>(Arc<Shared<K>>);

#[derive(Debug)]
struct Shared<K> {
    marked: Mutex<Option<BTreeSet<K>>>,
    some: Notify,
}

impl<K> Clone for Changes<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for Changes<K> {
    fn default() -> Self {
        Self(Arc::new(Shared { marked: Mutex::new(None), some: Notify::new() }))
    }
}

impl<K: Ord> Changes<K> {
    /// Something has changed; whether anybody listens.
    pub fn mark(&self, what: K) -> bool {
        let mut marked = self.0.marked();
        let Some(marked) = &mut *marked else { return false };
        marked.insert(what);
        self.0.some.notify_one();
        true
    }

    /// Listens from now on, in place of whoever did before; what there is already is for the caller to mark.
    pub fn listen(&self) -> Listener<K> {
        *self.0.marked() = Some(BTreeSet::new());
        Listener(self.0.clone())
    }
}

impl<K> Shared<K> {
    fn marked(&self) -> MutexGuard<'_, Option<BTreeSet<K>>> {
        // A set is whole whoever panicked with it in hand.
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever listens; when it is dropped, nothing is kept any more.
#[derive(Debug)]
pub struct Listener<K>(Arc<Shared<K>>);

impl<K: Ord> Listener<K> {
    /// What has changed since the last time, once something has. Nothing is lost when this is given up waiting for.
    pub async fn changed(&mut self) -> BTreeSet<K> {
        loop {
            let changed = self.0.marked().as_mut().map(std::mem::take).unwrap_or_default();
            if !changed.is_empty() {
                return changed;
            }
            self.0.some.notified().await;
        }
    }
}

impl<K> Drop for Listener<K> {
    fn drop(&mut self) {
        *self.0.marked() = None;
    }
}
