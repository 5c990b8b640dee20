use super::*;
use crate::policy::reserve::Reservation;

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
    reserved: Reservations,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            limits: LimitsPolicy::default(),
            criticality: Criticality::Standard,
            ledger: Ledger::default(),
            opened: vec![],
            applying: 0,
            reserved: Reservations::default(),
        }
    }
}

impl Setting {
    fn at(&self, minutes: i64) -> Held {
        hold(&Lately {
            limits: &self.limits,
            criticality: self.criticality,
            ledger: &self.ledger,
            opened: &self.opened,
            applying: self.applying,
            reserved: &self.reserved,
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
fn what_a_storm_leaves_is_one_budget_for_all_workspaces_and_counts_what_is_only_cleared_yet() {
    let opened: Vec<Opened> = (0..21).flat_map(|i| opened(1, 0, &format!("actor{i}"))).collect();
    let drawn = |count: u32| {
        let one = |i| Reservation { incident: format!("n/{i}"), version: 1, at: Time(0), in_storm: true };
        Reservations((0..count).map(one).collect())
    };
    let storm = |reserved, ledger| {
        let criticality = Criticality::Critical;
        Setting { opened: opened.clone(), criticality, reserved, ledger, ..Setting::default() }.at(1)
    };
    let last = storm(drawn(4), Ledger::default());
    assert!(last.ask.is_empty() && last.in_storm, "a quarter of 20, and this is the fifth: {last:?}");
    assert!(storm(drawn(5), Ledger::default()).ask[0].contains("a storm"), "none of them is applied yet");
    let applied = Ledger((0..4).map(|i| apply(0, &format!("n/{i}"), "x", "ann")).collect());
    assert!(storm(drawn(4), applied).ask.is_empty(), "who was cleared and then applied counts once");
}

#[test]
fn reservations_that_have_no_room_ask_a_human() {
    let one = |i| Reservation { incident: format!("n/{i}"), version: 1, at: Time(0), in_storm: false };
    let mut full = Setting { reserved: Reservations((0..512).map(one).collect()), ..Setting::default() };
    assert!(full.at(1).ask[0].contains("more are not remembered"), "{:?}", full.at(1));
    full.reserved.0[0].incident = "me".into();
    assert!(full.at(1).ask.is_empty(), "who has one needs no room");
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

#[test]
fn a_ledger_that_may_have_forgotten_something_asks_a_human() {
    let mut ledger = Ledger(vec![apply(0, "first", "r", "mallory")]);
    for i in 0..MAX_APPLIES {
        ledger.add(apply(1, &format!("flood{i}"), &i.to_string(), &i.to_string()));
    }
    let flooded = Setting { ledger, ..Setting::default() };
    assert!(flooded.at(2).ask[0].contains("more than are remembered"), "{:?}", flooded.at(2));
    assert_eq!(flooded.at(1 + 24 * 60).ask, Vec::<String>::new(), "a day later it does not matter");
}
