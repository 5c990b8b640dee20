//! Judges one event after the other, as the lifecycle would have: locate, rules, policy, gate, limits. Pure but for the
//! memory of what went before.

use std::collections::{BTreeMap, VecDeque};

use kube::ResourceExt;
use reforge_api::{
    Change, ClassifierMode, IncidentSpec, RecoveryPolicy, RecoveryPolicySpec, Time, Verdict, duration_millis,
};
use reforge_core::classify::rules;
use reforge_core::plan::gate::{self, Attribution, Gate, Question};
use reforge_core::plan::inventory::{self, Location};
use reforge_core::plan::summary::{PlanChange, Summary};
use reforge_core::policy::limits::{self, Apply, Ledger, Opened};
use reforge_core::policy::reserve::Reservations;
use reforge_core::policy::select;

use super::Backtest;
use super::order::Logged;

/// How long an apply is taken to last, for the limit on those at the same time.
const APPLY_MILLIS: i64 = 180_000;
/// Of the Incidents of a policy, so many are looked back at for storms: no threshold is above a thousand.
const LOOK_BACK: usize = 4_000;

/// What would have become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decision {
    /// It would have been put back without a human.
    Go,
    /// A human would have been asked.
    Ask,
    /// It would have been put back later.
    Wait,
    /// The policy only observes.
    ObserveOnly,
    /// No Terraform owns the resource.
    NotManaged,
    /// The verdict is Normal: nothing to put back.
    Normal,
    /// The policy cannot be used, so that it would have waited until somebody had mended it.
    Held,
    /// The policy is suspended.
    Suspended,
    /// The gate would have refused.
    Refuse,
}

impl Decision {
    /// Every decision, the most automatic first.
    pub const ALL: [Self; 9] = [
        Self::Go,
        Self::Wait,
        Self::Ask,
        Self::ObserveOnly,
        Self::Held,
        Self::Suspended,
        Self::Refuse,
        Self::Normal,
        Self::NotManaged,
    ];

    /// One word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Go => "Go",
            Self::Ask => "Ask",
            Self::Wait => "Wait",
            Self::ObserveOnly => "ObserveOnly",
            Self::NotManaged => "NotManaged",
            Self::Normal => "Normal",
            Self::Held => "Held",
            Self::Suspended => "Suspended",
            Self::Refuse => "Refuse",
        }
    }
}

/// What became of one event, and why.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The Incident that it would have been.
    pub spec: IncidentSpec,
    /// The rules' verdict.
    pub verdict: Verdict,
    /// How sure the rules are.
    pub confidence_percent: u8,
    /// The decision.
    pub decision: Decision,
    /// Why.
    pub reasons: Vec<String>,
}

/// A storm of a policy: from the first Incident that was too many to the last one of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// The policy's namespace and name.
    pub policy: (String, String),
    /// When it was noticed.
    pub from: Time,
    /// The last Incident of it.
    pub to: Time,
    /// Incidents in it.
    pub incidents: u64,
}

/// What was counted while judging.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Plan builds.
    pub plans: u64,
    /// Apply builds.
    pub applies: u64,
    /// Questions to a model.
    pub questions: u64,
    /// Messages to people.
    pub messages: u64,
}

/// Judges, remembering what the limits need.
#[derive(Debug)]
pub struct Judge<'a> {
    backtest: &'a Backtest,
    policies: BTreeMap<(String, String), &'a RecoveryPolicy>,
    /// By Terraform state; without inventories by policy.
    ledgers: BTreeMap<String, Ledger>,
    opened: BTreeMap<(String, String), VecDeque<Opened>>,
    running: BTreeMap<(String, String), VecDeque<Time>>,
    storms: Vec<Storm>,
    work: Work,
}

impl<'a> Judge<'a> {
    /// Nothing has happened yet.
    pub fn new(backtest: &'a Backtest) -> Self {
        let key = |p: &RecoveryPolicy| (p.namespace().unwrap_or_default(), p.name_any());
        Self {
            backtest,
            policies: backtest.policies.iter().map(|p| (key(p), &**p)).collect(),
            ledgers: BTreeMap::new(),
            opened: BTreeMap::new(),
            running: BTreeMap::new(),
            storms: Vec::new(),
            work: Work::default(),
        }
    }

    /// The storms so far.
    pub fn storms(&self) -> &[Storm] {
        &self.storms
    }

    /// The work that it would have been.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Judges the next event.
    pub fn judge(&mut self, event: &Logged) -> anyhow::Result<Outcome> {
        let spec = event.spec()?;
        let policy_key = (event.namespace.clone(), event.policy.clone());
        let policy = self.policies.get(&policy_key).copied();
        let Some(policy) = policy else { anyhow::bail!("policy {}/{} is not there", event.namespace, event.policy) };
        let classification = rules::verdict(&spec, &policy.spec.classification, &self.backtest.recovery_roles);
        let outcome = |decision, reasons| Outcome {
            verdict: classification.verdict,
            confidence_percent: classification.confidence_percent,
            spec: spec.clone(),
            decision,
            reasons,
        };
        let opened = Opened { at: spec.event.time, actor: limits::actor_key(&spec.event.actor).into() };
        let list = self.opened.entry(policy_key.clone()).or_default();
        list.push_back(opened);
        if list.len() > LOOK_BACK {
            list.pop_front();
        }
        self.note_storm(&policy_key, &policy.spec, spec.event.time);

        if let Err(unusable) = select::validate(policy, &self.backtest.grants) {
            return Ok(outcome(Decision::Held, vec![format!("the policy cannot be used: {unusable}")]));
        }
        if policy.spec.suspend {
            return Ok(outcome(Decision::Suspended, vec!["the policy is suspended".to_owned()]));
        }
        let Some((backend, own)) = self.locate(&spec, policy) else {
            return Ok(outcome(Decision::NotManaged, vec!["no Terraform of the inventories owns it".to_owned()]));
        };
        if policy.spec.classification.mode == Some(ClassifierMode::Bedrock) {
            self.work.questions += 1;
        }
        if classification.verdict == Verdict::Normal {
            return Ok(outcome(Decision::Normal, vec![classification.reason.clone()]));
        }
        self.work.plans += 1;
        let answer = self.gate(&spec, policy, &policy_key, (&backend, &own), &classification);
        let (decision, reasons) = match answer {
            Gate::Go(_) => (Decision::Go, vec!["the policy lets it go by itself".to_owned()]),
            Gate::Wait { reason, until } => {
                let until = until.map(|t| format!(", until {t}")).unwrap_or_default();
                (Decision::Wait, vec![format!("{reason}{until}")])
            }
            Gate::Ask(reasons) | Gate::Expired(reasons) => (Decision::Ask, reasons),
            Gate::ObserveOnly(reasons) => (Decision::ObserveOnly, reasons),
            other => (Decision::Refuse, other.record().reasons),
        };
        if matches!(decision, Decision::Go | Decision::Wait) {
            self.applied(&spec, &policy_key, &backend, event);
        }
        self.work.messages += 2;
        Ok(outcome(decision, reasons))
    }

    /// The Terraform state that owns it, and its addresses. Without inventories, everything is owned.
    fn locate(&self, spec: &IncidentSpec, policy: &RecoveryPolicy) -> Option<(String, Vec<String>)> {
        if self.backtest.inventories.is_empty() {
            let backend = format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any());
            return Some((backend, vec![format!("assumed.{}", spec.resource.r#type)]));
        }
        let entry = self.backtest.catalog.entry(&spec.resource.r#type)?;
        let all: Vec<_> = self.backtest.inventories.iter().map(|i| (i.workspace.clone(), Some(i.clone()))).collect();
        let (event, resource) = (&spec.event, &spec.resource);
        match inventory::locate(&all, entry, &event.account_id, &event.region, &resource.id) {
            Location::Owned(workspace) => Some((workspace.backend, workspace.addresses)),
            Location::NotManaged | Location::Missing(_) => None,
        }
    }

    fn gate(
        &self,
        spec: &IncidentSpec,
        policy: &RecoveryPolicy,
        policy_key: &(String, String),
        (backend, own): (&str, &[String]),
        classification: &reforge_api::Classification,
    ) -> Gate {
        let now = spec.event.time;
        let entry = self.backtest.catalog.entry(&spec.resource.r#type);
        let nothing = Ledger::default();
        // Two windows are all that a storm's judgement looks at.
        let looked_at = storm_window(&policy.spec).saturating_mul(2);
        let opened: Vec<Opened> = self.recent(policy_key, now, looked_at).cloned().collect();
        let running = self.running.get(policy_key).into_iter().flatten();
        let applying = running.filter(|at| now.millis_since(**at) < APPLY_MILLIS).count();
        let held = limits::hold(&limits::Lately {
            limits: &policy.spec.limits,
            criticality: policy.spec.classification.criticality,
            ledger: self.ledgers.get(backend).unwrap_or(&nothing),
            opened: &opened,
            applying: u32::try_from(applying).unwrap_or(u32::MAX),
            // Logs are judged one by one: what is cleared is applied at once.
            reserved: &Reservations::default(),
            incident: &spec.event.id,
            resource: &limits::resource_key(spec),
            actor: &limits::actor_key(&spec.event.actor),
            now,
        });
        gate::answer(&Question {
            attribution: Attribution::Known,
            summary: &assumed_plan(spec, own),
            own,
            unlisted: 0,
            policy: &policy.spec,
            incident: spec,
            classification: Some(classification),
            stateful: entry.is_none_or(|e| e.stateful),
            containment: entry.is_none_or(|e| e.is_containment(&spec.event.name)),
            has_verb: entry.is_some_and(|e| e.undo_of(&spec.event.name).is_some()),
            attachments: &[],
            change_digest: "",
            seen: &[],
            asked: None,
            identities: &[],
            unchecked: None,
            stopped: None,
            unknown: None,
            limits: &held,
            now,
        })
    }

    fn applied(&mut self, spec: &IncidentSpec, policy: &(String, String), backend: &str, event: &Logged) {
        self.work.applies += 1;
        let apply = Apply {
            at: spec.event.time,
            incident: event.id.clone() + &event.resource_id,
            attempt: 1,
            resource: limits::resource_key(spec),
            actor: limits::actor_key(&spec.event.actor),
        };
        self.ledgers.entry(backend.to_owned()).or_default().add(apply);
        let running = self.running.entry(policy.clone()).or_default();
        running.push_back(spec.event.time);
        while running.front().is_some_and(|at| spec.event.time.millis_since(*at) >= APPLY_MILLIS) {
            running.pop_front();
        }
    }

    /// The Incidents of a policy that were opened lately; they come in the order of time.
    fn recent(&self, key: &(String, String), now: Time, millis: i64) -> impl Iterator<Item = &Opened> {
        let all = self.opened.get(key).into_iter().flat_map(|list| list.iter().rev());
        all.take_while(move |o| now.millis_since(o.at) < millis)
    }

    /// More Incidents within the window than the policy takes for normal are a storm; it goes on until it was quiet.
    fn note_storm(&mut self, key: &(String, String), policy: &RecoveryPolicySpec, now: Time) {
        let window = storm_window(policy);
        let recent = self.recent(key, now, window).count();
        if recent <= policy.limits.storm_threshold as usize {
            return;
        }
        match self.storms.iter_mut().rev().find(|s| s.policy == *key && now.millis_since(s.to) < window) {
            Some(storm) => {
                storm.to = now;
                storm.incidents += 1;
            }
            None => self.storms.push(Storm {
                policy: key.clone(),
                from: now,
                to: now,
                incidents: u64::try_from(recent).unwrap_or(u64::MAX),
            }),
        }
    }
}

fn storm_window(policy: &RecoveryPolicySpec) -> i64 {
    duration_millis(&policy.limits.storm_window).unwrap_or(i64::MAX)
}

/// The plan that a policy's Terraform would have: it puts back the one thing that was changed.
fn assumed_plan(spec: &IncidentSpec, own: &[String]) -> Summary {
    let action = match spec.change {
        Change::Deleted => "create",
        Change::Stopped | Change::Modified => "update",
    };
    let change = |address: &String| PlanChange {
        address: address.clone(),
        r#type: spec.resource.r#type.clone(),
        actions: vec![action.to_owned()],
        attributes: vec!["id".to_owned()],
        references: BTreeMap::new(),
        value_hash: String::new(),
    };
    Summary { changes: own.iter().take(1).map(change).collect(), ..Summary::default() }
}
