//! One workspace, one writer: a `Lease` per Terraform state in the operator's namespace says which Incident works on
//! it. Taken and given back by compare-and-swap; keyed by bucket and key of the state, not by project.
//!
//! It is the inner fence. The outer ones are CodeBuild's concurrent-build limit, the plan's single claim in S3 and
//! Terraform's own state lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use reforge_api::{Incident, Time};
use reforge_core::incident::fences::works;
use reforge_core::index::Work;
use reforge_core::index::own::{Ours, own_build, was_at_work};
use reforge_core::policy::limits::{Apply, Ledger};
use reforge_core::words::ids::{Id, uuid_of};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::call::{KubeCallError, kube_call};
use crate::clock;

const ANNOTATION_BUILDS: &str = "reforge.dev/builds";
const ANNOTATION_ACCOUNT: &str = "reforge.dev/account";
const ANNOTATION_BACKEND: &str = "reforge.dev/backend";
const ANNOTATION_APPLIES: &str = "reforge.dev/applies";
const ANNOTATION_SUCCESSFUL: &str = "reforge.dev/last-successful-source-version";
/// The most builds that a workspace's record has; of one that is busy all day these are those of some hours.
const MAX_BUILDS: usize = 128;
/// Leases that are asked for at once.
const PAGE: u32 = 100;
/// After this long a holder that no longer exists can have no start of a build under way any more, in seconds.
const ABANDONED: i64 = 600;

/// CodeBuild's word on a build, which this crate does not ask for itself.
pub trait CodeBuild: Send + Sync {
    /// Whether a build runs; without an account: of the operator's own.
    fn runs<'a>(&'a self, account: Option<&'a str>, build: &'a str) -> BoxFuture<'a, Runs>;
}

/// Whether a build runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// It does; or nobody could be asked, which is no reason to believe that it is over.
    Yes,
    /// It is over.
    No,
    /// CodeBuild knows no such build.
    Unheard,
}

/// The leases of all workspaces.
#[derive(Clone)]
pub struct Workspaces {
    client: Client,
    leases: Api<Lease>,
    builds: Arc<dyn CodeBuild>,
}

impl Workspaces {
    /// Leases in the operator's own namespace.
    pub fn new(client: Client, namespace: &str, builds: Arc<dyn CodeBuild>) -> Self {
        Self { leases: Api::namespaced(client.clone(), namespace), client, builds }
    }

    /// Who works on the workspace, if it is somebody else.
    pub async fn held_by_other(&self, backend: &str, me: &Id) -> Result<Option<String>, KubeCallError> {
        match self.read(backend).await? {
            Some(lease) => self.other(&lease, me).await,
            None => Ok(None),
        }
    }

    /// Takes the workspace; gives back who has it where somebody else does.
    pub async fn take(&self, backend: &str, me: &Id) -> Result<Result<(), String>, KubeCallError> {
        let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
        let spec = LeaseSpec { holder_identity: Some(me.to_string()), acquire_time: Some(now), ..LeaseSpec::default() };
        let written = match self.read(backend).await? {
            Some(lease) if holder(&lease).as_ref() == Some(me) => return Ok(Ok(())),
            Some(mut lease) => {
                if let Some(other) = self.other(&lease, me).await? {
                    return Ok(Err(other));
                }
                close(&mut lease)?;
                lease.spec = Some(spec);
                self.replace(&lease).await
            }
            None => {
                let annotations = BTreeMap::from([(ANNOTATION_BACKEND.to_owned(), backend.to_owned())]);
                let metadata = ObjectMeta {
                    name: Some(lease_name(backend)),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                };
                let lease = Lease { metadata, spec: Some(spec) };
                kube_call(self.leases.create(&PostParams::default(), &lease)).await
            }
        };
        match written {
            Ok(_) => Ok(Ok(())),
            Err(e) if e.is_conflict() => Ok(Err("another Incident, just now".to_owned())),
            Err(e) => Err(e),
        }
    }

    /// Notes the build that works on the workspace, its account and when it started, so that it is known even when the Incident
    /// is gone.
    pub async fn note_build(
        &self,
        backend: &str,
        me: &Id,
        (account, build, start): (&str, &str, Time),
    ) -> Result<(), KubeCallError> {
        let Some(mut lease) = self.read(backend).await?.filter(|l| holder(l).as_ref() == Some(me)) else {
            return Ok(());
        };
        if open_build(&lease)?.is_some_and(|open| open.id == build) {
            return Ok(());
        }
        close(&mut lease)?;
        let mut builds = builds_of(&lease)?;
        builds.push(Noted { id: build.to_owned(), start, end: None });
        builds.drain(..builds.len().saturating_sub(MAX_BUILDS));
        write_builds(&mut lease, &builds)?;
        lease.annotations_mut().insert(ANNOTATION_ACCOUNT.to_owned(), account.to_owned());
        self.replace(&lease).await.map(|_| ())
    }

    /// What was applied lately in the workspace. One that cannot be read is an error: a limit must not be forgotten.
    pub async fn ledger(&self, backend: &str) -> Result<Ledger, KubeCallError> {
        let lease = self.read(backend).await?;
        lease.map_or_else(|| Ok(Ledger::default()), |lease| ledger_of(&lease))
    }

    /// Notes that an apply is about to start, before it does; once for each Incident and attempt. Only who has the
    /// workspace may.
    pub async fn note_apply(&self, backend: &str, me: &Id, apply: &Apply) -> Result<(), KubeCallError> {
        let held = self.read(backend).await?.filter(|l| holder(l).as_ref() == Some(me));
        let mut lease = held.ok_or_else(|| KubeCallError::Lost("the workspace is no longer this Incident's"))?;
        let mut ledger = ledger_of(&lease)?;
        if !ledger.add(apply.clone()) {
            return Ok(());
        }
        let text = serde_json::to_string(&ledger)?;
        lease.annotations_mut().insert(ANNOTATION_APPLIES.to_owned(), text);
        self.replace(&lease).await.map(|_| ())
    }

    /// The source version that recovered well last.
    pub async fn last_successful(&self, backend: &str) -> Result<Option<String>, KubeCallError> {
        let lease = self.read(backend).await?;
        Ok(lease.and_then(|l| l.annotations().get(ANNOTATION_SUCCESSFUL).cloned()))
    }

    /// Notes a source version that recovered well, whoever has the workspace by now.
    pub async fn note_success(&self, backend: &str, version: &str) -> Result<(), KubeCallError> {
        loop {
            let Some(mut lease) = self.read(backend).await? else { return Ok(()) };
            if lease.annotations().get(ANNOTATION_SUCCESSFUL).is_some_and(|v| v == version) {
                return Ok(());
            }
            lease.annotations_mut().insert(ANNOTATION_SUCCESSFUL.to_owned(), version.to_owned());
            match self.replace(&lease).await {
                Err(e) if e.is_conflict() => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// Gives the workspace back; nothing happens when somebody else has it.
    pub async fn release(&self, backend: &str, me: &Id) -> Result<(), KubeCallError> {
        let Some(mut lease) = self.read(backend).await?.filter(|l| holder(l).as_ref() == Some(me)) else {
            return Ok(());
        };
        close(&mut lease)?;
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        match self.replace(&lease).await {
            Err(e) if e.is_conflict() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Whether a build, by its UUID, is one of ours that was at work at that time, asked live: of the workspaces' records, which
    /// outlive the Incidents, and of the Incidents that are at work now.
    pub async fn ours(&self, uuid: &str, at: Time) -> Result<Ours, KubeCallError> {
        let mut works = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let listed = kube_call(self.leases.list(&page)).await?;
            for lease in listed.items.iter().filter(|l| l.annotations().contains_key(ANNOTATION_BACKEND)) {
                let noted = builds_of(lease)?;
                if let Some(build) = noted.iter().find(|b| uuid_of(&b.id) == uuid) {
                    return Ok(if was_at_work(Some(build.start), build.end, at) { Ours::Yes } else { Ours::No });
                }
                if let Some(holder) = holder(lease) {
                    let incidents: Api<Incident> = Api::namespaced(self.client.clone(), &holder.namespace);
                    let incident = kube_call(incidents.get_opt(&holder.name)).await?;
                    works.extend(incident.and_then(|i| i.status).as_ref().map(Work::from));
                }
            }
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(own_build(works.iter(), uuid, at)),
            }
        }
    }

    async fn read(&self, backend: &str) -> Result<Option<Lease>, KubeCallError> {
        kube_call(self.leases.get_opt(&lease_name(backend))).await
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, KubeCallError> {
        kube_call(self.leases.replace(&lease.name_any(), &PostParams::default(), lease)).await
    }

    /// Who holds the lease, unless it is `me`, nobody, or somebody who is done with it.
    async fn other(&self, lease: &Lease, me: &Id) -> Result<Option<String>, KubeCallError> {
        let Some(other) = holder(lease).filter(|h| h != me) else { return Ok(None) };
        let incidents: Api<Incident> = Api::namespaced(self.client.clone(), &other.namespace);
        let incident = kube_call(incidents.get_opt(&other.name)).await?;
        if incident.as_ref().and_then(|i| i.status.as_ref()).is_some_and(works) {
            return Ok(Some(other.to_string()));
        }
        let running = match open_build(lease)? {
            Some(build) => self.runs(lease, &build.id).await,
            None => incident.is_none() && age_seconds(lease) < ABANDONED,
        };
        Ok(running.then(|| other.to_string()))
    }
}

impl Workspaces {
    async fn runs(&self, lease: &Lease, build: &str) -> bool {
        let account = lease.annotations().get(ANNOTATION_ACCOUNT);
        match self.builds.runs(account.map(String::as_str), build).await {
            Runs::Yes => true,
            Runs::No => false,
            // Right after its start it may not be told of yet.
            Runs::Unheard => age_seconds(lease) < ABANDONED,
        }
    }
}

fn holder(lease: &Lease) -> Option<Id> {
    lease.spec.as_ref()?.holder_identity.as_deref().and_then(Id::parse)
}

/// A build as a workspace's record has it.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    id: String,
    /// When it started.
    start: Time,
    /// When the workspace was given back, or the next build started.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Time>,
}

fn builds_of(lease: &Lease) -> Result<Vec<Noted>, KubeCallError> {
    let text = lease.annotations().get(ANNOTATION_BUILDS);
    text.map_or_else(|| Ok(Vec::new()), |t| Ok(serde_json::from_str(t)?))
}

fn write_builds(lease: &mut Lease, builds: &[Noted]) -> Result<(), KubeCallError> {
    let text = serde_json::to_string(builds)?;
    lease.annotations_mut().insert(ANNOTATION_BUILDS.to_owned(), text);
    Ok(())
}

/// The build that works on the workspace, as far as it is noted.
fn open_build(lease: &Lease) -> Result<Option<Noted>, KubeCallError> {
    Ok(builds_of(lease)?.pop().filter(|build| build.end.is_none()))
}

/// Whoever takes the workspace, gives it back or starts the next build in it has seen the end of the one before.
fn close(lease: &mut Lease) -> Result<(), KubeCallError> {
    let mut builds = builds_of(lease)?;
    match builds.last_mut().filter(|build| build.end.is_none()) {
        Some(open) => {
            open.end = Some(clock::now());
            write_builds(lease, &builds)
        }
        None => Ok(()),
    }
}

fn ledger_of(lease: &Lease) -> Result<Ledger, KubeCallError> {
    let text = lease.annotations().get(ANNOTATION_APPLIES);
    text.map_or_else(|| Ok(Ledger::default()), |t| Ok(serde_json::from_str(t)?))
}

fn age_seconds(lease: &Lease) -> i64 {
    let acquired = lease.spec.as_ref().and_then(|s| s.acquire_time.as_ref()).map(|t| t.0.as_millisecond());
    acquired.map_or(i64::MAX, |t| clock::now().millis_since(Time(t)) / 1000)
}

fn lease_name(backend: &str) -> String {
    let digest = hex::encode(Sha256::digest(backend));
    format!("ws-{}", &digest[..20])
}
