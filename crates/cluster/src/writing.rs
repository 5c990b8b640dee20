//! The operator's own writes, for as long as their answers are not there: what the watch tells meanwhile may be the very write,
//! which wakes nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reforge_api::Incident;
use reforge_core::index::Row;
use reforge_core::words::ids::Id;

use crate::incidents::Incidents;

/// The Incidents that are being written, and the newest of each that the watch told of meanwhile, by its resourceVersion.
#[derive(Clone, Debug, Default)]
pub struct Writes(Arc<Mutex<BTreeMap<Id, u64>>>);

impl Writes {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Id, u64>> {
        // A map is whole whoever panicked with it in hand.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the watch tells of one; whether it is being written.
    pub(crate) fn told(&self, id: &Id, version: u64) -> bool {
        let mut all = self.all();
        let Some(newest) = all.get_mut(id) else { return false };
        *newest = version.max(*newest);
        true
    }
}

/// A write of an Incident that is under way. When it is over, whoever works on the Incident is woken if somebody else has
/// written since.
#[derive(Debug)]
pub struct Writing<'a> {
    incidents: &'a Incidents,
    id: Id,
    written: u64,
}

impl<'a> Writing<'a> {
    pub(crate) fn begin(incidents: &'a Incidents, id: Id) -> Self {
        incidents.writes.all().insert(id.clone(), 0);
        Self { incidents, id, written: 0 }
    }

    /// Takes in what was written, so that it is known before the watch brings it.
    pub fn done(mut self, incident: &Incident) {
        let row = Row::from(incident);
        self.written = row.version;
        self.incidents.change(|index| index.put(row));
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let told = self.incidents.writes.all().remove(&self.id);
        if told.is_some_and(|told| told > self.written) {
            self.incidents.wake(self.id.clone());
        }
    }
}
