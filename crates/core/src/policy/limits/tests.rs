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
fn an_hour_and_a_day_are_over_when_they_are() {
    let many = Ledger((0..6).map(|i| apply(0, &format!("i{i}"), "x", "mallory")).collect());
    assert_eq!(Setting { ledger: many.clone(), ..Setting::default() }.at(59).ask.len(), 1);
    assert!(Setting { ledger: many, ..Setting::default() }.at(60).ask.is_empty());
    let war = Ledger((0..3).map(|i| apply(0, &format!("i{i}"), "r", "mallory")).collect());
    assert!(Setting { ledger: war.clone(), ..Setting::default() }.at(24 * 60 - 1).tug_of_war);
    assert!(!Setting { ledger: war, ..Setting::default() }.at(24 * 60).tug_of_war);
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
fn what_comes_evenly_over_a_longer_time_is_no_storm() {
    let evenly = |step: usize| {
        let one =
            |i: usize| Opened { at: Time(i64::try_from(i * step).unwrap() * 1000), actor: format!("a{i}").into() };
        Setting { opened: (0..40).map(one).collect(), ..Setting::default() }.at(10)
    };
    assert!(evenly(15).ask.is_empty(), "twenty in each five minutes, forty in ten");
    assert!(evenly(14).ask[0].starts_with("22 Incidents within 5m"));
}

#[test]
fn what_was_opened_later_by_another_clock_is_not_counted_yet() {
    let opened: Vec<Opened> = (0..21).flat_map(|i| opened(1, 3, &format!("actor{i}"))).collect();
    let storm = Setting { opened, ..Setting::default() };
    assert!(storm.at(2).ask.is_empty());
    assert!(!storm.at(3).ask.is_empty());
}

#[test]
fn a_flood_is_one_actors_alone_and_more_than_half_of_all() {
    let storm_of = |mallory: usize, others: usize| {
        let others = (0..others).flat_map(|i| opened(1, 0, &format!("actor{i}")));
        let opened = opened(mallory, 0, "mallory").into_iter().chain(others).collect();
        Setting { opened, ..Setting::default() }.at(1).ask
    };
    assert!(storm_of(30, 10)[0].contains("a flood"));
    assert!(storm_of(20, 20)[0].contains("a storm"), "no more than half");
    assert!(storm_of(60, 30)[0].contains("a storm"), "the others make one too");
}

#[test]
fn a_storm_keeps_a_budget_for_critical_resources() {
    let opened: Vec<Opened> = (0..21).flat_map(|i| opened(1, 0, &format!("actor{i}"))).collect();
    let mut storm = Setting { opened, criticality: Criticality::Critical, ..Setting::default() };
    assert!(storm.at(1).ask.is_empty());
    storm.ledger = Ledger((0..5).map(|i| apply(0, &format!("i{i}"), "x", "ann")).collect());
    assert!(storm.at(1).ask[0].contains("a storm"), "the budget is spent");
    storm.ledger.0.pop();
    assert!(storm.at(1).ask.is_empty(), "a quarter of the threshold");
    storm.ledger = Ledger((0..5).map(|i| apply(0, &format!("i{i}"), "x", "ann")).collect());
    storm.opened.iter_mut().for_each(|o| o.at = Time(4 * MINUTE));
    assert!(storm.at(5).ask.is_empty(), "what was spent a window ago is there again");
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

fn spec(change: &dyn Fn(&mut IncidentSpec)) -> IncidentSpec {
    let mut spec: IncidentSpec = serde_json::from_value(serde_json::json!({
        "event": {"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "s", "accountId": "1",
            "region": "r", "actor": {"type": "AssumedRole"}},
        "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
        "change": "Deleted", "policyRef": {"name": "p"}
    }))
    .unwrap();
    change(&mut spec);
    spec
}

#[test]
fn a_resource_is_the_same_by_its_account_region_type_and_id_whatever_happens_to_it() {
    let key = |change: &dyn Fn(&mut IncidentSpec)| resource_key(&spec(change));
    let orders = key(&|_| {});
    assert_eq!(orders.len(), 16);
    assert_eq!(key(&|s| s.event.name = "UpdateTable".into()), orders);
    let others: [&dyn Fn(&mut IncidentSpec); 4] = [
        &|s| s.event.account_id = "2".into(),
        &|s| s.event.region = "q".into(),
        &|s| s.resource.r#type = "s3".into(),
        &|s| s.resource.id = "users".into(),
    ];
    for other in others {
        assert_ne!(key(other), orders);
    }
}

#[test]
fn whoever_opens_another_session_is_the_same_actor() {
    let by = |arn: &str, issuer: Option<&str>| {
        let issuer_arn = issuer.map(str::to_owned);
        actor_key(&Actor { r#type: "AssumedRole".into(), arn: Some(arn.into()), issuer_arn, ..Actor::default() })
    };
    assert_eq!(by("session/1", Some("role")), by("session/2", Some("role")));
    assert_ne!(by("session/1", Some("role")), by("session/1", Some("another")));
    assert_ne!(by("ann", None), by("ben", None));
}
