//! From the queue to an Incident: [`queue`] receives, [`reforge_core::intake`] reads and decides, [`open`] stores. Calls no AWS
//! service but the queue. What the queue never brought is found beside it, by what watches.

pub mod open;
pub mod queue;

use std::sync::Arc;

use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use reforge_api::{ANNOTATION_HINT, Event, Handling, Incident, RecoveryPolicy, Time};
use reforge_cluster::{Incidents, Policies};
use reforge_core::catalog::Catalog;
use reforge_core::index::Key;
use reforge_core::index::own::Ours;
use reforge_core::intake::candidate::Candidate;
use reforge_core::intake::detect::{self, Detection, DropReason, Surroundings, Way};
use reforge_core::intake::event::{self, Message, Record};
use reforge_core::intake::naming;
use reforge_core::intake::notice::Notice;
use reforge_core::intake::own::claimed_build;
use reforge_core::intake::plumbing::Plumbing;
use reforge_core::intake::unreadable::Unreadable;
use reforge_core::policy::grants::Grants;
use reforge_core::words::ids::Id;
use serde_json::json;
use tokio::sync::watch;

use crate::runtime::metrics::Metrics;
use reforge_cluster::Workspaces;
use reforge_cluster::clock;
use reforge_cluster::{KubeCallError, kube_call};

use open::{OpenError, Stored};
use queue::Handled;

/// Of the events that open no Incident, one in so many is logged, for each reason.
const SAMPLED: u64 = 1000;

/// What handling a message needs.
pub struct Intake {
    /// The apiserver.
    pub client: Client,
    /// Every policy, as last seen.
    pub policies: Policies,
    /// Every Incident, as last seen: which builds are ours.
    pub incidents: Incidents,
    /// The workspaces, asked live: which builds are ours.
    pub workspaces: Workspaces,
    /// What is known of AWS's events.
    pub catalog: Arc<Catalog>,
    /// Who may recover what.
    pub grants: Grants,
    /// What Reforge itself stands on.
    pub plumbing: Plumbing,
    /// The roles that recovery builds run under.
    pub recovery_roles: Vec<String>,
    /// What is counted.
    pub metrics: Metrics,
    /// Closed when the apiserver refuses, so that receiving stops; [`crate::runtime::gate`] opens it again.
    pub open: watch::Sender<bool>,
}

impl Intake {
    /// Handles the body of one message.
    pub async fn handle(self: Arc<Self>, body: String) -> Handled {
        match event::parse(&body) {
            Ok(Message::ApiCall(record)) => self.api_call(&record, Way::Queue).await.0,
            Ok(Message::Notice(notice)) => self.notice(&notice).await,
            Ok(Message::Harmless) => {
                self.metrics.dropped("Harmless");
                Handled::Done
            }
            Ok(Message::BuildOver { build_id }) => {
                self.hint(&build_id).await;
                Handled::Done
            }
            Err(unreadable) => Self::set_aside(&unreadable),
        }
    }

    fn set_aside(why: &Unreadable) -> Handled {
        tracing::warn!(reason = %why, "an event cannot be read; it is set aside for people");
        Handled::DeadLetter(why.word(), why.to_string())
    }

    /// Handles a record, whichever way it came; gives the names of the Incidents back that it opened.
    pub async fn api_call(&self, record: &Record, way: Way) -> (Handled, Vec<String>) {
        let ours = match self.claims_to_be_ours(record).await {
            Ok(ours) => ours.by(clock::now(), record.event.time),
            Err(error) => {
                tracing::error!(event_id = record.event.id, %error, "whose build acts is not known; the message stays in the queue");
                self.open.send_replace(false);
                return (Handled::Keep, Vec::new());
            }
        };
        let policies = self.policies.all();
        let open_of = |namespace: &str, name: &str| self.open_of(namespace, name);
        let is_own_build = |_: &str, _: Time| ours;
        let around = Surroundings { way, ..self.surroundings(policies.as_ref(), &is_own_build, &open_of) };
        self.detected(&record.event, detect::detect(record, &around)).await
    }

    async fn notice(&self, notice: &Notice) -> Handled {
        let policies = self.policies.all();
        let open_of = |namespace: &str, name: &str| self.open_of(namespace, name);
        let detection =
            detect::detect_notice(notice, &self.surroundings(policies.as_ref(), &|_, _| Ours::No, &open_of));
        self.detected(&notice.event, detection).await.0
    }

    fn surroundings<'a>(
        &'a self,
        policies: &'a [Arc<RecoveryPolicy>],
        is_own_build: &'a (dyn Fn(&str, Time) -> Ours + Sync),
        open_of: &'a (dyn Fn(&str, &str) -> usize + Sync),
    ) -> Surroundings<'a> {
        Surroundings {
            way: Way::Queue,
            catalog: &self.catalog,
            policies,
            grants: &self.grants,
            plumbing: &self.plumbing,
            recovery_roles: &self.recovery_roles,
            is_own_build,
            open_of,
        }
    }

    /// How many Incidents of a policy have not ended, as last seen.
    fn open_of(&self, namespace: &str, policy: &str) -> usize {
        self.incidents.look(|index| index.open_of_policy(Key::of_policy(namespace, policy)).count())
    }

    /// A policy that this version cannot read, of a newer one, in a namespace that may recover what the event is about: nobody can
    /// tell whether it takes it, nor whether it is handed down to another one by that.
    fn unread(&self, event: &Event, detection: &Detection) -> Option<Id> {
        let is_for_policies = match detection {
            Detection::Open(taken) | Detection::OpenSome(taken, _) => {
                taken.iter().any(|c| c.handling == Handling::Recover)
            }
            Detection::Drop(reason) => matches!(reason, DropReason::NoPolicy | DropReason::TooManyWait),
            Detection::Later => false,
        };
        let mut unreadable = if is_for_policies { self.policies.unreadable() } else { Vec::new() }.into_iter();
        unreadable.find(|id| self.grants.allows(&id.namespace, &event.account_id, &event.region))
    }

    async fn detected(&self, event: &Event, detection: Result<Detection, Unreadable>) -> (Handled, Vec<String>) {
        if let Some(policy) = detection.as_ref().ok().and_then(|detection| self.unread(event, detection)) {
            tracing::error!(
                event_id = event.id,
                %policy,
                "this version cannot read a policy that may take the event; it stays in the queue: upgrade the operator, or change the policy"
            );
            return (Handled::Keep, Vec::new());
        }
        match detection {
            Ok(Detection::Drop(reason)) => {
                self.drop(event, reason);
                (Handled::Done, Vec::new())
            }
            Ok(Detection::Open(candidates)) => self.open_all(&candidates).await,
            Ok(Detection::OpenSome(candidates, unreadable)) => match self.open_all(&candidates).await {
                (Handled::Done, opened) => (Self::set_aside(&unreadable), opened),
                (Handled::DeadLetter(word, what), opened) => {
                    (Handled::DeadLetter(word, format!("{what}; {unreadable}")), opened)
                }
                kept => kept,
            },
            Ok(Detection::Later) => {
                tracing::debug!(event_id = event.id, "a build acts that may be ours; its message comes again");
                (Handled::Keep, Vec::new())
            }
            Err(unreadable) => (Self::set_aside(&unreadable), Vec::new()),
        }
    }

    /// Counts what opens no Incident, and shows the first of each reason and then one in a thousand.
    fn drop(&self, event: &Event, reason: DropReason) {
        let count = self.metrics.dropped(reason.word());
        if count % SAMPLED == 1 {
            tracing::info!(
                event_id = event.id,
                event = event.name,
                actor = event.actor.arn,
                reason = reason.word(),
                count,
                "an event opens no Incident; one in {SAMPLED} of each reason is shown"
            );
        }
    }

    /// Stores the Incidents of a message, those that can be. What one of them cannot have is its own matter, and goes to
    /// people. Where none can be stored now, the message comes again, and finds those that were.
    async fn open_all(&self, candidates: &[Candidate]) -> (Handled, Vec<String>) {
        let (mut opened, mut set_aside, mut again) = (Vec::new(), Vec::new(), false);
        for candidate in candidates {
            let name = naming::name_of(candidate);
            let error = match open::open(&self.client, candidate).await {
                Ok(Stored::New) => {
                    self.metrics.opened(&candidate.resource.r#type);
                    tracing::info!(
                        event_id = candidate.event.id,
                        incident = name,
                        event = candidate.event.name,
                        resource = candidate.resource.id,
                        "an Incident was opened"
                    );
                    opened.push(name);
                    continue;
                }
                Ok(Stored::Known) => {
                    self.metrics.redelivered.inc();
                    continue;
                }
                Err(error) => error,
            };
            if let Some(word) = error.set_aside() {
                set_aside.push((word, error.to_string()));
                continue;
            }
            tracing::error!(event_id = candidate.event.id, incident = name, %error, "the event is kept, and comes again");
            again = true;
            if matches!(error, OpenError::Away { .. }) {
                self.open.send_replace(false);
                break;
            }
        }
        if again {
            return (Handled::Keep, opened);
        }
        for (reason, what) in &set_aside {
            self.metrics.refused(reason);
            let event_id = candidates.first().map(|c| c.event.id.as_str());
            tracing::error!(event_id, reason, what, "an Incident cannot be stored; its event is set aside for people");
        }
        let said: Vec<&str> = set_aside.iter().map(|(_, what)| what.as_str()).collect();
        let dead = set_aside.first().map(|(word, _)| Handled::DeadLetter(word, said.join("; ")));
        (dead.unwrap_or(Handled::Done), opened)
    }

    /// Whether a recovery role acts in the session of a build of ours. What the index does not know of is asked for live: an
    /// Incident is stored with its intent before its build is started, but the index can be behind, most of all after the
    /// apiserver was away. Nothing is asked about an event that is of no interest.
    async fn claims_to_be_ours(&self, record: &Record) -> Result<Ours, KubeCallError> {
        let event = &record.event;
        let Some(uuid) = claimed_build(event, &self.recovery_roles) else { return Ok(Ours::No) };
        if !detect::is_of_interest(record, &self.catalog) {
            return Ok(Ours::No);
        }
        match self.incidents.look(|index| (index.ours(uuid, event.time), index.has_build(uuid))) {
            (Ours::No, false) => self.workspaces.ours(uuid, event.time).await,
            (known, _) => Ok(known),
        }
    }

    /// Wakes the Incident that waits for a build: at once where this replica works on Incidents, else by a word that the leader
    /// sees. Only a hint: the leader asks CodeBuild. A lost one costs a poll.
    async fn hint(&self, build_id: &str) {
        let Some(id) = self.incidents.look(|index| index.waiting_for(build_id).map(|row| row.id.clone())) else {
            return;
        };
        if self.incidents.wake(id.clone()) {
            return;
        }
        let api: Api<Incident> = Api::namespaced(self.client.clone(), &id.namespace);
        let now = clock::now().to_string();
        let patch = json!({"metadata": {"annotations": {ANNOTATION_HINT: now}}});
        let params = PatchParams { field_manager: Some("reforge-intake".to_owned()), ..PatchParams::default() };
        if let Err(error) = kube_call(api.patch(&id.name, &params, &Patch::Merge(&patch))).await {
            tracing::debug!(%error, build_id, "the Incident was not woken; it polls");
        }
    }
}
