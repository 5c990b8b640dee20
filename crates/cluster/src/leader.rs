//! Leadership by a `Lease`, with client-go's algorithm (`tools/leaderelection`): the holder's clock is never compared
//! with ours; a lease is taken over when it was not seen to change for its whole duration by our own monotonic clock,
//! by a PUT that carries the resourceVersion. 15 s lease, 10 s to renew it, a try every 2 s, 3 s a call.
//!
//! A lease fences nothing outside of the cluster: status writes carry their resourceVersion, and builds have their own
//! fences.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use reforge_api::Time;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::call::{KubeCallError, kube_call};
use crate::clock;

const NAME: &str = "reforge-leader";
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

/// Tries to lead, and keeps `leads` true while this process does, until `stop`; then gives the lease back.
pub async fn elect(
    client: Client,
    namespace: &str,
    identity: &str,
    leads: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    let mut seen = LastSeen { version: None, at: Instant::now() };
    let mut renewed = Instant::now();
    loop {
        let won = match timeout(CALL, attempt(&leases, identity, &mut seen)).await {
            Ok(Ok(won)) => Some(won),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the leader's lease could not be read or written");
                None
            }
            Err(_) => None,
        };
        match won {
            Some(true) => renewed = Instant::now(),
            // Somebody else has it: not knowing is not losing, but this is.
            Some(false) => set(&leads, false, identity),
            None if renewed.elapsed() > RENEW => set(&leads, false, identity),
            None => {}
        }
        if won == Some(true) {
            set(&leads, true, identity);
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

fn set(leads: &watch::Sender<bool>, now: bool, identity: &str) {
    let changed = leads.send_if_modified(|before| std::mem::replace(before, now) != now);
    if changed {
        tracing::info!(identity, leads = now, "leadership changed");
    }
}

async fn attempt(leases: &Api<Lease>, identity: &str, seen: &mut LastSeen) -> kube::Result<bool> {
    let Some(mut lease) = leases.get_opt(NAME).await? else {
        let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec(identity, 0)) };
        return written(leases.create(&PostParams::default(), &lease).await);
    };
    if seen.version != lease.resource_version() {
        *seen = LastSeen { version: lease.resource_version(), at: Instant::now() };
    }
    let held = lease.spec.as_ref().and_then(|s| s.holder_identity.clone()).filter(|h| !h.is_empty());
    let mine = held.as_deref() == Some(identity);
    if !mine && held.is_some() && seen.at.elapsed() < LEASE {
        return Ok(false);
    }
    let transitions = lease.spec.as_ref().and_then(|s| s.lease_transitions).unwrap_or(0);
    let mut fresh = spec(identity, transitions + i32::from(!mine));
    if mine {
        fresh.acquire_time = lease.spec.as_ref().and_then(|s| s.acquire_time.clone());
    }
    lease.spec = Some(fresh);
    written(leases.replace(NAME, &PostParams::default(), &lease).await)
}

fn written(result: kube::Result<Lease>) -> kube::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(e)) if e.code == 409 => Ok(false),
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
