//! The places among the applies of each policy, and what is drawn in a storm: the Incidents of a policy are judged one after
//! the other, and each sees what was cleared for those before it, whether that is written in them yet or not.
//!
//! What another leader could take as well is stored before it is used: in one Lease a policy, read once a term and known from
//! then on, and written by compare-and-swap, as many clears at once as wait. Where that fails somebody else has written, and all
//! of them look again. A leader that does not know yet that it is none any more finds out there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use reforge_api::{ANNOTATION_HINT, Incident, StepName, Time};
use reforge_core::incident::around::{Place, place};
use reforge_core::index::Row;
use reforge_core::policy::reserve::{Reservation, Reservations, Reserve};
use reforge_core::words::ids::Id;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::call::{KubeCallError, kube_call};
use crate::incidents::Incidents;

const ANNOTATION_RESERVATIONS: &str = "reforge.dev/reservations";
const ANNOTATION_POLICY: &str = "reforge.dev/policy";
/// How often one looks again at once, where others write all the time.
const MAX_LOOKS: usize = 8;

/// The reservations of all policies, as far as this term has come across them.
#[derive(Clone)]
pub struct Places {
    client: Client,
    leases: Api<Lease>,
    incidents: Incidents,
    books: Arc<Mutex<BTreeMap<Id, Arc<Book>>>>,
}

/// The reservations of one policy.
#[derive(Default)]
struct Book {
    page: Mutex<Page>,
    /// The Lease as it was last read or written; whoever has the lock writes.
    lease: tokio::sync::Mutex<Option<Lease>>,
}

#[derive(Debug, Default)]
struct Page {
    /// All that count.
    known: Reservations,
    /// Whose are about to be written in their Incident, by this process.
    in_flight: BTreeSet<String>,
    /// Whose have to be stored, and are not yet; all of them are in flight.
    unstored: BTreeSet<String>,
    /// Whether what is stored was read, and is among those that are known.
    is_read: bool,
}

/// What an Incident has taken. It is for the Incident itself to say what becomes of it once this is dropped: by then the clear
/// is written there, or never will be.
pub struct Taken {
    book: Arc<Book>,
    incident: String,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut page = self.book.page();
        page.in_flight.remove(&self.incident);
        page.unstored.remove(&self.incident);
    }
}

impl Places {
    /// Stored in the operator's own namespace.
    pub fn new(client: Client, namespace: &str, incidents: Incidents) -> Self {
        Self { leases: Api::namespaced(client.clone(), namespace), client, incidents, books: Arc::default() }
    }

    /// Forgets what a former term knew: another leader may have written since.
    pub fn begin_term(&self) {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Decides on an Incident with what the others of its policy have taken, and takes what the decision does; where it has to
    /// be stored, it is. The `decision` is asked again where something else turns out to be taken. Since `then` draws count.
    ///
    /// # Errors
    /// When the apiserver does not answer, or others write all the time: nothing is taken.
    pub async fn decide<T>(
        &self,
        (policy, me): (&Id, &Row),
        (now, then): (Time, Time),
        mut decision: impl FnMut(&Reservations) -> (T, Option<Reserve>),
    ) -> Result<(T, Option<Taken>), KubeCallError> {
        let book = self.books.lock().unwrap_or_else(PoisonError::into_inner).entry(policy.clone()).or_default().clone();
        let mut has_asked = false;
        for _ in 0..MAX_LOOKS {
            let unknown = self.forget(&book, me, then);
            let (decided, taken) = book.look(me, now, &mut decision);
            match taken {
                Some((taken, false)) => return Ok((decided, Some(taken))),
                Some((taken, true)) => {
                    if self.store(&book, policy, &taken.incident).await? {
                        return Ok((decided, Some(taken)));
                    }
                }
                None if unknown.is_empty() || has_asked => return Ok((decided, None)),
                // Who waits does so for what others do, and not for what is not known of them.
                None => {
                    has_asked = true;
                    for reservation in unknown {
                        self.ask(&book, &reservation).await;
                    }
                }
            }
        }
        Err(KubeCallError::Lost("others reserve applies of the policy all the time"))
    }

    /// Forgets what is over, and gives the others' places back that the index cannot tell of.
    fn forget(&self, book: &Book, me: &Row, then: Time) -> Vec<Reservation> {
        let mut page = book.page();
        let Page { known, in_flight, .. } = &mut *page;
        self.incidents.look(|index| {
            let is = |r: &Reservation, as_it: Place| !in_flight.contains(&r.incident) && place(index, r) == as_it;
            known.forget(then, |r| is(r, Place::Free));
            known.beside(&me.id.to_string()).filter(|r| is(r, Place::Unknown)).cloned().collect()
        })
    }

    /// Asks the apiserver about a place that the index cannot tell of. Where the clear is not written in the Incident, somebody
    /// may be about to do so: the Incident is written to, so that this cannot be stored any more.
    async fn ask(&self, book: &Book, reservation: &Reservation) {
        let Some(id) = Id::parse(&reservation.incident) else { return };
        let incidents: Api<Incident> = Api::namespaced(self.client.clone(), &id.namespace);
        let asked = async {
            let Some(live) = kube_call(incidents.get_opt(&id.name)).await? else {
                book.page().known.0.retain(|r| r != reservation);
                return Ok(());
            };
            self.incidents.read(&live);
            let row = Row::from(&live);
            if row.version > reservation.version || row.step == Some(StepName::Apply) {
                return Ok(());
            }
            let hint = format!("place freed at {}", reservation.at);
            let patch = json!({"metadata": {"resourceVersion": live.resource_version(), "annotations": {ANNOTATION_HINT: hint}}});
            let touched = kube_call(incidents.patch(&id.name, &PatchParams::default(), &Patch::Merge(&patch))).await?;
            self.incidents.read(&touched);
            Ok::<_, KubeCallError>(())
        };
        if let Err(error) = asked.await {
            tracing::warn!(incident = %id, %error, "whether it applies cannot be asked; its place is kept");
        }
    }

    /// Stores what waits to be; false: somebody else has written, or it was not read yet, and whoever waits has to look again.
    async fn store(&self, book: &Book, policy: &Id, me: &str) -> Result<bool, KubeCallError> {
        let mut lease = book.lease.lock().await;
        let (all, waiting) = {
            let page = book.page();
            if !page.in_flight.contains(me) {
                return Ok(false);
            }
            if page.is_read && !page.unstored.contains(me) {
                return Ok(true);
            }
            (page.known.clone(), page.is_read.then(|| page.unstored.clone()))
        };
        if let Some(waiting) = waiting {
            match self.write(policy, lease.as_ref(), &all).await {
                Ok(written) => {
                    *lease = Some(written);
                    book.page().unstored.retain(|who| !waiting.contains(who));
                    return Ok(true);
                }
                // Whatever became of it is found by reading it again.
                Err(error) if !error.is_conflict() => {
                    book.page().lose();
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        book.page().lose();
        *lease = kube_call(self.leases.get_opt(&lease_name(policy))).await?;
        let text = lease.as_ref().and_then(|lease| lease.annotations().get(ANNOTATION_RESERVATIONS));
        let stored = text.map_or_else(|| Ok(Reservations::default()), |text| serde_json::from_str(text))?;
        book.page().read(stored);
        Ok(false)
    }

    async fn write(&self, policy: &Id, lease: Option<&Lease>, all: &Reservations) -> Result<Lease, KubeCallError> {
        let metadata = ObjectMeta { name: Some(lease_name(policy)), ..ObjectMeta::default() };
        let mut next = lease.cloned().unwrap_or_else(|| Lease { metadata, spec: None });
        let annotations = next.annotations_mut();
        annotations.insert(ANNOTATION_POLICY.to_owned(), policy.to_string());
        annotations.insert(ANNOTATION_RESERVATIONS.to_owned(), serde_json::to_string(all)?);
        let params = PostParams::default();
        match lease {
            Some(_) => kube_call(self.leases.replace(&next.name_any(), &params, &next)).await,
            None => kube_call(self.leases.create(&params, &next)).await,
        }
    }
}

impl Book {
    fn page(&self) -> MutexGuard<'_, Page> {
        // Sets of names are whole whoever panicked with them in hand.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides, and takes what that does, with nobody between; and says whether it has to be stored.
    fn look<T>(
        self: &Arc<Self>,
        me: &Row,
        now: Time,
        decision: &mut impl FnMut(&Reservations) -> (T, Option<Reserve>),
    ) -> (T, Option<(Taken, bool)>) {
        let incident = me.id.to_string();
        let mut page = self.page();
        let (decided, reserve) = decision(&page.known);
        let Some(reserve) = reserve else { return (decided, None) };
        let applies = me.step == Some(StepName::Apply);
        let has = |own: &Reservation| applies && (own.in_storm || !reserve.in_storm);
        let is_new = !page.known.of(&incident).is_some_and(has);
        page.in_flight.insert(incident.clone());
        let reservation =
            Reservation { incident: incident.clone(), version: me.version, at: now, in_storm: reserve.in_storm };
        // Where there is no room a human was asked, whose word goes before a limit.
        if is_new && page.known.add(reservation) && reserve.is_stored {
            page.unstored.insert(incident.clone());
        }
        (decided, Some((Taken { book: self.clone(), incident }, reserve.is_stored)))
    }
}

impl Page {
    /// What waits to be stored is not, and what is has to be read again.
    fn lose(&mut self) {
        let Self { known, in_flight, unstored, is_read } = self;
        known.0.retain(|r| !unstored.contains(&r.incident));
        in_flight.retain(|who| !unstored.contains(who));
        unstored.clear();
        *is_read = false;
    }

    /// Takes in what is stored. What is in flight and need not be stored counts beside it.
    fn read(&mut self, stored: Reservations) {
        let own = std::mem::replace(&mut self.known, stored).0;
        for reservation in own.into_iter().filter(|r| self.in_flight.contains(&r.incident)) {
            self.known.add(reservation);
        }
        self.is_read = true;
    }
}

fn lease_name(policy: &Id) -> String {
    let digest = hex::encode(Sha256::digest(policy.to_string()));
    format!("rpol-{}", &digest[..20])
}
