//! Deletes what has ended and was kept for long enough: one at a time, as it was last seen, a few a second. Nothing else is ever
//! deleted; the chart's admission policy holds the operator to that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DeleteParams, Preconditions};
use reforge_api::{Incident, Time, duration_millis};
use reforge_core::watch::retention::Retention;
use reforge_core::words::ids::Id;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::lifecycle::controller::Context;
use reforge_cluster::clock;
use reforge_cluster::{KubeCallError, kube_call};

use super::sweep;
use reforge_cluster::Notes;

/// How long between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Between two deletions: an apiserver has other things to do.
const PACE: Duration = Duration::from_millis(50);
/// Looks until what could not be deleted is tried again: an hour.
const FORGIVEN: u32 = 60;
/// As many as are deleted in the time between two looks.
const MOST: usize = 1000;

/// Deletes until `stop`.
pub async fn run(ctx: Arc<Context>, notes: Notes, stop: CancellationToken) {
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut refused, mut looks) = (BTreeSet::new(), 0_u32);
    while stop.run_until_cancelled(look.tick()).await.is_some() {
        if looks.is_multiple_of(FORGIVEN) {
            refused.clear();
        }
        looks = looks.wrapping_add(1);
        match stop.run_until_cancelled(clean(&ctx, &notes, &mut refused)).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "ended Incidents are not deleted; it is tried again"),
        }
    }
}

/// Deletes what is due; what its namespace does not let go is left for a while, and holds nobody else up.
async fn clean(ctx: &Context, notes: &Notes, refused: &mut BTreeSet<Id>) -> Result<(), KubeCallError> {
    let kept = retention(ctx, swept(ctx, notes).await?);
    let due = ctx.incidents.look(|index| kept.due(index, clock::now(), refused, MOST));
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (id, version) in due {
        pace.tick().await;
        if !delete(ctx, &id, version).await? {
            refused.insert(id);
        }
    }
    Ok(())
}

fn retention(ctx: &Context, swept: Option<Time>) -> Retention {
    let millis = |text: &str| duration_millis(text).unwrap_or(i64::MAX);
    let settings = &ctx.settings.retention;
    let policies = ctx.policies.all();
    let windows = policies.as_ref().iter().map(|p| millis(&p.spec.limits.storm_window));
    Retention {
        ended: millis(&settings.ended),
        noise: millis(&settings.noise),
        queues: millis(&settings.queues),
        limits: windows.max().unwrap_or_default().saturating_mul(2),
        swept,
    }
}

/// How far the sweep has come that is furthest behind. One that has not come anywhere keeps everything.
async fn swept(ctx: &Context, notes: &Notes) -> Result<Option<Time>, KubeCallError> {
    if ctx.settings.sweep.is_none() {
        return Ok(None);
    }
    let mut oldest = None;
    for (account, region) in ctx.settings.grants().scopes() {
        let at = notes.time(&sweep::note_of(&account, &region)).await?.unwrap_or_default();
        oldest = Some(oldest.map_or(at, |oldest: Time| oldest.min(at)));
    }
    Ok(oldest)
}

/// Deletes one as it was seen; false: it is not to be deleted.
async fn delete(ctx: &Context, id: &Id, version: u64) -> Result<bool, KubeCallError> {
    let api: Api<Incident> = Api::namespaced(ctx.client.clone(), &id.namespace);
    let as_seen = Preconditions { resource_version: Some(version.to_string()), uid: None };
    let params = DeleteParams { preconditions: Some(as_seen), ..DeleteParams::default() };
    match kube_call(api.delete(&id.name, &params)).await {
        Ok(_) => {
            ctx.metrics.incidents_deleted.inc();
            ctx.incidents.forget(id, version);
            Ok(true)
        }
        Err(error) if error.is_absent() => {
            ctx.incidents.forget(id, version);
            Ok(true)
        }
        // It is not as it was seen: the watch tells.
        Err(error) if error.is_conflict() => Ok(true),
        Err(error) if error.refusal().is_some() => {
            tracing::warn!(incident = %id, %error, "an ended Incident is not to be deleted; it stays");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
