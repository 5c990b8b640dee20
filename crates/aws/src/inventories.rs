//! Inventories that were read, kept until S3 has others: an inventory has up to 16 MiB, and every Incident asks for all of its
//! policy's. Who asks while one is being read gets the same answer, which is then at most one read's time old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use reforge_core::plan::inventory::{Inventory, Owned};
use reforge_core::words::fault::Fault;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What may be read and parsed at a time, in KiB of objects' lengths: as much as the largest object has. Each takes several times
/// its length while it is parsed.
const AT_ONCE: u32 = 16 * 1024;
/// What a map with few entries takes, and what each string takes beside its text, in bytes.
const MAP: usize = 640;
const STRING: usize = 16;

/// An inventory, and by which tag S3 knows these bytes.
#[derive(Clone, Debug)]
pub struct Kept {
    /// S3's ETag.
    pub etag: String,
    /// What was parsed.
    pub inventory: Arc<Inventory>,
}

/// What reading gives: None where there is no such object.
type Answer = Result<Option<Kept>, Fault>;
type Reading = BoxFuture<'static, Answer>;

/// Those of all accounts.
#[derive(Debug)]
pub struct Inventories {
    room: usize,
    inside: Mutex<Inside>,
    reading: Semaphore,
}

#[derive(Debug, Default)]
struct Inside {
    kept: HashMap<String, Used>,
    readings: HashMap<String, WeakShared<Reading>>,
    /// Counts the uses, so that the least recent one is known.
    uses: u64,
}

#[derive(Debug)]
struct Used {
    kept: Kept,
    bytes: usize,
    last: u64,
}

impl Inventories {
    /// Room for so many bytes of memory; the inventory that was read last is kept in any case.
    pub fn new(room: usize) -> Self {
        Self { room, inside: Mutex::default(), reading: Semaphore::new(AT_ONCE as usize) }
    }

    /// Waits until there is memory to read an object of so many bytes, of any kind; kept until it is parsed.
    pub async fn memory_for(&self, bytes: i64) -> Option<SemaphorePermit<'_>> {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(AT_ONCE).min(AT_ONCE);
        // It is never closed.
        self.reading.acquire_many(kib).await.ok()
    }

    /// The inventory called `name`, as S3 has it now. `read` is given what is kept, and gives that back where it still holds.
    pub async fn get<F>(
        self: &Arc<Self>,
        name: &str,
        read: impl FnOnce(Option<Kept>) -> F + Send + 'static,
    ) -> Result<Option<Arc<Inventory>>, Fault>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let reading = self.reading(name, read);
        Ok(reading.await?.map(|kept| kept.inventory))
    }

    fn reading<F>(
        self: &Arc<Self>,
        name: &str,
        read: impl FnOnce(Option<Kept>) -> F + Send + 'static,
    ) -> Shared<Reading>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut inside = self.inside();
        let begun = inside.readings.get(name).and_then(WeakShared::upgrade);
        // One that is done says how it was then, however long ago that is.
        if let Some(begun) = begun.filter(|reading| reading.peek().is_none()) {
            return begun;
        }
        let (all, owned) = (self.clone(), name.to_owned());
        let reading = async move {
            let known = all.inside().known(&owned);
            let answer = read(known).await;
            if let Ok(found) = &answer {
                all.inside().keep(&owned, found.clone(), all.room);
            }
            answer
        };
        let reading = reading.boxed().shared();
        inside.readings.retain(|_, reading| reading.upgrade().is_some());
        inside.readings.extend(reading.downgrade().map(|weak| (name.to_owned(), weak)));
        reading
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn known(&mut self, name: &str) -> Option<Kept> {
        self.uses += 1;
        let used = self.kept.get_mut(name)?;
        used.last = self.uses;
        Some(used.kept.clone())
    }

    /// Keeps what was read, and lets others go, those first that were not asked for the longest.
    fn keep(&mut self, name: &str, found: Option<Kept>, room: usize) {
        let Some(kept) = found else {
            self.kept.remove(name);
            return;
        };
        self.uses += 1;
        let bytes = match self.kept.get(name) {
            Some(before) if before.kept.etag == kept.etag => before.bytes,
            _ => weight(&kept.inventory),
        };
        self.kept.insert(name.to_owned(), Used { kept, bytes, last: self.uses });
        while self.kept.len() > 1 && self.kept.values().map(|used| used.bytes).sum::<usize>() > room {
            let oldest = self.kept.iter().min_by_key(|(_, used)| used.last).map(|(name, _)| name.clone());
            self.kept.remove(&oldest.unwrap_or_default());
        }
    }
}

/// What an inventory takes in memory, in bytes: some five times its length in S3, most of it for the maps.
fn weight(inventory: &Inventory) -> usize {
    let text = |text: &String| text.len() + STRING;
    let of = |owned: &Owned| {
        let attributes: usize = owned.attributes.iter().map(|(name, value)| text(name) + text(value)).sum();
        size_of::<Owned>() + text(&owned.address) + text(&owned.r#type) + MAP + attributes
    };
    inventory.resources.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(name: &str, resources: usize) -> Kept {
        let resource = json!({"address": "aws_s3_bucket.data", "type": "aws_s3_bucket", "attributes": {"id": "data"}});
        let inventory = json!({
            "workspace": name, "accountId": "111122223333", "region": "eu-west-1",
            "backend": {"bucket": "states", "key": name}, "resources": vec![resource; resources],
        });
        Kept { etag: "1".into(), inventory: Arc::new(serde_json::from_value(inventory).expect("an inventory")) }
    }

    #[tokio::test]
    async fn two_large_objects_are_not_in_memory_at_once_and_small_ones_are() {
        let (all, mebi) = (Inventories::new(0), 1024 * 1024);
        let large = all.memory_for(12 * mebi).await;
        assert!(all.memory_for(12 * mebi).now_or_never().is_none());
        assert!(all.memory_for(mebi).now_or_never().is_some());
        drop(large);
        assert!(all.memory_for(16 * mebi).now_or_never().is_some(), "the largest has room alone");
    }

    #[tokio::test]
    async fn what_was_not_asked_for_the_longest_goes_first_and_the_last_one_stays() {
        let one = weight(&kept("a", 10).inventory);
        let all = Arc::new(Inventories::new(2 * one));
        let read = async |name: &str, resources: usize| {
            let fresh = kept(name, resources);
            let was_kept = Arc::new(Mutex::new(false));
            let noted = was_kept.clone();
            let read = move |known: Option<Kept>| {
                *noted.lock().expect("nobody panics") = known.is_some();
                std::future::ready(Ok(Some(fresh)))
            };
            all.get(name, read).await.expect("read");
            *was_kept.lock().expect("nobody panics")
        };
        assert_eq!([read("a", 10).await, read("b", 10).await, read("a", 10).await], [false, false, true]);
        assert!(!read("c", 10).await, "and b goes");
        assert_eq!([read("a", 10).await, read("b", 10).await], [true, false]);
        assert!(!read("large", 100).await);
        assert_eq!([read("large", 100).await, read("a", 10).await], [true, false]);
    }
}
