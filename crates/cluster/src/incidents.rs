//! Every Incident as the others see it, and which of them are to be looked at.

use std::sync::{Arc, PoisonError, RwLock};

use kube::Client;
use kube::api::Api;
use reforge_api::Incident;
use reforge_core::index::{Glimpse, Index, Key, Row};
use reforge_core::words::ids::Id;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::changes::{Changes, Listener};
use crate::watch::{Told, follow};
use crate::writing::{Writes, Writing};

/// The index of all Incidents, kept by one watch and by the operator's own writes.
#[derive(Clone, Debug)]
pub struct Incidents {
    index: Arc<RwLock<Index>>,
    changes: Changes<Id>,
    pub(crate) writes: Writes,
    listed: watch::Sender<bool>,
}

impl Incidents {
    /// The index, and what keeps it until `stop`.
    pub fn watch(client: Client, stop: CancellationToken) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (changes, listed) = (Changes::default(), watch::Sender::new(false));
        let incidents = Self { index: Arc::default(), changes, writes: Writes::default(), listed };
        let watching = incidents.clone();
        (incidents, follow(Api::<Glimpse>::all(client), stop, move |told| watching.told(told)))
    }

    fn told(&self, told: Told<Glimpse>) {
        match told {
            Told::Relist => self.change(Index::begin_relist),
            Told::Is(glimpse) => self.take(Row::of(&glimpse)),
            Told::Gone(glimpse) => self.change(|index| index.remove(&Id::of(&glimpse))),
            Told::Listed => {
                self.change(Index::end_relist);
                self.listed.send_replace(true);
            }
        }
    }

    fn take(&self, row: Row) {
        let (id, version, is_over) = (row.id.clone(), row.version, row.is_over());
        if self.change(|index| index.put(row)) && !is_over && !self.writes.told(&id, version) {
            self.changes.mark(id);
        }
    }

    /// Takes in one that was read, or written for another's sake: as if the watch had brought it, so that whoever works on it is
    /// woken by what is new.
    pub(crate) fn read(&self, incident: &Incident) {
        self.take(Row::from(incident));
    }

    /// The operator is about to write an Incident: nobody is woken by what it writes.
    pub fn writing(&self, id: Id) -> Writing<'_> {
        Writing::begin(self, id)
    }

    /// Forgets one that is gone, as it was known at this resourceVersion: one of the same name that came since is another.
    pub fn forget(&self, id: &Id, version: u64) {
        self.change(|index| {
            if index.get(id).is_some_and(|row| row.version == version) {
                index.remove(id);
            }
        });
    }

    /// Wakes whoever works on the open Incidents of a policy.
    pub fn wake_of_policy(&self, policy: Key) {
        let ids: Vec<Id> = self.look(|index| index.open_of_policy(policy).map(|row| row.id.clone()).collect());
        for id in ids {
            self.changes.mark(id);
        }
    }

    /// Wakes whoever works on an Incident; whether anybody does here.
    pub fn wake(&self, id: Id) -> bool {
        self.changes.mark(id)
    }

    /// Every open Incident now, and each that changes from now on.
    pub fn listen(&self) -> Listener<Id> {
        let listener = self.changes.listen();
        let open: Vec<Id> = self.look(|index| index.open().map(|row| row.id.clone()).collect());
        for id in open {
            self.changes.mark(id);
        }
        listener
    }

    /// Asks the index. The answer is of this moment; nothing is waited for meanwhile.
    pub fn look<T>(&self, question: impl FnOnce(&Index) -> T) -> T {
        // Its lists are whole again by the next relist, whoever panicked with it in hand.
        question(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn change<T>(&self, how: impl FnOnce(&mut Index) -> T) -> T {
        how(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until every Incident was seen once; false: the watch has ended before.
    pub async fn ready(&self) -> bool {
        self.listed.subscribe().wait_for(|listed| *listed).await.is_ok()
    }
}
