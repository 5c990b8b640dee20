//! The Incidents as the others see them: one [`Row`] each, found by resource, Terraform state, build and policy. Fed by a watch,
//! and by the operator's own writes, which are in it before they come back. It may be behind what is stored; what must not be
//! is asked of the apiserver.
//!
//! Each question costs what its answer has, however many Incidents there are.

mod glimpse;
pub mod own;
mod row;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reforge_api::{Handling, StepName, Time};

use crate::words::ids::Id;
use own::Ours;

pub use glimpse::Glimpse;
pub use row::{Build, Ended, How, Key, Row, Work};

/// A place in the index.
type Slot = u32;

/// The Incidents, as the others see them.
#[derive(Debug, Default)]
pub struct Index {
    rows: Vec<Option<Row>>,
    free: Vec<Slot>,
    ids: BTreeMap<Id, Slot>,
    shared: BTreeSet<Arc<str>>,
    by_resource: BTreeSet<(Key, Slot)>,
    by_backend: BTreeSet<(Key, Slot)>,
    by_build: BTreeSet<(Key, Slot)>,
    by_policy: BTreeSet<(Key, Time, Slot)>,
    open: BTreeSet<(Key, Slot)>,
    applying: BTreeSet<(Key, Slot)>,
    starting: BTreeSet<Slot>,
    ended: BTreeSet<(Time, Slot)>,
    canaries: BTreeSet<(Time, Slot)>,
    /// Those that a relist has not named yet, as they were known when it began.
    unnamed: Option<BTreeMap<Id, u64>>,
}

impl Index {
    /// Takes a row in; false when it says nothing new, or is older than what is known.
    ///
    /// A list that says less than was known when it began is of a cluster that was restored: then it is right all the same.
    pub fn put(&mut self, mut row: Row) -> bool {
        let began = self.unnamed.as_mut().and_then(|unnamed| unnamed.remove(&row.id));
        if let Some(known) = self.get(&row.id) {
            let is_restored = began == Some(known.version);
            if (row.version < known.version && !is_restored) || *known == row {
                return false;
            }
            let id = row.id.clone();
            self.remove(&id);
        }
        row.id.namespace = self.share(&row.id.namespace);
        row.region = self.share(&row.region);
        row.actor = self.share(&row.actor);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            Slot::try_from(self.rows.len() - 1).unwrap_or(Slot::MAX)
        });
        self.list(&row, slot);
        self.ids.insert(row.id.clone(), slot);
        self.rows[slot as usize] = Some(row);
        true
    }

    /// Forgets an Incident that is gone.
    pub fn remove(&mut self, id: &Id) {
        let Some(slot) = self.ids.remove(id) else { return };
        if let Some(row) = self.rows[slot as usize].take() {
            self.unlist(&row, slot);
            self.free.push(slot);
        }
    }

    /// A relist begins: what it does not name until it [ends](Self::end_relist) is gone.
    pub fn begin_relist(&mut self) {
        let known = self.ids.iter().filter_map(|(id, slot)| Some((id.clone(), self.at(*slot)?.version)));
        self.unnamed = Some(known.collect());
    }

    /// A relist has named all that there is.
    pub fn end_relist(&mut self) {
        for id in self.unnamed.take().unwrap_or_default().into_keys() {
            self.remove(&id);
        }
    }

    /// How many Incidents there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many have not ended.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// An Incident.
    pub fn get(&self, id: &Id) -> Option<&Row> {
        self.ids.get(id).and_then(|slot| self.at(*slot))
    }

    /// Those about a resource, in whatever namespace and region.
    pub fn of_resource(&self, resource: Key) -> impl Iterator<Item = &Row> + Clone {
        self.in_set(&self.by_resource, resource)
    }

    /// Those that a workspace with this Terraform state owns.
    pub fn of_backend(&self, backend: Key) -> impl Iterator<Item = &Row> + Clone {
        self.in_set(&self.by_backend, backend)
    }

    /// Those of a policy that were created at a time or later.
    pub fn of_policy_since(&self, policy: Key, since: Time) -> impl Iterator<Item = &Row> {
        let range = self.by_policy.range((policy, since, 0)..=(policy, Time(i64::MAX), Slot::MAX));
        range.filter_map(|(_, _, slot)| self.at(*slot))
    }

    /// Those of a policy that have not ended.
    pub fn open_of_policy(&self, policy: Key) -> impl Iterator<Item = &Row> {
        self.in_set(&self.open, policy)
    }

    /// All that have not ended.
    pub fn open(&self) -> impl Iterator<Item = &Row> {
        self.open.iter().filter_map(|(_, slot)| self.at(*slot))
    }

    /// Those of a policy that apply right now.
    pub fn applying(&self, policy: Key) -> impl Iterator<Item = &Row> {
        self.in_set(&self.applying, policy)
    }

    /// Whether a build, by its UUID, is one of ours that was at work at that time.
    pub fn ours(&self, uuid: &str, at: Time) -> Ours {
        let starting = self.starting.iter().filter_map(|slot| self.at(*slot));
        let candidates = self.in_set(&self.by_build, Key::of_build(uuid)).chain(starting);
        own::own_build(candidates.filter_map(|row| row.work.as_deref()), uuid, at)
    }

    /// Whether a build, by its UUID, is known.
    pub fn has_build(&self, uuid: &str) -> bool {
        self.in_set(&self.by_build, Key::of_build(uuid)).next().is_some()
    }

    /// The Incident that waits for a build.
    pub fn waiting_for(&self, build_id: &str) -> Option<&Row> {
        let key = Key::of_build(build_id);
        let waits = |row: &&Row| !row.is_over() && row.work.as_ref().is_some_and(|w| w.build == Some(key));
        self.in_set(&self.by_build, key).find(waits)
    }

    /// Those that ended before a time, longest ago first.
    pub fn ended_before(&self, time: Time) -> impl Iterator<Item = &Row> {
        self.ended.range(..(time, 0)).filter_map(|(_, slot)| self.at(*slot))
    }

    /// When the last canary was written that came back.
    pub fn last_canary(&self) -> Option<Time> {
        self.canaries.last().map(|(time, _)| *time)
    }

    /// When the oldest was created.
    pub fn oldest(&self) -> Option<Time> {
        self.rows.iter().flatten().map(|row| row.created).min()
    }

    fn at(&self, slot: Slot) -> Option<&Row> {
        self.rows.get(slot as usize)?.as_ref()
    }

    fn in_set<'a>(&'a self, set: &'a BTreeSet<(Key, Slot)>, key: Key) -> impl Iterator<Item = &'a Row> + Clone {
        set.range((key, 0)..=(key, Slot::MAX)).filter_map(|(_, slot)| self.at(*slot))
    }

    /// The text that all who have it share.
    fn share(&mut self, text: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.shared.get(text) {
            return known.clone();
        }
        self.shared.insert(text.clone());
        text.clone()
    }

    fn list(&mut self, row: &Row, slot: Slot) {
        self.by_resource.insert((row.resource, slot));
        self.by_policy.insert((row.policy, row.created, slot));
        match row.ended {
            Some(ended) => {
                // One that does not say when is as old as it is.
                self.ended.insert((ended.at.unwrap_or(row.created), slot));
            }
            None => {
                self.open.insert((row.policy, slot));
            }
        }
        if row.step == Some(StepName::Apply) {
            self.applying.insert((row.policy, slot));
        }
        if row.handling == Some(Handling::Canary) {
            self.canaries.insert((row.time, slot));
        }
        let Some(work) = &row.work else { return };
        self.by_backend.extend(work.backend.map(|backend| (backend, slot)));
        self.by_build.extend(work.builds.iter().map(|build| (build.uuid, slot)));
        if work.starting.is_some() {
            self.starting.insert(slot);
        }
    }

    fn unlist(&mut self, row: &Row, slot: Slot) {
        self.by_resource.remove(&(row.resource, slot));
        self.by_policy.remove(&(row.policy, row.created, slot));
        self.ended.remove(&(row.ended.and_then(|e| e.at).unwrap_or(row.created), slot));
        self.open.remove(&(row.policy, slot));
        self.applying.remove(&(row.policy, slot));
        self.canaries.remove(&(row.time, slot));
        let Some(work) = &row.work else { return };
        if let Some(backend) = work.backend {
            self.by_backend.remove(&(backend, slot));
        }
        for build in &work.builds {
            self.by_build.remove(&(build.uuid, slot));
        }
        self.starting.remove(&slot);
    }
}
