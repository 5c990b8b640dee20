//! What holds automatic work back when there is much of it, or the same again and again. Pure: what was applied lately,
//! what was opened lately and the policy's limits go in.
//!
//! What was applied is kept in the workspace's lease ([`Ledger`]), written by compare-and-swap before each apply, so that
//! neither a restart nor a deleted Incident or policy resets a limit. A limit asks a human rather than wait wherever an
//! attacker could use up what the real target needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reforge_api::{Actor, Criticality, IncidentSpec, LimitsPolicy, Time, duration, duration_millis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::reserve::{MAX_RESERVATIONS, Reservations};

/// What is remembered of applies: at most so many, and for a day.
const MAX_APPLIES: usize = 256;
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// How a storm ends, for whoever is asked in one.
const STORM_ENDS: &str = "It is over when it was quiet for as long, or when somebody says so: kubectl create configmap reforge-storm-over -n <the operator's namespace>";

/// One apply that was about to start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Apply {
    /// When.
    pub at: Time,
    /// The Incident, as namespace and name.
    pub incident: String,
    /// Its attempt.
    pub attempt: u32,
    /// The resource, as [`resource_key`] has it.
    pub resource: String,
    /// Who had made the change, as [`actor_key`] has it.
    pub actor: String,
}

/// The applies of one workspace in the last day, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ledger(pub Vec<Apply>);

impl Ledger {
    /// Adds an apply, and forgets those of long ago; false when it stands there already, and nothing is changed.
    pub fn add(&mut self, apply: Apply) -> bool {
        if self.0.iter().any(|a| (&a.incident, a.attempt) == (&apply.incident, apply.attempt)) {
            return false;
        }
        self.0.retain(|a| apply.at.millis_since(a.at) < DAY);
        self.0.push(apply);
        self.0.drain(..self.0.len().saturating_sub(MAX_APPLIES));
        true
    }
}

/// An Incident of the same policy, as far as a storm is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opened {
    /// When it was opened.
    pub at: Time,
    /// Who made the change, as [`actor_key`] has it.
    pub actor: Arc<str>,
}

/// What there was lately, and what a plan is about to be applied for.
#[derive(Clone, Debug)]
pub struct Lately<'a> {
    /// The policy's limits.
    pub limits: &'a LimitsPolicy,
    /// How much the resource matters.
    pub criticality: Criticality,
    /// What was applied lately in the workspace.
    pub ledger: &'a Ledger,
    /// The Incidents of this policy that were opened lately, this one among them.
    pub opened: &'a [Opened],
    /// How many other Incidents of this policy apply right now, or have been cleared to.
    pub applying: u32,
    /// What the clears of this policy have taken.
    pub reserved: &'a Reservations,
    /// This Incident, as namespace and name.
    pub incident: &'a str,
    /// Its resource.
    pub resource: &'a str,
    /// Who made the change.
    pub actor: &'a str,
    /// Now.
    pub now: Time,
}

/// What the limits say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Held {
    /// Why a human is asked.
    pub ask: Vec<String>,
    /// Why and until when it waits; a human's word goes before it.
    pub wait: Option<(String, Time)>,
    /// Why it waits even then, for others to be done.
    pub busy: Option<String>,
    /// Whether the same actor breaks the same resource again and again.
    pub tug_of_war: bool,
    /// Whether it goes on in a storm, by what that leaves to critical resources.
    pub in_storm: bool,
}

/// What the limits say of it.
pub fn hold(lately: &Lately<'_>) -> Held {
    let limits = lately.limits;
    let mut held = Held::default();
    let others: Vec<&Apply> = lately.ledger.0.iter().filter(|a| a.incident != lately.incident).collect();
    let since = |a: &Apply| lately.now.millis_since(a.at);

    let cooldown = duration_millis(&limits.cooldown).unwrap_or(i64::MAX);
    if let Some(last) = others.iter().filter(|a| a.resource == lately.resource).max_by_key(|a| a.at)
        && since(last) < cooldown
    {
        let reason = format!(
            "the resource was put back {} ago, and limits.cooldown is {}",
            duration(since(last)),
            limits.cooldown
        );
        held.wait = Some((reason, Time(last.at.0.saturating_add(cooldown))));
    }

    let by_actor = others.iter().filter(|a| a.actor == lately.actor);
    let in_hour = by_actor.clone().filter(|a| since(a) < HOUR).count();
    if in_hour >= limits.max_per_hour as usize {
        held.ask.push(format!(
            "{in_hour} changes of this actor were put back within an hour, and limits.maxPerHour is {}",
            limits.max_per_hour
        ));
    }
    let again = by_actor.filter(|a| a.resource == lately.resource && since(a) < DAY).count();
    if again >= limits.tug_of_war as usize {
        held.tug_of_war = true;
        held.ask.push(format!(
            "this actor broke this resource again after {again} recoveries within a day (limits.tugOfWar): something or somebody undoes what is put back; find out who before going on"
        ));
    }
    if lately.ledger.0.iter().filter(|a| since(a) < DAY).count() >= MAX_APPLIES {
        held.ask.push(format!(
            "{MAX_APPLIES} applies or more within a day are more than are remembered, so that no limit can be told to hold"
        ));
    }
    if lately.reserved.is_full() && lately.reserved.of(lately.incident).is_none() {
        held.ask.push(format!(
            "{MAX_RESERVATIONS} applies of the policy are cleared or count in a storm, and more are not remembered, so that no limit can be told to hold"
        ));
    }
    match storm(lately, &others) {
        Some(Storm::Asks(why)) => held.ask.push(why),
        Some(Storm::Draws) => held.in_storm = true,
        None => {}
    }
    if lately.applying >= limits.max_concurrent {
        held.busy = Some(format!(
            "{} Incidents of the policy are being applied, and limits.maxConcurrent is {}",
            lately.applying, limits.max_concurrent
        ));
    }
    held
}

/// What a storm means for one.
enum Storm {
    /// A human is asked; why.
    Asks(String),
    /// It draws on what is left to critical resources.
    Draws,
}

/// More Incidents within the window than the policy takes for normal, now or until it was quiet for as long.
///
/// An actor whose Incidents alone make the storm is set apart: only theirs are asked about. Else a quarter of the
/// threshold is kept for critical resources, all workspaces of the policy together, and everything else is asked about.
fn storm(lately: &Lately<'_>, others: &[&Apply]) -> Option<Storm> {
    let threshold = lately.limits.storm_threshold as usize;
    let window = storm_window(lately.limits);
    // A storm lasts until no window that ended within the last window had too many.
    let mut times: Vec<&Opened> = lately.opened.iter().filter(|o| o.at <= lately.now).collect();
    times.sort_by_key(|o| o.at);
    let peak = peak(&times, window, lately.now).filter(|peak| peak.len() > threshold)?;
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for one in peak {
        *by.entry(&one.actor).or_default() += 1;
    }
    let (flooding, most) = by.into_iter().max_by_key(|(_, count)| *count)?;
    let count = peak.len();
    if count - most <= threshold && most * 2 > count {
        return (flooding == lately.actor).then(|| {
            Storm::Asks(format!(
                "{most} of the {count} Incidents within {} are this actor's: a flood. {STORM_ENDS}",
                lately.limits.storm_window
            ))
        });
    }
    let applied = others.iter().filter(|a| lately.now.millis_since(a.at) < window).map(|a| a.incident.as_str());
    let mut spent: BTreeSet<&str> = applied.collect();
    spent.extend(lately.reserved.drawn_beside(lately.incident, lately.now.plus_millis(-window)));
    if lately.criticality == Criticality::Critical && spent.len() < (threshold / 4).max(1) {
        return Some(Storm::Draws);
    }
    Some(Storm::Asks(format!(
        "{count} Incidents within {} are more than limits.stormThreshold of {threshold}: a storm. {STORM_ENDS}",
        lately.limits.storm_window
    )))
}

/// The window of a storm, in milliseconds.
pub fn storm_window(limits: &LimitsPolicy) -> i64 {
    duration_millis(&limits.storm_window).unwrap_or(i64::MAX)
}

/// The most of these, in the order of their times, that any window has which ended within the last window.
fn peak<'a, 'b>(times: &'b [&'a Opened], window: i64, now: Time) -> Option<&'b [&'a Opened]> {
    let ends = times.iter().map(|end| {
        let from = times.partition_point(|o| end.at.millis_since(o.at) >= window);
        // Those of the same instant are all in it.
        let to = times.partition_point(|o| o.at <= end.at);
        (end.at, &times[from..to])
    });
    ends.filter(|(end, _)| now.millis_since(*end) < window).map(|(_, peak)| peak).max_by_key(|peak| peak.len())
}

/// A resource in ledgers: a digest, since ids can be long.
pub fn resource_key(spec: &IncidentSpec) -> String {
    let (event, resource) = (&spec.event, &spec.resource);
    key(&[&event.account_id, &event.region, &resource.r#type, &resource.id])
}

/// Who made a change: the user, or the role behind a session, since sessions are named by whoever opens them.
pub fn actor_key(actor: &Actor) -> String {
    let who = actor.issuer_arn.as_deref().or(actor.arn.as_deref()).or(actor.invoked_by.as_deref());
    key(&[&actor.r#type, who.unwrap_or_default()])
}

fn key(parts: &[&str]) -> String {
    let digest = hex::encode(Sha256::digest(parts.join("\n")));
    digest[..16].to_owned()
}

#[cfg(test)]
mod tests;
