//! Leadership by a `Lease`, with client-go's algorithm (`tools/leaderelection`): the holder's clock is never compared
//! with ours; a lease is taken over when it was not seen to change for its whole duration by our own monotonic clock,
//! by a PUT that carries the resourceVersion. 15 s lease, 10 s to renew it, a try every 2 s, 3 s a call.
//!
//! A lease fences nothing outside of the cluster: status writes carry their resourceVersion, and builds have their own
//! fences.
//!
//! The lease remembers the highest [`STATUS_VERSION`] that has led. A replica of a lower one does not take it: it would write
//! statuses without the fields that it does not know, and so erase them. It takes events as before, and says what people can do.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use reforge_api::{STATUS_VERSION, Time};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::call::{KubeCallError, kube_call};
use crate::clock;

const NAME: &str = "reforge-leader";
/// The highest version of the statuses that has led.
const ANNOTATION_VERSION: &str = "reforge.dev/status-version";
const LEASE: Duration = Duration::from_secs(15);
const RENEW: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(3);

/// When an operator first tried to lead here, whichever replica it was: when the lease was created, which this does where it
/// is not there. Upgrades, restarts and `helm uninstall` leave it.
///
/// # Errors
/// When the apiserver does not answer, or refuses.
pub async fn first_start(client: Client, namespace: &str) -> Result<Time, KubeCallError> {
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    let lease = match kube_call(leases.get_opt(NAME)).await? {
        Some(lease) => lease,
        None => {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let unheld = Lease { metadata, spec: None };
            match kube_call(leases.create(&PostParams::default(), &unheld)).await {
                Err(e) if e.is_conflict() => kube_call(leases.get(NAME)).await?,
                created => created?,
            }
        }
    };
    Ok(lease.creation_timestamp().map_or_else(clock::now, |t| Time(t.0.as_millisecond())))
}

/// What was last seen of the lease, and when by our own clock.
struct LastSeen {
    version: Option<String>,
    at: Instant,
}

/// Who wants to lead.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The operator's own namespace, where the lease is.
    pub namespace: String,
    /// What this replica is called; no other is called so.
    pub identity: String,
    /// The version of the statuses that it writes.
    pub status_version: u32,
}

impl Candidate {
    /// A replica of this version.
    pub fn new(namespace: &str, identity: &str) -> Self {
        Self { namespace: namespace.to_owned(), identity: identity.to_owned(), status_version: STATUS_VERSION }
    }
}

/// What came of a try to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    /// This replica leads.
    Leads,
    /// Another does.
    Another,
    /// One has led that knows more of the statuses: of this version, or of one that cannot be read.
    TooOld(Option<u32>),
}

/// Tries to lead, and keeps `leads` true while this process does, until `stop`; then gives the lease back. `too_old` is told
/// whether one has led that knows more of the statuses, whenever that changes.
pub async fn elect(
    client: Client,
    candidate: &Candidate,
    too_old: impl Fn(bool),
    leads: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let leases: Api<Lease> = Api::namespaced(client, &candidate.namespace);
    let identity = &candidate.identity;
    let mut seen = LastSeen { version: None, at: Instant::now() };
    let mut renewed = Instant::now();
    let mut before = None;
    loop {
        let tried = match timeout(CALL, attempt(&leases, candidate, &mut seen)).await {
            Ok(Ok(tried)) => Some(tried),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the leader's lease could not be read or written");
                None
            }
            Err(_) => None,
        };
        match tried {
            Some(Try::Leads) => {
                renewed = Instant::now();
                set(&leads, true, identity);
            }
            // Somebody else has it, or is to have it: not knowing is not losing, but this is.
            Some(Try::Another | Try::TooOld(_)) => set(&leads, false, identity),
            None if renewed.elapsed() > RENEW => set(&leads, false, identity),
            None => {}
        }
        if let Some(tried) = tried
            && before.replace(tried) != Some(tried)
        {
            too_old(matches!(tried, Try::TooOld(_)));
            tell(candidate, tried);
        }
        if stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
            break;
        }
    }
    set(&leads, false, identity);
    if let Err(error) = timeout(CALL, give_back(&leases, identity)).await.unwrap_or(Ok(())) {
        tracing::debug!(%error, "the leader's lease was not given back; it runs out");
    }
}

/// Says that a replica may not lead, and what people can do.
fn tell(candidate: &Candidate, tried: Try) {
    if let Try::TooOld(highest) = tried {
        let Candidate { namespace, status_version, .. } = candidate;
        tracing::error!(
            highest,
            own = status_version,
            "a replica has led that writes more into the statuses than this version knows: this one does not lead, since it would erase that. It takes events all the same. Upgrade it; or, to go back on purpose and lose what the newer one wrote there, once none of those runs any more: kubectl annotate lease {NAME} -n {namespace} {ANNOTATION_VERSION}-"
        );
    }
}

fn set(leads: &watch::Sender<bool>, now: bool, identity: &str) {
    let changed = leads.send_if_modified(|before| std::mem::replace(before, now) != now);
    if changed {
        tracing::info!(identity, leads = now, "leadership changed");
    }
}

async fn attempt(leases: &Api<Lease>, candidate: &Candidate, seen: &mut LastSeen) -> kube::Result<Try> {
    let Candidate { identity, status_version, .. } = candidate;
    let own = (ANNOTATION_VERSION.to_owned(), status_version.to_string());
    let Some(mut lease) = leases.get_opt(NAME).await? else {
        let annotations = Some([own].into());
        let metadata = ObjectMeta { name: Some(NAME.to_owned()), annotations, ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec(identity, 0)) };
        return written(leases.create(&PostParams::default(), &lease).await);
    };
    if let Some(highest) = lease.annotations().get(ANNOTATION_VERSION).map(|text| text.parse().ok())
        && highest.is_none_or(|highest| highest > *status_version)
    {
        return Ok(Try::TooOld(highest));
    }
    if seen.version != lease.resource_version() {
        *seen = LastSeen { version: lease.resource_version(), at: Instant::now() };
    }
    let held = lease.spec.as_ref().and_then(|s| s.holder_identity.clone()).filter(|h| !h.is_empty());
    let mine = held.as_ref() == Some(identity);
    if !mine && held.is_some() && seen.at.elapsed() < LEASE {
        return Ok(Try::Another);
    }
    let transitions = lease.spec.as_ref().and_then(|s| s.lease_transitions).unwrap_or(0);
    let mut fresh = spec(identity, transitions + i32::from(!mine));
    if mine {
        fresh.acquire_time = lease.spec.as_ref().and_then(|s| s.acquire_time.clone());
    }
    lease.spec = Some(fresh);
    lease.annotations_mut().extend([own]);
    written(leases.replace(NAME, &PostParams::default(), &lease).await)
}

fn written(result: kube::Result<Lease>) -> kube::Result<Try> {
    match result {
        Ok(_) => Ok(Try::Leads),
        Err(kube::Error::Api(e)) if e.code == 409 => Ok(Try::Another),
        Err(e) => Err(e),
    }
}

async fn give_back(leases: &Api<Lease>, identity: &str) -> kube::Result<()> {
    let Some(mut lease) = leases.get_opt(NAME).await? else { return Ok(()) };
    match &mut lease.spec {
        Some(spec) if spec.holder_identity.as_deref() == Some(identity) => spec.holder_identity = None,
        _ => return Ok(()),
    }
    leases.replace(NAME, &PostParams::default(), &lease).await.map(|_| ())
}

fn spec(identity: &str, transitions: i32) -> LeaseSpec {
    let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(15),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        lease_transitions: Some(transitions),
        ..LeaseSpec::default()
    }
}
