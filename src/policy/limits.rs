//! What holds automatic work back when there is much of it, or the same again and again. Pure: what was applied lately,
//! what was opened lately and the policy's limits go in.
//!
//! What was applied is kept in the workspace's lease ([`Ledger`]), written by compare-and-swap before each apply, so that
//! neither a restart nor a deleted Incident or policy resets a limit. A limit asks a human rather than wait wherever an
//! attacker could use up what the real target needs.

use std::collections::BTreeMap;

use reforge_api::{Criticality, IncidentSpec, LimitsPolicy, Time, duration, duration_millis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
    pub actor: String,
}

/// What a plan is about to be applied for.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The policy's limits.
    pub limits: &'a LimitsPolicy,
    /// How much the resource matters.
    pub criticality: Criticality,
    /// What was applied lately in the workspace.
    pub ledger: &'a Ledger,
    /// The Incidents of this policy that were opened lately, this one among them.
    pub opened: &'a [Opened],
    /// How many other Incidents of this policy apply right now.
    pub applying: u32,
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
}

/// Judges.
pub fn judge(case: &Case<'_>) -> Held {
    let limits = case.limits;
    let mut held = Held::default();
    let others: Vec<&Apply> = case.ledger.0.iter().filter(|a| a.incident != case.incident).collect();
    let since = |a: &Apply| case.now.millis_since(a.at);

    let cooldown = duration_millis(&limits.cooldown).unwrap_or(i64::MAX);
    if let Some(last) = others.iter().filter(|a| a.resource == case.resource).max_by_key(|a| a.at)
        && since(last) < cooldown
    {
        let reason = format!(
            "the resource was put back {} ago, and limits.cooldown is {}",
            duration(since(last)),
            limits.cooldown
        );
        held.wait = Some((reason, Time(last.at.0.saturating_add(cooldown))));
    }

    let by_actor = others.iter().filter(|a| a.actor == case.actor);
    let in_hour = by_actor.clone().filter(|a| since(a) < HOUR).count();
    if in_hour >= limits.max_per_hour as usize {
        held.ask.push(format!(
            "{in_hour} changes of this actor were put back within an hour, and limits.maxPerHour is {}",
            limits.max_per_hour
        ));
    }
    let again = by_actor.filter(|a| a.resource == case.resource && since(a) < DAY).count();
    if again >= limits.tug_of_war as usize {
        held.tug_of_war = true;
        held.ask.push(format!(
            "this actor broke this resource again after {again} recoveries within a day (limits.tugOfWar): something or somebody undoes what is put back; find out who before going on"
        ));
    }
    held.ask.extend(storm(case, &others));
    if case.applying >= limits.max_concurrent {
        held.busy = Some(format!(
            "{} Incidents of the policy are being applied, and limits.maxConcurrent is {}",
            case.applying, limits.max_concurrent
        ));
    }
    held
}

/// More Incidents within the window than the policy takes for normal, now or until it was quiet for as long.
///
/// An actor whose Incidents alone make the storm is set apart: only theirs are asked about. Else a quarter of the
/// threshold is kept for critical resources, and everything else is asked about.
fn storm(case: &Case<'_>, others: &[&Apply]) -> Option<String> {
    let threshold = case.limits.storm_threshold as usize;
    let window = duration_millis(&case.limits.storm_window).unwrap_or(i64::MAX);
    // A storm lasts until no window that ended within the last window had too many: two windows are all that counts.
    let counts = |o: &&Opened| o.at <= case.now && case.now.millis_since(o.at) < window.saturating_mul(2);
    let mut times: Vec<&Opened> = case.opened.iter().filter(counts).collect();
    times.sort_by_key(|o| o.at);
    let ends = times.iter().filter(|o| case.now.millis_since(o.at) < window);
    let peak = ends
        .map(|end| times.iter().filter(|o| o.at <= end.at && end.at.millis_since(o.at) < window).collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .filter(|peak| peak.len() > threshold)?;
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &peak {
        *by.entry(&one.actor).or_default() += 1;
    }
    let (flooding, most) = by.into_iter().max_by_key(|(_, count)| *count)?;
    let count = peak.len();
    if count - most <= threshold && most * 2 > count {
        return (flooding == case.actor).then(|| {
            format!(
                "{most} of the {count} Incidents within {} are this actor's: a flood. {STORM_ENDS}",
                case.limits.storm_window
            )
        });
    }
    let spent = others.iter().filter(|a| case.now.millis_since(a.at) < window).count();
    if case.criticality == Criticality::Critical && spent < (threshold / 4).max(1) {
        return None;
    }
    Some(format!(
        "{count} Incidents within {} are more than limits.stormThreshold of {threshold}: a storm. {STORM_ENDS}",
        case.limits.storm_window
    ))
}

/// A resource in ledgers: a digest, since ids can be long.
pub fn resource_key(spec: &IncidentSpec) -> String {
    let (event, resource) = (&spec.event, &spec.resource);
    key(&[&event.account_id, &event.region, &resource.r#type, &resource.id])
}

/// Who made a change: the user, or the role behind a session, since sessions are named by whoever opens them.
pub fn actor_key(spec: &IncidentSpec) -> String {
    let actor = &spec.event.actor;
    let who = actor.issuer_arn.as_deref().or(actor.arn.as_deref()).or(actor.invoked_by.as_deref());
    key(&[&actor.r#type, who.unwrap_or_default()])
}

fn key(parts: &[&str]) -> String {
    let digest = hex::encode(Sha256::digest(parts.join("\n")));
    digest[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn apply(minutes: i64, incident: &str, resource: &str, actor: &str) -> Apply {
        Apply {
            at: Time(minutes * MINUTE),
            incident: incident.into(),
            attempt: 1,
            resource: resource.into(),
            actor: actor.into(),
        }
    }

    fn opened(count: usize, minutes: i64, actor: &str) -> Vec<Opened> {
        vec![Opened { at: Time(minutes * MINUTE), actor: actor.into() }; count]
    }

    struct Setting {
        limits: LimitsPolicy,
        criticality: Criticality,
        ledger: Ledger,
        opened: Vec<Opened>,
        applying: u32,
    }

    impl Default for Setting {
        fn default() -> Self {
            Self {
                limits: LimitsPolicy::default(),
                criticality: Criticality::Standard,
                ledger: Ledger::default(),
                opened: vec![],
                applying: 0,
            }
        }
    }

    impl Setting {
        fn at(&self, minutes: i64) -> Held {
            judge(&Case {
                limits: &self.limits,
                criticality: self.criticality,
                ledger: &self.ledger,
                opened: &self.opened,
                applying: self.applying,
                incident: "me",
                resource: "r",
                actor: "mallory",
                now: Time(minutes * MINUTE),
            })
        }
    }

    #[test]
    fn nothing_holds_what_is_alone() {
        assert_eq!(Setting::default().at(0), Held::default());
    }

    #[test]
    fn a_resource_cools_down_after_an_apply_of_another_incident() {
        let ledger =
            Ledger(vec![apply(0, "other", "r", "x"), apply(5, "other", "elsewhere", "x"), apply(6, "me", "r", "x")]);
        let cooling = Setting { ledger, ..Setting::default() };
        assert_eq!(cooling.at(9).wait.map(|w| w.1), Some(Time(10 * MINUTE)));
        assert_eq!(cooling.at(10).wait, None);
    }

    #[test]
    fn an_actor_who_causes_many_applies_is_asked_about_and_nobody_else() {
        let many = |actor| Ledger((0..6).map(|i| apply(i, &format!("i{i}"), "x", actor)).collect());
        assert_eq!(Setting { ledger: many("mallory"), ..Setting::default() }.at(30).ask.len(), 1);
        assert!(Setting { ledger: many("mallory"), ..Setting::default() }.at(61).ask.is_empty(), "an hour later");
        assert!(Setting { ledger: many("ann"), ..Setting::default() }.at(30).ask.is_empty());
    }

    #[test]
    fn a_tug_of_war_is_stopped() {
        let war = Ledger((0..3).map(|i| apply(i * 120, &format!("i{i}"), "r", "mallory")).collect());
        assert!(Setting { ledger: war.clone(), ..Setting::default() }.at(400).tug_of_war);
        assert!(!Setting { ledger: Ledger(war.0[..2].to_vec()), ..Setting::default() }.at(400).tug_of_war);
    }

    #[test]
    fn in_a_storm_of_many_actors_humans_are_asked_until_it_was_quiet() {
        let opened: Vec<Opened> = (0..21).flat_map(|i| opened(1, 0, &format!("actor{i}"))).collect();
        let storm = Setting { opened: opened.clone(), ..Setting::default() };
        assert!(storm.at(1).ask[0].contains("a storm"));
        assert!(storm.at(5).ask.is_empty(), "it was quiet for as long as the window");
        assert!(Setting { opened: opened[..20].to_vec(), ..Setting::default() }.at(1).ask.is_empty());
    }

    #[test]
    fn a_storm_keeps_a_budget_for_critical_resources() {
        let opened: Vec<Opened> = (0..21).flat_map(|i| opened(1, 0, &format!("actor{i}"))).collect();
        let mut storm = Setting { opened, criticality: Criticality::Critical, ..Setting::default() };
        assert!(storm.at(1).ask.is_empty());
        storm.ledger = Ledger((0..5).map(|i| apply(0, &format!("i{i}"), "x", "ann")).collect());
        assert!(storm.at(1).ask[0].contains("a storm"), "the budget is spent");
    }

    #[test]
    fn who_floods_is_set_apart_and_does_not_hold_the_others_up() {
        let mut flood =
            Setting { opened: opened(50, 0, "mallory"), criticality: Criticality::Critical, ..Setting::default() };
        assert!(flood.at(1).ask[0].contains("a flood"), "also about what is critical");
        flood.opened = [opened(50, 0, "eve"), opened(1, 0, "mallory")].concat();
        assert!(flood.at(1).ask.is_empty(), "the real target of another actor goes on");
    }

    #[test]
    fn no_more_than_so_many_are_applied_at_once() {
        assert!(Setting { applying: 3, ..Setting::default() }.at(0).busy.is_some());
        assert!(Setting { applying: 2, ..Setting::default() }.at(0).busy.is_none());
    }

    #[test]
    fn a_ledger_is_bounded_and_has_each_apply_once() {
        let mut ledger = Ledger::default();
        for i in 0..300 {
            assert!(ledger.add(apply(i, &format!("i{i}"), "r", "a")));
        }
        assert_eq!((ledger.0.len(), ledger.0[0].incident.as_str()), (256, "i44"));
        assert!(!ledger.add(apply(301, "i299", "r", "a")));
        assert!(ledger.add(apply(299 + 1440, "new", "r", "a")));
        assert_eq!(ledger.0.len(), 1, "a day later");
    }
}
